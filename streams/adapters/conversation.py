"""The events of one recorded conversation: model calls, tool calls and their results, user messages.

What importers of chat-shaped recordings share. Tool-call ids are no join key: they repeat across traces, inside a
trace and even inside one message. Every call therefore gets a span of its own, and a result takes the span of the
nearest call before it that carries its id and has no result yet.
"""

from dataclasses import dataclass

import msgspec

from schemas.records import (
    AgentEnded,
    AgentStarted,
    Body,
    Event,
    Message,
    ModelCalled,
    ModelRef,
    Requester,
    ToolCall,
    ToolCalled,
    ToolReturned,
    UserMessage,
)
from streams.adapters.base import RunBuilder, stable_id
from streams.adapters.tolerant import as_json, mapping, parsed


@dataclass
class _OpenCall:
    """A tool call that has no result yet."""

    span_id: str
    call_id: str | None
    tool: str
    requested_by: Requester
    turn: int


class Conversation:
    """Collects the events of one run, or of one sub-agent inside it, in the order of the recording.

    Times: where the recording has times at all, an event without one takes that of the event before it (the first
    events take the first recorded time), marked synthetic; so it never passes the next recorded one.
    """

    def __init__(self, run: RunBuilder, *, first_micros: int | None = None) -> None:
        self.events: list[Event] = []
        self._run = run
        self._first_micros = first_micros
        self._span: str | None = None
        self._agent: str | None = None
        self._model: ModelRef | None = None
        self._open: list[_OpenCall] = []
        self._turn = 0
        self._unseen: list[Message] = []

    def sub_agent(self, agent: str, model: ModelRef | None, span_id: str) -> "Conversation":
        """A conversation of a sub-agent whose events go into the same run."""
        child = Conversation(self._run, first_micros=self._first_micros)
        child.events = self.events
        child._span, child._agent, child._model = span_id, agent, model
        return child

    @property
    def span_id(self) -> str:
        """Span of the agent."""
        return self._span or self._run.root_span_id

    def new_span(self, purpose: str) -> str:
        """A span id that no other event of the run has."""
        return stable_id(self._run.trace_id, purpose, len(self.events))[:16]

    def add(
        self,
        body: Body,
        at_micros: int | None = None,
        *,
        span_id: str | None = None,
        parent_span_id: str | None = None,
        model: ModelRef | None = None,
    ) -> Event:
        """Append an event to the run."""
        borrowed = None
        if at_micros is None and self._first_micros is not None:
            borrowed = self.events[-1].occurred_at if self.events else self._first_micros
        event = self._run.event(
            body,
            at_micros=at_micros if borrowed is None else borrowed,
            span_id=span_id or self._span,
            parent_span_id=parent_span_id or (self._span if span_id else None),
            agent=self._agent,
            model=model or self._model,
        )
        if borrowed is not None:
            event = msgspec.structs.replace(event, occurred_at_synthetic=True)
        self.events.append(event)
        return event

    def start(self, body: AgentStarted, at_micros: int | None = None, *, parent_span_id: str | None = None) -> None:
        """The agent begins."""
        self.add(body, at_micros, parent_span_id=parent_span_id)

    def end(self, body: AgentEnded, at_micros: int | None = None) -> None:
        """The agent ends. Prompt messages that no model call answered any more become outputs: they are not lost."""
        if self._unseen:
            outputs = {**mapping(parsed(body.outputs_json)), "unanswered_messages": self._unseen}
            body = msgspec.structs.replace(body, outputs_json=as_json(outputs))
            self._unseen = []
        self.add(body, at_micros)

    def context(self, message: Message) -> None:
        """A prompt message without an event of its own: the next model call lists it as input."""
        self._unseen.append(message)

    def model_call(self, body: ModelCalled, at_micros: int | None = None, model: ModelRef | None = None) -> None:
        """A model call, and the tool calls that its answer asks for."""
        body = msgspec.structs.replace(body, input_messages=(*self._unseen, *body.input_messages))
        self._unseen = []
        self.add(body, at_micros, model=model)
        self._turn += 1
        for call in body.output.tool_calls if body.output else ():
            self.tool_call(call, at_micros, model=model)

    def user(self, content: str | None, at_micros: int | None = None, name: str | None = None) -> None:
        """A user message."""
        self.add(UserMessage(content=content, name=name), at_micros)

    def user_tool_calls(self, calls: tuple[ToolCall, ...], at_micros: int | None = None) -> None:
        """Tool calls that the user makes (some simulations let them)."""
        self._turn += 1
        for call in calls:
            self.tool_call(call, at_micros, requested_by="user")

    def tool_call(
        self,
        call: ToolCall,
        at_micros: int | None = None,
        *,
        requested_by: Requester = "agent",
        model: ModelRef | None = None,
    ) -> None:
        """One tool call."""
        span_id = self.new_span("call")
        self._open.append(_OpenCall(span_id, call.call_id, call.name, requested_by, self._turn))
        body = ToolCalled(
            call_id=call.call_id, tool=call.name, parameters_json=call.arguments_json, requested_by=requested_by
        )
        self.add(body, at_micros, span_id=span_id, model=model)

    def tool_result(
        self, body: ToolReturned, at_micros: int | None = None, *, requested_by: Requester | None = None
    ) -> None:
        """A tool result, in the span of its call, or in one of its own where the call was not recorded."""
        call = self._awaiting(body.call_id, body.tool, requested_by)
        if call is None:
            span_id = self.new_span("result")
        else:
            self._open.remove(call)
            span_id = call.span_id
            body = msgspec.structs.replace(body, tool=body.tool or call.tool, call_id=body.call_id or call.call_id)
        self.add(body, at_micros, span_id=span_id)

    def span_awaiting(self, call_id: str | None) -> str | None:
        """Span of the call that a result with this id would answer now."""
        call = self._awaiting(call_id, None, None)
        return call.span_id if call else None

    def _awaiting(self, call_id: str | None, tool: str | None, requested_by: Requester | None) -> _OpenCall | None:
        """The call that a result answers: by id, else by tool name, else by order."""
        candidates = [call for call in self._open if requested_by is None or call.requested_by == requested_by]
        fitting = [call for call in candidates if call_id is not None and call.call_id == call_id]
        if not fitting:
            # An id on both sides that differs says that they do not belong together.
            fitting = [call for call in candidates if call_id is None or call.call_id is None]
            if tool is not None:
                fitting = [call for call in fitting if call.tool == tool]
        if not fitting:
            return None
        # The nearest turn; within it the order, for parallel calls may share an id.
        nearest = fitting[-1].turn
        return next(call for call in fitting if call.turn == nearest)
