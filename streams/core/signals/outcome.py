"""How well the run reached its aim, as the source claims it."""

import math

from streams.core.signals.base import Context, SignalKind
from streams.core.view import TraceView

_STATUS = {"successful": 1.0, "partial": 0.5, "failed": 0.0, "interrupted": 0.0}


def measure(view: TraceView, _: Context) -> float | None:
    """Reward of an evaluator, held to 0..1; else the completion status; None where nothing is claimed."""
    reward = view.trace.reward
    if reward is not None and not math.isnan(reward):
        return min(1.0, max(0.0, reward))
    return _STATUS.get(view.trace.completion_status)


SIGNAL = SignalKind("outcome", 1, "reward, else completion status: 1 reached its aim, 0 did not", measure)
