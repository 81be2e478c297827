"""The whole chat of the agent that owns the trace, where that agent said anything."""

from streams.core.labels import trace_packages
from streams.core.shape.draft import Draft, ExampleKind
from streams.core.shape.material import Material
from streams.core.shape.notes import ReasoningNote

_OWN = frozenset({"agent_started", "user_message", "model_called", "tool_called", "tool_returned"})


def places(material: Material) -> list[None]:
    """The trace itself, once."""
    return [None] if material.transcript(None).speaks() else []


def draft(material: Material, _: None) -> Draft | None:
    """The whole chat."""
    trace = material.view.trace
    acting = [moment for moment in material.moments.threads.get(None, ()) if moment.turn.agent_actions]
    return Draft(
        position="0",
        packages=trace_packages(material.view.steps, len(trace.agents)),
        messages=material.transcript(None).whole(),
        tools=material.tools(None),
        context={"scenario": trace.scenario, "goal": material.goal(None)},
        expected_output={},
        event_ids=tuple(event.event_id for event in trace.events if event.kind in _OWN),
        successful=material.judgement.successful is True,
        circumstances=material.circumstances(None, None, None, shown=True),
        reasons=ReasoningNote(turns=len(acting), turns_with_words=sum(bool(moment.reasoning) for moment in acting)),
        outcome=material.run_outcome(),
        performance=material.measures.run(),
    )


KIND = ExampleKind("conversation", places, draft)
