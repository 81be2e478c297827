"""How often the agent says why it acts."""

from streams.core.signals.base import Context, SignalKind, share
from streams.core.signals.wording import reasoning_of
from streams.core.view import TraceView


def measure(view: TraceView, _: Context) -> float | None:
    """Share of acting turns with reasoning: the model's own, or that of the step or decision around them."""
    acting = reasoned = 0
    for step in view.steps:
        for turn in step.turns:
            if turn.agent_actions:
                acting += 1
                reasoned += bool(reasoning_of(step, turn))
    return share(reasoned, acting)


SIGNAL = SignalKind("reasoning_share", 1, "share of acting turns that show their reasoning", measure)
