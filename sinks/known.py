"""What the sink remembers of keys between flushes, small enough to keep: 64-bit hashes.

A wrong yes costs one lookup."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable

from xxhash import xxh3_64_intdigest


class RecentKeys:
    """Keys stored of late. A producer that repeats a message after a lost answer does so within seconds, unmarked."""

    def __init__(self, capacity: int = 200_000) -> None:
        self._half = max(1, capacity // 2)
        self._young: set[int] = set()
        self._old: set[int] = set()

    def add(self, keys: Iterable[str]) -> None:
        """Remember keys; the oldest are forgotten beyond the capacity."""
        for key in keys:
            self._young.add(_digest(key))
            if len(self._young) >= self._half:
                self._old, self._young = self._young, set()

    def __contains__(self, key: str) -> bool:
        digest = _digest(key)
        return digest in self._young or digest in self._old


class AmendedTraces:
    """Traces with a decision of a revision above 1, all of them: 8 bytes each, because they are few."""

    def __init__(self) -> None:
        self._sorted = array("Q")
        self._recent: set[int] = set()

    def load(self, trace_ids: Iterable[str]) -> None:
        """Start over with these."""
        self._recent = set()
        self._sorted = array("Q", sorted({_digest(trace_id) for trace_id in trace_ids}))

    def add(self, trace_ids: Iterable[str]) -> None:
        """Add some."""
        self._recent.update(map(_digest, trace_ids))
        if len(self._recent) > 50_000:
            self._sorted = array("Q", sorted(self._recent.union(self._sorted)))
            self._recent = set()

    def __contains__(self, trace_id: str) -> bool:
        digest = _digest(trace_id)
        if digest in self._recent:
            return True
        position = bisect_left(self._sorted, digest)
        return position < len(self._sorted) and self._sorted[position] == digest


def _digest(key: str) -> int:
    return xxh3_64_intdigest(key.encode("utf-8"))
