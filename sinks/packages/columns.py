"""The rows of a dataset package, and the files that hold them."""

from dataclasses import dataclass

import pyarrow as pa

from sinks.tables import TABLES

_OF_EXAMPLES = (
    "example_id",
    "trace_id",
    "type",
    "scenario",
    "execution_mode",
    "task_id",
    "cluster_id",
    "quality_score",
    "human_validated",
    "execution_successful",
    "outcome",
    "training_weight",
    "provider",
    "model",
    "messages",
    "tools",
    "context",
    "expected_output",
    "rejected",
    "prompt_messages",
    "enrichment",
    "policy_hash",
    "source_offsets",
)

PROMPT_MESSAGES = pa.field(
    "prompt_messages",
    pa.int32(),
    metadata={
        "comment": "leading messages that are the prompt, for both sides of a pair; null: all but the last",
        "unit": "count",
    },
)
_REJECTED = pa.field(
    "rejected",
    pa.string(),
    metadata={"comment": "messages that should not have followed the prompt, null where there are none; JSON text"},
)
_OWN = {field.name: field for field in (PROMPT_MESSAGES, _REJECTED)}


def _example_field(name: str) -> pa.Field:
    return _OWN[name] if name in _OWN else TABLES["examples"].schema.field(name)


EXAMPLE_ROWS: pa.Schema = pa.schema([_example_field(name) for name in _OF_EXAMPLES])
"""Rows made of the table `examples` (and of pairs of traces). `messages`, `tools`, `context`, `expected_output`,
`rejected` and `enrichment` are JSON text; arguments of tool calls in them are JSON strings, byte for byte as the model
wrote them. `rejected` is null, or the JSON list of messages that should not have followed the prompt. The prompt is the
first `prompt_messages` of `messages`, all but the last where that is null; the rest of `messages` should follow it."""

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class WrittenFile:
    """One data file of a package."""

    path: str
    """Relative to the package, with forward slashes."""
    split: str
    format: str
    """For example `parquet`, or `jsonl/trl`."""
    rows: int
    size_bytes: int
    sha256: str
