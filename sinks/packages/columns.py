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
    "enrichment",
    "policy_hash",
    "source_offsets",
)

EXAMPLE_ROWS: pa.Schema = pa.schema([TABLES["examples"].schema.field(name) for name in _OF_EXAMPLES])
"""Rows made of the table `examples` (and of pairs of traces). `messages`, `tools`, `context`, `expected_output`,
`rejected` and `enrichment` are JSON text; arguments of tool calls in them are JSON strings, byte for byte as the model
wrote them. `rejected` is null, or the JSON list of messages that should not have followed instead of the last message
of `messages`."""

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
