"""Change the text leaves of a value that may be JSON, JSON in JSON, or text: what does not change stays as it was.

JSON is not rebuilt from parsed values: its string and number tokens are replaced in place. So every byte around a
finding survives (spacing, 0.10, numbers that no float can hold, keys that appear twice), at any nesting.
"""

import json
import re
from typing import Protocol

import msgspec

MAX_NESTING = 8
"""JSON inside JSON strings is followed this deep; deeper text is still searched as text."""
_TOKEN = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|-?\d[\d.eE+-]*', re.DOTALL)
_MIN_NUMBER = 13
"""Digits from which a number may be more than a number: a card."""
_ESCAPE = re.compile(r"\\+u00([2-7][0-9a-fA-F])")


class LeafChange(Protocol):
    """What is done to a text leaf."""

    def __call__(self, text: str) -> str: ...

    def named(self, key: str, text: str) -> None:
        """Look at a text leaf that stands under a key of an object."""
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
    key: str | None = None
    for match in _TOKEN.finditer(text):
        token = match.group(1)
        if token is not None:
            leaf = json.loads(token, strict=False) if "\\" in token else token[1:-1]
            if match.end(2) >= 0:
                key = leaf
            elif key is not None:
                change.named(key, leaf)
                key = None
            new = map_text(leaf, change, depth + 1)
        else:
            key = None
            token = leaf = match.group()
            if len(token) < _MIN_NUMBER or not token.isdigit():
                continue
            new = change(token)
        if new != leaf:
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
    if "\\u00" in text:
        # Text cut out of JSON, or JSON nested too deep to follow: an escape such as \\u0040 must not hide a finding.
        plain = _ESCAPE.sub(_unescaped, text)
        new_plain = change(plain)
        if new_plain != plain:
            return new_plain
    return new


def _unescaped(match: re.Match[str]) -> str:
    char = chr(int(match.group(1), 16))
    return match.group() if char in '"\\' else char


def _quoted(text: str) -> str:
    quoted = json.dumps(text, ensure_ascii=False)
    try:
        quoted.encode()
    except UnicodeEncodeError:
        return json.dumps(text)
    return quoted
