"""A trace's ordered events as joined steps. Pure, linear in the number of events.

A step is an explicit span (`StepStarted` / `StepEnded`) where the source has them; otherwise one agent turn: a model
call and the tool calls that follow it until the next model call of that agent. A tool call that no model call
precedes is a step of its own. Sub-agents (an `AgentStarted` that is not root) have steps of their own.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.records import Event, ToolDefinition
from schemas.spans import Scopes, join_results


@dataclass(frozen=True, slots=True)
class Action:
    """A tool call with its result."""

    call: Event
    returned: Event | None

    @property
    def tool(self) -> str:
        """Tool name."""
        return self.call.tool_called.tool if self.call.tool_called else ""

    @property
    def parameters_json(self) -> str:
        """Arguments as the source wrote them; not always valid JSON."""
        return self.call.tool_called.parameters_json if self.call.tool_called else "{}"

    @property
    def by_agent(self) -> bool:
        """False where the user called the tool: some simulations let them."""
        return self.call.tool_called is None or self.call.tool_called.requested_by == "agent"

    @property
    def success(self) -> bool | None:
        """None where no result was recorded."""
        return self.returned.tool_returned.success if self.returned and self.returned.tool_returned else None


@dataclass(frozen=True, slots=True)
class Turn:
    """One model call with the tool calls that follow it, or a lone tool call."""

    model_call: Event | None
    actions: tuple[Action, ...]
    user_messages: tuple[Event, ...] = ()
    """What users said since the turn before."""

    @property
    def agent_actions(self) -> tuple[Action, ...]:
        """Without the calls that the user made."""
        return tuple(action for action in self.actions if action.by_agent)

    @property
    def text(self) -> str | None:
        """What the model said."""
        output = self.model_call.model_called.output if self.model_call and self.model_call.model_called else None
        return output.content if output else None

    @property
    def reasoning(self) -> str | None:
        """Thinking shown apart from the answer; else what the model said before it acted."""
        output = self.model_call.model_called.output if self.model_call and self.model_call.model_called else None
        if output is None:
            return None
        return output.reasoning or (output.content if self.agent_actions or output.tool_calls else None)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a trace. Event tuples keep the order of the trace; times are microseconds since 1970 UTC."""

    step_id: str
    step_name: str
    agent: str
    span_id: str
    thread: str | None
    """Span of the sub-agent that made it; None for the agent that owns the trace."""
    explicit: bool
    started_at: int
    ended_at: int
    inputs_json: str | None
    outputs_json: str | None
    reasoning: str | None
    turns: tuple[Turn, ...]
    state_changes: tuple[Event, ...]
    decisions: tuple[Event, ...]
    outcomes: tuple[Event, ...]
    errors: tuple[Event, ...]
    recoveries: tuple[Event, ...]
    unmatched_returns: tuple[Event, ...]
    """Tool results whose call was never recorded."""
    success: bool | None
    """What `StepEnded` claims."""

    @property
    def model_call(self) -> Event | None:
        """The first model call; explicit steps may hold more, see `turns`."""
        return next((turn.model_call for turn in self.turns if turn.model_call), None)

    @property
    def actions(self) -> tuple[Action, ...]:
        """All tool calls of the step."""
        return tuple(action for turn in self.turns for action in turn.actions)

    @property
    def user_messages(self) -> tuple[Event, ...]:
        """What users said before or during the step, since the turn before."""
        return tuple(event for turn in self.turns for event in turn.user_messages)


@dataclass(slots=True)
class _TurnDraft:
    model_call: Event | None
    actions: list[Action]
    said: list[Event]


@dataclass(slots=True)
class _Draft:
    """A step while it is being built; private to `steps`."""

    thread: str | None
    first: Event
    explicit: bool
    open: bool = True
    ended_at: int = 0
    turns: list[_TurnDraft] = field(default_factory=list)
    extras: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    started: Event | None = None
    ended: Event | None = None

    def touch(self, event: Event) -> None:
        self.ended_at = max(self.ended_at, event.occurred_at)


class _Builder:
    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events
        self._scopes = Scopes(events)
        self._results = join_results(events)
        self._joined = set(self._results.values())
        self.drafts: list[_Draft] = []
        self._explicit: dict[str, _Draft] = {}
        """Explicit step span to the step that started there last."""
        self._stack: dict[str | None, list[_Draft]] = defaultdict(list)
        """Explicit steps not yet ended, by thread."""
        self._turns: dict[tuple[str | None, str], _Draft] = {}
        """Current implicit step of each agent of each thread."""
        self._latest: dict[str | None, _Draft] = {}
        self._waiting: dict[str | None, list[Event]] = defaultdict(list)
        """Events before the first step of a thread: they lead into it."""
        self._said: dict[str | None, list[Event]] = defaultdict(list)
        """User messages since the last turn of a thread: they lead into its next turn."""

    def run(self) -> None:
        for position, event in enumerate(self._events):
            handler = _HANDLERS.get(event.kind)
            if handler:
                handler(self, position, event)
        for thread, waiting in list(self._waiting.items()):
            if waiting:
                self._begin(thread, waiting[0], explicit=False)

    def _begin(self, thread: str | None, event: Event, *, explicit: bool) -> _Draft:
        draft = _Draft(thread, event, explicit)
        for waiting in self._waiting.pop(thread, ()):
            draft.extras[waiting.kind].append(waiting)
            draft.touch(waiting)
        draft.touch(event)
        self.drafts.append(draft)
        self._latest[thread] = draft
        return draft

    def _around(self, event: Event) -> tuple[str | None, _Draft | None]:
        """Thread of an event and the explicit step it lies in."""
        scope = self._scopes.of(event.span_id)
        if scope.step is not None and scope.step in self._explicit:
            return scope.thread, self._explicit[scope.step]
        stack = self._stack[scope.thread]
        while stack and not stack[-1].open:
            stack.pop()
        return scope.thread, stack[-1] if stack else None

    def step_started(self, _: int, event: Event) -> None:
        thread = self._scopes.of(event.span_id).thread
        draft = self._begin(thread, event, explicit=True)
        draft.started = event
        self._explicit[event.span_id] = draft
        self._stack[thread].append(draft)
        self._turns.pop((thread, event.agent), None)

    def step_ended(self, _: int, event: Event) -> None:
        thread = self._scopes.of(event.span_id).thread
        draft = self._explicit.get(event.span_id)
        if draft is None or not draft.open:
            draft = self._begin(thread, event, explicit=True)
            self._explicit[event.span_id] = draft
        draft.open = False
        draft.ended = event
        draft.touch(event)

    def model_called(self, _: int, event: Event) -> None:
        thread, draft = self._around(event)
        if draft is None:
            draft = self._turns[(thread, event.agent)] = self._begin(thread, event, explicit=False)
        draft.turns.append(_TurnDraft(event, [], self._said.pop(thread, [])))
        draft.touch(event)
        self._latest[thread] = draft

    def tool_called(self, position: int, event: Event) -> None:
        found = self._results.get(position)
        action = Action(event, self._events[found] if found is not None else None)
        thread, draft = self._around(event)
        if draft is None:
            draft = self._turns.get((thread, event.agent)) if action.by_agent else self._latest.get(thread)
        if draft is None:
            draft = self._begin(thread, event, explicit=False)
        if draft.turns and (draft.turns[-1].model_call is not None or not action.by_agent):
            draft.turns[-1].actions.append(action)
        else:
            draft.turns.append(_TurnDraft(None, [action], self._said.pop(thread, []) if action.by_agent else []))
        draft.touch(event)
        if action.returned:
            draft.touch(action.returned)

    def tool_returned(self, position: int, event: Event) -> None:
        if position not in self._joined:
            self.extra(position, event)

    def user_message(self, _: int, event: Event) -> None:
        self._said[self._scopes.of(event.span_id).thread].append(event)

    def extra(self, _: int, event: Event) -> None:
        thread, draft = self._around(event)
        draft = draft or self._turns.get((thread, event.agent)) or self._latest.get(thread)
        if draft is None:
            self._waiting[thread].append(event)
        else:
            draft.extras[event.kind].append(event)
            draft.touch(event)


_HANDLERS = {
    "step_started": _Builder.step_started,
    "step_ended": _Builder.step_ended,
    "model_called": _Builder.model_called,
    "tool_called": _Builder.tool_called,
    "tool_returned": _Builder.tool_returned,
    "user_message": _Builder.user_message,
    "state_changed": _Builder.extra,
    "decision_made": _Builder.extra,
    "decision_outcome": _Builder.extra,
    "error_raised": _Builder.extra,
    "recovery_attempted": _Builder.extra,
}


def steps(events: Sequence[Event]) -> tuple[Step, ...]:
    """The steps of a trace, in order of their first event. `events` must be in the trace's order."""
    builder = _Builder(events)
    builder.run()
    return tuple(_step(number, draft) for number, draft in enumerate(builder.drafts, start=1))


def step_count(events: Sequence[Event]) -> int:
    """How many steps `steps` finds, without building them: each trace is counted, few are looked at there and then."""
    builder = _Builder(events)
    builder.run()
    return len(builder.drafts)


def _step(number: int, draft: _Draft) -> Step:
    turns = tuple(Turn(turn.model_call, tuple(turn.actions), tuple(turn.said)) for turn in draft.turns)
    started = draft.started.step_started if draft.started else None
    ended = draft.ended.step_ended if draft.ended else None
    extras = {kind: tuple(found) for kind, found in draft.extras.items()}
    decided = [event.decision_made for event in extras.get("decision_made", ()) if event.decision_made]
    reasons = [started.reasoning if started else None, *(turn.reasoning for turn in turns)]
    reasons += [decision.reasoning for decision in decided]
    name = started.step_name if started else ended.step_name if ended else None
    return Step(
        step_id=f"step_{number:03d}",
        step_name=name or _implicit_name(turns, extras),
        agent=draft.first.agent,
        span_id=draft.first.span_id,
        thread=draft.thread,
        explicit=draft.explicit,
        started_at=draft.first.occurred_at,
        ended_at=max(draft.ended_at, draft.first.occurred_at),
        inputs_json=started.inputs_json if started else None,
        outputs_json=ended.outputs_json if ended else None,
        reasoning=next((reason for reason in reasons if reason), None),
        turns=turns,
        state_changes=extras.get("state_changed", ()),
        decisions=extras.get("decision_made", ()),
        outcomes=extras.get("decision_outcome", ()),
        errors=extras.get("error_raised", ()),
        recoveries=extras.get("recovery_attempted", ()),
        unmatched_returns=extras.get("tool_returned", ()),
        success=ended.success if ended else None,
    )


def _implicit_name(turns: tuple[Turn, ...], extras: dict[str, tuple[Event, ...]]) -> str:
    """The first tool called; else what else was done."""
    for turn in turns:
        for action in turn.agent_actions:
            return action.tool
    if turns:
        return "respond"
    return "decide" if "decision_made" in extras else "observe"


def decisions(events: Sequence[Event]) -> tuple[tuple[Event, Event | None], ...]:
    """Every decision with its outcome, joined by decision id; the last outcome counts."""
    outcomes = {
        event.decision_outcome.decision_id: event
        for event in events
        if event.kind == "decision_outcome" and event.decision_outcome
    }
    return tuple(
        (event, outcomes.get(event.decision_made.decision_id))
        for event in events
        if event.kind == "decision_made" and event.decision_made
    )


def tool_definitions(events: Sequence[Event]) -> tuple[ToolDefinition, ...]:
    """Tools of the agent that owns the trace, first definition of each name; those of sub-agents are not its own."""
    scopes = Scopes(events)
    found: dict[str, ToolDefinition] = {}
    for event in events:
        if event.kind == "agent_started" and event.agent_started and scopes.of(event.span_id).thread is None:
            for tool in event.agent_started.tools:
                found.setdefault(tool.name, tool)
    return tuple(found.values())
