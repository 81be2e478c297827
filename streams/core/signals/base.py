"""What a signal is: one small, versioned, opinion-free measurement of a trace. Judging is the policy's work."""

from collections.abc import Callable
from dataclasses import dataclass

from streams.core.view import TraceView


@dataclass(frozen=True)
class SignalKind:
    """One line of the catalogue."""

    name: str
    version: int
    """Raised whenever the meaning of the value changes."""
    doc: str
    """For people: what the number says."""
    measure: Callable[[TraceView], float | None]
    """The measurement; None where it does not apply."""


def share(part: int, whole: int) -> float | None:
    """Part of a whole, 0 to 1; None where there is nothing."""
    return part / whole if whole else None
