"""How many of its errors a run made good."""

from streams.core.signals.base import Context, SignalKind, share
from streams.core.view import TraceView


def measure(view: TraceView, _: Context) -> float | None:
    """Share of errors that were recovered; None where there were none.

    A failed tool call is recovered by a later success of the same tool, a raised error by a later success of any
    tool; both by a later recovery that worked (one that names an error counts for that error alone). Calls that
    users made are left out.
    """
    by_users = {action.call.span_id for step in view.steps for action in step.actions if not action.by_agent}
    errors = recovered = 0
    succeeded: set[str | None] = set()
    worked: set[str | None] = set()
    for event in reversed(view.trace.events):
        if event.kind == "tool_returned" and event.tool_returned and event.span_id not in by_users:
            if event.tool_returned.success:
                succeeded.add(event.tool_returned.tool)
            else:
                errors += 1
                recovered += event.tool_returned.tool in succeeded or None in worked
        elif event.kind == "error_raised" and event.error_raised:
            errors += 1
            own = event.error_raised.error_id
            recovered += bool(succeeded) or None in worked or (own is not None and own in worked)
        elif event.kind == "recovery_attempted" and event.recovery_attempted and event.recovery_attempted.worked:
            worked.add(event.recovery_attempted.error_id)
    return share(recovered, errors)


SIGNAL = SignalKind("recovery_credit", 1, "share of errors that were made good later", measure)
