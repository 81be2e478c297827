"""Whether the run ended on an error."""

from streams.core.signals.base import Context, SignalKind
from streams.core.view import TraceView


def measure(view: TraceView, _: Context) -> float | None:
    """1 when the last error was followed by neither a successful tool result nor a recovery that worked; else 0."""
    by_users = {action.call.span_id for step in view.steps for action in step.actions if not action.by_agent}
    broken = False
    for event in view.trace.events:
        if event.kind == "tool_returned" and event.tool_returned and event.span_id not in by_users:
            broken = not event.tool_returned.success
        elif event.kind == "error_raised":
            broken = True
        elif event.kind == "recovery_attempted" and event.recovery_attempted and event.recovery_attempted.worked:
            broken = False
    return float(broken)


SIGNAL = SignalKind("unrecovered_error", 1, "1 when the last error was never made good", measure)
