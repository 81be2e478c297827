"""What can go wrong with the local stack, told for the person who typed `tdc up`.

StackError                a TdcError; `str(error)` is the whole message, with what to do
├─ UnavailableError       a part cannot be had on this machine (no Java, no Go, no network)
├─ PortTakenError         somebody else listens where a part should
└─ PartFailedError        a part did not start, or did not become healthy in time
"""

from __future__ import annotations

from pathlib import Path

from schemas.errors import TdcError

LOG_TAIL_LINES = 12
_TAIL_BYTES = 65_536
# Java prints a hundred of these after the one line that says what was wrong.
_STACK_FRAMES = ("\tat ", "\t...")


class StackError(TdcError):
    """The local stack could not do what was asked; the message says why and what to do."""


class UnavailableError(StackError):
    """A part's program cannot be had on this machine."""


class PortTakenError(StackError):
    """A port that a part needs is in use by another process."""


class PartFailedError(StackError):
    """A part exited while starting, or did not answer in time."""


class NotReadyError(Exception):
    """A probe's answer: not healthy yet. Never leaves this package."""


def log_tail(log: Path, lines: int = LOG_TAIL_LINES) -> str:
    """The last lines of a log, indented for an error message; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    kept = [line for line in text.splitlines() if line.strip() and not line.startswith(_STACK_FRAMES)][-lines:]
    return "\n".join(f"    {line}" for line in kept)
