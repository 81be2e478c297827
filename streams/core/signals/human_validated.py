"""Whether a person vouches for the run."""

from streams.core.signals.base import Context, SignalKind
from streams.core.view import TraceView


def measure(view: TraceView, _: Context) -> float | None:
    """The last word of a person on the whole run: 1 vouched for, 0 rejected; None where nobody spoke."""
    words = [
        given.human_validated
        for given in view.feedback
        if given.target_span_id is None and given.human_validated is not None
    ]
    return float(words[-1]) if words else None


SIGNAL = SignalKind("human_validated", 1, "1 when a person vouches for the run, 0 when a person rejects it", measure)
