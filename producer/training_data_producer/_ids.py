"""Ids of spans and traces, and W3C trace context."""

import os
import random
import re

_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")
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
