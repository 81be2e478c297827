"""Whether a person had to correct the run."""

from streams.core.signals.base import Context, SignalKind
from streams.core.view import TraceView


def measure(view: TraceView, _: Context) -> float | None:
    """1 when any feedback, on the run or on a part of it, holds a correction; None where nobody gave feedback."""
    if not view.feedback:
        return None
    return float(any((given.correction or "").strip() for given in view.feedback))


SIGNAL = SignalKind("corrected", 1, "1 when a person corrected the run or a part of it", measure)
