"""Events to Avro: what `emit` put aside becomes one `EventBatch` without framing. Runs in the background thread."""

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import count
from typing import Any, NamedTuple

from fastavro import parse_schema, schemaless_writer

from training_data_producer._bodies import Avro, Bodies
from training_data_producer._values import Values, clean_text

SCHEMA_TEXT = files("training_data_producer").joinpath("EventBatch.avsc").read_text("utf-8").strip()
"""The schema as it is registered: self-contained."""


@dataclass(frozen=True)
class AgentContext:
    """What all events of one agent in one trace share."""

    trace_id: str
    """32 hex digits."""
    span_id: str
    agent: str
    scenario: str
    execution_mode: str
    model: Avro | None
    consent: Avro
    sequence: "count[int]"
    """Counts the events of this process in the trace; child agents share it."""

    @property
    def traceparent(self) -> str:
        """W3C trace context of the agent's own span."""
        return f"00-{self.trace_id}-{self.span_id}-01"


class Emitted(NamedTuple):
    """One event as the emitting thread leaves it."""

    context: AgentContext
    event_id: str
    sequence: int
    occurred_at: int
    """Microseconds since 1970 UTC."""
    span_id: str
    parent_span_id: str | None
    kind: str
    body: Avro
    size: int
    """About how many bytes it holds."""


class Encoded(NamedTuple):
    """A batch ready for Kafka or for the disk."""

    traceparent: bytes
    """55 bytes; holds the trace id, which is the Kafka key."""
    event_count: int
    payload: bytes
    """Avro without framing: the registry may be away when this is written."""

    @property
    def key(self) -> bytes:
        return self.traceparent[3:35]


class Encoder:
    """Encodes batches of one producer."""

    def __init__(self, producer_id: str, values: Values) -> None:
        self._producer_id = producer_id
        self._values = values
        self._bodies = Bodies(values)

    def encode(self, events: Sequence[Emitted]) -> Encoded:
        """One batch from events of one trace. Odd values are repaired, never a reason to fail."""
        first = events[0].context
        batch = {
            "trace_id": first.trace_id,
            "producer_id": self._producer_id,
            "events": [self._event(event) for event in events],
        }
        try:
            payload = _write(batch)
        except Exception:  # a lone surrogate, or a type that slipped through: mend the whole batch by its schema
            self._values.repaired += 1
            payload = _write(_mended(_SCHEMA, batch))
        return Encoded(first.traceparent.encode("ascii"), len(events), payload)

    def _event(self, event: Emitted) -> Avro:
        context = event.context
        return {
            "event_id": event.event_id,
            "trace_id": context.trace_id,
            "span_id": event.span_id,
            "parent_span_id": event.parent_span_id,
            "producer_id": self._producer_id,
            "sequence": event.sequence,
            "occurred_at": event.occurred_at,
            "agent": context.agent,
            "scenario": context.scenario,
            "execution_mode": context.execution_mode,
            "model": context.model and ("tdc.ModelRef", context.model),
            "consent": context.consent,
            "source": _SOURCE,
            "kind": event.kind,
            # A named branch spares fastavro the search through the union, a third of the time.
            event.kind: (_BODY_NAMES[event.kind], self._bodies.finish(event.body)),
        }


_SOURCE: Avro = {"format": "sdk"}


def batches(events: Sequence[Emitted], max_events: int, max_bytes: int) -> Iterator[list[Emitted]]:
    """Group events by trace, in their order, into batches within both bounds (one event may exceed the bytes)."""
    open_batches: dict[str, list[Emitted]] = {}
    sizes: dict[str, int] = {}
    for event in events:
        trace_id = event.context.trace_id
        batch = open_batches.get(trace_id)
        if batch and (len(batch) >= max_events or sizes[trace_id] + event.size > max_bytes):
            yield batch
            batch = None
        if not batch:
            batch = open_batches[trace_id] = []
            sizes[trace_id] = 0
        batch.append(event)
        sizes[trace_id] += event.size
    yield from open_batches.values()


def _plain_times(node: Any) -> Any:
    # Logical types off: times are integers on both sides, and the bytes are the same.
    if isinstance(node, dict):
        if "logicalType" in node:
            return node["type"]
        return {
            key: _plain_times(value) if key in ("type", "items", "fields") else value for key, value in node.items()
        }
    if isinstance(node, list):
        return [_plain_times(item) for item in node]
    return node


_SCHEMA: Any = _plain_times(json.loads(SCHEMA_TEXT))
_PARSED: Any = parse_schema(_plain_times(json.loads(SCHEMA_TEXT)))


def _write(batch: Avro) -> bytes:
    out = io.BytesIO()
    schemaless_writer(out, _PARSED, batch)
    return out.getvalue()


def _named(node: Any, found: dict[str, Any]) -> dict[str, Any]:
    if isinstance(node, dict):
        if node.get("type") in ("record", "enum"):
            found[f"tdc.{node['name']}"] = node
        for key in ("type", "items", "fields"):
            _named(node.get(key), found)
    elif isinstance(node, list):
        for item in node:
            _named(item, found)
    return found


_NAMED = _named(_SCHEMA, {})
_BODY_NAMES = {
    # Each body is a union of null and its record, written out where it is first used.
    field["name"]: branch if isinstance(branch, str) else f"tdc.{branch['name']}"
    for field in _NAMED["tdc.Event"]["fields"]
    if isinstance(field["type"], list)
    for branch in field["type"][1:]
    if isinstance(branch, dict) or branch in _NAMED
}
_EMPTY: dict[str, Any] = {"string": "", "long": 0, "int": 0, "double": 0.0, "boolean": False}


def _mended(schema: Any, value: Any) -> Any:
    # The slow way, taken only when the fast one failed: make every value fit its Avro type.
    if isinstance(schema, str) and schema in _NAMED:
        schema = _NAMED[schema]
    if isinstance(schema, list):
        if isinstance(value, tuple):  # a named branch
            value = value[1]
        return None if value is None else _mended(schema[1], value)
    if isinstance(schema, str):
        return _mended_primitive(schema, value)
    kind = schema["type"]
    if kind == "array":
        return [_mended(schema["items"], item) for item in value] if isinstance(value, (list, tuple)) else []
    if kind == "enum":
        return value if value in schema["symbols"] else schema["default"]
    if kind == "record":
        given = value if isinstance(value, dict) else {}
        return {
            field["name"]: _mended(field["type"], given.get(field["name"], field.get("default")))
            for field in schema["fields"]
        }
    return _mended(kind, value)


def _mended_primitive(kind: str, value: Any) -> Any:
    values = Values()
    if kind == "string":
        return clean_text(values.required_text(value))
    if kind in ("long", "int"):
        return values.integer(value, 64 if kind == "long" else 32) or 0
    if kind == "double":
        return values.number(value) or 0.0
    return bool(values.flag(value)) if kind == "boolean" else _EMPTY[kind]
