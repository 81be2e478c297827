"""`tdc policy`: policies held against each other, and stored decisions held against a policy."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from rich.console import Group
from rich.table import Table

from ops.cli.output import table
from schemas.records import Signal
from schemas.settings import Settings
from sinks.query import query_batches
from streams.core.gates import GateFacts
from streams.core.policy import Policy
from streams.core.replay import Difference, StoredDecision, difference

_STORED = """
SELECT d.trace_id, d.verdict, d.reasons, d.quality_score, d.signals, d.example_count, d.duplicate_of,
       t.consent_status, t.execution_mode, t.provider
FROM decisions d LEFT JOIN traces t USING (trace_id) ORDER BY d.trace_id
"""


def values_of_policy(policy: Policy) -> dict[str, object]:
    """Every value by its dotted name."""
    found: dict[str, object] = {}
    for section, content in msgspec.to_builtins(policy).items():
        if isinstance(content, dict):
            found |= {f"{section}.{key}": value for key, value in content.items()}
        else:
            found[section] = content
    return found


def changed_values(one: Policy, other: Policy) -> list[tuple[str, object, object]]:
    """Values that differ: name, in the one, in the other."""
    left, right = values_of_policy(one), values_of_policy(other)
    return [(name, left[name], right[name]) for name in left if left[name] != right[name]]


def replay(settings: Settings, policy: Policy, on_decision: Callable[[int], None] = lambda _: None) -> Difference:
    """What a policy would change of the stored decisions. Raises StorageUnavailable."""
    return difference(_stored(settings, on_decision), policy)


def _stored(settings: Settings, on_decision: Callable[[int], None]) -> Iterator[StoredDecision]:
    done = 0
    for batch in query_batches(settings, _STORED):
        for row in batch.to_pylist():
            yield _decision(row)
        done += batch.num_rows
        on_decision(done)


def _decision(row: dict[str, Any]) -> StoredDecision:
    facts = None
    if row["consent_status"] is not None:
        facts = msgspec.convert({name: row[name] for name in GateFacts.__struct_fields__}, GateFacts)
    return StoredDecision(
        trace_id=row["trace_id"],
        verdict=row["verdict"],
        reasons=tuple(row["reasons"]),
        quality_score=row["quality_score"],
        signals=msgspec.json.decode(row["signals"], type=tuple[Signal, ...]),
        facts=facts,
        example_count=row["example_count"],
        duplicate_of=row["duplicate_of"],
    )


def to_json(found: Difference, policy: Policy) -> dict[str, object]:
    """Plain values for `--json`."""
    return {
        "policy_hash": policy.hash,
        "traces": found.traces,
        "moves": [{"now": now, "then": then, "traces": n} for (now, then), n in sorted(found.moves.items())],
        "reasons_now": dict(sorted(found.reasons_now.items())),
        "reasons_then": dict(sorted(found.reasons_then.items())),
        "examples_now": found.examples_now,
        "examples_lost": found.examples_lost,
        "newly_accepted": found.newly_accepted,
        "changed": [
            {
                "trace_id": one.stored.trace_id,
                "now": one.stored.verdict,
                "reasons_now": one.stored.reasons,
                "then": one.verdict,
                "reasons_then": one.reasons,
            }
            for one in found.changed
        ],
    }


def render(found: Difference, policy: Policy) -> Group:
    """The difference for people."""
    if not found.traces:
        return Group("no decisions are stored yet: nothing to hold against the policy")
    moved = {pair: n for pair, n in found.moves.items() if pair[0] != pair[1]}
    parts: list[Any] = [
        f"policy {policy.name} ({policy.hash[:12]}) on {found.traces:,} stored decisions: "
        f"{sum(moved.values()):,} verdicts would change"
    ]
    verdicts = ("accepted", "duplicate", "rejected", "quarantined")
    grid = Table(title="verdict now (rows) and then (columns)", title_justify="left", header_style="bold")
    grid.add_column("")
    for name in verdicts:
        grid.add_column(name, justify="right")
    for now in verdicts:
        cells = [found.moves.get((now, then), 0) for then in verdicts]
        if any(cells):
            grid.add_row(now, *(f"{n:,}" if n else "" for n in cells))
    parts += ["", grid]
    codes = sorted(set(found.reasons_now) | set(found.reasons_then), key=lambda code: -found.reasons_then[code])
    if codes:
        rows = [(code, found.reasons_now[code], found.reasons_then[code]) for code in codes]
        parts += ["", table("first reason", ("reason", "now", "then"), rows)]
    if found.changed:
        rows_ = [
            (one.stored.trace_id, _said(one.stored.verdict, one.stored.reasons), _said(one.verdict, one.reasons))
            for one in found.changed
        ]
        parts += ["", table(f"the first {len(rows_)} that change", ("trace", "now", "then"), rows_)]
    parts += ["", f"examples stored {found.examples_now:,}, of these lost {found.examples_lost:,}"]
    if found.newly_accepted:
        parts.append(
            f"{found.newly_accepted:,} traces would be let in; "
            "which of them repeat others shows only when they are curated"
        )
    return Group(*parts)


def _said(verdict: str, reasons: tuple[str, ...]) -> str:
    return f"{verdict}: {', '.join(reasons)}" if reasons else verdict
