"""Where in which trace this code runs: span ids, W3C trace context, and the scope that is open right now."""

import contextlib
import os
import random
import re
from contextvars import ContextVar, Token
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
    return _open_scope.get()


def current_trace() -> "Agent | None":
    """The agent whose code runs in this thread or task; None outside of any trace."""
    scope = _open_scope.get()
    return scope.owner if scope else None


def enter_scope(scope: "Scope") -> "Token[Scope | None]":
    """Make a scope the innermost one."""
    return _open_scope.set(scope)


def leave_scope(token: "Token[Scope | None] | None") -> None:
    """Undo `enter_scope`; harmless in another context, as when a generator is closed elsewhere."""
    if token is not None:
        with contextlib.suppress(ValueError, RuntimeError):
            _open_scope.reset(token)
