"""One spool file: framed batches, appended by its owner, read back by whoever delivers it.

Layout: magic, then frames of `length, crc32, body` (big-endian). The first body is the schema text the batches were
written with, so that a later version of this package can deliver them; every other body is the event count, the
traceparent (55 bytes) and the Avro payload without a schema id (the registry may be away when it is written).
"""

import logging
import os
import struct
import zlib
from pathlib import Path

from training_data_producer._encoding import SCHEMA_TEXT, Encoded

_LOG = logging.getLogger("training_data_producer")
_MAGIC = b"TDPSPOOL1\n"
_FRAME = struct.Struct(">II")
_COUNT = struct.Struct(">I")
_TRACEPARENT_BYTES = 55
_PAYLOAD_AT = _COUNT.size + _TRACEPARENT_BYTES


def framed_size(batch: Encoded) -> int:
    """Bytes that a batch takes in a segment."""
    return _FRAME.size + _PAYLOAD_AT + len(batch.payload)


class Segment:
    """A file of batches, with what was written, read and delivered of it. Not thread-safe: the spool locks."""

    def __init__(self, path: Path, descriptor: int, written: int, schema_text: str, inherited: bool) -> None:
        self.path = path
        self.written = written
        self.schema_text = schema_text
        self.unacknowledged = 0
        self.damaged_bytes = 0
        self.inherited = inherited
        self.writable = not inherited
        self._descriptor = descriptor
        self._read = _first_frame(schema_text)

    @classmethod
    def create(cls, path: Path, schema_text: str) -> "Segment":
        """A new, empty segment, readable by its owner only. Raises OSError."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        head = _MAGIC + _frame(schema_text.encode())
        try:
            _write_all(descriptor, head, 0)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        return cls(path, descriptor, len(head), schema_text, inherited=False)

    @classmethod
    def reopen(cls, path: Path) -> "Segment | None":
        """A segment that a process left behind; None where not even its head was written. Raises OSError."""
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        size = os.fstat(descriptor).st_size
        magic = os.pread(descriptor, len(_MAGIC), 0)
        schema = _body_at(descriptor, len(_MAGIC), size) if magic == _MAGIC else None
        if schema is None:
            os.close(descriptor)
            return None
        return cls(path, descriptor, size, schema.decode("utf-8"), inherited=True)

    @property
    def unread(self) -> bool:
        """Whether batches wait that were not taken."""
        return self._read < self.written

    @property
    def finished(self) -> bool:
        """Whether everything in it was delivered."""
        return not self.unread and self.unacknowledged == 0

    def append(self, batch: Encoded) -> None:
        """Add a batch to the end. Raises OSError, and then leaves the segment as it was."""
        body = _COUNT.pack(batch.event_count) + batch.traceparent + batch.payload
        data = _frame(body)
        try:
            _write_all(self._descriptor, data, self.written)
        except OSError:
            os.ftruncate(self._descriptor, self.written)
            raise
        self.written += len(data)

    def take(self) -> Encoded | None:
        """The next batch, None at the end. A frame that fails its checksum is skipped, a torn tail ends the file."""
        while self._read < self.written:
            length, _ = _FRAME.unpack(os.pread(self._descriptor, _FRAME.size, self._read).ljust(_FRAME.size, b"\0"))
            end = self._read + _FRAME.size + length
            body = _body_at(self._descriptor, self._read, self.written)
            if end > self.written or length == 0:
                self.damaged_bytes += self.written - self._read
                self._read = self.written
                return None
            self._read = end
            if body is None or length < _PAYLOAD_AT:
                self.damaged_bytes += _FRAME.size + length
                continue
            self.unacknowledged += 1
            return Encoded(body[_COUNT.size : _PAYLOAD_AT], _COUNT.unpack_from(body)[0], body[_PAYLOAD_AT:])
        return None

    def skip_to_end(self) -> None:
        """Mark the batch just appended as taken: it is in memory, on its way to Kafka."""
        self._read = self.written
        self.unacknowledged += 1

    def seal(self) -> None:
        """No more appends; the content reaches the disk itself. Raises OSError."""
        self.writable = False
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Give the descriptor back; the file stays."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        """Close, and delete the file; one with damage is kept aside as `*.damaged` for people to look at."""
        self.close()
        if self.damaged_bytes:
            self.path.replace(self.path.with_suffix(".damaged"))
        else:
            self.path.unlink(missing_ok=True)


def set_aside(path: Path) -> None:
    """Deal with a file that `reopen` cannot read. Raises OSError.

    One that is no longer than a head lost nothing: its writer died at it. Any other holds batches.
    """
    if path.stat().st_size <= len(_MAGIC) + _FRAME.size + len(SCHEMA_TEXT.encode()):
        path.unlink(missing_ok=True)
        return
    _LOG.error("a file of the spool has a damaged head, or is of a newer version; see *.damaged there")
    path.replace(path.with_suffix(".damaged"))


def _frame(body: bytes) -> bytes:
    return _FRAME.pack(len(body), zlib.crc32(body)) + body


def _first_frame(schema_text: str) -> int:
    return len(_MAGIC) + _FRAME.size + len(schema_text.encode())


def _body_at(descriptor: int, offset: int, end: int) -> bytes | None:
    head = os.pread(descriptor, _FRAME.size, offset)
    if len(head) < _FRAME.size:
        return None
    length, checksum = _FRAME.unpack(head)
    if offset + _FRAME.size + length > end:
        return None
    body = os.pread(descriptor, length, offset + _FRAME.size)
    return body if len(body) == length and zlib.crc32(body) == checksum else None


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        done = os.pwrite(descriptor, view, offset)
        view = view[done:]
        offset += done
