"""Markdown that LLMunix leaves behind: memory logs, logs of agents and phases, execution traces, histories of steps.

An entry is a run. It is front matter between `---` lines with what follows it, a block of `- **key**: value` lines that
names an experience, or a file of step sections without front matter. What stands in fenced code is an example and no
entry. A file without an entry is one broken record. See `llmunix_trace` for what becomes an event.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import zstandard

from schemas.records import Event
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile
from streams.adapters.jsonscan import BOM
from streams.adapters.llmunix_markdown import BULLET, Fences, field_name, joined
from streams.adapters.llmunix_trace import Entry, entry_events, step_log
from streams.adapters.llmunix_yaml import NotFrontMatterError, read_written_mapping, scalar
from streams.adapters.tolerant import Json, clean

_READ_ERRORS = (OSError, EOFError, zlib.error, zstandard.ZstdError)
_MAX_ENTRY_CHARACTERS = 16 * 2**20
_TOO_LONG = f"longer than {_MAX_ENTRY_CHARACTERS // 2**20} MiB"
_MAX_LINE_BYTES = 4 * 2**20
_MAX_HEADER_LINES = 5_000
_IDS = frozenset({"experience_id", "trace_id", "execution_id", "session_id"})
_TIMES = frozenset({"timestamp", "date", "completion_date", "created_at", "start_time"})
_FACTS = frozenset(
    {"agent", "action", "phase", "project", "status", "outcome", "final_outcome", "goal", "success_level",
     "agents_invoked", "agents_used", "execution_mode"}
)  # fmt: skip
_FIRST_KEY = re.compile(r"[A-Za-z_][\w.-]*\s*:(\s|$)")
_NO_ENTRY = "the file holds no trace: no front matter, experience or step log that tells of a run"


def read(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    """Events of every entry of a file."""
    number = 0
    try:
        with source.open() as stream:
            for found in _entries(stream):
                number += 1
                if isinstance(found, _Broken):
                    yield BrokenRecord(str(source.path), found.line, number, found.reason)
                else:
                    yield from entry_events(found, options)
    except _READ_ERRORS as error:
        yield BrokenRecord(str(source.path), None, None, f"the file cannot be read further ({type(error).__name__})")


@dataclass(frozen=True)
class _Broken:
    line: int
    reason: str


@dataclass
class _Segment:
    """Lines between two rules (`---` outside of fenced code)."""

    line: int
    closed: bool = False
    """A rule follows."""
    too_long: bool = False
    lines: list[str] = field(default_factory=list)


def _segments(stream: BinaryIO) -> Iterator[_Segment]:
    fences, segment, size, number = Fences(), _Segment(1), 0, 0
    while raw := stream.readline(_MAX_LINE_BYTES):
        raw = raw.removeprefix(BOM) if number == 0 else raw
        number += raw.endswith(b"\n")
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        inside = fences.feed(line)
        if not inside and line.rstrip() == "---":
            segment.closed = True
            yield segment
            segment, size = _Segment(number + 1), 0
            continue
        size += len(line) + 1
        if size > _MAX_ENTRY_CHARACTERS:
            segment.too_long = True
            segment.lines.clear()
        else:
            segment.lines.append(line)
    yield segment


def _entries(stream: BinaryIO) -> Iterator[Entry | _Broken]:
    """Entries in order; a file without any gives one that is broken."""
    current: Entry | None = None
    size, size_before, found = 0, 0, False
    before: list[str] = []  # what stands before the first entry, or is all there is
    for segment in _segments(stream):
        header = _header(segment)
        bullets = None if header is not None else _bullet_entries(segment)
        if segment.too_long:
            yield _Broken(current.line if current is not None else segment.line, _TOO_LONG)
            current, found = None, True
        elif header is not None or bullets:
            if current is not None:
                yield current
            found, size = True, 0
            if header is None and bullets:
                yield from bullets[:-1]
                current = bullets[-1]
            elif segment.closed:
                current = Entry(header or {}, [], segment.line)
            else:
                current = None
                yield _Broken(segment.line, "the front matter that begins here is not closed: the file is cut off")
        elif _names_entry(segment):
            if current is not None:
                yield current
            current, found = None, True
            yield _Broken(segment.line, "the front matter that begins here cannot be read")
        elif current is not None:
            size += sum(map(len, segment.lines))
            if size <= _MAX_ENTRY_CHARACTERS:
                current.body.extend(segment.lines)
            else:
                yield _Broken(current.line, _TOO_LONG)
                current = None
        elif not found and size_before <= _MAX_ENTRY_CHARACTERS:
            before += [*segment.lines, "---"]
            size_before += sum(map(len, segment.lines)) + 3
    if current is not None:
        yield current
    elif not found:
        log = step_log(before)
        yield log if log is not None else _Broken(1, _NO_ENTRY)


def _header(segment: _Segment) -> Json | None:
    """Front matter that tells of a run."""
    first = next((line for line in segment.lines if line.strip() and not line.startswith("#")), "")
    if not _FIRST_KEY.match(first) or len(segment.lines) > _MAX_HEADER_LINES:
        return None
    fields: Json = {}
    lines = [clean(line) for line in segment.lines]
    # The last line of a file that is cut off may be half a line.
    for tried in (lines,) if segment.closed else (lines, lines[:-1]):
        try:
            fields = read_written_mapping(tried)
            break
        except NotFrontMatterError:
            continue
    names = {field_name(key) for key in fields}
    if names & _IDS or (names & _TIMES and names & _FACTS):
        return {field_name(key): value for key, value in fields.items()}
    return None


def _names_entry(segment: _Segment) -> bool:
    """Whether the lines between two rules begin as the front matter of a run does."""
    first = next((line for line in segment.lines if line.strip() and not line.startswith("#")), "")
    return segment.closed and bool(_FIRST_KEY.match(first)) and field_name(first.partition(":")[0]) in _IDS


def _bullet_entries(segment: _Segment) -> list[Entry]:
    """Entries that are lists of `- **key**: value`, each with its id; what stands below a heading is their text."""
    entries: list[Entry] = []
    fences, key, parts = Fences(), None, dict[str, list[str]]()

    def settle() -> None:
        if entries:
            entries[-1].fields.update({name: _listed(joined(texts).strip()) for name, texts in parts.items()})

    for position, line in enumerate(segment.lines):
        bullet = None if fences.feed(line) else BULLET.match(line)
        name = field_name(bullet.group(1)) if bullet is not None else None
        if name in _IDS and (not entries or name in parts):
            if entries:
                settle()
                parts = {}
            entries.append(Entry({}, [], segment.line + position))
            key = name
        if bullet is not None and name is not None and (key is not None or not entries):
            key = name
            parts[key] = [bullet.group(2).strip()]
        elif entries and line.startswith("#"):
            key = None
            entries[-1].body.append(line)
        elif entries and key is not None:
            if line.strip():
                parts[key].append(line.strip())
        elif entries:
            entries[-1].body.append(line)
        elif line.strip() and not line.startswith("#"):
            return []  # prose before the list
    settle()
    return entries


def _listed(text: str) -> object:
    return scalar(text) if text.startswith("[") and text.endswith("]") else text
