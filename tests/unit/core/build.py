"""Builds traces for tests, the shortest way: `Run().says("hi").calls("Tool", {...}).returns({...}).trace()`."""

import json
from typing import Any, Self

from schemas.records import (
    KIND_OF,
    AgentEnded,
    AgentStarted,
    Body,
    Consent,
    Event,
    Message,
    ModelCalled,
    ModelRef,
    OffsetRange,
    RedactionReport,
    SourceRef,
    ToolCall,
    ToolCalled,
    ToolDefinition,
    ToolReturned,
    Trace,
    UserMessage,
)
from schemas.steps import steps

SECOND = 1_000_000
ROOT = "root"
TEN_O_CLOCK = 1_705_312_800 * SECOND
"""2024-01-15T10:00:00Z."""


class Run:
    """Events of one run, one second apart unless `at` says otherwise."""

    def __init__(self, trace_id: str = "trace-1", agent: str = "Agent") -> None:
        self.events: list[Event] = []
        self.trace_id = trace_id
        self.agent = agent
        self.clock = TEN_O_CLOCK - SECOND
        self._spans: list[tuple[str, str | None, str]] = []

    def add(
        self,
        body: Body,
        *,
        span: str = ROOT,
        parent: str | None = None,
        agent: str | None = None,
        at: int | None = None,
    ) -> Self:
        self.clock = self.clock + SECOND if at is None else at
        number = len(self.events)
        kind = KIND_OF[type(body)]
        fields: dict[str, Any] = {kind: body}
        event = Event(
            event_id=f"{self.trace_id}-{number}",
            trace_id=self.trace_id,
            span_id=span,
            parent_span_id=parent if parent or span == ROOT else ROOT,
            producer_id="test",
            sequence=number,
            occurred_at=self.clock,
            agent=agent or self.agent,
            scenario="MarketResearchAnalysis",
            execution_mode="EXECUTION",
            model=ModelRef(provider="acme", name="acme-1"),
            consent=Consent(status="granted", basis="contract"),
            source=SourceRef(format="sdk"),
            kind=kind,
            **fields,
        )
        self.events.append(event)
        return self

    def starts(self, *, tools: tuple[str, ...] = (), system: str | None = None, **more: Any) -> Self:
        definitions = tuple(ToolDefinition(name=name, parameters_json='{"type":"object"}') for name in tools)
        return self.add(AgentStarted(root=True, tools=definitions, system_prompt=system, **more))

    def ends(self, status: Any = "successful", **more: Any) -> Self:
        return self.add(AgentEnded(root=True, completion_status=status, **more))

    def hears(self, text: str) -> Self:
        return self.add(UserMessage(content=text))

    def says(self, text: str | None, *calls: ToolCall, reasoning: str | None = None, agent: str | None = None) -> Self:
        output = Message(role="assistant", content=text, tool_calls=calls, reasoning=reasoning)
        return self.add(ModelCalled(output=output), agent=agent)

    def calls(
        self,
        tool: str,
        parameters: object = None,
        *,
        call_id: str | None = None,
        span: str | None = None,
        by: Any = "agent",
    ) -> Self:
        span = span or f"call-{len(self.events)}"
        self._spans.append((span, call_id, tool))
        text = parameters if isinstance(parameters, str) else json.dumps(parameters or {})
        return self.add(ToolCalled(call_id=call_id, tool=tool, parameters_json=text, requested_by=by), span=span)

    def returns(self, result: object = "ok", *, success: bool = True, **more: Any) -> Self:
        """Result of the oldest call that has none."""
        span, call_id, tool = self._spans.pop(0)
        body = ToolReturned(call_id=call_id, tool=tool, success=success, result_json=json.dumps(result), **more)
        return self.add(body, span=span)

    def trace(self, **fields: Any) -> Trace:
        """The trace; counts that follow from the events are counted, everything else may be set."""
        ends = [event.agent_ended for event in self.events if event.agent_ended and event.agent_ended.root]
        started, ended = self.events[0].occurred_at, self.events[-1].occurred_at
        known: dict[str, Any] = {
            "trace_id": self.trace_id,
            "revision": 1,
            "close_reason": "ended" if ends else "idle",
            "closed_at": ended + 2 * SECOND,
            "offsets": (OffsetRange(topic="agent-events", partition=0, first_offset=5, last_offset=9),),
            "scenario": self.events[0].scenario,
            "execution_mode": "EXECUTION",
            "source_format": "sdk",
            "completion_status": ends[-1].completion_status if ends else "interrupted",
            "reward": ends[-1].reward if ends else None,
            "started_at": started,
            "ended_at": ended,
            "duration_seconds": (ended - started) / SECOND,
            "event_count": len(self.events),
            "step_count": len(steps(self.events)),
            "tool_call_count": sum(event.kind == "tool_called" for event in self.events),
            "tool_error_count": sum(bool(e.tool_returned and not e.tool_returned.success) for e in self.events),
            "decision_count": 0,
            "error_count": 0,
            "user_message_count": 0,
            "agents": tuple(dict.fromkeys(event.agent for event in self.events)),
            "provider": "acme",
            "model": "acme-1",
            "consent": Consent(status="granted", basis="contract"),
            "redaction": RedactionReport(rules_version="1", counts={"EMAIL": 2}),
            "events": tuple(self.events),
        }
        return Trace(**(known | fields))


def call(name: str, arguments: str = "{}", call_id: str | None = None) -> ToolCall:
    """A tool call in an assistant message."""
    return ToolCall(call_id=call_id, name=name, arguments_json=arguments)


def good_run(trace_id: str = "trace-1", turns: int = 2) -> Run:
    """A run that the default policy accepts."""
    run = Run(trace_id).starts(tools=("Search",), system="You research.", goal="Find prices").hears("Find prices")
    for number in range(turns):
        arguments = json.dumps({"q": f"price {number}"})
        run.says("I search.", call("Search", arguments, f"c{number}")).calls("Search", arguments, call_id=f"c{number}")
        run.returns({"hits": number})
    return run.says("Done.").ends()
