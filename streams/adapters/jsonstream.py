"""JSON files as a stream of records: JSON lines, arrays, single objects, and documents one after another.

One record is in memory at a time, whatever the size of the file. A record that is not JSON is reported with its line
and the rest goes on.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import msgspec
import zstandard

from streams.adapters.base import BrokenRecord, RecordingFile
from streams.adapters.jsonscan import BOM, MAX_RECORD_BYTES, TOO_LONG, NotJsonError, Scanner, decode_json

_HEAD_BYTES = 64 * 2**10
_SKIP_BYTES = 2**20
_PEEKED_LINES = 5
_READ_ERRORS = (OSError, EOFError, zlib.error, zstandard.ZstdError)


@dataclass(frozen=True)
class JsonRecord:
    """One record of a file."""

    value: object
    line: int
    """1-based line on which it begins."""
    number: int
    """Counts records, broken ones too, from 1."""
    document: int
    """Which top-level value it is an item of; 0 for a line of JSON lines."""


def read_records(
    source: RecordingFile, *, inside: tuple[str, ...] = (), without: tuple[str, ...] = ()
) -> Iterator[JsonRecord | BrokenRecord]:
    """Records of a file in order.

    They are the lines of JSON lines, else the items of top-level arrays, else the top-level objects. A top-level
    object that has a field named in `inside` gives the items of that field's array in its place; where `inside` is
    given, fields named in `without` are stepped over, however large.
    """
    counter = _Counter(source)
    try:
        with source.open() as stream:
            head = stream.read(_HEAD_BYTES)
        with source.open() as stream:
            if _is_lines(source.name, head):
                yield from _lines(stream, counter)
            else:
                yield from _documents(Scanner(stream), counter, inside, without)
    except _READ_ERRORS as error:
        yield BrokenRecord(str(source.path), None, None, f"the file cannot be read further ({type(error).__name__})")


def read_fields(source: RecordingFile, names: tuple[str, ...]) -> dict[str, object]:
    """Those fields of the first top-level object that are named; reads no further than the last of them.

    Empty when the file begins with anything else, and without what cannot be read: `read_records` reports it.
    """
    found: dict[str, object] = {}
    try:
        with source.open() as stream:
            scanner = Scanner(stream)
            if scanner.next_byte() != b"{":
                return found
            for name in scanner.fields():
                if name not in names:
                    scanner.skip_value()
                    continue
                found[name] = decode_json(scanner.take_value())
                if len(found) == len(names):
                    break
    except (NotJsonError, *_READ_ERRORS):
        pass
    return found


class _Counter:
    """Numbers the records of a file."""

    def __init__(self, source: RecordingFile) -> None:
        self._path = str(source.path)
        self._number = 0

    def record(self, raw: bytes, line: int, document: int) -> JsonRecord | BrokenRecord:
        try:
            value = decode_json(raw)
        except NotJsonError as error:
            return self.broken(line, str(error))
        self._number += 1
        return JsonRecord(value, line, self._number, document)

    def broken(self, line: int, reason: str) -> BrokenRecord:
        self._number += 1
        return BrokenRecord(self._path, line, self._number, reason)


def _is_lines(name: str, head: bytes) -> bool:
    """Whether a file is JSON lines, judged by its name and beginning."""
    if len(head) == _HEAD_BYTES:
        whole, _, _ = head.rpartition(b"\n")
    else:
        whole = head
    lines = [line for line in (text.strip() for text in whole.removeprefix(BOM).split(b"\n")) if line]
    if lines and lines[0] in (b"[", b"{"):
        return False
    if name.endswith((".jsonl", ".ndjson")):
        return True
    if len(lines) < 2:
        return False
    # Broken first lines must not hide that the rest is lines; two bytes would be an empty value of an unindented file.
    return any(len(line) > 2 and line[:1] in b"{[" and _parses(line) for line in lines[:_PEEKED_LINES])


def _parses(raw: bytes) -> bool:
    try:
        decode_json(raw)
    except NotJsonError:
        return False
    return True


def _lines(stream: BinaryIO, counter: _Counter) -> Iterator[JsonRecord | BrokenRecord]:
    number = 0
    while line := stream.readline(MAX_RECORD_BYTES + 1):
        number += 1
        if len(line) > MAX_RECORD_BYTES and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = stream.readline(_SKIP_BYTES)
            yield counter.broken(number, TOO_LONG)
            continue
        text = (line.removeprefix(BOM) if number == 1 else line).strip()
        if text:
            yield counter.record(text, number, 0)


def _documents(
    scanner: Scanner, counter: _Counter, inside: tuple[str, ...], without: tuple[str, ...]
) -> Iterator[JsonRecord | BrokenRecord]:
    document = 0
    while (byte := scanner.next_byte()) is not None:
        document += 1
        if byte == b"[":
            scanner.advance()
            yield from _items(scanner, counter, document)
        elif byte == b"{" and inside:
            yield from _object(scanner, counter, document, inside, without)
        else:
            yield _one(scanner, counter, document)


def _one(scanner: Scanner, counter: _Counter, document: int) -> JsonRecord | BrokenRecord:
    line = scanner.line
    try:
        return counter.record(scanner.take_value(), line, document)
    except NotJsonError as error:
        return counter.broken(line, str(error))


def _items(scanner: Scanner, counter: _Counter, document: int) -> Iterator[JsonRecord | BrokenRecord]:
    """Items of an array whose opening bracket is consumed."""
    line = scanner.line
    while (byte := scanner.next_byte()) != b"]":
        if byte is None:
            if not scanner.cut_off:
                yield counter.broken(line, "the array that begins here is not closed: the file is cut off")
            scanner.cut_off = True
            return
        yield _one(scanner, counter, document)
    scanner.advance()


def _object(
    scanner: Scanner, counter: _Counter, document: int, inside: tuple[str, ...], without: tuple[str, ...]
) -> Iterator[JsonRecord | BrokenRecord]:
    """Items of the wanted fields of an object, or the object itself when it has none of them."""
    line = scanner.line
    kept: list[bytes] = []
    size = 0
    streamed = False
    try:
        for name in scanner.fields():
            if name in inside and scanner.next_byte() == b"[":
                streamed = True
                kept.clear()
                scanner.advance()
                yield from _items(scanner, counter, document)
            elif streamed or name in without:
                scanner.skip_value()
            else:
                kept.append(msgspec.json.encode(name) + b":" + scanner.take_value())
                size += len(kept[-1])
                if size > MAX_RECORD_BYTES:
                    raise NotJsonError(TOO_LONG)
    except NotJsonError as error:
        if not streamed or not scanner.cut_off:  # else the item that was cut off is reported already
            scanner.skip_open_object()
            yield counter.broken(line, str(error))
        return
    if not streamed:
        yield counter.record(b"{" + b",".join(kept) + b"}", line, document)
