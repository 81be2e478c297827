"""What to do about an error: one example for each error that the agent answered, of failed runs as well.

The chat goes up to the call that made the error good, with the attempts before it, where all of that fits in
`short_context_chars`; otherwise, and where nothing made it good, up to the first answer. An error that no tool result
shows is told by a user message, `Error raised: {...}`. `expected_output` names the call the chat ends with, and under
`recovery` every attempt; a failure is worth `failed_action_weight` times as much as a recovery.
"""

from schemas.chat_text import beginning_and_end, json_text, raw_json
from schemas.records import Event, Message
from schemas.steps import Action
from streams.core.labels import type_packages
from streams.core.shape.agent_execution import first_call
from streams.core.shape.draft import Draft, ExampleKind
from streams.core.shape.failures import Failure
from streams.core.shape.material import Material
from streams.core.shape.moments import Moment
from streams.core.shape.notes import words
from streams.core.shape.transcript import Excerpt

MAX_PARAMETERS_CHARS = 1_000
"""Of each attempt in `recovery`."""


def places(material: Material) -> list[Failure]:
    """Errors that were answered by turns that no person rejected."""
    return [failure for failure in material.failures if _answer(material, failure) is not None]


def _answer(material: Material, failure: Failure) -> tuple[Moment, int] | None:
    """The first turn after the error that says or does something."""
    for moment in failure.answers:
        position = material.answer_at(moment)
        if position is not None:
            return None if material.word(moment) is False else (moment, position)
    return None


def draft(material: Material, failure: Failure) -> Draft | None:
    """One error and what the agent did about it."""
    answer = _answer(material, failure)
    if answer is None:
        return None
    first, at = answer
    asked = material.answer_at(failure.moment) if failure.moment and failure.failed else None
    sight = at if asked is None else asked
    last, final = first, failure.answers[-1]
    excerpt = None
    if failure.outcome == "recovered" and final is not first and material.word(final) is not False:
        position = material.answer_at(final)
        if position is not None:
            excerpt = _excerpt(material, failure, final, position, at)
            last = final
    if excerpt is None or excerpt.first > sight:
        last, excerpt = first, _excerpt(material, failure, first, at, at)
    if excerpt.first > sight:
        return None  # an answer without its question
    attempts = [_attempt(moment) for moment in failure.answers]
    recorded = [event.recovery_attempted for event in failure.recoveries]
    target = first_call(last) if last.turn.agent_actions else {"action": "respond", "reasoning": last.turn.reasoning}
    step = last.step
    context = material.context(step, last.state, last.data)
    events = [*failure.raised, *(event for action in failure.failed for event in (action.call, action.returned))]
    events += [*failure.recoveries, *(event for moment in failure.answers for event in moment.events)]
    broken = (("never_made_good", material.rules.failed_action_weight),)
    return Draft(
        position=failure.moment.position if failure.moment else f"start.{first.position}",
        packages=type_packages("error_handling"),
        messages=excerpt.messages,
        tools=material.tools(failure.thread),
        context=context | {"errors": _errors(failure)},
        expected_output=target
        | {
            "recovery": {
                "outcome": failure.outcome,
                "attempts": attempts,
                "actions": [{"action": found.action, "worked": found.worked} for found in recorded if found],
            }
        },
        event_ids=tuple(dict.fromkeys(event.event_id for event in events if event)),
        successful=failure.outcome == "recovered",
        circumstances=material.circumstances(step, last.state, excerpt),
        reasons=material.reasons(last),
        outcome=material.note(failure.outcome, failure.why, failure.chain),
        performance=material.measures.of(*failure.answers),
        validated=material.word(last) is True,
        factors=broken if failure.outcome == "failure" else (),
        model=last.model,
    )


def _excerpt(material: Material, failure: Failure, moment: Moment, position: int, first_answer: int) -> Excerpt:
    """The chat up to a message, with the error in it."""
    told = None
    if not failure.failed:
        told = (first_answer, Message(role="user", content="Error raised: " + json_text(_errors(failure)[0])))
    return material.excerpt(moment, position, material.rules.short_context_chars, inserted=told)


def _errors(failure: Failure) -> list[dict[str, object]]:
    """The errors in short: failed tool results, then what was raised."""
    found = [_failed(action) for action in failure.failed]
    return found + [_raised(event) for event in failure.raised]


def _failed(action: Action) -> dict[str, object]:
    returned = action.returned.tool_returned if action.returned else None
    error = {
        "tool": action.tool,
        "error_kind": returned.error_kind if returned else None,
        "message": words(returned.error_message if returned else None),
    }
    return {key: value for key, value in error.items() if value is not None}


def _raised(event: Event) -> dict[str, object]:
    raised = event.error_raised
    if raised is None:
        return {}
    error = {"error_kind": raised.error_kind, "message": words(raised.message)}
    return {key: value for key, value in error.items() if value is not None}


def _attempt(moment: Moment) -> dict[str, object]:
    """A turn in short: its calls and whether they worked, or what it said."""
    calls = [
        {"tool": action.tool, "parameters": parameters(action.parameters_json), "success": action.success}
        for action in moment.turn.agent_actions
    ]
    return {"calls": calls} if calls else {"said": words(moment.turn.text)}


def parameters(text: str) -> object:
    """Parameters beside the answer; the middle of long ones is left out."""
    if len(text) <= MAX_PARAMETERS_CHARS:
        return raw_json(text, "{}")
    return beginning_and_end(text, MAX_PARAMETERS_CHARS)


KIND = ExampleKind("error_handling", places, draft)
