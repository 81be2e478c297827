"""Markdown as far as the logs use it: fenced code, headings, and fields written as bold words."""

import re
from dataclasses import dataclass, field
from textwrap import dedent

from streams.adapters.llmunix_yaml import BLOCK, NotFrontMatterError, read_mapping, scalar
from streams.adapters.tolerant import Json, mapping, parsed

BULLET = re.compile(r"[-*]\s+\*\*([^*\n]{1,80}?):?\*\*\s*:?\s*(.*)$")
_BOLD = re.compile(r"\s*(?:[-*]\s+)?\*\*([^*\n]{1,80}?):?\*\*\s*:?\s*(.*)$")
_HEADING = re.compile(r"(#{1,6})\s+(.*)$")
_FENCE = re.compile(r"(\s*)(`{3,}|~{3,})\s*(\S*)")
_CLOSING_INDENT = 3  # what stands further in than that is text of the block, as in Markdown itself


class Fences:
    """Whether a line is in fenced code; a fence with a language inside of one opens another."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []
        """Indent and mark."""

    def feed(self, line: str) -> bool:
        """Whether this line is in fenced code or a fence itself."""
        found = _FENCE.match(line)
        if found is None:
            return bool(self._open)
        space, mark, language = found.groups()
        if not self._open or language:
            self._open.append((len(space), mark))
            return True
        indent, opened = self._open[-1]
        if mark[0] == opened[0] and len(mark) >= len(opened) and len(space) <= indent + _CLOSING_INDENT:
            self._open.pop()
        return True


def field_name(text: str) -> str:
    """A key as it is compared: `Start Time` and `start_time` are one."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


@dataclass
class Section:
    """A heading with all that stands below it; without a title what stands before the first."""

    level: int = 0
    title: str = ""
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text without empty lines around it."""
        return "\n".join(self.lines).strip()


def sections(lines: list[str], divides: re.Pattern[str]) -> list[Section]:
    """Sections at headings of the first two levels and at those whose title `divides` matches."""
    found, fences = [Section()], Fences()
    for line in lines:
        heading = None if fences.feed(line) else _HEADING.match(line)
        if heading is not None and (len(heading.group(1)) <= 2 or divides.match(heading.group(2))):
            found.append(Section(len(heading.group(1)), heading.group(2).rstrip().rstrip("#").rstrip()))
        else:
            found[-1].lines.append(line)
    return found


def bold_fields(lines: list[str]) -> Json:
    """Fields `**Key**: value` with the lines that go on; a fenced block below a field is its value, line by line."""
    found: dict[str, list[str]] = {}
    fences, key = Fences(), None
    for line in lines:
        inside = fences.feed(line)
        bold = None if inside else _BOLD.match(line)
        if bold is not None:
            key = field_name(bold.group(1))
            found.setdefault(key, [bold.group(2).strip()])
        elif not inside and _HEADING.match(line):
            key = None
        elif key is not None:
            is_text = inside or (not line.strip() and BLOCK.match(found[key][0]))
            if is_text or line.strip() not in ("", "---"):
                found[key].append(line)
    return {key: joined(texts).strip("\n") for key, texts in found.items()}


def joined(texts: list[str]) -> str:
    """The text of a field: its first line and those below; a first line that is only `|` or `>` announces them."""
    if len(texts) > 1 and BLOCK.match(texts[0]):
        return dedent("\n".join(texts[1:]))
    return "\n".join(texts)


def fenced_mapping(text: object) -> Json:
    """The mapping of a fenced block of YAML or JSON; an empty one for anything else."""
    lines = str(text or "").splitlines()
    fences = [position for position, line in enumerate(lines) if _FENCE.match(line)]
    if not fences:
        return {}
    block = lines[fences[0] + 1 : fences[-1] if len(fences) > 1 else None]
    if found := mapping(parsed("\n".join(block))):
        return found
    try:
        return read_mapping(block)
    except NotFrontMatterError:
        return {}


def indented_value(text: str) -> object:
    """The value of a field: a mapping or list of bullets where it is written as one, else a scalar or the text."""
    lines = text.strip("\n").splitlines()
    if len(lines) > 1 or text.lstrip().startswith("- "):
        try:
            return read_mapping([re.sub(r"^(\s*)- (?=[\w\"'-]+:\s)", r"\1", line) for line in lines])
        except NotFrontMatterError:
            return text
    return scalar(text)
