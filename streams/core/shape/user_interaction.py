"""What people wanted to hear: corrections as preferred answers, and answers that a person vouched for.

A correction (`FeedbackGiven.correction`) takes the place of the message it corrects, and that message stands in
`rejected`: a preference pair of one chat. Feedback on the whole trace corrects the agent's last words. A correction is
a person's own text, so the example counts as vouched for; nobody ran it, so its outcome is `unknown`.

An answer without a correction is an example where a person vouched for it or for its run: the words with which the
agent leaves the floor to the user again.
"""

from dataclasses import dataclass

from schemas.chat_text import message_text, messages_text
from schemas.records import Event, Message
from streams.core.labels import type_packages
from streams.core.shape.draft import Draft, ExampleKind
from streams.core.shape.material import Material
from streams.core.shape.moments import Moment
from streams.core.shape.notes import ReasoningNote, words


@dataclass(frozen=True)
class Answer:
    """An assistant message, and the feedback that corrects it."""

    moment: Moment
    position: int
    corrected_by: Event | None = None


def places(material: Material) -> list[Answer]:
    """Corrections in the order they were given, then answers vouched for."""
    by_span = _by_span(material)
    closing = [moment for moment in material.moments.threads.get(None, ()) if _speaks(moment)]
    corrections: dict[tuple[int, int], Answer] = {}
    for event in material.feedback:
        given = event.feedback_given
        if given is None or not (given.correction or "").strip():
            continue
        target = by_span.get(given.target_span_id) if given.target_span_id else closing[-1] if closing else None
        position = material.answer_at(target) if target else None
        if target is not None and position is not None:
            corrections[target.place] = Answer(target, position, event)  # the last word counts
    vouched: list[Answer] = []
    for own in material.moments.threads.values():
        for moment in own:
            following = own[moment.number + 1] if moment.number + 1 < len(own) else None
            leaves = following is None or bool(following.turn.user_messages)
            if moment.place in corrections or not leaves or not _speaks(moment) or moment.request is None:
                continue
            word = material.word(moment)
            position = material.answer_at(moment)
            if position is not None and (word or (word is None and material.judgement.human_validated)):
                vouched.append(Answer(moment, position))
    return [*corrections.values(), *vouched]


def _speaks(moment: Moment) -> bool:
    return not moment.turn.agent_actions and bool((moment.turn.text or "").strip())


def _by_span(material: Material) -> dict[str, Moment]:
    """Span of a model call, a tool call or an explicit step to the (last) turn it is part of."""
    found: dict[str, Moment] = {}
    for moment in material.moments.all:
        if moment.step.explicit:
            found[moment.step.span_id] = moment
    for moment in material.moments.all:
        for event in (moment.turn.model_call, *(action.call for action in moment.turn.agent_actions)):
            if event is not None:
                found[event.span_id] = moment
    return found


def draft(material: Material, answer: Answer) -> Draft | None:
    """One answer, the better one where there is one."""
    moment, event = answer.moment, answer.corrected_by
    given = event.feedback_given if event else None
    step, state = moment.step, moment.state
    better = message_text(Message(role="assistant", content=given.correction)) if given else None
    excerpt = material.excerpt(moment, answer.position, material.rules.max_context_chars, answer=better)
    if event is not None:
        said_in = event.event_id
        reasons = ReasoningNote(words=words(given.comment if given else None), said_in=said_in)
        outcome = material.note("unknown", "corrected_by_person", (moment.events[-1].event_id, said_in))
    else:
        reasons = material.reasons(moment)
        outcome = material.outcome(moment)
    return Draft(
        position=moment.position,
        packages=type_packages("user_interaction", corrected=event is not None),
        messages=excerpt.messages,
        tools=material.tools(step.thread),
        context=material.context(step, state, state.names),
        expected_output={},
        event_ids=tuple(found.event_id for found in (*moment.events, *([event] if event else []))),
        successful=material.judgement.successful is True,
        circumstances=material.circumstances(step, state, excerpt),
        reasons=reasons,
        outcome=outcome,
        performance=material.measures.of(moment),
        validated=True,
        rejected=messages_text([material.transcript(step.thread).text(answer.position)]) if event else None,
        model=moment.model,
    )


KIND = ExampleKind("user_interaction", places, draft)
