"""The tables: explicit Arrow schemas with the meaning and unit of each column, and how rows are told apart.

Free-form content is JSON text: Arrow unions the keys of structs and pads nulls into tool arguments otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

_TIME = pa.timestamp("us", "UTC")
_STRINGS = pa.list_(pa.field("element", pa.string()))


def _field(name: str, type_: pa.DataType, doc: str, unit: str | None = None) -> pa.Field:
    metadata = {"comment": doc} | ({"unit": unit} if unit else {})
    return pa.field(name, type_, metadata=metadata)


_TRACES = pa.schema(
    [
        _field("trace_id", pa.string(), "id of the run"),
        _field("revision", pa.int32(), "1 at first, higher each time a late event amended it; only the latest is kept"),
        _field("scenario", pa.string(), "kind of work"),
        _field("execution_mode", pa.string(), "EXECUTION, SIMULATION or OPTIMIZATION"),
        _field("completion_status", pa.string(), "successful, failed, partial, interrupted or unknown"),
        _field("close_reason", pa.string(), "why it was taken as complete: ended, idle, max_age, max_size or evicted"),
        _field("started_at", _TIME, "first event", "microseconds, UTC"),
        _field("ended_at", _TIME, "last event", "microseconds, UTC"),
        _field("duration_seconds", pa.float64(), "stated by the source, else ended_at - started_at", "seconds"),
        _field("event_count", pa.int32(), "unique events", "count"),
        _field("step_count", pa.int32(), "steps", "count"),
        _field("tool_call_count", pa.int32(), "tool calls", "count"),
        _field("tool_error_count", pa.int32(), "tool results marked as errors", "count"),
        _field("decision_count", pa.int32(), "decisions of agents", "count"),
        _field("error_count", pa.int32(), "errors raised", "count"),
        _field("user_message_count", pa.int32(), "user messages", "count"),
        _field("model", pa.string(), "main model"),
        _field("cost_usd", pa.float64(), "cost; null when nothing states one", "US dollars"),
        _field("execution_trace", pa.string(), "the run in the exchange format, JSON text"),
        _field("task_id", pa.string(), "task attempted"),
        _field("trial", pa.int32(), "which attempt"),
        _field("reward", pa.float64(), "reward of an evaluator"),
        _field("provider", pa.string(), "provider of the main model"),
        _field("source_format", pa.string(), "sdk or the importer"),
        _field("agents", _STRINGS, "agents in order of appearance"),
        _field("input_tokens", pa.int64(), "sum over model calls", "tokens"),
        _field("output_tokens", pa.int64(), "sum over model calls", "tokens"),
        _field("consent_status", pa.string(), "granted, denied or unknown: the most restrictive of its events"),
        _field("consent_basis", pa.string(), "basis of consent"),
        _field("data_subject", pa.string(), "keyed pseudonym of the person the data is about"),
        _field("redaction_rules", pa.string(), "version of the redaction rules"),
        _field("redaction_counts", pa.string(), "what was replaced: {kind: count}, JSON text"),
        _field("offsets", pa.string(), "messages it was built from: [{topic, partition, first_offset, last_offset}]"),
        _field("closed_at", _TIME, "when it was due to close (arrival time)", "microseconds, UTC"),
        _field("events", pa.string(), "its redacted events in causal order, JSON text: curation can be run again"),
    ]
)

_EXAMPLES = pa.schema(
    [
        _field("example_id", pa.string(), "deterministic: trace, revision, type and position"),
        _field("trace_id", pa.string(), "trace it comes from"),
        _field("revision", pa.int32(), "revision of the trace"),
        _field("type", pa.string(), "kind of example"),
        _field("packages", _STRINGS, "dataset packages it belongs in"),
        _field("scenario", pa.string(), "kind of work"),
        _field("execution_mode", pa.string(), "EXECUTION, SIMULATION or OPTIMIZATION"),
        _field("task_id", pa.string(), "task attempted"),
        _field("quality_score", pa.float64(), "quality", "0 to 1"),
        _field("human_validated", pa.bool_(), "a person vouched for it"),
        _field("execution_successful", pa.bool_(), "the run (or step) succeeded"),
        _field("training_weight", pa.float64(), "suggested sampling weight"),
        _field("provider", pa.string(), "provider of the model whose output this is"),
        _field("model", pa.string(), "model whose output this is"),
        _field("data_subject", pa.string(), "keyed pseudonym of the person the data is about"),
        _field("consent_basis", pa.string(), "basis of consent"),
        _field("messages", pa.string(), "chat messages, JSON text; arguments of tool calls are JSON strings"),
        _field("tools", pa.string(), "tool definitions, JSON text"),
        _field("context", pa.string(), "context, JSON text"),
        _field("expected_output", pa.string(), "what should be produced, JSON text"),
        _field("outcome", pa.string(), "success, failure, recovered, partial or unknown: the step, seen from the end"),
        _field("cluster_id", pa.string(), "near-duplicate cluster: the trace that stands for it"),
        _field("rejected", pa.string(), "what should not have been said instead of the last message, JSON text"),
        _field("enrichment", pa.string(), "reasoning, outcome and performance of the step, JSON text"),
        _field("policy_hash", pa.string(), "policy that accepted it"),
        _field("event_ids", _STRINGS, "events it was made from"),
        _field("source_offsets", pa.string(), "messages of its trace: [{topic, partition, first_offset, last_offset}]"),
        _field("created_at", _TIME, "closed_at of the trace", "microseconds, UTC"),
    ]
)

_DECISIONS = pa.schema(
    [
        _field("trace_id", pa.string(), "trace"),
        _field("revision", pa.int32(), "revision decided on; only the latest is kept"),
        _field("verdict", pa.string(), "accepted, rejected, duplicate or quarantined"),
        _field("reasons", _STRINGS, "stable reason codes, most important first"),
        _field("quality_score", pa.float64(), "quality", "0 to 1"),
        _field("signals", pa.string(), "what was measured: [{name, version, value}], JSON text"),
        _field("thresholds", pa.string(), "what it was held against, JSON text"),
        _field("policy_hash", pa.string(), "sha256 of the policy"),
        _field("decided_at", _TIME, "closed_at of the trace", "microseconds, UTC"),
        _field("duplicate_of", pa.string(), "trace it repeats"),
        _field("example_count", pa.int32(), "examples it gave", "count"),
    ]
)

_RUN = ("scenario", "execution_mode", "task_id", "provider", "model")

_PATTERNS = pa.schema(
    [
        _field("pattern_id", pa.string(), "readable, the same for the same scenario, execution mode and sequence"),
        _field("scenario", pa.string(), "kind of work it was seen in"),
        _field("execution_mode", pa.string(), "EXECUTION, SIMULATION or OPTIMIZATION: how its runs were made"),
        _field("pattern_type", pa.string(), "kind of work its tools do: information_gathering, file_editing ..."),
        _field(
            "tools", _STRINGS, "tools in order; a run of calls of one tool is one entry; bash(grep): a shell's program"
        ),
        _field("frequency", pa.string(), "high, medium or low: class of its support"),
        _field("trend", pa.string(), "emerging, steady, fading or new: how its support changed within the window"),
        _field("active", pa.bool_(), "false when it no longer stands out; the numbers are then its last ones"),
        _field("trace_count", pa.int64(), "traces of the window that hold it", "count"),
        _field("trace_count_error", pa.int64(), "trace_count may be too low by this at most", "count"),
        _field("support", pa.float64(), "share of the traces of its scenario and mode that hold it", "0 to 1"),
        _field("occurrence_count", pa.int64(), "times seen in the window", "count"),
        _field("success_rate", pa.float64(), "share of its runs of known outcome that succeeded", "0 to 1"),
        _field("scenario_success_rate", pa.float64(), "the same of all runs of its scenario and mode", "0 to 1"),
        _field("avg_latency_seconds", pa.float64(), "mean time one occurrence spends in its tools", "seconds"),
        _field("sequence", pa.string(), "tools in order with typical inputs and performance, JSON text"),
        _field("trace_ids", _STRINGS, "some of the traces it was found in"),
        _field("window_start", _TIME, "start of the window it is counted in (event time)", "microseconds, UTC"),
        _field("window_end", _TIME, "end of that window", "microseconds, UTC"),
        _field("revision", pa.int64(), "higher each time it is published; only the latest is kept"),
        _field("created_at", _TIME, "when this revision was made", "microseconds, UTC"),
        _field("tool_execution_pattern", pa.string(), "the pattern in the exchange format, JSON text"),
    ]
)


@dataclass(frozen=True)
class TableSpec:
    """One table: its columns, the topics that fill it and the columns that files are skipped by."""

    name: str
    schema: pa.Schema
    key: str
    """Column that holds each value once."""
    topics: tuple[str, ...]
    """Topics whose offsets its commits carry."""
    stats: tuple[str, ...]
    """Columns with minimum and maximum in the log. Never one with content: the log would hold a copy of it."""
    row_group_rows: int
    """Rows that are written, and later read, as one: bounds memory where rows are long."""
    repeated: tuple[str, ...]
    """Columns worth a dictionary: few values. For ids and long texts it only costs."""


TABLES: Mapping[str, TableSpec] = {
    spec.name: spec
    for spec in (
        TableSpec(
            name="traces",
            schema=_TRACES,
            key="trace_id",
            topics=("traces",),
            stats=("revision", "started_at", "ended_at", "closed_at"),
            row_group_rows=1024,
            repeated=(*_RUN, "completion_status", "close_reason", "source_format", "consent_status", "redaction_rules"),
        ),
        TableSpec(
            name="decisions",
            schema=_DECISIONS,
            key="trace_id",
            topics=("decisions",),
            stats=("revision", "decided_at", "quality_score"),
            row_group_rows=32_768,
            repeated=("verdict", "reasons.list.element", "thresholds", "policy_hash"),
        ),
        # A decision of a higher revision takes the examples of lower ones out, so its topic moves this table too.
        TableSpec(
            name="examples",
            schema=_EXAMPLES,
            key="example_id",
            topics=("examples", "decisions"),
            stats=("revision", "created_at", "quality_score"),
            row_group_rows=4096,
            repeated=(*_RUN, "type", "packages.list.element", "tools", "policy_hash", "consent_basis", "outcome"),
        ),
        TableSpec(
            name="patterns",
            schema=_PATTERNS,
            key="pattern_id",
            topics=("patterns",),
            stats=("revision", "created_at", "trace_count"),
            row_group_rows=4096,
            repeated=("pattern_type", "scenario", "execution_mode", "frequency", "trend", "tools.list.element"),
        ),
    )
}
"""Every table by name, in the order in which a flush commits them: examples look into committed decisions."""

LANE_TOPICS = ("traces", "decisions", "examples")
"""Topics that must have the same number of partitions: a trace has one lane in all."""
TOPICS = (*LANE_TOPICS, "patterns")
"""Topics that the sink consumes. One that does not exist yet is waited for."""


def app_id(topic: str, partition: int) -> str:
    """Name under which a table's commits keep the last offset they hold of a topic partition."""
    return f"{topic}-{partition}"


def table_uri(root: str, name: str) -> str:
    """Address of one table under the root URL or directory."""
    return f"{root.rstrip('/')}/{name}"
