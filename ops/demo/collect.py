"""What the tables hold of one demo run, as plain values."""

import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ops.demo.planted import PLANTED, spellings
from schemas.settings import Settings
from sinks.query import query
from sinks.tables import TABLES

Row = dict[str, Any]

_TRACE_COLUMNS = (
    "trace_id, scenario, completion_status, close_reason, duration_seconds, event_count, step_count, tool_call_count, "
    "tool_error_count, decision_count, error_count, user_message_count, consent_status, cost_usd, redaction_counts"
)
_EXAMPLE_COLUMNS = (
    "example_id, trace_id, type, packages, scenario, quality_score, human_validated, execution_successful, "
    "training_weight, messages, expected_output, context"
)


@dataclass(frozen=True)
class Collected:
    """Rows of one demo run."""

    traces: tuple[Row, ...]
    decisions: tuple[Row, ...]
    examples_by_type: dict[str, int]
    redactions: dict[str, int]
    planted_found: dict[str, int]
    """Kind to number of rows that hold a planted value; must be all 0."""
    shown_trace: dict[str, Any] | None
    """`execution_trace` of one accepted run, in the original description's format."""
    accepted: Row | None
    """An example of that run."""
    rejected: Row | None
    """The decision on a run that was rejected, with the run's own columns where the table has them."""


def collect(settings: Settings, demo_run: str, announced: Collection[str]) -> Collected:
    """Read the tables. Raises StorageUnavailable."""
    rows = _rows(query(settings, f"SELECT {_TRACE_COLUMNS} FROM traces WHERE task_id LIKE '{demo_run}/%'"))
    # What was kept back because consent was denied has no row but its decision: only the announced id leads there.
    ids = sorted(set(announced) | {row["trace_id"] for row in rows})
    decisions = _rows(query(settings, f"SELECT * FROM decisions WHERE trace_id IN ({_quoted(ids)})"))
    types = _rows(query(
        settings,
        f"SELECT type, count(*) AS n FROM examples WHERE trace_id IN ({_quoted(ids)}) GROUP BY type ORDER BY type",
    ))  # fmt: skip
    shown = choose_shown(rows, decisions)
    return Collected(
        traces=rows,
        decisions=decisions,
        examples_by_type={row["type"]: row["n"] for row in types},
        redactions=total_redactions(rows),
        planted_found=_planted(settings, ids),
        shown_trace=_execution_trace(settings, shown),
        accepted=_example(settings, shown),
        rejected=choose_rejected(rows, decisions),
    )


def choose_shown(traces: Sequence[Row], decisions: Sequence[Row]) -> str | None:
    """Id of an accepted run worth looking at: one that made good an error, as short as there is. One that is accepted
    for what its errors teach has no example of the run itself, so it comes last; in a second demo, of which most runs
    repeat those of the first, there may be no other."""
    accepted = {row["trace_id"]: row["reasons"] for row in decisions if row["verdict"] == "accepted"}
    candidates = [row for row in traces if row["trace_id"] in accepted]
    best = min(
        candidates,
        key=lambda row: (
            "error_training_only" in accepted[row["trace_id"]],
            row["error_count"] == 0,
            row["scenario"] != "demo-research",
            row["event_count"],
            row["trace_id"],
        ),
        default=None,
    )
    return best["trace_id"] if best else None


def choose_rejected(traces: Sequence[Row], decisions: Sequence[Row]) -> Row | None:
    """A rejected run, one that failed in its work before one that was cut short or has no consent."""
    runs = {row["trace_id"]: row for row in traces}
    order = {"negative_outcome": 0, "rejected_by_human": 1}
    rejected = [row for row in decisions if row["verdict"] == "rejected" and row["reasons"]]
    best = min(
        rejected,
        key=lambda row: (
            order.get(row["reasons"][0], 2),
            runs.get(row["trace_id"], {}).get("scenario") != "demo-bugfix",
            row["trace_id"],
        ),
        default=None,
    )
    return {**runs.get(best["trace_id"], {}), **best} if best else None


def total_redactions(traces: Sequence[Row]) -> dict[str, int]:
    """Kind to number of replaced places, most frequent first."""
    total: Counter[str] = Counter()
    for row in traces:
        total.update(json.loads(row["redaction_counts"] or "{}"))
    return dict(total.most_common())


def holding_sql(table: str, values: Mapping[str, Sequence[str]], ids: Sequence[str]) -> str:
    """SQL that counts, for each kind, the rows of these traces in which any column holds one of its values."""
    columns = ", ".join(f'CAST("{name}" AS VARCHAR)' for name in TABLES[table].schema.names)
    counts = ", ".join(
        f'count(*) FILTER (WHERE {" OR ".join(f"contains(whole, {_quoted([value])})" for value in some)}) AS "{kind}"'
        for kind, some in values.items()
    )
    where = f" WHERE trace_id IN ({_quoted(ids)})" if "trace_id" in TABLES[table].schema.names else ""
    return f"SELECT {counts} FROM (SELECT concat_ws(' ', {columns}) AS whole FROM {table}{where})"


def _planted(settings: Settings, ids: Sequence[str]) -> dict[str, int]:
    values = {planted.kind: spellings(planted.value) for planted in PLANTED}
    found = dict.fromkeys(values, 0)
    for table in TABLES:
        for kind, rows in query(settings, holding_sql(table, values, ids)).to_pylist()[0].items():
            found[kind] += rows
    return found


def _execution_trace(settings: Settings, trace_id: str | None) -> dict[str, Any] | None:
    if trace_id is None:
        return None
    rows = query(settings, f"SELECT execution_trace FROM traces WHERE trace_id = {_quoted([trace_id])}")
    text = rows.column(0)[0].as_py() if rows.num_rows else None
    found: dict[str, Any] | None = json.loads(text)["execution_trace"] if text else None
    return found


def _example(settings: Settings, trace_id: str | None) -> Row | None:
    if trace_id is None:
        return None
    rows = _rows(query(
        settings,
        f"SELECT {_EXAMPLE_COLUMNS} FROM examples WHERE trace_id = {_quoted([trace_id])} "
        "AND type = 'agent_execution' ORDER BY execution_successful DESC, length(messages) DESC, example_id LIMIT 1",
    ))  # fmt: skip
    return rows[0] if rows else None


def _rows(table: pa.Table) -> tuple[Row, ...]:
    return tuple(table.to_pylist())


def _quoted(values: Sequence[str]) -> str:
    return ", ".join("'" + value.replace("'", "''") + "'" for value in values) or "''"
