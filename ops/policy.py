"""`tdc policy`: policies held against each other, and stored decisions held against a policy."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

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
