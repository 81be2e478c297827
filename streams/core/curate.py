"""The verdict on a trace, and its examples. Pure: the same trace, policy, context and claim give the same bytes.

Two steps, with the index of near-duplicates between them: `assess` measures and holds the trace against the gates;
what passes is claimed; `decide` takes the answer into account and makes the examples. What a trace is compared with
comes in as arguments: the windows of its scenario (`Context`) and the answer of the index (`Claim`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.records import Decision, Example, Signal, Trace
from streams.core.gates import GateFacts, failed_gates, for_error_training
from streams.core.near_duplicates.records import Claim
from streams.core.policy import Policy
from streams.core.reasons import in_order, verdict_of
from streams.core.score import contradicted, judged_outcome, quality_score, values_of
from streams.core.shape import Judgement, Twin, shape
from streams.core.signals import measure_all, with_novelty
from streams.core.signals.base import NOTHING_KNOWN, Context
from streams.core.view import TraceView, view_of


@dataclass(frozen=True)
class Measured:
    """What was found out about the content of a trace."""

    view: TraceView
    signals: tuple[Signal, ...]
    score: float
    outcome: float | None
    """0 to 1; None where nobody claims one."""

    @property
    def values(self) -> Mapping[str, float | None]:
        """Signals by name."""
        return values_of(self.signals)


@dataclass(frozen=True)
class Assessed:
    """A trace held against the gates."""

    trace: Trace
    failed: frozenset[str]
    """Reason codes of failed gates."""
    measured: Measured | None
    """None where the content may not, or cannot, be looked at."""
    error_training: bool = False
    """It failed, but is kept for its errors."""

    @property
    def passes(self) -> bool:
        """Whether it may be let in as a whole, so that it is worth asking what it repeats."""
        return not self.failed


@dataclass(frozen=True)
class Curated:
    """A decision, and examples where the verdict is accepted."""

    decision: Decision
    examples: tuple[Example, ...]


def curate(trace: Trace, policy: Policy, context: Context = NOTHING_KNOWN, claim: Claim | None = None) -> Curated:
    """Decide on a trace and make its examples, in one go."""
    return decide(assess(trace, policy, context), policy, claim)


def assess(trace: Trace, policy: Policy, context: Context = NOTHING_KNOWN) -> Assessed:
    """Measure a trace and hold it against the gates. Linear in its size; raises nothing of its own."""
    closed = _without_content(trace)
    if closed:
        return Assessed(trace, frozenset({closed}), None)
    view = view_of(trace)
    signals = measure_all(view, context)
    measured = Measured(view, signals, quality_score(signals), judged_outcome(signals))
    failed = failed_gates(
        GateFacts(consent_status=trace.consent.status, execution_mode=trace.execution_mode, provider=trace.provider),
        measured.values,
        score=measured.score,
        outcome=measured.outcome,
        contradicted=contradicted(signals),
        policy=policy,
    )
    if not failed and not any(turn.model_call or turn.agent_actions for _, turn in view.turns()):
        failed.add("nothing_to_learn")
    return Assessed(trace, frozenset(failed), measured, for_error_training(failed, measured.values, policy))


def decide(assessed: Assessed, policy: Policy, claim: Claim | None = None) -> Curated:
    """The verdict, and the examples of an accepted trace. `claim` is the index's answer where it was asked."""
    measured = assessed.measured
    if measured is None:
        return Curated(_decision(assessed, policy, set(assessed.failed)), ())
    signals = measured.signals if claim is None else with_novelty(measured.signals, measured.view, claim.novelty)
    reasons = _declined(assessed, policy, claim)
    if reasons:
        decision = _decision(assessed, policy, reasons, signals=signals, score=measured.score, claim=claim)
        return Curated(decision, ())
    shaped = shape(measured.view, policy, _judgement(measured, assessed.error_training, policy, claim))
    notes = {
        code
        for code, given in (
            ("error_training_only", assessed.error_training),
            ("better_twin", claim is not None and claim.supersedes is not None),
            ("examples_too_large", shaped.too_large),
            ("examples_thinned", shaped.thinned),
        )
        if given
    }
    if not shaped.examples:
        # A failed run whose errors give nothing is what it was: a failed run.
        notes = set(assessed.failed) if assessed.error_training else {*notes, "nothing_to_learn"}
    decision = _decision(
        assessed, policy, notes, signals=signals, score=measured.score, claim=claim, examples=len(shaped.examples)
    )
    return Curated(decision, shaped.examples)


def _without_content(trace: Trace) -> str | None:
    """Reason to decide without looking at the content."""
    if trace.withheld == "consent_denied" or trace.consent.status == "denied":
        return "consent_denied"
    return trace.withheld


def _declined(assessed: Assessed, policy: Policy, claim: Claim | None) -> set[str]:
    """Why no examples are made; empty where they are."""
    if assessed.error_training:
        return set()
    if assessed.failed:
        return set(assessed.failed)
    if claim is None:
        return set()
    if claim.duplicate_of is not None:
        return {"near_duplicate"}
    reasons = set()
    if claim.over_cap:
        reasons.add("scenario_cap_reached")
    if claim.novelty < policy.gates.min_novelty:
        reasons.add("not_novel")
    return reasons


def _judgement(measured: Measured, error_training: bool, policy: Policy, claim: Claim | None) -> Judgement:
    outcome = measured.outcome
    return Judgement(
        quality_score=measured.score,
        human_validated=measured.values["human_validated"] == 1,
        successful=None if outcome is None else outcome >= policy.gates.min_outcome,
        cluster_id=measured.view.trace.trace_id if claim is None else claim.cluster_id,
        twin=None if claim is None else _twin(claim),
        error_training_only=error_training,
    )


def _twin(claim: Claim) -> Twin | None:
    if claim.twin is None:
        return None
    summary = claim.twin.summary
    return Twin(
        trace_id=claim.twin.trace_id,
        duration_seconds=summary.duration_seconds,
        cost_usd=summary.cost_usd,
        total_tokens=summary.total_tokens,
        tool_names=summary.tools,
    )


def _decision(
    assessed: Assessed,
    policy: Policy,
    reasons: set[str],
    *,
    signals: tuple[Signal, ...] = (),
    score: float | None = None,
    claim: Claim | None = None,
    examples: int = 0,
) -> Decision:
    trace = assessed.trace
    ordered = in_order(reasons)
    return Decision(
        trace_id=trace.trace_id,
        revision=trace.revision,
        redelivered=trace.redelivered,
        verdict=verdict_of(ordered, policy),
        reasons=ordered,
        quality_score=score,
        signals=signals,
        thresholds_json=policy.thresholds_json,
        policy_hash=policy.hash,
        decided_at=trace.closed_at,
        duplicate_of=None if claim is None else claim.duplicate_of or claim.supersedes,
        example_count=examples,
    )
