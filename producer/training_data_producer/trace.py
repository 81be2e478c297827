"""The handles agents work with: a trace, its child agents, steps and tool calls.

Every handle can report what happens inside it; events hang under the innermost open scope of the same agent in this
thread or task. Each handle is a context manager, `with` and `async with` alike. Nothing is invented: what the agent
does not say stays unknown. No method raises, unless called with arguments it does not have.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from training_data_producer._bodies import Avro
from training_data_producer._encoding import AgentContext
from training_data_producer._ids import new_span_id
from training_data_producer._outlet import Outlet
from training_data_producer.moments import Moments

if TYPE_CHECKING:
    from typing import Self, Unpack

CompletionStatus = Literal["successful", "failed", "partial", "interrupted", "unknown"]
_STATUSES = ("successful", "failed", "partial", "interrupted", "unknown")
_INTERRUPTIONS = (GeneratorExit, KeyboardInterrupt, SystemExit, asyncio.CancelledError)


class AgentDetails(TypedDict, total=False):
    """What may be said about an agent when it starts."""

    task_id: str | None
    """Which task of a benchmark or queue it attempts; runs of one task are twins."""
    trial: int | None
    system_prompt: str | None
    tools: Sequence[object]
    """Names, or definitions in the shape of OpenAI or Anthropic."""
    inputs: object
    constraints: Sequence[str] | Mapping[str, object]


class Scope(Moments):
    """A span of a trace in which things happen."""

    def __init__(self, outlet: Outlet, context: AgentContext, span_id: str, parent_span_id: str | None) -> None:
        self._outlet = outlet
        self._values = outlet.values
        self._context = context
        self._outer: Scope | None = None
        self._entered = False
        self._state: Literal["new", "open", "ended"] = "new"
        self._started = 0.0
        self._process = outlet.pipeline
        self.span_id = span_id
        """16 hex digits."""
        self.parent_span_id = parent_span_id

    @property
    def trace_id(self) -> str:
        """32 hex digits."""
        return self._context.trace_id

    @property
    def traceparent(self) -> str:
        """W3C trace context of this span, for another process: `producer.trace(..., traceparent=...)`."""
        return f"00-{self._context.trace_id}-{self.span_id}-01"

    @property
    def owner(self) -> "Agent":
        """The agent this happens in."""
        raise NotImplementedError

    def agent(
        self,
        name: str,
        *,
        goal: str | None = None,
        model: tuple[str | None, str | None] | None = None,
        **details: "Unpack[AgentDetails]",
    ) -> "Agent":
        """A child agent: it inherits the trace, its consent and mode. `details` as in `Producer.trace`."""
        parent = self._inner()
        span_id = new_span_id()
        context = replace(self._context, agent=self._values.required_text(name), span_id=span_id)
        if model is not None:
            context = replace(context, model=self._values.model(model))
        return Agent(self._outlet, context, span_id, parent.span_id, root=False, goal=goal, **details)

    def step(self, name: str, *, inputs: object = None, reasoning: str | None = None) -> "Step":
        """A named step of the workflow."""
        return Step(self._inner(), name, inputs, reasoning)

    def tool(
        self,
        name: str,
        parameters: object = None,
        *,
        call_id: str | None = None,
        requested_by: Literal["agent", "user"] = "agent",
        claude_code: Mapping[str, Any] | None = None,
    ) -> "ToolCall":
        """A tool call. `parameters`: a JSON object, or its text; `claude_code`: the Claude Code tool it maps to
        (`tool`, `file_path`, `parameters`)."""
        return ToolCall(self._inner(), name, parameters, call_id, requested_by, claude_code)

    @contextmanager
    def activate(self) -> Iterator["Self"]:
        """Make this the innermost scope in another thread, where the open scope is not known."""
        outer = enter_scope(self)
        try:
            yield self
        finally:
            leave_scope(self, outer)

    def start(self) -> "Self":
        """What `with` does on entering; harmless when started."""
        if self._state == "new":
            self._state = "open"
            self._started = time.perf_counter()
            self._begin()
        return self

    def end(self, error: BaseException | None = None) -> None:
        """What `with` does on leaving; harmless when ended."""
        if self._state == "open":
            self._state = "ended"
            # A forked child may unwind its parent's `with`: that scope goes on in the parent.
            if self._process is self._outlet.pipeline:
                self._finish(error)

    def __enter__(self) -> "Self":
        self.start()
        outer = enter_scope(self)
        if not self._entered:  # entered again inside itself, it would be around itself
            self._entered, self._outer = True, outer
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(error)
        # Ended scopes let go of each other, else interleaved runs would chain up without end.
        self._outer = nearest_open(self._outer)
        leave_scope(self, self._outer)

    async def __aenter__(self) -> "Self":
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def _begin(self) -> None:
        """Emit the first event."""

    def _finish(self, error: BaseException | None) -> None:
        """Emit the last event."""

    @property
    def _seconds(self) -> float:
        return time.perf_counter() - self._started

    def _inner(self) -> "Scope":
        inner = current_scope()
        while inner is not None:
            if inner._context is self._context and inner._state == "open":
                return inner
            inner = inner._outer
        return self

    def _here(self, kind: str, body: Avro) -> None:
        inner = self._inner()
        self._emit(kind, body, inner.span_id, inner.parent_span_id)

    def _emit(self, kind: str, body: Avro, span_id: str, parent_span_id: str | None) -> None:
        self._outlet.pipeline.emit(self._context, kind, body, span_id, parent_span_id)


class Agent(Scope):
    """An agent at work. The root agent's begin and end are those of the trace."""

    def __init__(
        self,
        outlet: Outlet,
        context: AgentContext,
        span_id: str,
        parent_span_id: str | None,
        *,
        root: bool,
        goal: str | None = None,
        task_id: str | None = None,
        trial: int | None = None,
        system_prompt: str | None = None,
        tools: Sequence[object] = (),
        inputs: object = None,
        constraints: Sequence[str] | Mapping[str, object] = (),
    ) -> None:
        super().__init__(outlet, context, span_id, parent_span_id)
        values = self._values
        self._root = root
        self._first: Avro = {
            "root": root,
            "goal": values.text(goal),
            "task_id": values.text(task_id),
            "trial": values.integer(trial, 32),
            "system_prompt": values.text(system_prompt),
            "tools": values.required_json(tools),
            "inputs_json": values.json(inputs),
            "constraints": values.required_json(constraints),
        }
        self._last: Avro = {"root": root, "completion_status": "unknown"}

    @property
    def owner(self) -> "Agent":
        return self

    def complete(
        self,
        status: CompletionStatus,
        *,
        outputs: object = None,
        reason: str | None = None,
        reward: float | None = None,
        reward_details: object = None,
        cost_usd: float | None = None,
    ) -> None:
        """Say how it went; reported when the agent ends. Without it the status is unknown."""
        values = self._values
        self._last = {
            "root": self._root,
            "completion_status": values.one_of(status, _STATUSES, "unknown"),
            "reason": values.text(reason),
            "reward": values.number(reward),
            "reward_json": values.json(reward_details),
            "outputs_json": values.json(outputs),
            "cost_usd": values.number(cost_usd),
        }

    def _begin(self) -> None:
        self._emit("agent_started", self._first, self.span_id, self.parent_span_id)

    def _finish(self, error: BaseException | None) -> None:
        if isinstance(error, _INTERRUPTIONS):
            if self._last["completion_status"] == "unknown":
                self._last.update(completion_status="interrupted", reason=type(error).__name__)
        elif error is not None:
            self._last.update(completion_status="failed", reason=type(error).__name__)
        self._last["duration_seconds"] = self._seconds
        self._emit("agent_ended", self._last, self.span_id, self.parent_span_id)


class Step(Scope):
    """A named step of the workflow."""

    def __init__(self, parent: Scope, name: str, inputs: object, reasoning: str | None) -> None:
        super().__init__(parent._outlet, parent._context, new_span_id(), parent.span_id)
        values = self._values
        self._owner = parent.owner
        self._first: Avro = {
            "step_name": values.required_text(name),
            "inputs_json": values.json(inputs),
            "reasoning": values.text(reasoning),
        }
        self._last: Avro = {"step_name": self._first["step_name"]}

    @property
    def owner(self) -> Agent:
        return self._owner

    def complete(self, *, outputs: object = None, success: bool | None = None) -> None:
        """Say what came of it; reported when the step ends."""
        self._last["outputs_json"] = self._values.json(outputs)
        self._last["success"] = self._values.flag(success)

    def _begin(self) -> None:
        self._emit("step_started", self._first, self.span_id, self.parent_span_id)

    def _finish(self, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, _INTERRUPTIONS):
            self._last["success"] = False
        self._emit("step_ended", self._last, self.span_id, self.parent_span_id)


class ToolCall(Scope):
    """A tool at work. Leaving it without `result` or `failed` means success, leaving it by an exception failure."""

    def __init__(
        self,
        parent: Scope,
        name: str,
        parameters: object,
        call_id: str | None,
        requested_by: str,
        claude_code: Mapping[str, Any] | None,
    ) -> None:
        super().__init__(parent._outlet, parent._context, new_span_id(), parent.span_id)
        values = self._values
        self._owner = parent.owner
        self._claude_code = dict(claude_code) if isinstance(claude_code, Mapping) else claude_code
        self._first: Avro = {
            "call_id": values.text(call_id),
            "tool": values.required_text(name),
            "parameters_json": values.arguments(parameters),
            "requested_by": values.one_of(requested_by, ("agent", "user"), "agent"),
            "claude_code_mapping": values.json(claude_code),
        }
        self._last: Avro = {"call_id": self._first["call_id"], "tool": self._first["tool"], "success": True}

    @property
    def owner(self) -> Agent:
        return self._owner

    def result(self, value: object, *, success: bool = True, cost_usd: float | None = None) -> None:
        """What the tool gave back."""
        self._last["result_json"] = self._values.json(value)
        self._last["success"] = success is not False
        self._last["cost_usd"] = self._values.number(cost_usd)

    def failed(self, error_kind: str, message: object = None) -> None:
        """The tool failed without an exception (`timeout`, `not_found`...)."""
        self._last["success"] = False
        self._last["error_kind"] = self._values.text(error_kind)
        self._last["error_message"] = self._values.text(message)

    def _begin(self) -> None:
        self._emit("tool_called", self._first, self.span_id, self.parent_span_id)

    def _finish(self, error: BaseException | None) -> None:
        seconds = self._seconds
        if error is not None:
            self.failed(type(error).__name__, _words(error))
        self._last["latency_seconds"] = seconds
        if isinstance(self._claude_code, dict):
            self._last["claude_code_mapping"] = self._values.json(
                {"execution_time_seconds": seconds, **self._claude_code}
            )
        self._emit("tool_returned", self._last, self.span_id, self.parent_span_id)


def _words(error: BaseException) -> str | None:
    try:
        return str(error)
    except Exception:
        return None


_open_scope: ContextVar[Scope | None] = ContextVar("training_data_producer_scope", default=None)


def current_scope() -> Scope | None:
    """The innermost scope open in this thread or task."""
    return nearest_open(_open_scope.get())


def current_trace() -> Agent | None:
    """The agent whose code runs in this thread or task; None outside of any trace."""
    scope = current_scope()
    return scope.owner if scope else None


def nearest_open(scope: Scope | None) -> Scope | None:
    """This scope, or the innermost one around it that has not ended."""
    while scope is not None and scope._state == "ended":
        scope = scope._outer
    return scope


def enter_scope(scope: Scope) -> Scope | None:
    """Make a scope the innermost one; gives the one that was."""
    outer = current_scope()
    _open_scope.set(scope)
    return outer


def leave_scope(scope: Scope, outer: Scope | None) -> None:
    """Undo `enter_scope`. Scopes of interleaved generators are not left in the order of a stack, and a generator may be
    closed in another context: what is innermost there stays so, and ended scopes are passed over later."""
    if _open_scope.get() is scope:
        _open_scope.set(outer)
