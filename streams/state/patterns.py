"""Sums of tool sequences, for each group (scenario and execution mode) and stretch of time, over all partitions and
workers.

A batch is added once: the next offset expected of its partition is stored with the sums, in one Lua call for each
group, and must be the one the batch was summed up from. What lies before it is skipped, and so is a trace that was
counted before (a higher revision of it, or the same published again): its digest is remembered for the window. Sums
are of integers, and samples of traces go by digest, so the order of batches changes nothing.

Bounded: buckets beyond the window go, a bucket keeps `max_names` names (the rarest are dropped, and by how much a sum
may be too low is stored with it), `max_traces` traces are remembered, and everything expires.

Groups with news wait to be published in one sorted set; a worker takes one for a while (`hold_seconds`), and only
if nothing changed since it was read does the group leave the set. A worker that dies leaves it in. Time is the
server's, because workers share it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from xxhash import xxh3_64_hexdigest

from streams.core.patterns.counters import MICROS, TOTAL, TRACES, Bucket, Cell, Counted, Group, Window, batched


@dataclass(frozen=True)
class StoreLimits:
    """What is kept. `bucket_seconds` and `buckets` are those of the rules that read it."""

    bucket_seconds: int = 3600
    buckets: int = 24
    max_names: int = 10_000
    """Names of one bucket; beyond, the rarest quarter or more is dropped."""
    max_traces: int = 200_000
    """Traces of one group that are remembered."""
    publish_seconds: float = 2.0
    """A group is published this long after the first news, so no more often than that."""
    hold_seconds: float = 60.0
    """How long a worker may take to publish a group before another one tries."""

    @property
    def bucket_us(self) -> int:
        """Width of a bucket in microseconds."""
        return self.bucket_seconds * MICROS

    @property
    def keep_seconds(self) -> int:
        """Life of a key without news: the window, and as long again for a log that is read late."""
        return max(3600, 2 * self.bucket_seconds * self.buckets)


DEFAULT_LIMITS = StoreLimits()


class PatternStore(Protocol):
    """Raises StateUnavailable (transient)."""

    async def apply(self, partition: int, items: Sequence[Counted]) -> frozenset[Group]:
        """Add traces of one partition, in offset order; their groups, which now wait to be published.

        Harmless to repeat. A group whose traces were all counted before waits too: it may not have been published.
        """
        ...

    async def take(self) -> Group | None:
        """A group whose time to be published has come; nobody else gets it for `hold_seconds`."""
        ...

    async def window(self, group: Group) -> Window:
        """What is known of a group, under a new revision."""
        ...

    async def follow(self, group: Group, names: Collection[str]) -> None:
        """Note names of patterns that are about to be published as active."""
        ...

    async def published(self, window: Window, dropped: Collection[str]) -> None:
        """The window was published: forget the names that were dropped; done, unless there was news since."""
        ...

    async def waiting(self) -> int:
        """Groups that wait to be published."""
        ...


def digest(trace_id: str) -> str:
    """What is remembered of a trace."""
    return xxh3_64_hexdigest(trace_id.encode())


@dataclass(frozen=True)
class Batch:
    """What one batch adds to one group."""

    applied: int
    newest: int
    cells: Mapping[int, Mapping[str, Cell]]
    traces: Sequence[tuple[str, int]]
    """Digest, and bucket."""
    gone: Sequence[int]
    """Buckets that leave the window."""


def by_group(items: Iterable[Counted]) -> dict[Group, list[Counted]]:
    """Traces by group."""
    found: dict[Group, list[Counted]] = {}
    for item in items:
        found.setdefault(item.group, []).append(item)
    return found


def new_of(
    items: Sequence[Counted], applied: int | None, seen: Sequence[bool], newest: int | None, limits: StoreLimits
) -> Batch | None:
    """What of a group's traces is to be added; None when all of it lies before `applied`, the next offset."""
    fresh = [(item, known) for item, known in zip(items, seen, strict=True) if item.offset >= (applied or 0)]
    if not fresh:
        return None
    last = max(item.closed_at // limits.bucket_us for item, _ in fresh)
    now = last if newest is None else max(last, newest)
    oldest = now - limits.buckets + 1
    first: dict[str, Counted] = {}
    for item, known in fresh:
        if not known and item.closed_at // limits.bucket_us >= oldest:
            first.setdefault(item.trace_id, item)
    gone = () if newest is None else range(newest - limits.buckets + 1, min(newest + 1, oldest))
    return Batch(
        applied=max(item.offset for item, _ in fresh) + 1,
        newest=now,
        cells=batched(first.values(), limits.bucket_us),
        traces=[(digest(item.trace_id), item.closed_at // limits.bucket_us) for item in first.values()],
        gone=gone,
    )


class MemoryPatternStore:
    """The store in memory: for tests and simulations; the same contract suite runs on it and on Redis."""

    def __init__(self, limits: StoreLimits = DEFAULT_LIMITS, clock: Callable[[], int] = lambda: 0) -> None:
        """`clock` gives microseconds since 1970 UTC."""
        self._limits = limits
        self._clock = clock
        self._kept: dict[Group, _Kept] = {}
        self._waiting: dict[Group, int] = {}

    async def apply(self, partition: int, items: Sequence[Counted]) -> frozenset[Group]:
        found = by_group(items)
        for group, own in found.items():
            kept = self._kept.setdefault(group, _Kept())
            seen = [digest(item.trace_id) in kept.seen for item in own]
            batch = new_of(own, kept.applied.get(partition), seen, kept.newest, self._limits)
            if batch is not None:
                kept.add(partition, batch, self._limits)
            self._waiting.setdefault(group, self._clock() + int(self._limits.publish_seconds * MICROS))
        return frozenset(found)

    async def take(self) -> Group | None:
        now = self._clock()
        due = min(((at, group) for group, at in self._waiting.items() if at <= now), default=None)
        if due is None:
            return None
        self._waiting[due[1]] = now + int(self._limits.hold_seconds * MICROS)
        return due[1]

    async def window(self, group: Group) -> Window:
        kept = self._kept.setdefault(group, _Kept())
        kept.revision = max(kept.revision + 1, self._clock() // MICROS)
        newest = -1 if kept.newest is None else kept.newest
        buckets = tuple(
            Bucket(
                number,
                {name: Cell(list(cell.sums), list(cell.samples)) for name, cell in cells.items()},
                kept.lost.get(number, 0),
            )
            for number, cells in sorted(kept.buckets.items())
            if number > newest - self._limits.buckets
        )
        return Window(group, kept.version, kept.revision, self._clock(), newest, buckets, frozenset(kept.followed))

    async def follow(self, group: Group, names: Collection[str]) -> None:
        self._kept.setdefault(group, _Kept()).followed.update(names)

    async def published(self, window: Window, dropped: Collection[str]) -> None:
        kept = self._kept.setdefault(window.group, _Kept())
        kept.followed.difference_update(dropped)
        self._waiting.pop(window.group, None)
        if kept.version != window.version:
            self._waiting[window.group] = self._clock() + int(self._limits.publish_seconds * MICROS)

    async def waiting(self) -> int:
        return len(self._waiting)


@dataclass
class _Kept:
    """One group in memory."""

    version: int = 0
    revision: int = 0
    newest: int | None = None
    applied: dict[int, int] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    followed: set[str] = field(default_factory=set)
    buckets: dict[int, dict[str, Cell]] = field(default_factory=dict)
    lost: dict[int, int] = field(default_factory=dict)

    def add(self, partition: int, batch: Batch, limits: StoreLimits) -> None:
        """Add a batch, and forget what is too old or too much."""
        for number in batch.gone:
            self.buckets.pop(number, None)
            self.lost.pop(number, None)
        for number, cells in batch.cells.items():
            own = self.buckets.setdefault(number, {})
            for name, cell in cells.items():
                if name in own:
                    own[name].add(cell.sums, cell.samples)
                else:
                    own[name] = cell
            if len(own) > limits.max_names:
                self.lost[number] = self.lost.get(number, 0) + _prune(own, limits.max_names * 3 // 4)
        self.seen |= dict(batch.traces)
        remembered = sorted((at, trace) for trace, at in self.seen.items() if at > batch.newest - limits.buckets)
        self.seen = {trace: at for at, trace in remembered[-limits.max_traces :]}
        self.newest = batch.newest
        self.applied[partition] = batch.applied
        self.version += 1


def _prune(cells: dict[str, Cell], keep: int) -> int:
    """Drop the rarest names; how often one of them was counted at most."""
    counts = Counter(cell.sums[TRACES] for cell in cells.values())
    left, up_to = len(cells), 0
    while left > keep and up_to < max(counts):
        up_to += 1
        left -= counts[up_to]
    for name in [name for name, cell in cells.items() if name != TOTAL and cell.sums[TRACES] <= up_to]:
        del cells[name]
    return up_to
