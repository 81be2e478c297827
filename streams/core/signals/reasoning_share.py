"""How often the agent says why it acts."""

from streams.core.signals.base import SignalKind, share
from streams.core.view import TraceView


def measure(view: TraceView) -> float | None:
    """Share of acting turns with reasoning: the model's own, or that of the step or decision around them."""
    acting = [(step, turn) for step, turn in view.turns() if turn.agent_actions]
    reasoned = sum(bool((turn.reasoning or step.reasoning or "").strip()) for step, turn in acting)
    return share(reasoned, len(acting))


SIGNAL = SignalKind("reasoning_share", 1, "share of acting turns that show their reasoning", measure)
