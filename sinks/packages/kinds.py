"""The kinds of rows a package may hold: where they come from, their columns, and how each is judged.

The SQL of a kind reads the relation `source` (the columns of its table) and gives one narrow row for each row: what
gates, splits and caps need. Free text stays out of it, but for hashes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from sinks.packages import fingerprints
from sinks.packages.columns import EXAMPLE_ROWS
from sinks.tables import TABLES

PAIR_TYPE = "preference_pair"
"""Type of rows that are made of two runs of one task."""

_PRIVATE = ("data_subject", "consent_basis", "consent_status", "events")
"""Never part of a package: who the data is about, and what other columns already say in the exchange format."""

NARROW = (
    "key", "trace_id", "cluster", "scenario", "task_id", "type", "provider", "model", "execution_mode",
    "quality_score", "data_time", "revision", "policy_hash", "content", "variant",
)  # fmt: skip
"""Columns of the narrow rows. `content` is the fingerprint of what may not stand in two splits; rows of the same
content and type are duplicates where their `variant` is the same too: pairs share the good answer and differ in the bad
one."""


@dataclass(frozen=True)
class Kind:
    """One kind of rows."""

    table: str
    """Table that the rows, and their filter, belong to."""
    key: str
    """Column that holds each value once."""
    schema: pa.Schema
    """Columns of a package row."""
    content: str
    """Column whose text may not stand in two splits."""
    narrow: Mapping[str, str]
    """SQL for each of `NARROW`, over `source`; the engine knows the functions in it."""
    of_traces: bool = True
    """Whether a row stands for one trace; patterns stand for many."""
    accepted_only: bool = True
    """Whether only rows of accepted traces are taken."""

    @property
    def digest(self) -> str:
        """SQL for the fingerprint of a whole package row, as `hashed` gives it."""
        return f"digest_of_{self.table}({{{', '.join(f'{name}: {name}' for name in self.schema.names)}}})"

    def hashed(self, rows: pa.RecordBatch) -> tuple[pa.Array, pa.Array]:
        """Content and digest of rows that have the columns of a package row. In a digest the column that `content`
        hashes stands as that hash: it is the longest, and hashed already."""
        content = fingerprints.of_values(rows.column(self.content))
        columns = [content if name == self.content else rows.column(name) for name in self.schema.names]
        return content, fingerprints.of_rows(columns)

    @property
    def needed(self) -> tuple[str, ...]:
        """Columns of the table that the narrow rows and the package rows read."""
        spoken = " ".join(self.narrow.values())
        extra = [name for name in TABLES[self.table].schema.names if _word(name, spoken)]
        return tuple(dict.fromkeys([*self.schema.names, *extra]))


def _word(name: str, text: str) -> bool:
    return name in text.replace("(", " ").replace(")", " ").replace(",", " ").split()


def _without_private(table: str) -> pa.Schema:
    return pa.schema([field for field in TABLES[table].schema if field.name not in _PRIVATE])


_EXAMPLES = Kind(
    table="examples",
    key="example_id",
    schema=EXAMPLE_ROWS,
    content="messages",
    narrow={
        "key": "example_id",
        "trace_id": "trace_id",
        "cluster": "coalesce( cluster_id , trace_id )",
        "scenario": "scenario",
        "task_id": "task_id",
        "type": "type",
        "provider": "provider",
        "model": "model",
        "execution_mode": "execution_mode",
        "quality_score": "quality_score",
        "data_time": "created_at",
        "revision": "revision",
        "policy_hash": "policy_hash",
        "content": "fingerprint( messages )",
        "variant": "md5( rejected )",
    },
)

KINDS: Mapping[str, Kind] = {
    "examples": _EXAMPLES,
    "preference_pairs": _EXAMPLES,
    "traces": Kind(
        table="traces",
        key="trace_id",
        schema=_without_private("traces"),
        content="execution_trace",
        narrow={
            "key": "trace_id",
            "trace_id": "trace_id",
            "cluster": "trace_id",
            "scenario": "scenario",
            "task_id": "task_id",
            "type": "'trace'",
            "provider": "provider",
            "model": "model",
            "execution_mode": "execution_mode",
            "quality_score": "NULL::DOUBLE",
            "data_time": "closed_at",
            "revision": "revision",
            "policy_hash": "NULL::VARCHAR",
            "content": "fingerprint( execution_trace )",
            "variant": "0",
        },
        accepted_only=False,
    ),
    "decisions": Kind(
        table="decisions",
        key="trace_id",
        schema=_without_private("decisions"),
        content="trace_id",
        narrow={
            "key": "trace_id",
            "trace_id": "trace_id",
            "cluster": "coalesce( duplicate_of , trace_id )",
            "scenario": "NULL::VARCHAR",
            "task_id": "NULL::VARCHAR",
            "type": "verdict",
            "provider": "NULL::VARCHAR",
            "model": "NULL::VARCHAR",
            "execution_mode": "NULL::VARCHAR",
            "quality_score": "quality_score",
            "data_time": "decided_at",
            "revision": "revision",
            "policy_hash": "policy_hash",
            "content": "fingerprint( trace_id )",
            "variant": "0",
        },
        accepted_only=False,
    ),
    "patterns": Kind(
        table="patterns",
        key="pattern_id",
        schema=_without_private("patterns"),
        content="sequence",
        narrow={
            "key": "pattern_id",
            "trace_id": "pattern_id",
            "cluster": "pattern_id",
            "scenario": "scenario",
            "task_id": "NULL::VARCHAR",
            "type": "pattern_type",
            "provider": "NULL::VARCHAR",
            "model": "NULL::VARCHAR",
            "execution_mode": "execution_mode",
            "quality_score": "NULL::DOUBLE",
            "data_time": "created_at",
            "revision": "1",
            "policy_hash": "NULL::VARCHAR",
            "content": "fingerprint( sequence )",
            "variant": "md5( scenario )",
        },
        of_traces=False,
        accepted_only=False,
    ),
}
"""By the name that recipes use. What `decisions` do not say of their run is filled in from `traces`."""
