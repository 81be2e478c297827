"""Working with other agents: one example for each turn that hands work to sub-agents.

The chat is the caller's: the hand-off, what came back, and what the caller said or did next; it ends with the hand-off
where the record ends there. What a sub-agent brought back without a tool result to say so is told by a user message,
`Hand-off results: [...]`. `expected_output` names the call, each hand-off with its inputs and its result, and the
caller's next move.
"""

from bisect import bisect_left
from dataclasses import dataclass

from schemas.chat_text import beginning_and_end, json_text
from schemas.records import Event, Message, Outcome
from schemas.spans import Scopes
from streams.core.labels import type_packages
from streams.core.shape.agent_execution import factors, first_call
from streams.core.shape.draft import Draft, ExampleKind
from streams.core.shape.error_handling import parameters
from streams.core.shape.material import Material
from streams.core.shape.moments import Moment
from streams.core.shape.notes import OutcomeNote

MAX_RESULT_CHARS = 2_000
MAX_HAND_OFFS = 10
"""Sub-agents told of one turn."""


@dataclass(frozen=True)
class HandOff:
    """A turn and the sub-agents that began in it."""

    moment: Moment
    position: int
    started: tuple[Event, ...]


def places(material: Material) -> list[HandOff]:
    """Turns that hand over work and that no person rejected."""
    events = material.view.trace.events
    order = {event.event_id: number for number, event in enumerate(events)}
    by_span = {action.call.span_id: moment for moment in material.moments.all for action in moment.turn.agent_actions}
    begins = {
        name: [order[moment.events[0].event_id] for moment in own] for name, own in material.moments.threads.items()
    }
    scopes = Scopes(events)
    found: dict[tuple[int, int], list[Event]] = {}
    turns: dict[tuple[int, int], Moment] = {}
    seen: set[str] = set()
    for event in material.started:
        started = event.agent_started
        if started is None or started.root or event.span_id in seen:
            continue
        seen.add(event.span_id)
        parent = event.parent_span_id
        caller = by_span.get(parent) if parent else None
        if caller is None:
            thread = scopes.of(parent).thread if parent else None
            number = bisect_left(begins.get(thread, []), order[event.event_id]) - 1
            caller = material.moments.threads[thread][number] if number >= 0 else None
        if caller is not None and caller.step.thread != event.span_id:
            turns[caller.place] = caller
            found.setdefault(caller.place, []).append(event)
    hand_offs: list[HandOff] = []
    for place, moment in sorted(turns.items()):
        position = material.answer_at(moment)
        if position is not None and material.word(moment) is not False:
            hand_offs.append(HandOff(moment, position, tuple(found[place])))
    return hand_offs


def draft(material: Material, hand_off: HandOff) -> Draft | None:
    """One hand-off and what became of it."""
    moment, room = hand_off.moment, material.rules.short_context_chars
    step, own = moment.step, material.moments.threads[moment.step.thread]
    transcript = material.transcript(step.thread)
    done = [_told(material, event) for event in hand_off.started[:MAX_HAND_OFFS]]
    following = own[moment.number + 1] if moment.number + 1 < len(own) else None
    at = material.answer_at(following) if following and material.word(following) is not False else None
    excerpt = None
    if following is not None and at is not None:
        inserted = None
        if not any(action.returned for action in moment.turn.agent_actions):
            results = [{key: one[key] for key in ("agent", "status", "result") if key in one} for one in done]
            text = "Hand-off results: " + json_text(results)
            inserted = (transcript.fit_after(hand_off.position), Message(role="user", content=text))
        excerpt = material.excerpt(following, at, room, inserted=inserted)
    if excerpt is None or excerpt.first > hand_off.position:
        following, excerpt = None, material.excerpt(moment, hand_off.position, room)
    call = first_call(moment) if moment.turn.agent_actions else {"reasoning": moment.turn.reasoning}
    ended = [material.ends[event.span_id] for event in hand_off.started if event.span_id in material.ends]
    events = [*moment.events, *hand_off.started, *ended, *(following.events if following else ())]
    outcome = _outcome(material, moment, ended)
    return Draft(
        position=moment.position,
        packages=type_packages("multi_agent_coordination"),
        messages=excerpt.messages,
        tools=material.tools(step.thread),
        context=material.context(step, moment.state, moment.data),
        expected_output=call | {"action": "hand_off", "hand_offs": done, "next": _next(following)},
        event_ids=tuple(dict.fromkeys(event.event_id for event in events)),
        successful=material.judgement.successful is True and outcome.step != "failure",
        circumstances=material.circumstances(step, moment.state, excerpt),
        reasons=material.reasons(moment),
        outcome=outcome,
        performance=material.measures.of(
            moment, *(one for event in hand_off.started for one in material.moments.threads.get(event.span_id, ()))
        ),
        validated=material.word(moment) is True,
        factors=factors(material, moment),
        model=moment.model,
    )


def _told(material: Material, event: Event) -> dict[str, object]:
    """What one sub-agent was given, and what it brought back."""
    started = event.agent_started
    ended = material.ends.get(event.span_id)
    end = ended.agent_ended if ended else None
    said = [moment.turn.text for moment in material.moments.threads.get(event.span_id, ()) if moment.turn.text]
    result: object = None
    if end and end.outputs_json is not None:
        result = parameters(end.outputs_json)
    elif said:
        result = beginning_and_end(said[-1] or "", MAX_RESULT_CHARS)
    told = {
        "agent": event.agent,
        "goal": beginning_and_end(started.goal, MAX_RESULT_CHARS) if started and started.goal else None,
        "inputs": parameters(started.inputs_json) if started and started.inputs_json is not None else None,
        "constraints": started.constraints if started else (),
        "status": end.completion_status if end else None,
        "result": result,
    }
    return {key: value for key, value in told.items() if value is not None and value != ()}


def _next(following: Moment | None) -> dict[str, object] | None:
    """What the caller made of it."""
    if following is None:
        return None
    if following.turn.agent_actions:
        first = following.turn.agent_actions[0]
        return {"tool": first.tool, "parameters": parameters(first.parameters_json)}
    return {"said": beginning_and_end(following.turn.text or "", MAX_RESULT_CHARS)}


def _outcome(material: Material, moment: Moment, ended: list[Event]) -> OutcomeNote:
    """A sub-agent that failed decides; else what came of the caller's turn."""
    for code, outcome in (("failed", "failure"), ("partial", "partial")):
        for event in ended:
            if event.agent_ended and event.agent_ended.completion_status == code:
                name: Outcome = "failure" if outcome == "failure" else "partial"
                return material.note(name, f"sub_agent_{code}", (moment.events[0].event_id, event.event_id))
    return material.outcome(moment)


KIND = ExampleKind("multi_agent_coordination", places, draft)
