"""How new the run is among those already known."""

import math

from streams.core.signals.base import Context, SignalKind
from streams.core.view import TraceView


def measure(_: TraceView, context: Context) -> float | None:
    """The near-duplicate index's number, held to 0..1; None where the index was not asked."""
    if context.novelty is None or math.isnan(context.novelty):
        return None
    return min(1.0, max(0.0, context.novelty))


SIGNAL = SignalKind("novelty", 1, "1 - likeness to the nearest run already known", measure)
