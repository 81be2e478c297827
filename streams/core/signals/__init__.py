"""The catalogue of signals. A new one is a file beside this, a line here and a test."""

from collections.abc import Sequence

from schemas.records import Signal
from streams.core.signals import (
    call_cycles,
    complete,
    corrected,
    decision_estimates,
    decision_success,
    exhausted,
    failed_results,
    human_feedback,
    human_validated,
    judge_opinion,
    no_calls,
    novelty,
    outcome,
    reasoning_agreement,
    reasoning_share,
    reasoning_specific,
    recovery_credit,
    relative,
    repeated_calls,
    tool_success,
    unanswered_calls,
    unknown_tools,
    unrecovered_error,
    valid_arguments,
)
from streams.core.signals.base import NOTHING_KNOWN, Context, SignalKind
from streams.core.signals.metrics import METRICS, metrics_of
from streams.core.view import TraceView

CATALOGUE: tuple[SignalKind, ...] = (
    outcome.SIGNAL,
    complete.SIGNAL,
    human_validated.SIGNAL,
    human_feedback.SIGNAL,
    corrected.SIGNAL,
    tool_success.SIGNAL,
    failed_results.SIGNAL,
    valid_arguments.SIGNAL,
    unknown_tools.SIGNAL,
    unanswered_calls.SIGNAL,
    unrecovered_error.SIGNAL,
    recovery_credit.SIGNAL,
    repeated_calls.SIGNAL,
    call_cycles.SIGNAL,
    exhausted.SIGNAL,
    no_calls.SIGNAL,
    reasoning_share.SIGNAL,
    reasoning_specific.SIGNAL,
    reasoning_agreement.SIGNAL,
    decision_success.SIGNAL,
    decision_estimates.SIGNAL,
    *relative.SIGNALS,
    novelty.SIGNAL,
    judge_opinion.SIGNAL,
)

DOCS: dict[str, str] = {kind.name: kind.doc for kind in CATALOGUE} | {metric.name: metric.doc for metric in METRICS}
"""What each published signal says, by name; the metrics are among them."""


def measure_all(view: TraceView, context: Context = NOTHING_KNOWN) -> tuple[Signal, ...]:
    """Every signal of the catalogue, in its order, then the eight metrics; to six decimals."""
    measured = tuple(_measured(kind, view, context) for kind in CATALOGUE)
    return measured + metrics_of({signal.name: signal.value for signal in measured})


def with_novelty(signals: Sequence[Signal], view: TraceView, value: float) -> tuple[Signal, ...]:
    """The signals of `measure_all` with a novelty that was found out later, and the metrics that rest on it."""
    known = _measured(novelty.SIGNAL, view, Context(novelty=value))
    measured = tuple(known if signal.name == known.name else signal for signal in signals[: len(CATALOGUE)])
    return measured + metrics_of({signal.name: signal.value for signal in measured})


def _measured(kind: SignalKind, view: TraceView, context: Context) -> Signal:
    value = kind.measure(view, context)
    return Signal(name=kind.name, version=kind.version, value=None if value is None else round(value, 6))
