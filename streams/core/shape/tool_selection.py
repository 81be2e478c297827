"""Which tool to take, and with which parameters: one example for each turn where there was a choice.

The question is short on purpose: the state as the original description writes it, with what the user asked last, the
latest results and the names of the tools; no system prompt, no history, none of the agent's own words, because those
name the tool before it is called. The answer is the call alone. So an example is a few hundred tokens on one choice
instead of a copy of `agent_execution`.

A choice needs two tools: declared ones or, where the source declares none, those called in this run. It is trivial
where the agent took the very tool of its turn before, no error between: such turns weigh `trivial_choice_weight`
times as much, and come only as far as `max_kind_examples` has room beside the telling ones. The same question with
the same answer comes once.
"""

import msgspec

from schemas.chat_text import beginning_and_end, message_text, messages_text
from schemas.conversation import result_text
from schemas.records import Message
from schemas.steps import Action
from streams.core.labels import type_packages
from streams.core.shape.agent_execution import factors, first_call, worked
from streams.core.shape.draft import Draft, ExampleKind
from streams.core.shape.material import MAX_TEXT_CHARS, Material
from streams.core.shape.moments import Moment


def trivial(moment: Moment) -> bool:
    """Whether the agent went on with the tool it had in its hands."""
    before = moment.latest_results[-1:]
    tools = {action.tool for action in moment.turn.agent_actions}
    return not moment.after_error and bool(before) and tools == {before[0].tool}


def places(material: Material) -> list[Moment]:
    """Turns with a choice between tools, telling ones before trivial ones where there are too many; in order."""
    found: list[Moment] = []
    seen: set[tuple[object, ...]] = set()
    for moment in material.moments.all:
        actions = moment.turn.agent_actions
        if not actions or len(material.choice(moment.step.thread).names) < 2 or material.word(moment) is False:
            continue
        state = (moment.state.current_step, moment.state.progress)
        results = tuple((action.tool, action.success, _result(action)) for action in moment.latest_results)
        asked = tuple((action.tool, action.parameters_json) for action in actions)
        key = (moment.step.thread, moment.request, state, results, asked)
        if key not in seen:
            seen.add(key)
            found.append(moment)
    telling = [moment for moment in found if not trivial(moment)]
    limit = material.rules.max_kind_examples
    if len(found) <= limit or len(telling) >= limit:
        return found if len(found) <= limit else telling
    spare = [moment for moment in found if trivial(moment)]
    room = limit - len(telling)
    kept = [spare[number * len(spare) // room] for number in range(room)]
    return sorted(telling + kept, key=lambda moment: moment.place)


def _result(action: Action) -> str:
    text = result_text(action.returned) if action.returned else ""
    return beginning_and_end(text, MAX_TEXT_CHARS)


def _question(material: Material, moment: Moment) -> Message:
    """State, request and latest results, the way the original description writes a state."""
    goal, said = material.goal(moment.step.thread), moment.request
    return material.state_message(
        moment.step,
        moment.state,
        {
            "goal": beginning_and_end(goal, MAX_TEXT_CHARS) if goal else None,
            "available_tools": material.choice(moment.step.thread).names,
            "request": beginning_and_end(said, MAX_TEXT_CHARS) if said and said != goal else None,
            "last_results": [
                {"tool": action.tool, "success": action.success, "result": _result(action)}
                for action in moment.latest_results
            ],
        },
    )


def draft(material: Material, moment: Moment) -> Draft | None:
    """One choice."""
    position = material.answer_at(moment)
    if position is None:
        return None
    said = material.transcript(moment.step.thread).chat.messages[position]
    if not said.tool_calls:
        return None
    answer = msgspec.structs.replace(said, content=None, reasoning=None)
    context = material.context(moment.step, moment.state, moment.data)
    lowering = factors(material, moment)
    if trivial(moment):
        lowering += (("trivial_choice", material.rules.trivial_choice_weight),)
    return Draft(
        position=moment.position,
        packages=type_packages("tool_selection"),
        messages=messages_text([message_text(_question(material, moment)), message_text(answer)]),
        tools=material.tools(moment.step.thread),
        context=context | {"available_tools": material.choice(moment.step.thread).names},
        expected_output=first_call(moment),
        event_ids=tuple(event.event_id for event in moment.events),
        successful=worked(material, moment),
        circumstances=material.circumstances(moment.step, moment.state, None),
        reasons=material.reasons(moment, chosen=moment.turn.agent_actions[0].tool),
        outcome=material.outcome(moment),
        performance=material.measures.of(moment),
        validated=material.word(moment) is True,
        factors=lowering,
        model=moment.model,
    )


KIND = ExampleKind("tool_selection", places, draft)
