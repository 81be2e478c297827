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
from streams.core.redact.find import find
from streams.core.redact.leaves import LeafChange, map_json_text, map_text
from streams.core.redact.pseudonyms import Pseudonyms
from streams.core.redact.replace import Replace
from streams.core.redact.rules import RULES_VERSION, kind_of_key, may_hold, names_secret

_KEPT = frozenset({
    "event_id", "trace_id", "span_id", "parent_span_id", "producer_id", "kind", "execution_mode", "target_span_id",
    "role", "completion_status", "requested_by",
})  # fmt: skip
"""Identifiers that producers make and closed vocabularies: joins across topics depend on them."""
MAX_FOUND = 20_000
"""Different values found in one trace; more is no trace but a data base, and is held back."""
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


def redact_events(events: Sequence[Event], pseudonyms: Pseudonyms) -> Redacted:
    """Redact the events of one trace. Raises whatever goes wrong: the caller withholds the trace then."""
    search = Search()
    for event in events:
        _search(event, search)
    counts: Counter[str] = Counter()
    replaced = events
    growth = 0
    if search.found:
        replace = Replace(search.found, pseudonyms, counts)
        replaced = [_map_record(event, replace) if replace.may_touch(event) else event for event in events]
        growth = replace.growth_chars
    return Redacted(
        _with_subjects(replaced, pseudonyms),
        RedactionReport(rules_version=RULES_VERSION, counts=dict(sorted(counts.items()))),
        growth,
    )


class Search:
    """Collects findings and changes nothing."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self.seen: set[str | Record] = set()
        """Field values that were searched already: agents repeat themselves, envelopes even more."""
        self._seen: set[str] = set()
        self._seen_json: set[str] = set()

    def __call__(self, text: str) -> str:
        if text not in self._seen:
            self._seen.add(text)
            for finding in find(text):
                self.found.setdefault(text[finding.start : finding.end], finding.kind)
            if len(self.found) > MAX_FOUND:
                raise InvalidRecord(f"more than {MAX_FOUND} different personal values in one trace")
        return text

    def named(self, key: str, text: str) -> None:
        """A leaf whose key says that it is secret."""
        kind = kind_of_key(key, text)
        if kind is not None:
            self.found.setdefault(text, kind)

    def may_skip(self, json_text: str) -> bool:
        """Nothing to find in it. An escape such as \\u0040 could hide what the rules look for."""
        if json_text in self._seen_json:
            return True
        self._seen_json.add(json_text)
        return "\\u" not in json_text and not may_hold(json_text) and not names_secret(json_text)


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
