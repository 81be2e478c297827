"""Whether the run was stopped by a limit rather than by its own answer."""

import re

from streams.core.signals.base import Context, SignalKind
from streams.core.view import TraceView

CUT = frozenset({"max_age", "max_size", "evicted"})
"""Close reasons that end a run while it goes on."""
OUT_OF_TOKENS = frozenset({"length", "max_tokens", "max_output_tokens", "model_context_window_exceeded"})
"""Finish reasons of OpenAI, Anthropic, Google and OpenAI's responses, in lower case."""
_LIMIT = re.compile(
    r"limit|exceed|exhaust|time[ _-]?out|timed[ _-]?out|max(?:imum)?[ _-]|budget|too[ _-]many|context[ _-]?length",
    re.IGNORECASE,
)
_REASON_CHARS = 200


def measure(view: TraceView, _: Context) -> float | None:
    """1 when a limit ended the run or its last answer was cut off; also when it broke off waiting for a tool.

    0 otherwise; None where no agent did anything.
    """
    if view.trace.close_reason in CUT:
        return 1.0
    last = next((turn for step in reversed(view.steps) for turn in reversed(step.turns)), None)
    if last is None:
        return None
    called = last.model_call.model_called if last.model_call else None
    if called and (called.finish_reason or "").lower() in OUT_OF_TOKENS:
        return 1.0
    if view.root_end is None:
        return float(any(action.returned is None for action in last.agent_actions))
    return float(bool(_LIMIT.search((view.root_end.reason or "")[:_REASON_CHARS])))


SIGNAL = SignalKind("exhausted", 1, "1 when a limit ended the run or cut its last answer off", measure)
