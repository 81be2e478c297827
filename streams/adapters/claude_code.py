"""Importer `claude-code`: session transcripts of `~/.claude/projects` (JSON lines), or `{"messages": [lines]}`.

A session is a run: the trace id comes from `sessionId`, so a session may be imported again after it has grown, and a
file may hold several. Lines without one belong to the session before them. A file `agent-*.jsonl` holds one
sub-agent of a session recorded apart: it is a run of its own, because the main transcript may never be imported.
What a person rewound is left out but for its prompts, which takes a first pass: see `claude_code_branches`.

The format is internal to its product and changes; line types that carry nothing an agent or a person said
(`queue-operation`, file snapshots, titles, progress ticks) are skipped on purpose, see `claude_code_session.SKIPPED`.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator

from schemas.records import Event
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile
from streams.adapters.claude_code_branches import Branches
from streams.adapters.claude_code_session import Session, UnreadableLineError
from streams.adapters.jsonstream import JsonRecord, read_records
from streams.adapters.tolerant import Json, identity, label, mapping

_LINES_WITHOUT_SESSION = 100
_REMEMBERED_LINES = 20_000


def read(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    """Events of all sessions of the file, in line order; each session's end follows the last line of the file."""
    sessions: dict[str, Session] = {}
    current: Session | None = None
    waiting: list[JsonRecord] = []
    seen = _RecentLines()
    branches = Branches(_named_lines(source))
    separate = source.name.startswith("agent-")

    def session_of(line: Json) -> Session:
        name = _session_id(line) or "file:" + _digest(source)
        agent_id = label(line.get("agentId")) if separate else None
        key = f"{name}/{agent_id}" if agent_id else name
        if key not in sessions:
            sessions[key] = Session(name, agent_id, options)
        return sessions[key]

    def feed(session: Session, records: list[JsonRecord]) -> Iterator[Event | BrokenRecord]:
        for record in records:
            line = mapping(record.value)
            if not seen.is_new(line):
                continue
            try:
                if branches.is_abandoned(_session_id(line) or "", line):
                    yield from session.leave_out(line)
                else:
                    yield from session.feed(line)
            except UnreadableLineError as problem:
                yield BrokenRecord(str(source.path), record.line, record.number, str(problem))

    for record in read_records(source, inside=("messages",)):
        if isinstance(record, BrokenRecord):
            yield record
            continue
        line = record.value
        if not isinstance(line, dict):
            yield BrokenRecord(str(source.path), record.line, record.number, "not a JSON object")
            continue
        waiting.append(record)
        if _session_id(line):
            current = session_of(line)
        elif current is None and len(waiting) < _LINES_WITHOUT_SESSION:
            continue  # the session's name may follow
        elif current is None:
            current = session_of(line)
        yield from feed(current, waiting)
        waiting.clear()

    if waiting:
        yield from feed(session_of({}), waiting)
    for session in sessions.values():
        yield from session.finish()


def _named_lines(source: RecordingFile) -> Iterator[tuple[str, Json]]:
    for record in read_records(source, inside=("messages",)):
        line = {} if isinstance(record, BrokenRecord) else mapping(record.value)
        if (name := _session_id(line)) is not None:
            yield name, line


def _session_id(line: Json) -> str | None:
    return label(line.get("sessionId")) or label(line.get("session_id"))


class _RecentLines:
    """Lines seen lately, by content: a resumed session repeats lines. Bounded; older repeats share event ids anyway."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()

    def is_new(self, line: Json) -> bool:
        """Whether the line is not among the recent ones; remembers it. Lines without uuid always are."""
        if not isinstance(line.get("uuid"), str):
            return True
        key = identity([line.get("sessionId"), line["uuid"], line.get("message"), line.get("content")])
        if key in self._seen:
            self._seen.move_to_end(key)
            return False
        self._seen[key] = None
        if len(self._seen) > _REMEMBERED_LINES:
            self._seen.popitem(last=False)
        return True


def _digest(source: RecordingFile) -> str:
    """Content hash of a file that names no session: only the whole content tells its run from others."""
    digest = hashlib.sha256()
    try:
        with source.open() as stream:
            while chunk := stream.read(1 << 20):
                digest.update(chunk)
    except (OSError, EOFError, ValueError):
        # A damaged archive was reported while reading; what was readable still tells the runs apart.
        return digest.hexdigest()[:32]
    return digest.hexdigest()[:32]
