"""What an agent knew and what it did: one example for each turn that acts.

The system prompt, then as much of the latest history as `max_context_chars` allows, then the agent's message. A turn
is a model call with its tool calls, or a lone tool call; with parallel calls `expected_output` names the first and
the assistant message holds all. A turn that a person rejected gives none.
"""

from schemas.chat_text import raw_json
from streams.core.labels import failed, step_packages
from streams.core.shape.draft import Draft, ExampleKind
from streams.core.shape.material import Material
from streams.core.shape.moments import Moment


def first_call(moment: Moment) -> dict[str, object]:
    """The first call of an acting turn in the keys of the original description."""
    first = moment.turn.agent_actions[0]
    return {
        "action": "tool_request",
        "tool": first.tool,
        "parameters": raw_json(first.parameters_json, "{}"),
        "reasoning": moment.reasoning,
    }


def worked(material: Material, moment: Moment) -> bool:
    """Whether an acting turn did what it should: by its run where that is known, and by its own calls."""
    successful = material.judgement.successful
    if successful is None:
        return all(action.success for action in moment.turn.agent_actions)
    return successful and not any(failed(action) for action in moment.turn.agent_actions)


def factors(material: Material, moment: Moment) -> tuple[tuple[str, float], ...]:
    """What led to an error is worth less as something to imitate."""
    broken = any(failed(action) for action in moment.turn.agent_actions)
    return (("failed_action", material.rules.failed_action_weight),) if broken else ()


def places(material: Material) -> list[Moment]:
    """Turns that act and that no person rejected."""
    acting = (moment for moment in material.moments.all if moment.turn.agent_actions)
    return [moment for moment in acting if material.word(moment) is not False]


def draft(material: Material, moment: Moment) -> Draft | None:
    """One acting turn."""
    position = material.answer_at(moment)
    if position is None:
        return None
    step, turn = moment.step, moment.turn
    excerpt = material.excerpt(moment, position, material.rules.max_context_chars)
    spawns = any(action.call.span_id in material.spawning for action in turn.agent_actions)
    return Draft(
        position=moment.position,
        packages=step_packages(step, turn, moment.after_error, spawns),
        messages=excerpt.messages,
        tools=material.tools(step.thread),
        context=material.context(step, moment.state, moment.data),
        expected_output=first_call(moment),
        event_ids=tuple(event.event_id for event in moment.events),
        successful=worked(material, moment),
        circumstances=material.circumstances(step, moment.state, excerpt),
        reasons=material.reasons(moment),
        outcome=material.outcome(moment),
        performance=material.measures.of(moment),
        validated=material.word(moment) is True,
        factors=factors(material, moment),
        model=moment.model,
    )


KIND = ExampleKind("agent_execution", places, draft, every_turn=True)
