"""Redact the events of one trace: find in every leaf, then replace every found value everywhere in the trace."""

from collections import Counter
from collections.abc import Callable, Sequence, Set
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
    "completion_status", "requested_by",
})  # fmt: skip
"""Identifiers that producers make and closed vocabularies: joins across topics depend on them."""
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
"""Who speaks in a chat, whoever is called like that; what else stands as a role is a text like any other."""
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
    texts, texts_of = _texts(events)
    search = Search(redactor.finder)
    for text, is_json in texts.items():
        if is_json:
            map_json_text(text, search)
        else:
            map_text(text, search)
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
        touched = replace.touched(texts) - _ROLES
        replaced = [
            event if touched.isdisjoint(mine) else _map_record(event, replace, touched)
            for event, mine in zip(events, texts_of, strict=True)
        ]
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


def _texts(events: Sequence[Event]) -> tuple[dict[str, bool], list[list[str]]]:
    """All different texts of the events, whether they are fields of JSON, and which of them each event holds."""
    texts: dict[str, bool] = {}
    envelopes: dict[Record, list[str]] = {}
    texts_of: list[list[str]] = []
    for event in events:
        mine: list[str] = []
        _collect(event, texts, mine, envelopes)
        _collect(event.body, texts, mine, envelopes)
        texts_of.append(mine)
    return texts, texts_of


def _collect(record: Record, texts: dict[str, bool], mine: list[str], envelopes: dict[Record, list[str]]) -> None:
    read, json_flags = _searched(type(record))
    for value, is_json in zip(read(record), json_flags, strict=True):
        kind = value.__class__
        if kind is str:
            mine.append(value)
            if value not in texts:
                texts[value] = is_json
        elif value is None or kind in _PLAIN:
            continue
        elif kind is tuple:
            for item in value:
                if isinstance(item, Record):
                    _collect(item, texts, mine, envelopes)
                else:
                    mine.append(item)
                    texts.setdefault(item, False)
        elif kind not in _ENVELOPE:
            _collect(value, texts, mine, envelopes)
        else:
            known = envelopes.get(value)
            if known is None:
                known = envelopes[value] = []
                _collect(value, texts, known, envelopes)
            mine += known


def _map_record(record: Record, change: LeafChange, touched: Set[str]) -> Any:
    """The record with its touched texts changed; what is not touched is the same object."""
    changes: dict[str, Any] = {}
    read, json_flags = _searched(type(record))
    for place, value in enumerate(read(record)):
        kind = value.__class__
        new: Any
        if kind is str:
            if value not in touched:
                continue
            new = map_json_text(value, change) if json_flags[place] else map_text(value, change)
        elif value is None or kind in _PLAIN:
            continue
        elif kind is tuple:
            new = _map_items(value, change, touched)
        else:
            new = _map_record(value, change, touched)
        if new is not value and new != value:
            changes[_fields(type(record))[place][0]] = new
    if isinstance(record, Event):
        new_body = _map_record(record.body, change, touched)
        if new_body is not record.body:
            changes[record.kind] = new_body
    return msgspec.structs.replace(record, **changes) if changes else record


def _map_items(items: tuple[Any, ...], change: LeafChange, touched: Set[str]) -> tuple[Any, ...]:
    new = tuple(
        _map_record(item, change, touched)
        if isinstance(item, Record)
        else map_text(item, change) if item in touched else item
        for item in items
    )  # fmt: skip
    return new if any(a is not b for a, b in zip(new, items, strict=True)) else items
