"""How close decisions came to what they expected."""

from schemas.records import DecisionMade, DecisionOutcome
from schemas.steps import decisions
from streams.core.signals.base import Context, SignalKind
from streams.core.signals.sketch import measurable
from streams.core.view import TraceView


def _agreement(expected: float | None, actual: float | None) -> float | None:
    """Smaller by larger, 1 where both are 0; None unless both are finite and not negative."""
    if not measurable(expected) or not measurable(actual):
        return None
    larger = max(expected, actual)
    return min(expected, actual) / larger if larger else 1.0


def _of(decision: DecisionMade, outcome: DecisionOutcome) -> list[float]:
    """Agreement of cost and of time for the option that was chosen."""
    choice = decision.choice.strip().casefold()
    chosen = next((option for option in decision.options if option.option.strip().casefold() == choice), None)
    if chosen is None:
        return []
    found = (
        _agreement(chosen.estimated_cost_usd, outcome.actual_cost_usd),
        _agreement(chosen.estimated_time_seconds, outcome.actual_time_seconds),
    )
    return [value for value in found if value is not None]


def measure(view: TraceView, _: Context) -> float | None:
    """Mean agreement of estimated and actual cost and time of the chosen options: 1 exact, 0.5 off by a factor of 2."""
    if not any(step.decisions for step in view.steps):
        return None
    values: list[float] = []
    for before, after in decisions(view.trace.events):
        if before.decision_made and after and after.decision_outcome:
            values += _of(before.decision_made, after.decision_outcome)
    return sum(values) / len(values) if values else None


SIGNAL = SignalKind("decision_estimates", 1, "agreement of estimated with actual cost and time of decisions", measure)
