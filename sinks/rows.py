"""Records to rows: pure. A row is a tuple in the order of its table's columns, so that a batch turns into Arrow
column by column."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa

from schemas.records import Decision, Event, Example, OffsetRange, Pattern, Trace
from schemas.render import execution_trace, tool_execution_pattern
from sinks.tables import TABLES

Row = tuple[object, ...]

_VALUE_BYTES = 50  # header of a small Python object

_JSON = msgspec.json.Encoder()
_SORTED_JSON = msgspec.json.Encoder(order="deterministic")


def trace_row(trace: Trace) -> Row:
    """Row of `traces`. The trace must not be withheld."""
    return (
        trace.trace_id,
        trace.revision,
        trace.scenario,
        trace.execution_mode,
        trace.completion_status,
        trace.close_reason,
        trace.started_at,
        trace.ended_at,
        trace.duration_seconds,
        trace.event_count,
        trace.step_count,
        trace.tool_call_count,
        trace.tool_error_count,
        trace.decision_count,
        trace.error_count,
        trace.user_message_count,
        trace.model,
        trace.cost_usd,
        _text(execution_trace(trace)),
        trace.task_id,
        trace.trial,
        trace.reward,
        trace.provider,
        trace.source_format,
        list(trace.agents),
        trace.input_tokens,
        trace.output_tokens,
        trace.consent.status,
        trace.consent.basis,
        trace.consent.data_subject_id,
        trace.redaction.rules_version,
        _SORTED_JSON.encode(trace.redaction.counts).decode(),
        _offsets(trace.offsets),
        trace.closed_at,
        events_text(trace.events),
    )


def example_row(example: Example) -> Row:
    """Row of `examples`."""
    return (
        example.example_id,
        example.trace_id,
        example.revision,
        example.type,
        list(example.packages),
        example.scenario,
        example.execution_mode,
        example.task_id,
        example.quality_score,
        example.human_validated,
        example.execution_successful,
        example.training_weight,
        example.provider,
        example.model,
        example.data_subject,
        example.consent_basis,
        example.messages,
        example.tools,
        example.context,
        example.expected_output,
        example.outcome,
        example.cluster_id,
        example.rejected,
        example.enrichment,
        example.policy_hash,
        list(example.event_ids),
        _offsets(example.source_offsets),
        example.created_at,
    )


def decision_row(decision: Decision) -> Row:
    """Row of `decisions`."""
    return (
        decision.trace_id,
        decision.revision,
        decision.verdict,
        list(decision.reasons),
        decision.quality_score,
        _text(decision.signals),
        decision.thresholds_json,
        decision.policy_hash,
        decision.decided_at,
        decision.duplicate_of,
        decision.example_count,
    )


def pattern_row(pattern: Pattern) -> Row:
    """Row of `patterns`. Its JSON texts hold the same numbers: `sequence` exact ones, with counts."""
    return (
        pattern.pattern_id,
        pattern.scenario,
        pattern.execution_mode,
        pattern.pattern_type,
        list(pattern.tools),
        pattern.frequency,
        pattern.trend,
        pattern.active,
        pattern.trace_count,
        pattern.trace_count_error,
        pattern.support,
        pattern.occurrence_count,
        pattern.success_rate,
        pattern.scenario_success_rate,
        pattern.avg_latency_seconds,
        _text(pattern.sequence),
        list(pattern.trace_ids),
        pattern.window_start,
        pattern.window_end,
        pattern.revision,
        pattern.created_at,
        _text(tool_execution_pattern(pattern)),
    )


def events_text(events: Sequence[Event]) -> str:
    """Events as the JSON text of the `events` column; empty bodies are left out."""
    return _text([{name: value for name, value in _fields(event) if value is not None} for event in events])


def events_from_text(text: str) -> tuple[Event, ...]:
    """The events of an `events` column, as they were."""
    return msgspec.json.decode(text, type=tuple[Event, ...])


def row_bytes(row: Row) -> int:
    """About what a row holds in memory, bytes: its texts, and a little for every value."""
    total = 0
    for value in row:
        if isinstance(value, str):
            total += len(value)
        elif isinstance(value, list):
            total += sum(len(item) + _VALUE_BYTES for item in value)
        total += _VALUE_BYTES
    return total


def arrow_table(name: str, rows: Sequence[Row]) -> pa.Table:
    """Rows of one table as Arrow, with its exact schema."""
    schema = TABLES[name].schema
    if not rows:
        return schema.empty_table()
    columns: list[Any] = [
        pa.array(values, type=field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _fields(event: Event) -> list[tuple[str, object]]:
    return [(name, getattr(event, name)) for name in event.__struct_fields__]


def _offsets(ranges: Sequence[OffsetRange]) -> str:
    return _text(ranges)


def _text(value: object) -> str:
    return _JSON.encode(value).decode("utf-8")
