"""An agent at its desk: a model, tools, and the producer that records what both do."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ops.demo.scripted_model import Move, ScriptedModel
from training_data_producer import RaisedError, Scope


class ToolFailure(Exception):
    """A tool could not do what was asked. `result` is what it shows all the same."""

    def __init__(self, kind: str, message: str, result: object = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.result = result


@dataclass(frozen=True)
class Tool:
    """Something the agent may call: really run, with JSON arguments in and JSON out."""

    name: str
    description: str
    parameters: Mapping[str, str]
    """Name to description; all are required strings."""
    run: Callable[..., Any]
    claude_code: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    """Arguments to the Claude Code tool call it stands for."""

    def definition(self) -> dict[str, object]:
        """As model providers want it."""
        properties = {name: {"type": "string", "description": words} for name, words in self.parameters.items()}
        return {
            "name": self.name,
            "description": self.description,
            "parameters": {"type": "object", "properties": properties, "required": list(self.parameters)},
        }


@dataclass(frozen=True)
class Outcome:
    """What came of a tool call."""

    ok: bool
    value: Any
    seconds: float
    span_id: str
    """Span of the call: feedback may point at it."""
    error_kind: str | None = None
    error: RaisedError | None = None
    """Reported already; say what was done about it with `recovery`."""


class Session:
    """Binds an agent's scope to its model and tools."""

    def __init__(self, scope: Scope, tools: tuple[Tool, ...], *, call_prefix: str = "call") -> None:
        self._scope = scope
        self._tools = {tool.name: tool for tool in tools}
        self.model = ScriptedModel(call_prefix)

    def hear(self, text: str, *, name: str | None = None) -> None:
        """A user speaks."""
        self.model.read(text)
        self._scope.user_message(text, name=name)

    def say(self, reasoning: str, text: str) -> str:
        """The model answers without a tool."""
        self._think(Move(reasoning=reasoning, text=text))
        return text

    def act(self, move: Move) -> Outcome:
        """The model calls a tool, the tool runs. A failure is recorded, and comes back as an outcome."""
        tool = self._tools[move.tool or ""]
        call_id = self._think(move)
        began = time.perf_counter()
        failure: ToolFailure | None = None
        value: Any = None
        call = self._scope.tool(
            tool.name, dict(move.arguments), call_id=call_id, claude_code=tool.claude_code(move.arguments)
        )
        with call:
            try:
                value = tool.run(**move.arguments)
            except ToolFailure as raised:
                failure = raised
                value = raised.result
                call.result(value, success=False)
                call.failed(raised.kind, str(raised))
            else:
                call.result(value)
        seconds = time.perf_counter() - began
        self.model.read(json.dumps(value, ensure_ascii=False) if failure is None else str(failure))
        if failure is None:
            return Outcome(True, value, seconds, call.span_id)
        error = self._scope.error(failure.kind, str(failure), tool_call_id=call_id)
        return Outcome(False, value, seconds, call.span_id, failure.kind, error)

    def _think(self, move: Move) -> str | None:
        reply = self.model.reply(move)
        self._scope.model_call(
            output=reply.message,
            finish_reason=reply.finish_reason,
            usage=reply.usage,
            cost_usd=reply.cost_usd,
            latency_seconds=reply.latency_seconds,
        )
        return reply.call_id
