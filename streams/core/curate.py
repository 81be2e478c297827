"""The verdict on a trace, and its examples. Pure: the same trace and policy give the same bytes.

A later version finds near-duplicates: its answer comes in as one more argument of `curate`, and its verdict stands
after the gates and before the examples.
"""

from dataclasses import dataclass

from schemas.records import Decision, Example, Signal, Trace, Verdict
from streams.core.policy import Policy
from streams.core.reasons import REASONS, in_order
from streams.core.score import contradicted, judged_outcome, quality_score, values_of
from streams.core.shape import Judgement, shape
from streams.core.signals import measure_all
from streams.core.view import view_of


@dataclass(frozen=True)
class Curated:
    """A decision, and examples where the verdict is accepted."""

    decision: Decision
    examples: tuple[Example, ...]


def curate(trace: Trace, policy: Policy) -> Curated:
    """Decide on a trace and make its examples. Takes time linear in the trace's size; raises nothing of its own."""
    closed = _without_content(trace)
    if closed:
        return Curated(_decision(trace, policy, {closed}), ())
    view = view_of(trace)
    signals = measure_all(view)
    score = quality_score(signals)
    failed = _failed_gates(trace, policy, signals, score)
    if failed:
        return Curated(_decision(trace, policy, failed, signals=signals, score=score), ())
    outcome = judged_outcome(signals)
    judgement = Judgement(
        quality_score=score,
        human_validated=values_of(signals)["human_validated"] == 1,
        successful=None if outcome is None else outcome >= policy.gates.min_outcome,
    )
    shaped = shape(view, policy, judgement)
    notes = {
        code
        for code, given in (("examples_too_large", shaped.too_large), ("examples_thinned", shaped.thinned))
        if given
    }
    if not shaped.examples:
        notes.add("nothing_to_learn")
    decision = _decision(trace, policy, notes, signals=signals, score=score, example_count=len(shaped.examples))
    return Curated(decision, shaped.examples)


def _without_content(trace: Trace) -> str | None:
    """Reason to decide without looking at the content."""
    if trace.withheld == "consent_denied" or trace.consent.status == "denied":
        return "consent_denied"
    if trace.withheld is not None:
        return "redaction_failed"
    return None


def _failed_gates(trace: Trace, policy: Policy, signals: tuple[Signal, ...], score: float) -> set[str]:
    gates = policy.gates
    values = values_of(signals)
    outcome = judged_outcome(signals)
    reasoning = values["reasoning_share"]
    failed: set[str] = set()
    if trace.consent.status == "unknown" and policy.consent.unknown != "accept":
        failed.add("consent_unknown")
    if values["human_validated"] == 0:
        failed.add("rejected_by_human")
    if trace.execution_mode not in gates.execution_modes:
        failed.add("execution_mode_excluded")
    if gates.complete_execution and values["complete"] != 1:
        failed.add("incomplete_execution")
    if outcome is None:
        if gates.unknown_outcome == "reject":
            failed.add("outcome_unknown")
    elif gates.positive_outcome:
        if outcome < gates.min_outcome:
            failed.add("negative_outcome")
        if contradicted(signals):
            failed.add("success_contradicted")
    if reasoning is not None and reasoning < gates.min_reasoning_share:
        failed.add("unclear_reasoning")
    if score < gates.min_quality_score:
        failed.add("low_quality_score")
    return failed


def _verdict(reasons: tuple[str, ...], policy: Policy) -> Verdict:
    """The most important reason decides; notes accept."""
    if not reasons:
        return "accepted"
    if reasons[0] == "consent_unknown" and policy.consent.unknown == "reject":
        return "rejected"
    return REASONS[reasons[0]].verdict


def _decision(
    trace: Trace,
    policy: Policy,
    reasons: set[str],
    *,
    signals: tuple[Signal, ...] = (),
    score: float | None = None,
    example_count: int = 0,
) -> Decision:
    ordered = in_order(reasons)
    return Decision(
        trace_id=trace.trace_id,
        revision=trace.revision,
        redelivered=trace.redelivered,
        verdict=_verdict(ordered, policy),
        reasons=ordered,
        quality_score=score,
        signals=signals,
        thresholds_json=policy.thresholds_json,
        policy_hash=policy.hash,
        decided_at=trace.closed_at,
        example_count=example_count,
    )
