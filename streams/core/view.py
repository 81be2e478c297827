"""A trace with what several signals and shapes need of it, computed once."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.records import AgentEnded, AgentStarted, FeedbackGiven, ToolDefinition, Trace
from schemas.steps import Action, Step, Turn, steps, tool_definitions


@dataclass(frozen=True)
class TraceView:
    """A trace, its steps and its tool calls. Build it with `view_of`."""

    trace: Trace
    steps: tuple[Step, ...]
    actions: tuple[Action, ...]
    """Tool calls of agents (not of users), in order."""
    tools: tuple[ToolDefinition, ...]
    root_end: AgentEnded | None
    """The last end of the agent that owns the trace."""
    root_start: AgentStarted | None
    feedback: tuple[FeedbackGiven, ...]

    def turns(self) -> Iterator[tuple[Step, Turn]]:
        """All turns in order."""
        for step in self.steps:
            for turn in step.turns:
                yield step, turn


def view_of(trace: Trace) -> TraceView:
    """The view of a trace; linear in its events."""
    found = steps(trace.events)
    starts = (event.agent_started for event in trace.events if event.kind == "agent_started")
    ends = (event.agent_ended for event in trace.events if event.kind == "agent_ended")
    root_ends = [body for body in ends if body and body.root]
    return TraceView(
        trace=trace,
        steps=found,
        actions=tuple(action for step in found for turn in step.turns for action in turn.agent_actions),
        tools=tool_definitions(trace.events),
        root_end=root_ends[-1] if root_ends else None,
        root_start=next((body for body in starts if body and body.root), None),
        feedback=tuple(event.feedback_given for event in trace.events if event.feedback_given),
    )
