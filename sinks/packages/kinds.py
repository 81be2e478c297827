"""The kinds of rows a package may hold: where they come from, their columns, and how each is judged.

The SQL of a kind reads the relation `source` (the columns of its table) and gives one narrow row for each row: what
gates, splits and caps need. Free text stays out of it, but for hashes.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

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
"""Columns of the narrow rows. `content` is the md5 of what may not stand in two splits; rows of the same content
and type are duplicates where their `variant` is the same too: pairs share the good answer and differ in the bad one."""


@dataclass(frozen=True)
class Kind:
    """One kind of rows."""

    table: str
    """Table that the rows, and their filter, belong to."""
    key: str
    """Column that holds each value once."""
    schema: pa.Schema
    """Columns of a package row."""
    narrow: Mapping[str, str]
    """SQL for each of `NARROW`, over `source`."""
    of_traces: bool = True
    """Whether a row stands for one trace; patterns stand for many."""
    accepted_only: bool = True
    """Whether only rows of accepted traces are taken."""

    @property
    def digest(self) -> str:
        """SQL for the md5 of a whole package row: its columns as text, with marks between them and for null. The column
        that `content` hashes stands as that hash: it is the longest, and hashed already."""
        content = self.narrow["content"]
        texts = ", ".join(
            f"coalesce({content if _word(name, content) else name}::VARCHAR, chr(0)), chr(31)"
            for name in self.schema.names
        )
        return f"md5(concat({texts}))"

    @property
    def size(self) -> str:
        """SQL for about how many bytes a package row has."""
        texts = [field.name for field in self.schema if pa.types.is_string(field.type)]
        return f"{100 + 16 * len(self.schema)} + " + " + ".join(f"coalesce(strlen({name}), 0)" for name in texts)

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
        "content": "md5( messages )",
        "variant": "md5( coalesce( rejected , '' ) )",
    },
)

KINDS: Mapping[str, Kind] = {
    "examples": _EXAMPLES,
    "preference_pairs": _EXAMPLES,
    "traces": Kind(
        table="traces",
        key="trace_id",
        schema=_without_private("traces"),
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
            "content": "md5( execution_trace )",
            "variant": "0",
        },
        accepted_only=False,
    ),
    "decisions": Kind(
        table="decisions",
        key="trace_id",
        schema=_without_private("decisions"),
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
            "content": "md5( trace_id )",
            "variant": "0",
        },
        accepted_only=False,
    ),
    "patterns": Kind(
        table="patterns",
        key="pattern_id",
        schema=_without_private("patterns"),
        narrow={
            "key": "pattern_id",
            "trace_id": "pattern_id",
            "cluster": "pattern_id",
            "scenario": "scenario",
            "task_id": "NULL::VARCHAR",
            "type": "pattern_type",
            "provider": "NULL::VARCHAR",
            "model": "NULL::VARCHAR",
            "execution_mode": "NULL::VARCHAR",
            "quality_score": "NULL::DOUBLE",
            "data_time": "created_at",
            "revision": "1",
            "policy_hash": "NULL::VARCHAR",
            "content": "md5( sequence )",
            "variant": "md5( scenario )",
        },
        of_traces=False,
        accepted_only=False,
    ),
}
"""By the name that recipes use. What `decisions` do not say of their run is filled in from `traces`."""
