"""Partition state in memory: for tests and simulations; the same contract suite runs on it and on Redis."""

from collections.abc import Mapping, Sequence

from schemas.errors import LeaseLost
from streams.state.port import Change, Lease, StateFull, StateLost


class MemoryPartitionState:
    """One partition's state in dictionaries."""

    def __init__(self) -> None:
        self.owner: str | None = None
        self.version = 0
        self.applied: int | None = None
        self.open: dict[str, tuple[bytes, int]] = {}
        self.closed: dict[str, tuple[bytes, int]] = {}
        self.held: dict[str, list[bytes]] = {}
        self.kept_entries: dict[str, bytes] = {}
        self.counters: dict[str, int] = {}
        self.full = False
        """Behave as Redis does at `maxmemory`."""

    async def acquire(self, owner: str) -> Lease:
        self.owner = owner
        self.version += 1
        return Lease(owner, self.version, self.applied)

    async def entries(self, lease: Lease, trace_ids: Sequence[str]) -> tuple[dict[str, bytes], dict[str, bytes]]:
        self._check(lease)
        return (
            {trace_id: self.open[trace_id][0] for trace_id in trace_ids if trace_id in self.open},
            {trace_id: self.closed[trace_id][0] for trace_id in trace_ids if trace_id in self.closed},
        )

    async def due(self, up_to_ms: int, limit: int) -> list[str]:
        return _oldest(self.open, up_to_ms, limit)

    async def aged(self, up_to_ms: int, limit: int) -> list[str]:
        return _oldest(self.closed, up_to_ms, limit)

    async def messages(self, lease: Lease, trace_ids: Sequence[str]) -> dict[str, list[bytes]]:
        self._check(lease)
        return {trace_id: list(self.held.get(trace_id, ())) for trace_id in trace_ids}

    async def kept(self, lease: Lease) -> dict[str, bytes]:
        self._check(lease)
        return dict(self.kept_entries)

    async def commit(self, lease: Lease, change: Change) -> Lease:
        self._check(lease)
        if self.full and not (change.makes_room or change.drop_open or change.drop_closed or change.drop_kept):
            raise StateFull("no memory left")
        for trace_id in change.drop_open:
            self.open.pop(trace_id, None)
            self.held.pop(trace_id, None)
        for trace_id in change.drop_closed:
            self.closed.pop(trace_id, None)
        for name in change.drop_kept:
            self.kept_entries.pop(name, None)
        for trace_id, message in change.append:
            self.held.setdefault(trace_id, []).append(message)
        self.open.update({trace_id: (entry, due) for trace_id, entry, due in change.put_open})
        self.closed.update({trace_id: (entry, at) for trace_id, entry, at in change.put_closed})
        self.kept_entries.update(change.keep)
        for name, by in change.counts.items():
            self.counters[name] = self.counters.get(name, 0) + by
        if change.applied is not None:
            self.applied = change.applied
        self.version += 1
        return Lease(lease.owner, self.version, self.applied)

    async def counts(self) -> Mapping[str, int]:
        return {**self.counters, "open_traces": len(self.open), "applied": self.applied or 0}

    def _check(self, lease: Lease) -> None:
        if self.owner is None:
            raise StateLost("the state was flushed")
        if self.owner != lease.owner:
            raise LeaseLost("another worker owns the partition")
        if self.version != lease.version:
            raise StateLost("the state is not the one this worker left")


def _oldest(entries: Mapping[str, tuple[bytes, int]], up_to_ms: int, limit: int) -> list[str]:
    found = sorted((at, trace_id) for trace_id, (_, at) in entries.items() if at <= up_to_ms)
    return [trace_id for _, trace_id in found[:limit]]
