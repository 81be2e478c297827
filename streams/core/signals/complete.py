"""Whether the whole run is there."""

from streams.core.signals.base import Context, SignalKind
from streams.core.view import TraceView


def measure(view: TraceView, _: Context) -> float | None:
    """1 when the end of the run was seen, it closed for that reason, and it was not interrupted; else 0."""
    ended = view.root_end is not None and view.trace.close_reason == "ended"
    return float(ended and view.trace.completion_status != "interrupted")


SIGNAL = SignalKind("complete", 1, "1 when the run was seen to its end and not interrupted", measure)
