"""What a build works in: a directory for what it cannot hold in memory, and memory that is used again."""

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pyarrow as pa

from sinks.packages.errors import PackageError
from sinks.packages.turns import alive


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory for what does not fit into memory. What killed processes left behind is removed."""
    home = Path(tempfile.gettempdir()) / f"tdc-packages-{os.getuid()}"
    home.mkdir(mode=0o700, exist_ok=True)
    if home.is_symlink() or home.stat().st_uid != os.getuid():
        raise PackageError(f"{home} belongs to someone else; set TMPDIR to a directory of your own")
    for old in home.iterdir():
        pid, _, started = old.name.partition("-")
        if pid.isdigit() and not alive(int(pid), float(started.partition("-")[0] or 0)):
            shutil.rmtree(old, ignore_errors=True)
    mine = home / f"{os.getpid()}-{psutil.Process().create_time()}-{uuid.uuid4().hex[:8]}"
    mine.mkdir(mode=0o700)
    try:
        yield mine
    finally:
        shutil.rmtree(mine, ignore_errors=True)


@contextmanager
def reused_memory() -> Iterator[None]:
    """Arrow takes its memory from the C library meanwhile, which keeps what was freed. Arrow's own allocator gives
    large pieces back at once, and a sixth of a build's time then goes into pages that the system clears anew."""
    before = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        yield
    finally:
        pa.set_memory_pool(before)
