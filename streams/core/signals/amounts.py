"""What a run needed: the amounts that windows collect and relative signals compare. None where nothing was recorded."""

from streams.core.signals.sketch import measurable
from streams.core.view import TraceView

CHARS_PER_TOKEN = 4
"""Rule of thumb for text whose tokens were not counted."""


def duration_seconds(view: TraceView) -> float | None:
    """Seconds from the first event to the last; None where the source recorded no times."""
    events = view.trace.events
    return None if not events or events[0].occurred_at_synthetic else view.trace.duration_seconds


def cost_usd(view: TraceView) -> float | None:
    """Cost of the whole run."""
    return view.trace.cost_usd


def output_tokens(view: TraceView) -> float | None:
    """Tokens the models wrote: counted ones, else the length of what they said, thought and passed to tools."""
    if view.trace.output_tokens:
        return float(view.trace.output_tokens)
    chars = spoken = 0
    for event in view.trace.events:
        if event.kind == "model_called" and event.model_called and event.model_called.output:
            spoken += 1
            chars += len(event.model_called.output.content or "") + len(event.model_called.output.reasoning or "")
    if not spoken and not view.actions:
        return None
    return (chars + sum(len(action.parameters_json) for action in view.actions)) / CHARS_PER_TOKEN


def read_tokens(view: TraceView) -> float | None:
    """Length of all that tools answered to the agent, in tokens; None where no tool was called."""
    if not view.actions:
        return None
    bodies = (action.returned.tool_returned for action in view.actions if action.returned)
    return sum(len(body.result_json or "") for body in bodies if body) / CHARS_PER_TOKEN


def tool_latency_seconds(view: TraceView) -> float | None:
    """Mean seconds that a tool took, over the calls whose latency was recorded."""
    known = [
        body.latency_seconds
        for action in view.actions
        if action.returned and (body := action.returned.tool_returned) and measurable(body.latency_seconds)
    ]
    return sum(known) / len(known) if known else None


def calls(view: TraceView) -> float:
    """Tool calls of agents."""
    return float(len(view.actions))
