"""The catalogue of signals. A new one is a file beside this, a line here and a test."""

from schemas.records import Signal
from streams.core.signals import (
    complete,
    failed_results,
    human_feedback,
    human_validated,
    outcome,
    reasoning_share,
    repeated_calls,
    tool_success,
    unanswered_calls,
    unknown_tools,
    unrecovered_error,
    valid_arguments,
)
from streams.core.signals.base import SignalKind
from streams.core.view import TraceView

CATALOGUE: tuple[SignalKind, ...] = (
    outcome.SIGNAL,
    complete.SIGNAL,
    human_validated.SIGNAL,
    human_feedback.SIGNAL,
    tool_success.SIGNAL,
    failed_results.SIGNAL,
    valid_arguments.SIGNAL,
    unknown_tools.SIGNAL,
    unanswered_calls.SIGNAL,
    unrecovered_error.SIGNAL,
    repeated_calls.SIGNAL,
    reasoning_share.SIGNAL,
)


def measure_all(view: TraceView) -> tuple[Signal, ...]:
    """Every signal of the catalogue, in its order, to six decimals."""
    return tuple(_measured(kind, view) for kind in CATALOGUE)


def _measured(kind: SignalKind, view: TraceView) -> Signal:
    value = kind.measure(view)
    return Signal(name=kind.name, version=kind.version, value=None if value is None else round(value, 6))
