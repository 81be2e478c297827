"""Sessions of the Codex CLI: `rollout-*.jsonl` of `~/.codex/sessions`, and the `{"session", "items"}` documents before.

Lines are `{timestamp, type, payload}`, in the first JSON-lines version the items themselves. A session is a run; its
trace id comes from the session's id, so that a rollout that has grown yields its old events under their old ids. A
file may hold several sessions, one after another. A forked session begins with a copy of the one it came from, whose
own head is no new session. See `codex_session` for what becomes an event.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator

from schemas.records import Event
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile, stable_id
from streams.adapters.codex_session import FORMAT, Session, UnreadableItemError
from streams.adapters.jsonstream import read_fields, read_records
from streams.adapters.tolerant import Json, label, mapping

_ENVELOPES = frozenset(
    {
        "session_meta",
        "response_item",
        "event_msg",
        "turn_context",
        "compacted",
        "world_state",
        "inter_agent_communication",
    }
)

_ITEMS = frozenset({"message", "reasoning", "ghost_snapshot", "compaction", "compaction_summary"})
"""Besides calls and their outputs, what stands without an envelope in the first versions."""


def read(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    """Events of all sessions of the file."""
    file = _File(source, options)
    document = 0
    for record in read_records(source, inside=("items",)):
        if isinstance(record, BrokenRecord):
            yield record
            continue
        if record.document != document:
            document = record.document
            yield from file.close()
            if document == 1:
                file.head = mapping(read_fields(source, ("session",)).get("session"))
        value = mapping(record.value)
        nested = value.get("items")
        if "type" not in value and isinstance(nested, list):  # a whole document on a line or as an array's item
            yield from file.close()
            file.head = mapping(value.get("session"))
        lines = nested if "type" not in value and isinstance(nested, list) else [record.value]
        for line in lines:
            try:
                yield from file.feed(line)
            except UnreadableItemError as problem:
                yield BrokenRecord(str(source.path), record.line, record.number, str(problem))
        if lines is nested:
            yield from file.close()
    yield from file.close()


class _File:
    """The session that the reader is in, and the ids of those before."""

    def __init__(self, source: RecordingFile, options: ImportOptions) -> None:
        self.head: Json = {}
        """What is known of the session that begins with the next item."""
        self._source = source
        self._options = options
        self._session: Session | None = None
        self._ids: Counter[str] = Counter()
        self._ancestors: set[str | None] = set()
        """Sessions whose heads may stand in the copy that a forked session begins with."""
        self._digest: str | None = None

    def feed(self, line: object) -> Iterator[Event]:
        """Events that are certain after this line. Raises UnreadableItemError."""
        if not isinstance(line, dict):
            raise UnreadableItemError("not a JSON object")
        kind, payload = line.get("type"), line.get("payload")
        if kind == "session_meta" or _is_old_head(line):
            yield from self._begin(mapping(payload) if kind == "session_meta" else line)
            return
        if not isinstance(kind, str):
            if "record_type" in line:  # a marker of the first JSON-lines version
                return
            raise UnreadableItemError("the record has no type")
        if isinstance(payload, dict):
            item, envelope = payload, kind
        elif kind in _ENVELOPES or "payload" in line:
            raise UnreadableItemError("the record has no payload")
        elif not _is_item(kind):
            raise UnreadableItemError("the record is no item of a rollout")
        else:
            item, envelope = line, "response_item"
        if self._session is None:
            self._session = self._new()
        self._session.feed(envelope, item, line.get("timestamp"))
        yield from self._session.drain()

    def close(self) -> Iterator[Event]:
        """End the session. Nothing for one in which nothing happened."""
        if self._session is not None:
            yield from self._session.finish()
        self._session, self.head = None, {}

    def _begin(self, head: Json) -> Iterator[Event]:
        """The head of a session: a new one, the same again (resumed), or the one that the current was forked from."""
        known, name = _name(self.head), _name(head)
        if known is not None and (name == known or name in self._ancestors):
            self._ancestors.add(_origin(head))
            return
        if self._session is not None or known is not None:
            yield from self.close()
        self.head = head
        self._ancestors = {_origin(head)}

    def _new(self) -> Session:
        name = _name(self.head)
        key = name or "file:" + self._content_digest()
        self._ids[key] += 1
        repeat = () if self._ids[key] == 1 else (self._ids[key],)
        return Session(stable_id(FORMAT, key, *repeat), name, self.head, self._options)

    def _content_digest(self) -> str:
        """Of a file that names no session: only the whole content tells its run from others."""
        if self._digest is None:
            digest = hashlib.sha256()
            try:
                with self._source.open() as stream:
                    while chunk := stream.read(1 << 20):
                        digest.update(chunk)
            except (OSError, EOFError, ValueError):
                pass  # the reader reports it; what could be read still tells the runs apart
            self._digest = digest.hexdigest()[:32]
        return self._digest


def _is_old_head(line: Json) -> bool:
    return "type" not in line and isinstance(line.get("id"), str) and ("timestamp" in line or "instructions" in line)


def _is_item(kind: str) -> bool:
    return kind in _ITEMS or kind.endswith(("_call", "_output"))


def _name(head: Json) -> str | None:
    return label(head.get("id")) or label(head.get("session_id"))


def _origin(head: Json) -> str | None:
    return label(head.get("forked_from_id")) or label(head.get("parent_thread_id"))
