"""Change the text leaves of a value that may be JSON, JSON in JSON, or text: what does not change stays as it was.

JSON is not rebuilt from parsed values: its string and number tokens are replaced in place. So every byte around a
finding survives (spacing, 0.10, numbers that no float can hold, keys that appear twice), at any nesting.
"""

import json
import re
from typing import Protocol, TypeAlias

import msgspec

from streams.core.redact.keys import plain_key

MAX_NESTING = 8
"""JSON inside JSON strings is followed this deep; deeper text is still searched as text."""
JSON_STARTS = frozenset('{[" \n\t\r')
"""What JSON that holds leaves may begin with."""
_TOKEN = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|-?\d[\d.eE+-]*|[][{}]', re.DOTALL)
_OPENING, _CLOSING, _ARRAY = "{[", "}]", "["
_ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")


class Digits(str):
    """A whole number of JSON as it is written; it may have a sign."""

    __slots__ = ()


Tree: TypeAlias = object
"""JSON as values: an object is a tuple of pairs, so that keys may appear twice; an array a list; a text str; a whole
number Digits."""
_DECODER = json.JSONDecoder(object_pairs_hook=tuple, parse_int=Digits)
NO_JSON = object()


class LeafChange(Protocol):
    """What is done to text."""

    def __call__(self, text: str) -> str:
        """Change a text that is no JSON."""
        ...

    def json(self, text: str, depth: int) -> str | None:
        """Change the leaves of JSON text; None when it is no JSON."""
        ...


class TokenChange(LeafChange, Protocol):
    """What is done to the tokens of JSON."""

    def named(self, key: str | None, parent: str | None, text: str) -> str | None:
        """Change a text that stands under a key of an object that stands under `parent`, all plain; None to change
        it like any other text."""
        ...

    def number(self, key: str | None, parent: str | None, digits: str) -> str | None:
        """Change a whole number, not negative; what is returned, JSON text, stands in its place."""
        ...


def map_text(text: str, change: LeafChange, depth: int = 0) -> str:
    """Change a text leaf; text that is itself a JSON object or array is changed leaf by leaf."""
    if depth < MAX_NESTING and may_be_json(text):
        return map_json_text(text, change, depth)
    return map_plain(text, change)


def map_json_text(text: str, change: LeafChange, depth: int = 0) -> str:
    """Change the leaves of JSON text, keys too. Text that is no JSON is changed as text."""
    new = change.json(text, depth)
    return map_plain(text, change) if new is None else new


def map_plain(text: str, change: LeafChange) -> str:
    """Change text as it stands, and where that finds nothing, what its escapes stand for."""
    new = change(text)
    if "\\u" in text:
        # Text cut out of JSON, or JSON nested too deep to follow: an escape such as \\u0040 must not hide a finding.
        plain = unescaped(text)
        new_plain = change(plain)
        if new_plain != plain:
            return new_plain
    return new


def map_tokens(text: str, change: TokenChange, depth: int, starts: frozenset[int] | None) -> str:
    """Change the tokens of JSON text that start at `starts`, of all when it is None; `text` must be JSON."""
    parts: list[str] = []
    last = 0
    outer: list[tuple[str | None, str | None]] = []
    key: str | None = None  # of the value that comes next; in an array that of the array
    parent: str | None = None
    for match in _TOKEN.finditer(text):
        token = match.group(1)
        if token is None:
            token = match.group()
            if token in _OPENING:
                outer.append((key, parent))
                parent = key
                key = parent if token == _ARRAY else None
                continue
            if token in _CLOSING:
                key, parent = outer.pop()
                continue
            if not token.isdigit() or (starts is not None and match.start() not in starts):
                continue
            new = change.number(key, parent, token)
            if new is None or new == token:
                continue
            parts += (text[last : match.start()], new)
        else:
            is_key = match.end(2) >= 0
            if starts is not None and match.start() not in starts:
                if is_key:
                    key = plain_key(leaf_of(token))
                continue
            leaf = leaf_of(token)
            if is_key:
                key = plain_key(leaf)
            named = None if is_key or key is None else change.named(key, parent, leaf)
            new = map_text(leaf, change, depth + 1) if named is None else named
            if new == leaf:
                continue
            parts += (text[last : match.start()], quoted(new))
        last = match.start() + len(token)
    return "".join((*parts, text[last:])) if parts else text


def may_be_json(text: str) -> bool:
    """True for text that begins like JSON with leaves of text in it."""
    return text[:1] in JSON_STARTS and len(text) > 1 and text.lstrip()[:1] in ("{", "[", '"')


def parsed(text: str) -> Tree:
    """The values of JSON text, NaN and lone surrogates allowed; NO_JSON when it is none."""
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        return NO_JSON


def is_json(text: str) -> bool:
    """True for JSON, NaN and lone surrogates included."""
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
        return True
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return parsed(text) is not NO_JSON


def leaf_of(token: str) -> str:
    """What a token of text, with its quotes, stands for."""
    return str(json.loads(token, strict=False)) if "\\" in token else token[1:-1]


def quoted(text: str) -> str:
    """A token of text."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    token = json.dumps(text, ensure_ascii=False)
    try:
        token.encode()
    except UnicodeEncodeError:
        return json.dumps(text)
    return token


def unescaped(text: str) -> str:
    """Text with what its escapes \\uXXXX stand for."""
    return _ESCAPE.sub(_char_of, text)


def _char_of(match: re.Match[str]) -> str:
    code = int(match.group(1), 16)
    # Controls, quotes and backslashes would break the text around them, half a pair says nothing.
    return match.group() if code < 0x20 or code in (0x22, 0x5C) or 0xD800 <= code < 0xE000 else chr(code)
