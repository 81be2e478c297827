"""How many tool results were errors, whoever asked for them: in some simulations users call tools too."""

from streams.core.signals.base import Context, SignalKind, share
from streams.core.view import TraceView


def measure(view: TraceView, _: Context) -> float | None:
    """Share of errors among all tool results of the trace, those of users and unmatched ones included."""
    results = [event.tool_returned.success for event in view.trace.events if event.tool_returned]
    return share(results.count(False), len(results))


SIGNAL = SignalKind("failed_results", 1, "share of all tool results, also of users' calls, that are errors", measure)
