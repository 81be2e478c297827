"""Decorators for what happens inside a trace. Outside of any trace the function just runs."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from training_data_producer._wrapping import Function, wrapped
from training_data_producer.trace import Scope, Step, ToolCall, current_scope

_FunctionT = TypeVar("_FunctionT", bound=Function)


def tool(
    name: str | None = None, *, claude_code: Mapping[str, Any] | None = None
) -> Callable[[_FunctionT], _FunctionT]:
    """Each call is a tool call: the arguments are its parameters, what it returns its result."""

    def open_scope(function: Function, arguments: Mapping[str, object]) -> Scope | None:
        outer = current_scope()
        return outer and outer.tool(name or function.__name__, arguments, claude_code=claude_code)

    def record(scope: Scope, value: object) -> None:
        if isinstance(scope, ToolCall) and "result_json" not in scope._last:
            scope.result(value)

    return wrapped(open_scope, record)


def step(name: str | None = None, *, reasoning: str | None = None) -> Callable[[_FunctionT], _FunctionT]:
    """Each call is a step: the arguments are its inputs, what it returns its outputs."""

    def open_scope(function: Function, arguments: Mapping[str, object]) -> Scope | None:
        outer = current_scope()
        return outer and outer.step(name or function.__name__, inputs=arguments, reasoning=reasoning)

    def record(scope: Scope, value: object) -> None:
        if isinstance(scope, Step) and "outputs_json" not in scope._last:
            scope.complete(outputs=value)

    return wrapped(open_scope, record)
