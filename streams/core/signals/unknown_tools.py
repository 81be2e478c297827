"""Calls of tools that the agent does not have."""

from streams.core.signals.base import Context, SignalKind, share
from streams.core.view import TraceView


def measure(view: TraceView, _: Context) -> float | None:
    """Share of tool calls outside the declared tools; None where none are declared.

    Only the agent that owns the trace is looked at: its tools are not those of its sub-agents.
    """
    known = {tool.name for tool in view.tools}
    called = [action.tool for step, turn in view.turns() if step.thread is None for action in turn.agent_actions]
    return share(sum(tool not in known for tool in called), len(called)) if known else None


SIGNAL = SignalKind("unknown_tools", 1, "share of tool calls outside the declared tools", measure)
