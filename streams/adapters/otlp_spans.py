"""Spans as they come: the OTLP/JSON envelope, plain span dictionaries of SDK exporters, JSON arrays and JSON lines.

Whatever the spelling of its fields, a span leaves here in one shape, kept on disk by trace until all of the file is
read: spans of one trace need not stand together, and a file may be larger than memory.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import msgspec

from streams.adapters.tolerant import (
    Json,
    clean,
    identity,
    items,
    label,
    mapping,
    mappings,
    micros_of_iso,
    micros_of_seconds,
    text,
)


class SpanEvent(msgspec.Struct, frozen=True):
    """An event inside a span. `attributes` is JSON as parsed."""

    name: str
    at_micros: int | None
    attributes: dict[str, object]


class Span(msgspec.Struct, frozen=True):
    """One span. Times are microseconds since 1970 UTC; attributes are those of the span, JSON as parsed."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    start_micros: int | None
    end_micros: int | None
    attributes: dict[str, object]
    events: list[SpanEvent]
    failed: bool
    status_message: str | None
    service: str | None
    """`service.name` of the resource."""


class SpanStore:
    """Spans on disk, by trace, in a private temporary database that goes with the process."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")
        self._db.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE spans(number INTEGER PRIMARY KEY, trace TEXT, body BLOB);"
        )

    def __enter__(self) -> "SpanStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, span: Span) -> str | None:
        """Keep one span; gives the reason where its attributes hold what cannot be kept."""
        try:
            body = msgspec.msgpack.encode(span)
        except (OverflowError, RecursionError, TypeError) as error:
            return f"the span's attributes cannot be kept ({type(error).__name__})"
        self._db.execute("INSERT INTO spans(trace, body) VALUES (?, ?)", (span.trace_id, body))
        return None

    def traces(self) -> Iterator[list[Span]]:
        """The spans of each trace, traces in order of their first span in the file."""
        self._db.execute("CREATE INDEX by_trace ON spans(trace, number)")
        with closing(self._db.execute("SELECT trace FROM spans GROUP BY trace ORDER BY min(number)")) as found:
            for (trace,) in found:
                rows = self._db.execute("SELECT body FROM spans WHERE trace = ? ORDER BY number", (trace,))
                yield [msgspec.msgpack.decode(body, type=Span) for (body,) in rows]


def spans_of(value: object) -> Iterator[Span | str]:
    """Spans of one record: a span, an item of `resourceSpans`, an envelope, or a list of those; a reason where it is
    none of them."""
    if isinstance(value, list):
        for item in value:
            yield from spans_of(item)
        return
    record = mapping(value)
    resource_spans = _any(record, "resourceSpans", "resource_spans")
    scope_spans = _any(record, "scopeSpans", "scope_spans", "instrumentationLibrarySpans")
    if isinstance(resource_spans, list):
        for item in resource_spans:
            yield from spans_of(item)
    elif isinstance(scope_spans, list):
        resource = attributes_of(mapping(record.get("resource")).get("attributes"))
        for scope in mappings(scope_spans):
            for item in items(scope.get("spans")):
                yield _span(mapping(item), resource)
    elif isinstance(record.get("spans"), list):
        resource = attributes_of(mapping(record.get("resource")).get("attributes"))
        for item in items(record["spans"]):
            yield _span(mapping(item), resource)
    elif any(key in record for key in ("resourceLogs", "resourceMetrics")):
        return  # other signals in the same stream
    else:
        yield _span(record, attributes_of(mapping(record.get("resource")).get("attributes")))


def _span(record: Json, resource: Json) -> Span | str:
    context = mapping(_any(record, "context", "span_context", "spanContext"))
    trace_id = _hex_id(_any(record, "traceId", "trace_id") or _any(context, "traceId", "trace_id"))
    if trace_id is None:
        return "the record is no span: it has no trace id"
    span_id = _hex_id(_any(record, "spanId", "span_id") or _any(context, "spanId", "span_id"))
    parent = _any(record, "parentSpanId", "parent_span_id", "parent_id", "parentId")
    if isinstance(parent, dict):
        parent = _any(parent, "spanId", "span_id")
    status = record.get("status")
    code = _any(mapping(status), "code", "status_code", "statusCode") if isinstance(status, dict) else status
    return Span(
        trace_id=trace_id,
        span_id=span_id or identity(record)[:16],
        parent_span_id=_hex_id(parent),
        name=label(record.get("name")) or "span",
        start_micros=_micros(_any(record, "startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime")),
        end_micros=_micros(_any(record, "endTimeUnixNano", "end_time_unix_nano", "end_time", "endTime")),
        attributes=attributes_of(record.get("attributes")),
        events=[_event(event) for event in mappings(_any(record, "events", "span_events", "spanEvents"))],
        failed=code == 2 or (isinstance(code, str) and code.upper().rpartition("_")[2].rpartition(".")[2] == "ERROR"),
        status_message=text(_any(mapping(status), "message", "description", "status_message")),
        service=label(resource.get("service.name")),
    )


def _event(record: Json) -> SpanEvent:
    attributes = attributes_of(record.get("attributes"))
    body = record.get("body")
    if body is not None and "body" not in attributes:
        attributes = {**attributes, "body": _any_value(body)}
    at = _any(record, "timeUnixNano", "time_unix_nano", "timestamp", "time")
    name = _any(record, "name", "event_name", "eventName") or attributes.get("event.name")
    return SpanEvent(label(name) or "event", _micros(at), attributes)


def attributes_of(value: object) -> Json:
    """Attributes from a dictionary, or from OTLP's list of `{key, value}`."""
    if isinstance(value, dict):
        return {clean(str(key)): _any_value(item) for key, item in value.items()}
    found: Json = {}
    for item in mappings(value):
        key = item.get("key")
        if isinstance(key, str):
            found[clean(key)] = _any_value(item.get("value"))
    return found


_TYPED = ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue", "arrayValue", "kvlistValue")
_SNAKE = {re.sub("V", "_v", name): name for name in _TYPED}


def _any_value(value: object) -> object:
    """OTLP's AnyValue as plain JSON; plain JSON stays."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    kind, inner = next(iter(value.items()))
    kind = _SNAKE.get(kind, kind)
    if kind not in _TYPED:
        return value
    if kind == "intValue" and isinstance(inner, str) and re.fullmatch(r"-?\d{1,18}", inner):
        return int(inner)
    if kind == "arrayValue":
        return [_any_value(item) for item in items(mapping(inner).get("values"))]
    if kind == "kvlistValue":
        return attributes_of(mapping(inner).get("values"))
    return inner


def _any(record: Json, *names: str) -> object:
    return next((record[name] for name in names if record.get(name) is not None), None)


def _hex_id(value: object) -> str | None:
    found = label(value, 512)
    if found is None:
        return None
    found = found.removeprefix("0x")
    lowered = found.lower()
    return None if not found.strip("0") else lowered if re.fullmatch(r"[0-9a-f]+", lowered) else found


def _micros(value: object) -> int | None:
    """Time of a span: ISO text, or a number whose size tells its unit (nano- to whole seconds)."""
    if isinstance(value, str) and not re.fullmatch(r"\d{1,20}(\.\d*)?", value):
        return micros_of_iso(value)
    try:
        raw = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else float(str(value))
    except (ValueError, OverflowError):
        return None
    for unit_per_second in (10**9, 10**6, 10**3):
        if raw >= 10**8 * unit_per_second:
            return _scaled(raw, unit_per_second)
    return micros_of_seconds(raw)


def _scaled(raw: float, unit_per_second: int) -> int | None:
    try:
        micros = int(raw) * 10**6 // unit_per_second
    except (ValueError, OverflowError):
        return None
    return micros_of_seconds(micros / 10**6) if isinstance(raw, float) else _in_range(micros)


def _in_range(micros: int) -> int | None:
    return micros if 0 < micros < 7_258_118_400_000_000 else None
