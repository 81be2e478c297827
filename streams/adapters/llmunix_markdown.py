"""Markdown as far as the logs use it: fenced code, headings, and fields written as bold words."""

import re
from dataclasses import dataclass, field

from streams.adapters.llmunix_yaml import NotFrontMatterError, read_mapping, scalar
from streams.adapters.tolerant import Json

BULLET = re.compile(r"[-*]\s+\*\*([^*\n]{1,80}?):?\*\*\s*:?\s*(.*)$")
_BOLD = re.compile(r"\s*(?:[-*]\s+)?\*\*([^*\n]{1,80}?):?\*\*\s*:?\s*(.*)$")
_HEADING = re.compile(r"(#{1,6})\s+(.*)$")
_FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*(\S*)")


class Fences:
    """Whether a line is in fenced code; a fence with a language inside of one opens another."""

    def __init__(self) -> None:
        self._open: list[str] = []

    def feed(self, line: str) -> bool:
        """Whether this line is in fenced code or a fence itself."""
        found = _FENCE.match(line)
        if found is None:
            return bool(self._open)
        mark, language = found.groups()
        if not self._open or language:
            self._open.append(mark)
        elif mark[0] == self._open[-1][0] and len(mark) >= len(self._open[-1]):
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
    """Fields `**Key**: value` with the lines that go on; a fenced block below a field is its value."""
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
        elif key is not None and line.strip() not in ("", "---"):
            found[key].append(line)
    return {key: "\n".join(texts).strip("\n") for key, texts in found.items()}


def fenced_mapping(text: object) -> Json:
    """The mapping of a fenced block of YAML; an empty one for anything else."""
    lines = str(text or "").splitlines()
    fences = [position for position, line in enumerate(lines) if _FENCE.match(line)]
    if not fences:
        return {}
    try:
        return read_mapping(lines[fences[0] + 1 : fences[-1] if len(fences) > 1 else None])
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
