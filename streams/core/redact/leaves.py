"""Change the text leaves of a value that may be JSON, JSON in JSON, or text: what does not change stays as it was.

JSON is not rebuilt from parsed values: its string and number tokens are replaced in place. So every byte around a
finding survives (spacing, 0.10, numbers that no float can hold, keys that appear twice), at any nesting.
"""

import json
import re
from typing import Protocol

import msgspec

from streams.core.redact.keys import plain_key

MAX_NESTING = 8
"""JSON inside JSON strings is followed this deep; deeper text is still searched as text."""
_TOKEN = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|-?\d[\d.eE+-]*|[][{}]', re.DOTALL)
_OPENING, _CLOSING, _ARRAY = "{[", "}]", "["
_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")


class Frame:
    """An object or array of JSON that is being walked."""

    __slots__ = ("is_array", "key", "keys", "names", "parent")

    def __init__(self, parent: str | None, is_array: bool) -> None:
        self.parent = parent
        """Key under which it stands, of the nearest object around it; plain, as `keys.plain_key` writes it."""
        self.is_array = is_array
        self.key: str | None = parent if is_array else None
        """Key of the value that comes next, plain."""
        self.keys: list[str] = []
        self.names: list[tuple[str, str]] = []
        """Key and text of leaves that may be the names of a person: other keys of the object decide."""


class LeafChange(Protocol):
    """What is done to a text leaf."""

    def __call__(self, text: str) -> str: ...

    def named(self, frame: Frame, text: str) -> str | None:
        """Look at a text leaf that stands under `frame.key`; what is returned stands in its place."""
        ...

    def number(self, frame: Frame | None, digits: str) -> str | None:
        """Look at a whole number, not negative; what is returned, JSON text, stands in its place."""
        ...

    def object_key(self, frame: Frame, key: str) -> None:
        """Look at a key as it stands in an object."""
        ...

    def closed(self, frame: Frame) -> None:
        """An object has been walked."""
        ...

    def may_skip(self, json_text: str) -> bool:
        """True when no leaf of this JSON text can change: then it is not even parsed."""
        ...


def map_text(text: str, change: LeafChange, depth: int = 0) -> str:
    """Change a text leaf; text that is itself a JSON object or array is walked leaf by leaf."""
    if depth < MAX_NESTING and len(text) > 1 and text[0] in '{[ \n\t\r"' and text.lstrip()[:1] in ("{", "[", '"'):
        return map_json_text(text, change, depth)
    return _map_plain(text, change)


def map_json_text(text: str, change: LeafChange, depth: int = 0) -> str:
    """Change the leaves of JSON text, keys too. Text that is no JSON is changed as text."""
    if change.may_skip(text):
        return text
    if not is_json(text):
        return _map_plain(text, change)
    parts: list[str] = []
    last = 0
    frames: list[Frame] = []
    frame: Frame | None = None
    for match in _TOKEN.finditer(text):
        token = match.group(1)
        if token is None:
            token = match.group()
            if token in _OPENING:
                frame = Frame(frame.key if frame is not None else None, token == _ARRAY)
                frames.append(frame)
                continue
            if token in _CLOSING:
                closed = frames.pop()
                if closed.keys:
                    change.closed(closed)
                frame = frames[-1] if frames else None
                continue
            new = change.number(frame, token) if token.isdigit() else None
            if new is None or new == token:
                continue
            parts += (text[last : match.start()], new)
        else:
            leaf = json.loads(token, strict=False) if "\\" in token else token[1:-1]
            if match.end(2) >= 0:
                assert frame is not None
                frame.key = plain_key(leaf)
                frame.keys.append(frame.key)
                change.object_key(frame, leaf)
                new = map_text(leaf, change, depth + 1)
            else:
                named = change.named(frame, leaf) if frame is not None and frame.key is not None else None
                new = map_text(leaf, change, depth + 1) if named is None else named
            if new == leaf:
                continue
            parts += (text[last : match.start()], _quoted(new))
        last = match.start() + len(token)
    return "".join((*parts, text[last:])) if parts else text


def is_json(text: str) -> bool:
    """True for JSON, NaN and lone surrogates included."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
        return True
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass
    try:
        json.loads(text)
        return True
    except (ValueError, RecursionError):
        return False


def _map_plain(text: str, change: LeafChange) -> str:
    new = change(text)
    if "\\u" in text:
        # Text cut out of JSON, or JSON nested too deep to follow: an escape such as \\u0040 must not hide a finding.
        plain = _ESCAPE.sub(_unescaped, text)
        new_plain = change(plain)
        if new_plain != plain:
            return new_plain
    return new


def _unescaped(match: re.Match[str]) -> str:
    code = int(match.group(1), 16)
    # Controls, quotes and backslashes would break the text around them, half a pair says nothing.
    return match.group() if code < 0x20 or code in (0x22, 0x5C) or 0xD800 <= code < 0xE000 else chr(code)


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    try:
        quoted.encode()
    except UnicodeEncodeError:
        return json.dumps(text)
    return quoted
