"""Where in which trace this code runs: span ids, W3C trace context, and the scope that is open right now."""

import os
import random
import re
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training_data_producer.trace import Agent, Scope

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
_open_scope: ContextVar["Scope | None"] = ContextVar("training_data_producer_scope", default=None)
# A generator of its own: an agent that calls random.seed(0) must not make every process draw the same span ids.
_random = random.Random(os.urandom(32))


def new_span_id() -> str:
    """16 hex digits, not all zero."""
    return f"{_random.getrandbits(64) or 1:016x}"


def new_trace_id() -> str:
    """32 hex digits."""
    return os.urandom(16).hex()


def parse_traceparent(value: str) -> tuple[str, str] | None:
    """Trace id and parent span id of a W3C traceparent; None where it is not one."""
    found = _TRACEPARENT.fullmatch(value.strip()) if isinstance(value, str) else None
    return (found[1], found[2]) if found else None


def reseed() -> None:
    """In a forked child: draw other ids than the parent."""
    _random.seed(os.urandom(32))


def current_scope() -> "Scope | None":
    """The innermost scope open in this thread or task."""
    return nearest_open(_open_scope.get())


def current_trace() -> "Agent | None":
    """The agent whose code runs in this thread or task; None outside of any trace."""
    scope = current_scope()
    return scope.owner if scope else None


def nearest_open(scope: "Scope | None") -> "Scope | None":
    """This scope, or the innermost one around it that has not ended."""
    while scope is not None and scope._state == "ended":
        scope = scope._outer
    return scope


def enter_scope(scope: "Scope") -> "Scope | None":
    """Make a scope the innermost one; gives the one that was."""
    outer = current_scope()
    _open_scope.set(scope)
    return outer


def leave_scope(scope: "Scope", outer: "Scope | None") -> None:
    """Undo `enter_scope`. Scopes of interleaved generators are not left in the order of a stack, and a generator may be
    closed in another context: what is innermost there stays so, and ended scopes are passed over later."""
    if _open_scope.get() is scope:
        _open_scope.set(outer)
