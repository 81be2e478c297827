"""The part of YAML that front matter is written in: mappings, lists, scalars, block texts, `[a, b]` and `{a: b}`.

A strict reader instead of a YAML parser: no anchors, tags or documents, so nothing in a file can grow or name a type.
What it does not know is no front matter.
"""

import re

from streams.adapters.tolerant import Json

_KEY = re.compile(r"""("[^"]*"|'[^']*'|[A-Za-z_][\w.-]*)\s*:(?:\s+(.*))?$""")
_NUMBER = re.compile(r"[-+]?(\d{1,18}|\d{1,18}\.\d{0,18}(e[-+]?\d{1,3})?)$")
_WORDS: dict[str, object] = {"true": True, "false": False, "null": None, "~": None, "yes": True, "no": False}
BLOCK = re.compile(r"[|>][-+]?$")
_COMMENT = re.compile(r"(?<!\s)\s+#.*$")
_ESCAPE = re.compile(r"\\(.)")
_SPACED_KEY = re.compile(r"""(\w[^\s:"'#]*(?: [^\s:"'#]+)*):(\s.*)?$""")
_TABS = re.compile(r"^\t+")
_MAX_DEPTH = 20


class NotFrontMatterError(ValueError):
    """Lines that are no mapping in this part of YAML."""


def read_mapping(lines: list[str]) -> Json:
    """The mapping that the lines hold; numbers and truth values as such. Raises NotFrontMatterError."""
    reader = _Reader(lines)
    value = reader.block(0)
    if not isinstance(value, dict) or reader.peek() is not None:
        raise NotFrontMatterError
    return value


def read_written_mapping(lines: list[str]) -> Json:
    """As `read_mapping`; one that is not strict may have keys of several words, tabs, `...` and stray list items.

    Items that belong to no key stand as they are under `unread_lines`.
    """
    try:
        return read_mapping(lines)
    except NotFrontMatterError:
        kept, unread = _mended(lines)
        found = read_mapping(kept)
        return {**found, "unread_lines": unread} if unread else found


def _mended(lines: list[str]) -> tuple[list[str], list[str]]:
    """Lines that may be read after all, and those of stray items. Only the margin is mended, and tabs."""
    kept: list[str] = []
    unread: list[str] = []
    expects_list = is_stray = False
    for line in lines:
        line = _TABS.sub(lambda tabs: "  " * len(tabs.group()), line)
        spaced = None
        if line.strip() and not line.startswith((" ", "#")):
            is_stray = _is_item(line) and not expects_list
            if not _is_item(line):
                expects_list = _COMMENT.sub("", line).rstrip().endswith(":")
                spaced = None if _KEY.match(line) else _SPACED_KEY.match(line)
        if is_stray:
            unread.append(line)
        elif line.rstrip() != "...":
            kept.append(f'"{spaced.group(1)}":{spaced.group(2) or ""}' if spaced else line)
    return kept, unread


class _Reader:
    def __init__(self, lines: list[str]) -> None:
        self._lines = [line.rstrip() for line in lines]
        self._position = 0

    def peek(self) -> tuple[int, str] | None:
        """Indent and text of the next line that is neither empty nor a comment."""
        while self._position < len(self._lines):
            line = self._lines[self._position]
            text = line.lstrip(" ")
            if text and not text.startswith("#"):
                if text.startswith("\t"):
                    raise NotFrontMatterError
                return len(line) - len(text), text
            self._position += 1
        return None

    def block(self, depth: int) -> object:
        """The mapping or list that begins with the next line."""
        first = self.peek()
        if first is None or depth > _MAX_DEPTH:
            raise NotFrontMatterError
        return self._list(first[0], depth) if _is_item(first[1]) else self._mapping(first[0], depth)

    def _mapping(self, indent: int, depth: int) -> Json:
        found: Json = {}
        while (line := self.peek()) is not None and line[0] == indent and not _is_item(line[1]):
            key = _KEY.match(line[1])
            if key is None:
                raise NotFrontMatterError
            self._position += 1
            name = key.group(1)
            found[name.strip("\"'")] = self._value(key.group(2) or "", indent, depth, lists_at=indent)
        self._expect_outside(indent)
        return found

    def _list(self, indent: int, depth: int) -> list[object]:
        found: list[object] = []
        while (line := self.peek()) is not None and line[0] == indent and _is_item(line[1]):
            rest = line[1][1:].lstrip()
            if _is_item(rest) or (_KEY.match(rest) and rest[0] not in "\"'"):
                # A block that begins behind the dash goes on below its first line.
                self._lines[self._position] = " " * (indent + len(line[1]) - len(rest)) + rest
                found.append(self.block(depth + 1))
            else:
                self._position += 1
                found.append(self._value(rest, indent, depth, lists_at=indent + 1))
        self._expect_outside(indent)
        return found

    def _expect_outside(self, indent: int) -> None:
        """What follows a block belongs to one further out."""
        line = self.peek()
        if line is not None and line[0] > indent:
            raise NotFrontMatterError

    def _value(self, rest: str, indent: int, depth: int, *, lists_at: int) -> object:
        if rest.startswith("#"):
            rest = ""
        if BLOCK.match(rest):
            return self._text(indent, folded=rest[0] == ">")
        following = self.peek()
        if rest == "":
            if following is not None and (
                following[0] > indent or (_is_item(following[1]) and following[0] >= lists_at)
            ):
                return self.block(depth + 1)
            return None
        parts = [rest]
        while following is not None and following[0] > indent:  # a plain text that goes on
            if _KEY.match(following[1]) and rest[0] not in "\"'":
                raise NotFrontMatterError
            parts.append(following[1])
            self._position += 1
            following = self.peek()
        return scalar(" ".join(parts), depth)

    def _text(self, indent: int, *, folded: bool) -> str:
        kept: list[str] = []
        while self._position < len(self._lines):
            line = self._lines[self._position]
            if line and len(line) - len(line.lstrip(" ")) <= indent:
                break
            kept.append(line)
            self._position += 1
        margin = min((len(line) - len(line.lstrip(" ")) for line in kept if line), default=0)
        return (" " if folded else "\n").join(line[margin:] for line in kept).strip()


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def scalar(text: str, depth: int = 0) -> object:
    """A value on one line."""
    text = text.strip()
    if text[:1] in ('"', "'"):
        end = _closing_quote(text)
        if end is not None:
            inside = text[1:end]
            return _ESCAPE.sub(r"\1", inside) if text[0] == '"' else inside.replace("''", "'")
        return text
    text = _COMMENT.sub("", text)
    if text[:1] == "[" and text.endswith("]") and depth <= _MAX_DEPTH:
        return [scalar(part, depth + 1) for part in _parts(text[1:-1])]
    if text[:1] == "{" and text.endswith("}") and depth <= _MAX_DEPTH:
        pairs = [part.partition(":") for part in _parts(text[1:-1])]
        return {key.strip().strip("\"'"): scalar(value, depth + 1) for key, _, value in pairs}
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _NUMBER.match(text):
        return float(text) if "." in text else int(text)
    return text


def _closing_quote(text: str) -> int | None:
    """Where a quoted text ends, if nothing but a comment follows."""
    quote, position = text[0], 1
    while position < len(text):
        if text[position] == "\\" and quote == '"':
            position += 2
            continue
        if text[position] == quote:
            if quote == "'" and text[position + 1 : position + 2] == "'":
                position += 2
                continue
            rest = text[position + 1 :].strip()
            return position if not rest or rest.startswith("#") else None
        position += 1
    return None


def _parts(text: str) -> list[str]:
    """What commas divide, outside of quotes and brackets."""
    parts, depth, quote, begin = [], 0, "", 0
    for position, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "[{":
            depth += 1
        elif letter in "]}":
            depth -= 1
        elif letter == "," and depth <= 0:
            parts.append(text[begin:position])
            begin = position + 1
    parts.append(text[begin:])
    return [part.strip() for part in parts if part.strip()]
