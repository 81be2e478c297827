"""When a trace is complete. Times are broker milliseconds; nothing here reads a clock."""

from dataclasses import dataclass

import msgspec

from schemas.records import CloseReason


@dataclass(frozen=True)
class Windows:
    """How long and how large a trace may be; milliseconds and bytes."""

    quiet_ms: int = 2_000
    idle_ms: int = 120_000
    max_age_ms: int = 86_400_000
    amend_ms: int = 3_600_000
    remember_ms: int = 604_800_000
    max_events: int = 200_000
    max_bytes: int = 24 * 2**20
    max_open_traces: int = 500_000
    max_open_bytes: int = 2 * 2**30


class OpenTrace(msgspec.Struct, frozen=True, array_like=True):
    """What is known about a trace that is still open; its messages are kept beside it."""

    revision: int
    first_ms: int
    """Arrival of the first message since it was opened."""
    last_ms: int
    first_offset: int
    """Lowest offset of its messages."""
    new_events: int
    """Events that arrived since it was opened, duplicates included."""
    size_events: int
    """Events held, including those fetched again from the log."""
    size_bytes: int
    ended: bool
    """The root's end was seen."""
    assembled_before: int = 0
    """Unique events of the revision before."""
    evicted: bool = False
    """It is to be closed for want of room."""

    def due_ms(self, windows: Windows) -> int:
        """When it is to be closed, if nothing more arrives."""
        return self._close(windows)[0]

    def close_reason(self, windows: Windows) -> CloseReason:
        """Why it will be closed at `due_ms`."""
        return self._close(windows)[1]

    def _close(self, windows: Windows) -> tuple[int, CloseReason]:
        if self.evicted:
            return self.last_ms, "evicted"
        if self.size_events >= windows.max_events or self.size_bytes >= windows.max_bytes:
            return self.last_ms, "max_size"
        silence = (self.last_ms + windows.quiet_ms, "ended") if self.ended else (self.last_ms + windows.idle_ms, "idle")
        age = self.first_ms + windows.max_age_ms
        return (age, "max_age") if age < silence[0] else silence  # type: ignore[return-value]


class ClosedTrace(msgspec.Struct, frozen=True, array_like=True):
    """What is remembered of a closed trace, so that late events can be told from duplicates. No content."""

    revision: int
    closed_ms: int
    unique_events: int
    ended: bool
    """The root's end was among its events."""
    amendable: bool
    """False once it was closed for its size: amending could only make it larger."""
    event_hashes: bytes
    """Eight bytes an event id."""
    offsets: bytes
    """Eight bytes a message, big-endian: where the log holds it."""
