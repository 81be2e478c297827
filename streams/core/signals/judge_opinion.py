"""What a judge says of the run, where one was asked."""

import math

from streams.core.signals.base import Context, SignalKind
from streams.core.view import TraceView


def measure(_: TraceView, context: Context) -> float | None:
    """The judge's number, held to 0..1; None where no judge was asked."""
    if context.judge is None or math.isnan(context.judge):
        return None
    return min(1.0, max(0.0, context.judge))


SIGNAL = SignalKind("judge_opinion", 1, "a language model's opinion of the run", measure)
