"""Spans as they come: the OTLP/JSON envelope, plain span dictionaries of SDK exporters, JSON arrays and JSON lines.

Whatever the spelling of its fields, a span leaves here in one shape.
"""

from collections.abc import Iterator

import msgspec

from streams.adapters.otlp_values import (
    any_of,
    attributes_of,
    flattened,
    folded,
    hex_id,
    micros,
    micros_of_duration,
    plain_value,
)
from streams.adapters.tolerant import Json, identity, in_range, items, label, mapping, mappings, text

RESOURCE_SPANS = ("resourceSpans", "resource_spans")
RESOURCE_LOGS = ("resourceLogs", "resource_logs")


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


class SpanLog(msgspec.Struct, frozen=True):
    """An event of a span that was exported apart from it, as a log record."""

    trace_id: str
    span_id: str
    event: SpanEvent


def spans_of(value: object) -> Iterator[Span | SpanLog | str]:
    """Spans and GenAI log records of one record: a span, an item of `resourceSpans` or `resourceLogs`, an envelope, or
    a list of those; a reason where it is none of them."""
    if isinstance(value, list):
        for item in value:
            yield from spans_of(item)
        return
    record = mapping(value)
    envelopes = [any_of(record, *names) for names in (RESOURCE_SPANS, RESOURCE_LOGS)]
    scope_spans = any_of(record, "scopeSpans", "scope_spans", "instrumentationLibrarySpans")
    scope_logs = any_of(record, "scopeLogs", "scope_logs", "instrumentationLibraryLogs")
    resource = attributes_of(mapping(record.get("resource")).get("attributes"))
    if any(isinstance(found, list) for found in envelopes):
        for found in envelopes:
            yield from spans_of(items(found))
    elif isinstance(scope_spans, list):
        for scope in mappings(scope_spans):
            for item in items(scope.get("spans")):
                yield from _with_inner_spans(mapping(item), resource)
    elif isinstance(scope_logs, list):
        for scope in mappings(scope_logs):
            for item in mappings(any_of(scope, "logRecords", "log_records")):
                yield from _log(item)
    elif isinstance(record.get("spans"), list):
        for item in items(record["spans"]):
            yield from _with_inner_spans(mapping(item), resource, any_of(record, "traceId", "trace_id"))
    elif any(key in record for key in (*RESOURCE_LOGS, "resourceMetrics", "resource_metrics")):
        return  # other signals in the same stream
    else:
        yield from _with_inner_spans(record, resource)


def _log(record: Json) -> Iterator[SpanLog | str]:
    """A log record of the GenAI conventions; others say nothing of an agent."""
    event = _event(record)
    if not event.name.startswith("gen_ai."):
        return
    trace_id, span_id = (hex_id(any_of(record, *names)) for names in (("traceId", "trace_id"), ("spanId", "span_id")))
    if trace_id is None or span_id is None:
        yield "the log record of a model call belongs to no span"
    else:
        yield SpanLog(trace_id, span_id, event)


def _with_inner_spans(record: Json, resource: Json, trace_id: object = None) -> Iterator[Span | str]:
    """A span and those nested in it, outer first. An inner one that does not say where it belongs lies in the outer."""
    left: list[tuple[Json, object, str | None]] = [(record, trace_id, None)]
    while left:
        found, trace_id, outer = left.pop()
        span = _span(found, resource, trace_id, outer)
        yield span
        if not isinstance(span, str):
            trace_id, outer = span.trace_id, span.span_id
        inner = mappings(any_of(found, "child_spans", "children"))
        left.extend((item, trace_id, outer) for item in reversed(inner))


def _span(record: Json, resource: Json, outer_trace_id: object, outer: str | None) -> Span | str:
    record = folded(record)
    context = mapping(any_of(record, "context", "span_context", "spanContext"))
    trace_id = hex_id(any_of(record, "traceId", "trace_id") or any_of(context, "traceId", "trace_id"))
    span_id = hex_id(any_of(record, "spanId", "span_id") or any_of(context, "spanId", "span_id"))
    if trace_id is None and span_id is not None:
        trace_id = hex_id(outer_trace_id)
    if trace_id is None:
        return "the record is no span: it has no trace id"
    parent = any_of(record, "parentSpanId", "parent_span_id", "parent_id", "parentId")
    if isinstance(parent, dict):
        parent = any_of(parent, "spanId", "span_id")
    status = record.get("status")
    code = any_of(mapping(status), "code", "status_code", "statusCode") if isinstance(status, dict) else status
    if code is None:
        code = any_of(record, "status_code", "statusCode")
    message = any_of(mapping(status), "message", "description", "status_message")
    start = micros(any_of(record, "startTimeUnixNano", "start_time_unix_nano", "start_time", "startTime", "timestamp"))
    end = micros(any_of(record, "endTimeUnixNano", "end_time_unix_nano", "end_time", "endTime"))
    if end is None and start is not None:
        duration = micros_of_duration(record.get("duration"))
        end = None if duration is None else in_range(start + duration)
    return Span(
        trace_id=trace_id,
        span_id=span_id or identity(record)[:16],
        parent_span_id=hex_id(parent) or outer,
        name=label(any_of(record, "name", "span_name")) or "span",
        start_micros=start,
        end_micros=end,
        attributes=flattened(attributes_of(any_of(record, "attributes", "span_attributes"))),
        events=[_event(event) for event in mappings(any_of(record, "events", "span_events", "spanEvents"))],
        failed=code == 2 or (isinstance(code, str) and code.upper().rpartition("_")[2].rpartition(".")[2] == "ERROR"),
        status_message=text(message) or text(any_of(record, "status_message", "statusMessage")),
        service=label({**attributes_of(record.get("resource_attributes")), **resource}.get("service.name")),
    )


def _event(record: Json) -> SpanEvent:
    attributes = attributes_of(any_of(record, "attributes", "Attributes"))
    body = record.get("body")
    if body is not None and "body" not in attributes:
        attributes = {**attributes, "body": plain_value(body)}
    at = any_of(record, "timeUnixNano", "time_unix_nano", "timestamp", "time", "Timestamp")
    name = any_of(record, "name", "event_name", "eventName", "Name") or attributes.get("event.name")
    return SpanEvent(label(name) or "event", micros(at), attributes)
