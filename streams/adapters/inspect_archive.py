"""Members of a zip archive of JSON, one at a time and within bounds, also where the archive means harm.

Stored, deflated and zstandard members are read (newer logs use the last, which this Python's zipfile does not know).
"""

import io
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO, cast

import zstandard

from streams.adapters.base import BrokenRecord, RecordingFile
from streams.adapters.jsonscan import MAX_RECORD_BYTES, TOO_LONG

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_ZSTANDARD = 93
_LOCAL_HEADER_BYTES = 30
_HEADER_FIELDS = ((6, 2), (8, 2), (14, 4), (18, 4), (26, 2), (28, 2))
"""Offset and size of flags, method, checksum, packed size, and the lengths of name and extra field."""
_SIZE_FOLLOWS = 8
_SIZE_IS_ELSEWHERE = 0xFFFFFFFF
_MAX_RATIO = 1_100
"""Deflate shrinks by 1,032 at most; an archive that grows more holds the same bytes under many names."""
_MIN_BUDGET_BYTES = MAX_RECORD_BYTES
_MAX_UNPACKED_BYTES = 2**30
"""An archive that is compressed once more is unpacked to a temporary file, as far as this."""
_IN_MEMORY_BYTES = 8 * 2**20
_READ_ERRORS = (
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    RuntimeError,  # an encrypted member
    OverflowError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
    zstandard.ZstdError,
)


def begins_like_zip(source: RecordingFile) -> bool:
    """Whether the file is a zip archive, whatever its name; False where it cannot be read."""
    try:
        with source.open() as stream:
            return stream.read(4) in _MAGIC
    except _READ_ERRORS:
        return False


Member = tuple[str, int | None, bytes | BrokenRecord]
"""Name, number among the samples, content."""


def read_members(source: RecordingFile, first: tuple[str, ...], prefix: str) -> Iterator[Member]:
    """The first member there is of `first`, then those below `prefix` that end in `.json`, numbered from 1.

    A name that stands twice counts once, as its last entry: a log that is written again appends. What cannot be read
    is a BrokenRecord in place of the content. An archive that lost its end gives its members as far as they go.
    """

    def broken(number: int | None, reason: str) -> BrokenRecord:
        return BrokenRecord(str(source.path), None, number, reason)

    try:
        with _seekable(source) as stream:
            found = _members(stream, first, prefix)
            budget = max(_MIN_BUDGET_BYTES, _MAX_RATIO * stream.seek(0, io.SEEK_END))
            number = 0
            for name, content in found:
                number += name.startswith(prefix)
                if content is None:
                    yield name, number, broken(number or None, "a member of the archive cannot be read")
                    continue
                budget -= len(content)
                if budget < 0:
                    yield name, number, broken(number, "the archive grows beyond all measure when unpacked")
                    return
                if len(content) > MAX_RECORD_BYTES:
                    yield name, number, broken(number or None, f"a member of the archive is {TOO_LONG}")
                    continue
                yield name, number, content
            if number == 0:
                yield "", None, broken(None, f"the archive has no members below {prefix} that can be read")
    except _CutOffError:
        yield "", None, broken(None, "the archive is cut off or damaged")
    except _READ_ERRORS as error:
        yield "", None, broken(None, f"the archive cannot be read ({type(error).__name__})")


class _CutOffError(Exception):
    """The archive lost its end, where its directory stands."""


def _members(stream: BinaryIO, first: tuple[str, ...], prefix: str) -> Iterator[tuple[str, bytes | None]]:
    """Names and contents that are wanted; None for what cannot be read."""
    try:
        archive = zipfile.ZipFile(stream)
    except zipfile.BadZipFile:
        for name, content in _as_far_as_it_goes(stream):
            if name in first or (name.startswith(prefix) and name.endswith(".json")):
                yield name, content
        raise _CutOffError from None
    with archive:
        members = {info.filename: info for info in archive.infolist()}
        wanted = [members[name] for name in first if name in members][:1]
        wanted += [info for name, info in members.items() if name.startswith(prefix) and name.endswith(".json")]
        for info in wanted:
            try:
                content = _content(archive, info, stream)
            except _READ_ERRORS:
                yield info.filename, None
                continue
            yield info.filename, content


def _as_far_as_it_goes(stream: BinaryIO) -> Iterator[tuple[str, bytes | None]]:
    """Members by the headers before each of them, up to the first that is not whole or does not say its size."""
    stream.seek(0)
    while len(header := stream.read(_LOCAL_HEADER_BYTES)) == _LOCAL_HEADER_BYTES and header[:4] == _MAGIC[0]:
        numbers = [int.from_bytes(header[at : at + size], "little") for at, size in _HEADER_FIELDS]
        flags, method, checksum, packed_bytes, name_bytes, extra_bytes = numbers
        name = stream.read(name_bytes).decode("utf-8", "replace")
        stream.seek(extra_bytes, io.SEEK_CUR)
        if flags & _SIZE_FOLLOWS or packed_bytes == _SIZE_IS_ELSEWHERE:
            return
        packed = stream.read(min(packed_bytes, MAX_RECORD_BYTES))
        if len(packed) < packed_bytes:
            return
        try:
            content = _unpacked(packed, method)
        except _READ_ERRORS:
            yield name, None
            continue
        whole = len(content) > MAX_RECORD_BYTES or zlib.crc32(content) == checksum
        yield name, content if whole else None


@contextmanager
def _seekable(source: RecordingFile) -> Iterator[BinaryIO]:
    """The archive itself, or a temporary copy of one that is compressed once more."""
    if not source.is_packed():
        with source.raw() as stream:
            yield stream
        return
    with source.open() as packed, tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES) as unpacked:
        shutil.copyfileobj(cast(IO[bytes], _Limited(packed)), unpacked)
        yield cast(BinaryIO, unpacked)


class _Limited:
    """A stream that refuses to give more than what may be unpacked."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = _MAX_UNPACKED_BYTES

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self._left -= len(chunk)
        if self._left < 0:
            raise ValueError("too long")
        return chunk


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, stream: BinaryIO) -> bytes:
    """Content of a member; one byte more than allowed where it is too long."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, _ZSTANDARD):
        raise NotImplementedError
    if info.compress_type != _ZSTANDARD:
        with archive.open(info) as member:
            return member.read(MAX_RECORD_BYTES + 1)
    stream.seek(info.header_offset)
    local = stream.read(_LOCAL_HEADER_BYTES)
    if local[:4] != _MAGIC[0] or len(local) < _LOCAL_HEADER_BYTES:
        raise zipfile.BadZipFile
    stream.seek(int.from_bytes(local[26:28], "little") + int.from_bytes(local[28:30], "little"), io.SEEK_CUR)
    packed = stream.read(min(info.compress_size, MAX_RECORD_BYTES))
    return _unpacked(packed, _ZSTANDARD)


def _unpacked(packed: bytes, method: int) -> bytes:
    """Content of packed bytes; one byte more than allowed where it is too long."""
    if method == zipfile.ZIP_STORED:
        return packed
    if method == zipfile.ZIP_DEFLATED:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, MAX_RECORD_BYTES + 1)
    if method != _ZSTANDARD:
        raise NotImplementedError
    with zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(packed, read_across_frames=True) as member:
        return member.read(MAX_RECORD_BYTES + 1)
