"""What people said of the run."""

import math

from streams.core.signals.base import Context, SignalKind
from streams.core.view import TraceView


def measure(view: TraceView, _: Context) -> float | None:
    """Mean rating of the whole run, held to 0..1; None where nobody rated it."""
    ratings = [
        min(1.0, max(0.0, given.rating))
        for given in view.feedback
        if given.target_span_id is None and given.rating is not None and not math.isnan(given.rating)
    ]
    return sum(ratings) / len(ratings) if ratings else None


SIGNAL = SignalKind("human_feedback", 1, "mean rating that people gave the run", measure)
