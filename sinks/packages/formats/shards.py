"""The files of one split in one format: written one after the other, each hashed and counted while it is written.

How many there are is known at the end, and their names say it. So a file is written under a name of its own and moved
when all are complete (on S3 a copy inside the store). A package becomes visible by its manifest, not by these names.
"""

import contextlib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from sinks.packages.columns import WrittenFile
from sinks.packages.formats.base import ContainerFile, Sink


class _HashedStream:
    """A stream that keeps the sha256 and the number of its bytes."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.size_bytes = 0
        self.closed = False

    def write(self, data: Any, /) -> int:
        view = memoryview(data)
        self._hash.update(view)
        self._stream.write(view)
        self.size_bytes += view.nbytes
        return view.nbytes

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        return self.size_bytes

    def flush(self) -> None:
        """Nothing is held here."""

    def close(self) -> None:
        """Only the shard ends the stream: a writer on top of it must not."""

    def finish(self) -> str:
        self._stream.close()
        return self._hash.hexdigest()


@dataclass(frozen=True)
class Place:
    """Where the files of one split go."""

    filesystem: pafs.FileSystem
    root: str
    folder: str
    """Relative to the root, as the paths of written files are."""
    split: str
    suffix: str
    format: str

    def temporary(self, number: int) -> str:
        return f"{self.folder}/{self.split}-{number:05d}.part"

    def final(self, number: int, total: int) -> str:
        return f"{self.folder}/{self.split}-{number:05d}-of-{total:05d}{self.suffix}"

    def absolute(self, path: str) -> str:
        return f"{self.root}/{path}" if self.root else path

    def opened(self, path: str) -> Any:
        """A stream to a new file. Its folder is made where the store wants one: in S3 it would be one more object."""
        try:
            return self.filesystem.open_output_stream(self.absolute(path), compression=None)
        except FileNotFoundError:
            self.filesystem.create_dir(self.absolute(self.folder), recursive=True)
            return self.filesystem.open_output_stream(self.absolute(path), compression=None)


@dataclass(frozen=True)
class _Done:
    path: str
    rows: int
    size_bytes: int
    sha256: str


class Shards:
    """Takes groups of rows; begins a new file when one has reached its size."""

    def __init__(self, place: Place, shard_bytes: int, open_file: Callable[[Sink], ContainerFile]) -> None:
        self._place = place
        self._shard_bytes = shard_bytes
        self._open_file = open_file
        self._done: list[_Done] = []
        self._stream: _HashedStream | None = None
        self._file: ContainerFile | None = None
        self._rows = 0

    def write(self, group: pa.RecordBatch) -> None:
        """Append a group of rows to the file of the moment."""
        if self._file is None or self._stream is None:
            self._stream = _HashedStream(self._place.opened(self._place.temporary(len(self._done))))
            self._file = self._open_file(self._stream)
        self._file.write(group)
        self._rows += group.num_rows
        if self._stream.size_bytes >= self._shard_bytes:
            self._finish_file()

    def close(self) -> tuple[WrittenFile, ...]:
        """Finish the last file and give all their names."""
        if self._file is not None:
            self._finish_file()
        total = len(self._done)
        written: list[WrittenFile] = []
        for number, done in enumerate(self._done):
            path = self._place.final(number, total)
            self._place.filesystem.move(self._place.absolute(done.path), self._place.absolute(path))
            self._done[number] = replace(done, path=path)
            written.append(
                WrittenFile(path, self._place.split, self._place.format, done.rows, done.size_bytes, done.sha256)
            )
        return tuple(written)

    def abort(self) -> None:
        """Remove what was written, as far as that is possible; also after `close`."""
        paths = [done.path for done in self._done]
        if self._stream is not None:
            paths.append(self._place.temporary(len(self._done)))
            with contextlib.suppress(OSError):
                self._stream.finish()
        self._stream = self._file = None
        for path in paths:
            with contextlib.suppress(OSError):
                self._place.filesystem.delete_file(self._place.absolute(path))

    def _finish_file(self) -> None:
        assert self._file is not None
        assert self._stream is not None
        self._file.close()
        sha256 = self._stream.finish()
        path = self._place.temporary(len(self._done))
        self._done.append(_Done(path, self._rows, self._stream.size_bytes, sha256))
        self._stream = self._file = None
        self._rows = 0
