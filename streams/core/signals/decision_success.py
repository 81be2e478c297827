"""What came of the decisions."""

import math

from schemas.records import DecisionOutcome
from schemas.steps import decisions
from streams.core.signals.base import Context, SignalKind
from streams.core.view import TraceView


def _success(outcome: DecisionOutcome) -> float | None:
    if outcome.success is not None:
        return float(outcome.success)
    if outcome.quality is None or math.isnan(outcome.quality):
        return None
    return min(1.0, max(0.0, outcome.quality))


def measure(view: TraceView, _: Context) -> float | None:
    """Mean over the decisions whose outcome is known: 1 success, 0 failure; else its quality, held to 0..1."""
    if not any(step.decisions for step in view.steps):
        return None
    ends = [after.decision_outcome for _, after in decisions(view.trace.events) if after]
    known = [value for end in ends if end and (value := _success(end)) is not None]
    return sum(known) / len(known) if known else None


SIGNAL = SignalKind("decision_success", 1, "mean success of the decisions whose outcome is known", measure)
