"""The state of one partition, as the stages see it.

Every change is one `commit`: applied offset, held messages, open and closed entries and counters move together or
not at all. A commit names the version it was computed from; a worker that lost its partition, or a Redis that lost
its tail, shows as a version that does not fit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from schemas.errors import StateUnavailable, TdcError


class StateLost(TdcError):
    """The state went back in time (Redis was restarted or flushed): the log has to be read again."""


class StateFull(StateUnavailable):
    """No memory left: nothing was changed. Changes that remove something, or lead to that, still go through."""


@dataclass(frozen=True)
class Lease:
    """The right to change a partition's state."""

    owner: str
    version: int
    applied: int | None
    """Next offset to apply; None when nothing is known."""


@dataclass
class Change:
    """One atomic change. Removals happen before additions: a full Redis still lets traces close."""

    applied: int | None = None
    drop_open: list[str] = field(default_factory=list)
    """Open traces to remove, with their messages."""
    append: list[tuple[str, bytes]] = field(default_factory=list)
    """(trace id, packed message) to hold, in order."""
    put_open: list[tuple[str, bytes, int]] = field(default_factory=list)
    """(trace id, packed entry, due time in ms)."""
    put_closed: list[tuple[str, bytes, int]] = field(default_factory=list)
    """(trace id, packed entry, time in ms from which its age counts)."""
    drop_closed: list[str] = field(default_factory=list)
    keep: list[tuple[str, bytes]] = field(default_factory=list)
    """(name, packed entry) of what the stage keeps beside its traces, such as windows of numbers."""
    drop_kept: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """Counter deltas."""
    makes_room: bool = False
    """It leads to removals, so it goes through when memory is full. Removals themselves always do."""

    def count(self, name: str, by: int) -> None:
        """Add to a counter."""
        self.counts[name] = self.counts.get(name, 0) + by


class PartitionState(Protocol):
    """State of one partition. Raises StateUnavailable (transient), LeaseLost, or StateLost.

    What is read in order to be published is read under the lease: a worker that lost its partition without noticing
    must not publish what the new owner put there.
    """

    async def acquire(self, owner: str) -> Lease:
        """Become the only owner; the owner before can commit no more. Works when memory is full, too."""
        ...

    async def entries(self, lease: Lease, trace_ids: Sequence[str]) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """Packed open and closed entries of these traces."""
        ...

    async def due(self, up_to_ms: int, limit: int) -> list[str]:
        """Open traces due by then, soonest first."""
        ...

    async def aged(self, up_to_ms: int, limit: int) -> list[str]:
        """Closed traces as old as that."""
        ...

    async def messages(self, lease: Lease, trace_ids: Sequence[str]) -> dict[str, list[bytes]]:
        """Packed messages held for open traces."""
        ...

    async def kept(self, lease: Lease) -> dict[str, bytes]:
        """Everything the stage keeps beside its traces, by name. Its number is bounded by the stage."""
        ...

    async def commit(self, lease: Lease, change: Change) -> Lease:
        """Apply a change and return the lease with the new version. Raises StateFull, then nothing was changed."""
        ...

    async def counts(self) -> Mapping[str, int]:
        """Counters; `open_traces` is the number of open entries."""
        ...
