"""Tool calls whose result was never recorded."""

from streams.core.signals.base import Context, SignalKind, share
from streams.core.view import TraceView


def measure(view: TraceView, _: Context) -> float | None:
    """Share of the agent's tool calls without a result. The last turn does not count: many runs end by a call."""
    acting = [turn.agent_actions for _, turn in view.turns() if turn.agent_actions]
    before_last = [action for actions in acting[:-1] for action in actions]
    return share(sum(action.returned is None for action in before_last), len(before_last))


SIGNAL = SignalKind("unanswered_calls", 1, "share of tool calls without a result, the last turn apart", measure)
