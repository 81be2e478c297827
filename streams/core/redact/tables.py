"""Cells of tables in text (CSV, Markdown, what data bases print), read by the head of their column like JSON by key."""

import re
from collections.abc import Iterator, Sequence

from streams.core.redact.finding import Finding
from streams.core.redact.keys import is_person_object, kind_by_key, looks_like_full_name, plain_key

_HINTS = "name|mail|phone|mobile|dob|birth|ssn|passport|address|password|iban|vorname|nombre"
TABLE_HINT = rf"(?:{_HINTS})[a-z_ ]{{0,16}}[\"']?[ ]{{0,24}}[,|\t]|[,|\t][ ]{{0,24}}[\"']?[a-z_ ]{{0,16}}(?:{_HINTS})"
"""Stands in every head that has a column to look at."""
_NAME = r"\"?(?>[A-Za-z][\w.-]*+(?: [\w.-]++)*+)\"?"
_HEAD = re.compile(rf"(?m)^(?=[^\n]{{3,600}}$)[ \t]*+\|?[ \t]*+{_NAME} *+(?:[|,\t][ \t]*+{_NAME} *+){{1,40}}\|?[ \t]*$")
_RULER = re.compile(r"[\s|+:=-]+")
_CELLS = {
    separator: re.compile(rf'[ \t]*(?:"([^"\n]*)"|([^{re.escape(separator)}\n]*?))[ \t]*(?:{re.escape(separator)}|$)')
    for separator in "|,\t"
}
_MAX_ROWS = 10_000


def in_tables(text: str) -> Iterator[Finding]:
    """Findings in the rows below each head, in order; a row with another number of cells ends a table."""
    beyond = 0
    for head in _HEAD.finditer(text):
        if head.start() < beyond:
            continue
        line = head.group()
        separator = next(sign for sign in "|\t," if sign in line)
        keys = [plain_key(line[start:end]) for start, end in _cells(line, separator)]
        at = head.end() + 1
        for _ in range(_MAX_ROWS):
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            row = text[at:end]
            if not row.strip() or at > len(text):
                break
            if not _RULER.fullmatch(row):
                cells = _cells(row, separator)
                if len(cells) != len(keys):
                    break
                yield from _of_row(row, cells, keys, at)
            beyond = at = end + 1


def _of_row(row: str, cells: Sequence[tuple[int, int]], keys: Sequence[str], at: int) -> Iterator[Finding]:
    is_person = is_person_object(keys)
    for key, (start, end) in zip(keys, cells, strict=True):
        cell = row[start:end]
        keyed = kind_by_key(key, None, cell)
        if keyed is not None and not keyed.local:
            yield Finding(keyed.kind, at + start, at + end)
        elif key == "name" and is_person and looks_like_full_name(cell):
            yield Finding("PERSON", at + start, at + end)


def _cells(line: str, separator: str) -> list[tuple[int, int]]:
    """Where the cells stand, without quotes and the space around them."""
    start, end = 0, len(line)
    if separator == "|":
        stripped = line.strip()
        if stripped.startswith("|"):
            start = line.index("|") + 1
        if stripped.endswith("|") and len(stripped) > 1:
            end = line.rindex("|")
    found = []
    for match in _CELLS[separator].finditer(line, start, end):
        found.append(match.span(1) if match.group(1) is not None else match.span(2))
        if match.end() == end and not line[:end].endswith(separator):
            break
    return found
