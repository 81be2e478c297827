"""How to choose between options: one example for each recorded decision.

The question is the state with what had to be decided and the options as they were weighed; the answer is the choice,
its reasoning and confidence. Context and expected output together hold every key of the original description's
`decision_trace`. Options that were not chosen are `reasoning.rejected` of the enrichment, where the choice is one of
the options by its very name.
"""

from dataclasses import dataclass

import msgspec

from schemas.chat_text import json_text, message_text, messages_text
from schemas.records import DecisionMade, DecisionOption, DecisionOutcome, Event, Message
from schemas.seed_text import money, seconds_text
from schemas.steps import Step, decisions
from streams.core.figures import finite
from streams.core.labels import type_packages
from streams.core.shape.draft import Draft, ExampleKind
from streams.core.shape.material import Material
from streams.core.shape.moments import State
from streams.core.shape.notes import Figures, Option, OutcomeNote, ReasoningNote, performance_note, words


@dataclass(frozen=True)
class Choice:
    """A decision, what came of it, and where it was made."""

    number: int
    event: Event
    made: DecisionMade
    outcome_event: Event | None
    step: Step
    state: State

    @property
    def outcome(self) -> DecisionOutcome | None:
        """What came of it."""
        return self.outcome_event.decision_outcome if self.outcome_event else None


def places(material: Material) -> list[Choice]:
    """All decisions that no person rejected."""
    steps = material.view.steps
    where = {event.event_id: number for number, step in enumerate(steps) for event in step.decisions}
    found: list[Choice] = []
    for number, (event, outcome) in enumerate(decisions(material.view.trace.events)):
        step = where.get(event.event_id)
        if event.decision_made is None or step is None or material.word_on(event.span_id) is False:
            continue
        state = material.moments.states[step]
        found.append(Choice(number, event, event.decision_made, outcome, steps[step], state))
    return found


def _option(option: DecisionOption) -> Option:
    return Option(
        option=option.option,
        pros=option.pros,
        cons=option.cons,
        estimated_cost=money(finite(option.estimated_cost_usd)),
        estimated_time=seconds_text(finite(option.estimated_time_seconds)),
    )


def draft(material: Material, choice: Choice) -> Draft | None:
    """One decision."""
    made, step, thread = choice.made, choice.step, choice.step.thread
    options = [msgspec.to_builtins(_option(option)) for option in made.options]
    question = material.state_message(step, choice.state, {"context": made.context, "available_options": options})
    answer = {"decision": made.choice, "reasoning": made.reasoning, "confidence": finite(made.confidence)}
    known = {key: value for key, value in answer.items() if value is not None}
    texts = [message_text(question), message_text(Message(role="assistant", content=json_text(known)))]
    transcript = material.transcript(thread) if material.has_chat(thread) else None
    if transcript and transcript.start and transcript.text(0):
        texts.insert(0, transcript.text(0))
    outcome = choice.outcome
    note = _outcome(material, choice)
    worked = {"success": True, "failure": False}.get(note.step)
    context = material.context(step, choice.state, choice.state.names)
    names = [option.option for option in made.options]
    rejected = [_option(option) for option in made.options if option.option != made.choice]
    broken = (("failed_decision", material.rules.failed_action_weight),)
    return Draft(
        position=str(choice.number),
        packages=type_packages("decision_making"),
        messages=messages_text(texts),
        tools="[]",
        context=context | {"decision_id": made.decision_id, "context": made.context, "available_options": options},
        expected_output={
            "action": "decide",
            **answer,
            "outcome": {
                "actual_cost": money(finite(outcome.actual_cost_usd)) if outcome else None,
                "actual_time": seconds_text(finite(outcome.actual_time_seconds)) if outcome else None,
                "success": outcome.success if outcome else None,
                "quality": finite(outcome.quality) if outcome else None,
            },
        },
        event_ids=(choice.event.event_id, *([choice.outcome_event.event_id] if choice.outcome_event else [])),
        successful=material.judgement.successful is True if worked is None else worked,
        circumstances=material.circumstances(step, choice.state, None, shown=len(texts) == 3),
        reasons=ReasoningNote(
            words=words(made.reasoning),
            said_in=choice.event.event_id if made.reasoning else None,
            evidence=material.moments.decisions.get(choice.event.event_id, ()),
            chosen=made.choice,
            rejected=tuple(rejected) if made.choice in names else (),
        ),
        outcome=note,
        performance=performance_note(
            finite(outcome.actual_time_seconds) if outcome else None,
            finite(outcome.actual_cost_usd) if outcome else None,
            None,
            None,
        ),
        validated=material.word_on(choice.event.span_id) is True,
        factors=broken if worked is False else (),
        model=choice.event.model,
    )


def _outcome(material: Material, choice: Choice) -> OutcomeNote:
    """The recorded outcome; a decision without one shares that of its run."""
    chain = [choice.event.event_id]
    outcome = choice.outcome
    if choice.outcome_event and outcome and outcome.success is not None:
        chain.append(choice.outcome_event.event_id)
        note = material.note("success" if outcome.success else "failure", "decision_outcome", tuple(chain))
    else:
        note = material.untold_outcome(tuple(chain))
    chosen = next((option for option in choice.made.options if option.option == choice.made.choice), None)
    estimated = _figures(chosen.estimated_cost_usd, chosen.estimated_time_seconds) if chosen else Figures()
    actual = Figures()
    if outcome:
        actual = _figures(outcome.actual_cost_usd, outcome.actual_time_seconds, outcome.quality)
    return msgspec.structs.replace(
        note,
        estimated=None if estimated == Figures() else estimated,
        actual=None if actual == Figures() else actual,
    )


def _figures(cost_usd: float | None, seconds: float | None, quality: float | None = None) -> Figures:
    return Figures(finite(cost_usd), finite(seconds), finite(quality))


KIND = ExampleKind("decision_making", places, draft)
