"""Spans as they come: the OTLP/JSON envelope, plain span dictionaries of SDK exporters, JSON arrays and JSON lines.

Whatever the spelling of its fields, a span leaves here in one shape.
"""

from collections.abc import Iterator

import msgspec

from streams.adapters.otlp_values import any_of, attributes_of, hex_id, micros, plain_value
from streams.adapters.tolerant import Json, identity, items, label, mapping, mappings, text


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


def spans_of(value: object) -> Iterator[Span | str]:
    """Spans of one record: a span, an item of `resourceSpans`, an envelope, or a list of those; a reason where it is
    none of them."""
    if isinstance(value, list):
        for item in value:
            yield from spans_of(item)
        return
    record = mapping(value)
    resource_spans = any_of(record, "resourceSpans", "resource_spans")
    scope_spans = any_of(record, "scopeSpans", "scope_spans", "instrumentationLibrarySpans")
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
    context = mapping(any_of(record, "context", "span_context", "spanContext"))
    trace_id = hex_id(any_of(record, "traceId", "trace_id") or any_of(context, "traceId", "trace_id"))
    if trace_id is None:
        return "the record is no span: it has no trace id"
    span_id = hex_id(any_of(record, "spanId", "span_id") or any_of(context, "spanId", "span_id"))
    parent = any_of(record, "parentSpanId", "parent_span_id", "parent_id", "parentId")
    if isinstance(parent, dict):
        parent = any_of(parent, "spanId", "span_id")
    status = record.get("status")
    code = any_of(mapping(status), "code", "status_code", "statusCode") if isinstance(status, dict) else status
    return Span(
        trace_id=trace_id,
        span_id=span_id or identity(record)[:16],
        parent_span_id=hex_id(parent),
        name=label(record.get("name")) or "span",
        start_micros=micros(any_of(record, "startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime")),
        end_micros=micros(any_of(record, "endTimeUnixNano", "end_time_unix_nano", "end_time", "endTime")),
        attributes=attributes_of(record.get("attributes")),
        events=[_event(event) for event in mappings(any_of(record, "events", "span_events", "spanEvents"))],
        failed=code == 2 or (isinstance(code, str) and code.upper().rpartition("_")[2].rpartition(".")[2] == "ERROR"),
        status_message=text(any_of(mapping(status), "message", "description", "status_message")),
        service=label(resource.get("service.name")),
    )


def _event(record: Json) -> SpanEvent:
    attributes = attributes_of(record.get("attributes"))
    body = record.get("body")
    if body is not None and "body" not in attributes:
        attributes = {**attributes, "body": plain_value(body)}
    at = any_of(record, "timeUnixNano", "time_unix_nano", "timestamp", "time")
    name = any_of(record, "name", "event_name", "eventName") or attributes.get("event.name")
    return SpanEvent(label(name) or "event", micros(at), attributes)
