"""Redact the events of one trace: find in every leaf, then replace every found value everywhere in the trace."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from operator import attrgetter
from typing import Any

import msgspec

from schemas.errors import InvalidRecord
from schemas.records import BODY_TYPES, Consent, Event, ModelRef, Record, RedactionReport, SourceRef
from streams.core.redact.leaves import LeafChange, map_json_text, map_text
from streams.core.redact.pseudonyms import Pseudonyms
from streams.core.redact.redactor import RULES_ALONE, Redactor
from streams.core.redact.replace import Replace
from streams.core.redact.search import Search

_KEPT = frozenset({
    "event_id", "trace_id", "span_id", "parent_span_id", "producer_id", "kind", "execution_mode", "target_span_id",
    "role", "completion_status", "requested_by",
})  # fmt: skip
"""Identifiers that producers make and closed vocabularies: joins across topics depend on them."""
_FIELDS: dict[type, tuple[tuple[str, bool], ...]] = {}
_PLAIN = (bool, int, float)
_ENVELOPE = (Consent, ModelRef, SourceRef)
"""The same in nearly all events of a trace."""


@dataclass(frozen=True)
class Redacted:
    """Redacted events, and what was replaced."""

    events: tuple[Event, ...]
    report: RedactionReport
    growth_chars: int = 0
    """By how much the texts are longer than before."""


class RedactionRejected(InvalidRecord):
    """The policy takes no traces that hold this kind."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"the redaction policy rejects traces that hold {kind}")
        self.kind = kind


def redact_events(events: Sequence[Event], pseudonyms: Pseudonyms, redactor: Redactor = RULES_ALONE) -> Redacted:
    """Redact the events of one trace. Raises whatever goes wrong: the caller withholds the trace then."""
    search = Search(redactor.finder)
    for event in events:
        _search(event, search)
    search.finish()
    modes = redactor.policy.mode_of
    for kind in sorted({*search.found.values(), *search.local.values()}):
        if modes[kind] == "reject":
            raise RedactionRejected(kind)
    counts: Counter[str] = Counter()
    replaced = events
    growth = 0
    if search.found or search.local:
        replace = Replace(search.found, search.local, modes, pseudonyms, counts)
        replaced = [_map_record(event, replace) if replace.may_touch(event) else event for event in events]
        growth = replace.growth_chars
    return Redacted(
        _with_subjects(replaced, pseudonyms),
        RedactionReport(rules_version=redactor.version, counts=dict(sorted(counts.items()))),
        growth,
    )


def _with_subjects(events: Sequence[Event], pseudonyms: Pseudonyms) -> tuple[Event, ...]:
    masked: dict[Consent, Consent] = {}
    done: list[Event] = []
    for event in events:
        consent = event.consent
        if consent.data_subject_id is None:
            done.append(event)
            continue
        if consent not in masked:
            masked[consent] = msgspec.structs.replace(
                consent, data_subject_id=pseudonyms.subject(consent.data_subject_id)
            )
        done.append(msgspec.structs.replace(event, consent=masked[consent]))
    return tuple(done)


def _fields(record_type: type) -> tuple[tuple[str, bool], ...]:
    found = _FIELDS.get(record_type)
    if found is None:
        names = [name for name in record_type.__struct_fields__ if name not in _KEPT]  # type: ignore[attr-defined]
        if record_type is Event:
            names = [name for name in names if name not in BODY_TYPES]
        if record_type is Consent:
            names = ["basis"]
        found = _FIELDS[record_type] = tuple((name, name.endswith("_json")) for name in names)
    return found


@cache
def _searched(record_type: type[Record]) -> tuple[Callable[[Any], tuple[Any, ...]], tuple[bool, ...]]:
    """Reads all fields to search at once, and tells which of them are JSON text."""
    fields = _fields(record_type)
    if len(fields) == 1:
        one = attrgetter(fields[0][0])
        return (lambda record: (one(record),)), (fields[0][1],)
    return attrgetter(*(name for name, _ in fields)), tuple(is_json for _, is_json in fields)


def _search(record: Record, search: Search) -> None:
    """Like `_map_record` with a search, which changes nothing: so nothing needs to be built or compared."""
    read, json_flags = _searched(type(record))
    seen = search.seen
    for value, is_json in zip(read(record), json_flags, strict=True):
        kind = value.__class__
        if value is None or kind in _PLAIN:
            continue
        if kind is str:
            if value in seen:
                continue
            seen.add(value)
            if is_json:
                map_json_text(value, search)
            else:
                map_text(value, search)
        elif kind is tuple:
            for item in value:
                if isinstance(item, Record):
                    _search(item, search)
                else:
                    map_text(item, search)
        elif kind not in _ENVELOPE:
            _search(value, search)
        elif value not in seen:
            seen.add(value)
            _search(value, search)
    if isinstance(record, Event):
        _search(record.body, search)


def _map_record(record: Record, change: LeafChange) -> Any:
    changes: dict[str, Any] = {}
    for name, is_json in _fields(type(record)):
        value = getattr(record, name)
        if value is None or value.__class__ in _PLAIN:
            continue
        new = map_json_text(value, change) if is_json else _map_value(value, change)
        if new is not value and new != value:
            changes[name] = new
    if isinstance(record, Event):
        new_body = _map_record(record.body, change)
        if new_body is not record.body:
            changes[record.kind] = new_body
    return msgspec.structs.replace(record, **changes) if changes else record


def _map_value(value: Any, change: LeafChange) -> Any:
    if isinstance(value, str):
        return map_text(value, change)
    if isinstance(value, Record):
        return _map_record(value, change)
    if isinstance(value, tuple):
        new = tuple(_map_value(item, change) for item in value)
        return new if any(a is not b for a, b in zip(new, value, strict=True)) else value
    return value
