"""Loops: the same call again and again."""

from itertools import pairwise

from streams.core.signals.base import Context, SignalKind, share
from streams.core.view import TraceView


def measure(view: TraceView, _: Context) -> float | None:
    """Share of the agent's tool calls that repeat the call before them, tool and arguments."""
    repeats = sum(
        one.tool == next_.tool and one.parameters_json == next_.parameters_json for one, next_ in pairwise(view.actions)
    )
    return share(repeats, len(view.actions))


SIGNAL = SignalKind("repeated_calls", 1, "share of tool calls that repeat the call before them", measure)
