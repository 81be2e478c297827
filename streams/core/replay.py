"""Stored decisions held against another policy, from their stored signals: nothing is measured again. Pure.

What it cannot know: whether a trace that another policy lets in would have been a near-duplicate (it was never looked
up), and how many examples it would give. Both are counted apart as `newly accepted`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from schemas.records import Signal, Verdict
from streams.core.gates import GateFacts, failed_gates, for_error_training
from streams.core.near_duplicates.records import ESTIMATE_MARGIN
from streams.core.policy import Policy
from streams.core.reasons import in_order, verdict_of
from streams.core.score import contradicted, judged_outcome, values_of

_UNCHANGED = frozenset({"consent_denied", "redaction_failed", "redaction_rejected"})
"""Decided without content: no policy changes that."""
_EXAMPLES_SHOWN = 20


class StoredDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `decisions` with what its trace's row says."""

    trace_id: str
    verdict: Verdict
    reasons: tuple[str, ...]
    quality_score: float | None
    signals: tuple[Signal, ...]
    facts: GateFacts | None
    """None where no trace is stored: its content was withheld."""
    example_count: int
    duplicate_of: str | None = None


@dataclass(frozen=True)
class Redecided:
    """What another policy says of a stored decision."""

    stored: StoredDecision
    verdict: Verdict
    reasons: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether the verdict, or the reason for it, is another."""
        first = self.stored.reasons[:1] if self.stored.verdict != "accepted" else ()
        return self.verdict != self.stored.verdict or (self.reasons[:1] if self.verdict != "accepted" else ()) != first


@dataclass
class Difference:
    """What would change. Counts are traces unless they say otherwise."""

    traces: int = 0
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(verdict now, verdict then) to traces, unchanged ones included."""
    reasons_now: Counter[str] = field(default_factory=Counter)
    """First reason of every trace that is not accepted."""
    reasons_then: Counter[str] = field(default_factory=Counter)
    examples_now: int = 0
    examples_lost: int = 0
    """Examples of traces that would no longer be accepted."""
    newly_accepted: int = 0
    """Traces whose near-duplicates and examples are not known yet."""
    changed: list[Redecided] = field(default_factory=list)
    """The first of those that change, in the order given."""

    def add(self, one: Redecided) -> None:
        """Count a trace."""
        self.traces += 1
        self.moves[one.stored.verdict, one.verdict] += 1
        if one.stored.verdict != "accepted":
            self.reasons_now[_first(one.stored.reasons)] += 1
        if one.verdict != "accepted":
            self.reasons_then[_first(one.reasons)] += 1
        self.examples_now += one.stored.example_count
        if one.stored.verdict == "accepted" and one.verdict != "accepted":
            self.examples_lost += one.stored.example_count
        if one.stored.verdict != "accepted" and one.verdict == "accepted":
            self.newly_accepted += 1
        if one.changed and len(self.changed) < _EXAMPLES_SHOWN:
            self.changed.append(one)


def difference(stored: Iterable[StoredDecision], policy: Policy) -> Difference:
    """What `policy` would change. Linear; holds only counts and a few traces."""
    found = Difference()
    for decision in stored:
        found.add(redecide(decision, policy))
    return found


def redecide(stored: StoredDecision, policy: Policy) -> Redecided:
    """Hold one stored decision against a policy."""
    fixed = _UNCHANGED & set(stored.reasons)
    if fixed or stored.facts is None:
        return Redecided(stored, stored.verdict, stored.reasons)
    values = values_of(stored.signals)
    failed = failed_gates(
        stored.facts,
        values,
        score=stored.quality_score or 0.0,
        outcome=judged_outcome(stored.signals),
        contradicted=contradicted(stored.signals),
        policy=policy,
    )
    if for_error_training(failed, values, policy):
        failed = {"error_training_only"}
    elif not failed:
        failed = _beyond_gates(stored, values, policy)
    reasons = in_order(failed)
    return Redecided(stored, verdict_of(reasons, policy), reasons)


def _beyond_gates(stored: StoredDecision, values: dict[str, float | None], policy: Policy) -> set[str]:
    """What was found out beside the gates stays true as long as the policy asks for it."""
    kept = {"nothing_to_learn", "better_twin"} & set(stored.reasons)
    rules = policy.near_duplicates
    novelty = values.get("novelty")
    if rules.enabled:
        likeness = 1.0 if novelty is None else 1 - novelty
        if stored.verdict == "duplicate" and likeness >= rules.min_similarity - ESTIMATE_MARGIN:
            kept.add("near_duplicate")
        if rules.scenario_cap and "scenario_cap_reached" in stored.reasons:
            kept.add("scenario_cap_reached")
    if novelty is not None and novelty < policy.gates.min_novelty and "near_duplicate" not in kept:
        kept.add("not_novel")
    return kept


def _first(reasons: tuple[str, ...]) -> str:
    return reasons[0] if reasons else "none"
