"""A bound on the bytes of messages that were read and are not applied yet. Faust bounds their number only."""

import asyncio
from collections import deque


class InFlight:
    """Counts messages in; what a stage has applied is out. One task takes, others tell what is applied."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held: dict[int, deque[tuple[int, int]]] = {}
        self._freed = asyncio.Event()
        self.held_bytes = 0

    async def take(self, partition: int, offset: int, size_bytes: int) -> None:
        """Count a message in, once there is room; a message alone always has room."""
        held = self._held.get(partition)
        if held and offset <= held[-1][0]:
            return  # read again after a seek: it is counted already
        while self.held_bytes and self.held_bytes + size_bytes > self._limit_bytes:
            self._freed.clear()
            await self._freed.wait()
        self._held.setdefault(partition, deque()).append((offset, size_bytes))
        self.held_bytes += size_bytes

    def applied(self, partition: int, next_offset: int) -> None:
        """Everything below this offset is out, also what Faust dropped on the way."""
        held = self._held.get(partition)
        while held and held[0][0] < next_offset:
            self.held_bytes -= held.popleft()[1]
        self._freed.set()

    def forget(self) -> None:
        """Start anew: partitions were assigned, and what was read before them is dropped or known as applied."""
        self._held.clear()
        self.held_bytes = 0
        self._freed.set()
