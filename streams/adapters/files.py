"""From what a user names (files, folders, glob patterns) to the recordings to import."""

import glob
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from schemas.errors import UsageError
from streams.adapters.base import RecordingFile

_COMPRESSIONS = ("", ".gz", ".zst")


def find_recordings(paths: Iterable[str | Path], suffixes: Sequence[str]) -> list[RecordingFile]:
    """Recordings in the order of `paths`, each file once; folders are searched in depth, in order of names.

    A named file is taken whatever its suffix; in folders only files that end in one of `suffixes`, compressed or
    not. Raises UsageError that names the path where there is nothing.
    """
    found: dict[Path, RecordingFile] = {}
    for path in paths:
        for file in _files(path, suffixes):
            found.setdefault(file.resolve(), RecordingFile(file))
    if not found:
        raise UsageError("no file to import was named")
    return list(found.values())


def _files(path: str | Path, suffixes: Sequence[str]) -> Iterator[Path]:
    here = Path(path)
    if here.is_dir():
        inside = sorted(file for file in here.rglob("*") if file.is_file() and _matches(file.name, suffixes))
        if not inside:
            raise UsageError(f"the folder {here} holds no file that ends in {', '.join(suffixes)} (or .gz, .zst of it)")
        yield from inside
    elif here.exists():
        yield here
    else:
        matching = sorted(glob.glob(str(path), recursive=True))
        if not matching:
            raise UsageError(f"there is no file, folder or match for {path}")
        for match in matching:
            yield from _files(match, suffixes)


def _matches(name: str, suffixes: Sequence[str]) -> bool:
    return not name.startswith(".") and name.endswith(
        tuple(suffix + compression for suffix in suffixes for compression in _COMPRESSIONS)
    )
