"""Downloads shared by every stack of a user: each is made once, whole or not at all."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ops.stack.errors import UnavailableError
from ops.stack.model import Say


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes; it ends with the holder, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fetched(cache: Path, name: str, fill: Callable[[Path, Say], None], say: Say, *, lock: str = "") -> Path:
    """The directory `cache/name`; `fill(directory, say)` makes it when it is not there yet.

    It is filled under another name and renamed, so that it is never seen half full. `lock` names a lock to
    share with other downloads (Maven's repository wants one writer at a time).
    """
    place = cache / name
    if place.is_dir():
        return place
    with locked(cache / f"{lock or name}.lock"):
        if place.is_dir():
            return place
        stage = Path(tempfile.mkdtemp(prefix=f"{name}.", suffix=".part", dir=cache))
        try:
            stage.chmod(0o755)
            fill(stage, say)
            stage.rename(place)
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    return place


def sha256(path: Path) -> str:
    """The hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(path: Path, expected: str) -> None:
    """Raise UnavailableError when a downloaded file is not the one that was pinned."""
    if not path.is_file():
        raise UnavailableError(f"the download lacks {path.name}; try `tdc up` again")
    found = sha256(path)
    if found != expected:
        raise UnavailableError(
            f"{path.name} is not the file that was pinned (sha256 {found}, expected {expected}). "
            "Is a mirror or a proxy altering downloads?"
        )
