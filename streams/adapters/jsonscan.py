"""Where JSON values begin and end, found by brackets and quotes alone in one pass over a stream of any size.

A parser of the whole document would stop at its first error and know no lines; cut apart first, each value is parsed
by itself, and a broken one costs only itself.
"""

import io
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO, cast

import msgspec

from streams.adapters.tolerant import clean

MAX_RECORD_BYTES = 128 * 2**20
"""A longer value is reported as broken. Traces are closed at 24 MiB, so none that long could be used."""
BOM = b"\xef\xbb\xbf"
TOO_LONG = f"longer than {MAX_RECORD_BYTES // 2**20} MiB"
CUT_OFF = "the file ends inside this record"
_CHUNK_BYTES = 256 * 2**10
_QUOTE = ord('"')
_BACKSLASH = ord("\\")
_OPENING = b"[{"
_CLOSING = b"]}"
_NEXT_BRACKET = re.compile(rb'["\[\]{}]')
# A raw line break cannot stand in a JSON string: it ends one whose quote is missing, so that the damage stays local.
_STRING_REST = re.compile(rb'[^"\\\n]*+(?:\\.[^"\\\n]*+)*+', re.DOTALL)
_BETWEEN = re.compile(rb"[\s,\x1e]*")
_SCALAR_REST = re.compile(rb"[^\s,\[\]{}]*")


class NotJsonError(ValueError):
    """Bytes that are not JSON; the message holds nothing of their content."""


def decode_json(raw: bytes) -> object:
    """Decode JSON: integers exactly, other numbers as floats. Raises NotJsonError.

    Tolerates what Python writes but JSON forbids: NaN, infinities and lone surrogates (which become question marks).
    """
    try:
        return msgspec.json.decode(raw)
    except RecursionError:
        raise NotJsonError("nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        pass
    try:
        return _repaired(json.loads(raw.decode("utf-8")))
    except json.JSONDecodeError as error:
        raise NotJsonError(f"not JSON: {error.msg} at character {error.pos}") from None
    except UnicodeDecodeError as error:
        raise NotJsonError(f"not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise NotJsonError("nested too deeply") from None
    except ValueError:  # an integer of more digits than Python parses
        raise NotJsonError("a number is too long") from None


def _repaired(value: object) -> object:
    """The value without lone surrogates: UTF-8 cannot hold them."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_repaired(item) for item in value]
    if isinstance(value, dict):
        return {cast(str, _repaired(key)): _repaired(item) for key, item in value.items()}
    return value


class Scanner:
    """Finds where JSON values begin and end, by brackets and quotes alone, in one pass over a stream."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._buffer = stream.read(_CHUNK_BYTES).removeprefix(BOM)
        self._position = 0
        self.line = 1
        self.cut_off = False
        """Whether the stream ended inside a value."""

    def next_byte(self) -> bytes | None:
        """The first byte of what comes next, after white space and commas; None at the end."""
        while True:
            found = _BETWEEN.match(self._buffer, self._position)
            self._move(found.end() if found else self._position)
            if self._position < len(self._buffer):
                return self._buffer[self._position : self._position + 1]
            if not self._fill():
                return None

    def advance(self) -> None:
        """Step over one byte."""
        self._move(self._position + 1)

    def fields(self) -> Iterator[str]:
        """Keys of the object that begins here; take or skip a value before asking for the next. Raises NotJsonError."""
        self.advance()
        while (byte := self.next_byte()) != b"}":
            if byte is None:
                raise NotJsonError(CUT_OFF)
            key = decode_json(self.take_value())
            if not isinstance(key, str) or self.next_byte() != b":":
                raise NotJsonError("not JSON: an object's key is broken")
            self.advance()
            yield key
        self.advance()

    def skip_open_object(self) -> None:
        """Step over the rest of an object that turned out broken, as far as there is any."""
        with suppress(NotJsonError):
            self._value(keep=None, depth=1)

    def skip_value(self) -> None:
        """Step over the value that begins here, whatever its size. Raises NotJsonError at the end of the file."""
        self.next_byte()
        self._value(keep=None, depth=0)

    def take_value(self) -> bytes:
        """Bytes of the value that begins here. Raises NotJsonError when it is cut off or too long."""
        self.next_byte()
        kept = io.BytesIO()
        self._value(keep=kept, depth=0)
        if kept.tell() > MAX_RECORD_BYTES:
            raise NotJsonError(TOO_LONG)
        return kept.getvalue()

    def _value(self, keep: io.BytesIO | None, depth: int) -> None:
        """Consume one value, or with `depth` the rest of an open one."""
        in_string = False
        escaped = False
        while True:
            end = len(self._buffer)
            position = self._position
            done = False
            if escaped and position < end:
                position += 1
                escaped = False
            while position < end:
                if in_string:
                    found = _STRING_REST.match(self._buffer, position)
                    position = found.end() if found else position
                    if position == end:
                        break
                    if self._buffer[position] == _BACKSLASH:  # the last byte of the buffer
                        escaped = True
                        position = end
                        break
                    in_string = False
                    position += 1
                else:
                    bracket = _NEXT_BRACKET.search(self._buffer, position) if depth else None
                    if depth and bracket is None:
                        position = end
                        break
                    if bracket is not None:
                        position = bracket.start()
                    byte = self._buffer[position]
                    if byte == _QUOTE:
                        in_string = True
                    elif byte in _OPENING:
                        depth += 1
                    elif byte in _CLOSING:
                        depth -= 1
                    else:
                        position = self._scalar(keep)
                        return
                    position += 1
                if depth <= 0 and not in_string:
                    done = True
                    break
            self._take(keep, position)
            if done:
                return
            if not self._fill():
                self.cut_off = True
                raise NotJsonError(CUT_OFF)

    def _scalar(self, keep: io.BytesIO | None) -> int:
        """Consume a number, a literal or garbage: at least one byte, so that the scan always moves on."""
        first = True
        while True:
            found = _SCALAR_REST.match(self._buffer, self._position)
            end = found.end() if found else self._position
            self._take(keep, max(end, self._position + 1) if first else end)
            first = False
            if self._position < len(self._buffer) or not self._fill():
                return self._position

    def _take(self, keep: io.BytesIO | None, end: int) -> None:
        # One byte more than allowed shows that it was too long; the rest is only stepped over.
        if keep is not None and keep.tell() <= MAX_RECORD_BYTES:
            keep.write(memoryview(self._buffer)[self._position : end])
        self._move(end)

    def _move(self, end: int) -> None:
        self.line += self._buffer.count(b"\n", self._position, end)
        self._position = end

    def _fill(self) -> bool:
        self._buffer = self._stream.read(_CHUNK_BYTES)
        self._position = 0
        return bool(self._buffer)
