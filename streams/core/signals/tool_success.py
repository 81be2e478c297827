"""How many tool results were no errors."""

from streams.core.signals.base import Context, SignalKind, share
from streams.core.view import TraceView


def measure(view: TraceView, _: Context) -> float | None:
    """Share of successes among the agent's tool calls that have a result."""
    results = [action.success for action in view.actions if action.success is not None]
    return share(sum(results), len(results))


SIGNAL = SignalKind("tool_success", 1, "share of tool results that are no errors", measure)
