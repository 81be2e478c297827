"""Turns of a trace with what their agent knew then: the state, the request, the latest results. One linear pass."""

import math
from collections import defaultdict, deque
from dataclasses import dataclass

import msgspec

from schemas.conversation import result_text
from schemas.records import Event, ModelRef
from schemas.seed_text import json_object
from schemas.spans import Scopes
from schemas.steps import Action, Step, Turn
from streams.core.labels import failed
from streams.core.shape.evidence import Evidence, EvidenceIndex
from streams.core.view import TraceView

MAX_AVAILABLE_DATA = 100
"""Names listed in `current_state.available_data`."""
MAX_VARIABLES = 20
MAX_VARIABLE_BYTES = 200
"""Of the JSON text of one value; larger ones are known by name only."""
MAX_LATEST_RESULTS = 2


@dataclass(frozen=True, slots=True)
class State:
    """State of the execution at some point."""

    current_step: str | None = None
    progress: float | None = None
    names: tuple[str, ...] = ()
    """Variables known so far."""
    variables: tuple[tuple[str, msgspec.Raw], ...] = ()
    """Values of the first few small ones."""

    def after(self, event: Event) -> "State":
        """The state once this change was made."""
        changed = event.state_changed
        if changed is None:
            return self
        values = json_object(changed.variables_json)
        progress = changed.progress_percentage
        variables = dict(self.variables)
        for name, value in values.items():
            variables.pop(name, None)
            text = msgspec.json.encode(value)
            if len(text) <= MAX_VARIABLE_BYTES and len(variables) < MAX_VARIABLES:
                variables[name] = msgspec.Raw(text)
        return State(
            current_step=changed.current_step or self.current_step,
            progress=self.progress if progress is None or not math.isfinite(progress) else progress,
            names=tuple(dict.fromkeys(self.names + tuple(values)[:MAX_AVAILABLE_DATA]))[:MAX_AVAILABLE_DATA],
            variables=tuple(variables.items()),
        )


@dataclass(frozen=True, slots=True)
class Moment:
    """One turn and what its agent knew before it."""

    place: tuple[int, int]
    """Position of the step in the trace, and of the turn in the step."""
    number: int
    """Position among the turns of its agent."""
    step: Step
    turn: Turn
    state: State
    data: tuple[str, ...]
    """Names of what the agent has: variables of the state, then inputs of the step."""
    after_error: bool
    request: str | None
    """What the user said last."""
    latest_results: tuple[Action, ...]
    evidence: tuple[Evidence, ...]

    @property
    def reasoning(self) -> str | None:
        """Why, in the agent's own words."""
        return self.turn.reasoning or self.step.reasoning

    @property
    def model(self) -> ModelRef | None:
        """Model whose output it is."""
        actions = self.turn.agent_actions or self.turn.actions
        return self.turn.model_call.model if self.turn.model_call else actions[0].call.model

    @property
    def position(self) -> str:
        """Part of the ids of its examples."""
        return f"{self.place[0]}.{self.place[1]}"

    @property
    def events(self) -> tuple[Event, ...]:
        """Events it was made from."""
        found = [*self.turn.user_messages, *([self.turn.model_call] if self.turn.model_call else [])]
        for action in self.turn.actions:
            found += [action.call, *([action.returned] if action.returned else [])]
        return tuple(found)


@dataclass(frozen=True)
class Moments:
    """All turns of a trace, in order, and the state before each step."""

    all: tuple[Moment, ...]
    threads: dict[str | None, tuple[Moment, ...]]
    """By agent: span of the sub-agent, None for the agent that owns the trace."""
    states: tuple[State, ...]
    decisions: dict[str, tuple[Evidence, ...]]
    """What each decision refers to, by its event id."""


@dataclass
class _Known:
    """What one agent knows while the pass runs."""

    index: EvidenceIndex
    broken: bool = False
    request: str | None = None
    results: tuple[Action, ...] = ()


def moments_of(view: TraceView) -> Moments:
    """The turns of a trace."""
    known: dict[str | None, _Known] = defaultdict(lambda: _Known(EvidenceIndex()))
    scopes = Scopes(view.trace.events)
    for event in view.trace.events:
        if event.agent_started:
            index = known[scopes.of(event.span_id).thread].index
            index.add(event.event_id, event.kind, event.agent_started.goal)
            index.add(event.event_id, event.kind, event.agent_started.inputs_json)
    order = {event.event_id: number for number, event in enumerate(view.trace.events)}
    decisions: dict[str, tuple[Evidence, ...]] = {}
    state = State()
    states: list[State] = []
    found: list[Moment] = []
    threads: dict[str | None, list[Moment]] = defaultdict(list)
    for number, step in enumerate(view.steps):
        states.append(state)
        own = known[step.thread]
        data = tuple(dict.fromkeys(state.names + tuple(json_object(step.inputs_json))))[:MAX_AVAILABLE_DATA]
        pending = deque(step.decisions)
        for position, turn in enumerate(step.turns):
            _hear(own, turn)
            arguments = (action.parameters_json for action in turn.agent_actions)
            moment = Moment(
                place=(number, position),
                number=len(threads[step.thread]),
                step=step,
                turn=turn,
                state=state,
                data=data,
                after_error=own.broken,
                request=own.request,
                latest_results=own.results,
                evidence=own.index.of(turn.reasoning or step.reasoning, *arguments),
            )
            found.append(moment)
            threads[step.thread].append(moment)
            results = [order[action.returned.event_id] for action in turn.agent_actions if action.returned]
            while pending and results and order[pending[0].event_id] < min(results):
                decisions |= _decided(own, pending.popleft())
            _learn(own, turn)
        for event in pending:
            decisions |= _decided(own, event)
        if step.errors:
            own.broken = True
        for event in step.state_changes:
            state = state.after(event)
    by_thread = {name: tuple(own) for name, own in threads.items()}
    return Moments(tuple(found), by_thread, tuple(states), decisions)


def _decided(own: _Known, event: Event) -> dict[str, tuple[Evidence, ...]]:
    """What a decision refers to, of what its agent has seen so far."""
    made = event.decision_made
    return {event.event_id: own.index.of(made.context, made.reasoning)} if made else {}


def _hear(own: _Known, turn: Turn) -> None:
    """What users and the prompt said before the turn."""
    for event in turn.user_messages:
        if event.user_message and event.user_message.content:
            own.request = event.user_message.content
            own.index.add(event.event_id, event.kind, own.request)
    called = turn.model_call.model_called if turn.model_call else None
    for message in called.input_messages if called else ():
        if message.role == "user" and message.content:
            own.request = message.content
        if turn.model_call and message.role in ("user", "tool"):
            own.index.add(turn.model_call.event_id, turn.model_call.kind, message.content)


def _learn(own: _Known, turn: Turn) -> None:
    """What the turn brought to light."""
    actions = turn.agent_actions
    if not actions:
        return
    own.broken = failed(actions[-1])
    own.results = tuple(action for action in actions if action.returned)[-MAX_LATEST_RESULTS:]
    for action in actions:
        if action.returned:
            own.index.add(action.returned.event_id, action.returned.kind, result_text(action.returned))
