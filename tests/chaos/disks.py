"""Small disks of one's own, to be filled."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def mounted(place: Path, size_bytes: int) -> bool:
    """Mount a disk in memory at a directory; False where this process may not."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "chaos", str(place)]
    return os.geteuid() == 0 and subprocess.run(mount, capture_output=True, check=False).returncode == 0


def unmount(place: Path) -> None:
    """Take it away, also from under those who still use it."""
    subprocess.run(["umount", "-l", str(place)], capture_output=True, check=False)


@contextmanager
def filled(place: Path) -> Iterator[None]:
    """Not a byte is left on the disk for a while."""
    ballast = place / ".ballast"
    try:
        with ballast.open("wb", buffering=0) as out:
            size = 2**20
            while size:
                try:
                    out.write(bytes(size))
                except OSError:
                    size //= 2
        yield
    finally:
        ballast.unlink(missing_ok=True)
