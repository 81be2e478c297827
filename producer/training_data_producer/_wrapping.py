"""Decorators: a function's call inside a scope, whatever kind of function it is."""

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Generator, Mapping
from typing import Any, TypeVar, cast

from training_data_producer.trace import Scope

Function = Callable[..., Any]
FunctionT = TypeVar("FunctionT", bound=Function)
Opener = Callable[[Function, Mapping[str, object]], Scope | None]
Recorder = Callable[[Scope, object], None]


def wrapped(open_scope: Opener, record: Recorder) -> Callable[[FunctionT], FunctionT]:
    """A decorator that runs a function inside the scope that `open_scope(function, arguments)` gives (None: plainly),
    and hands what it returned to `record`."""

    def decorate(function: FunctionT) -> FunctionT:
        signature = inspect.signature(function)

        def opened(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Scope | None:
            return open_scope(function, _arguments(signature, args, kwargs))

        return cast(FunctionT, functools.wraps(function)(_wrapper(function, opened, record)))

    return decorate


def _wrapper(
    function: Function, opened: Callable[[tuple[Any, ...], dict[str, Any]], Scope | None], record: Recorder
) -> Function:
    if inspect.iscoroutinefunction(function):

        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            scope = opened(args, kwargs)
            if scope is None:
                return await function(*args, **kwargs)
            with scope:
                value = await function(*args, **kwargs)
                record(scope, value)
                return value

        return coroutine

    if inspect.isasyncgenfunction(function):

        async def async_generator(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            scope = opened(args, kwargs)
            if scope is None:
                async for item in function(*args, **kwargs):
                    yield item
                return
            with scope:
                async for item in function(*args, **kwargs):
                    yield item

        return async_generator

    if inspect.isgeneratorfunction(function):

        def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            scope = opened(args, kwargs)
            if scope is None:
                return (yield from function(*args, **kwargs))
            with scope:
                return (yield from function(*args, **kwargs))

        return generator

    def plain(*args: Any, **kwargs: Any) -> Any:
        scope = opened(args, kwargs)
        if scope is None:
            return function(*args, **kwargs)
        with scope:
            value = function(*args, **kwargs)
            record(scope, value)
            return value

    return plain


def _arguments(signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, object]:
    try:
        given = dict(signature.bind(*args, **kwargs).arguments)
    except TypeError:  # the call itself will say so
        return {}
    given.pop("self", None)
    given.pop("cls", None)
    return given
