"""Which split a row goes to: by a stable hash of its group, never of the row itself. Pure.

A group is a connected component over near-duplicate clusters, traces and tasks (scenario and task id): two rows that
share any of them are in one group, and so in one split.

The split of a group depends on the seed and on one key of it: its smallest task, or where it has none its smallest
cluster. So rows that are added later leave every group where it is, with two exceptions that nobody can avoid: a new
row that joins two groups moves one of them, and a group whose smallest key goes away moves as a whole. Shares are met
on average: with n groups in a scenario, a share p is off by about sqrt(p * (1 - p) / n).
"""

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence

from sinks.packages.columns import SPLITS

_SCALE = float(2**64)


def split_of(key: str, seed: int, shares: Sequence[float]) -> str:
    """Split of a group: where the first 8 bytes of sha256(seed, unit separator, key) fall among the shares."""
    digest = hashlib.sha256(f"{seed}\x1f{key}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") / _SCALE
    total = 0.0
    for split, share in zip(SPLITS, shares, strict=True):
        total += share
        if point < total and share > 0:
            return split
    return next(split for split, share in reversed(list(zip(SPLITS, shares, strict=True))) if share > 0)


def split_sql(key: str, seed: int, shares: Sequence[float]) -> str:
    """`split_of` as an SQL expression over an expression for the key."""
    digest = f"sha256('{seed}' || chr(31) || {key})"
    point = f"('0x' || substr({digest}, 1, 16))::UBIGINT::DOUBLE / {_SCALE!r}"
    total = 0.0
    cases = []
    for split, share in zip(SPLITS, shares, strict=True):
        total += share
        if share > 0:
            cases.append((split, total))
    whens = " ".join(f"WHEN {point} < {total!r} THEN '{split}'" for split, total in cases)
    return f"CASE {whens} ELSE '{cases[-1][0]}' END"


class Components:
    """Connected components over numbers from 0 to `count` - 1; 8 bytes a number. The smallest number of a component
    stands for it."""

    def __init__(self, count: int) -> None:
        self._parents = array("q", range(count))

    def join(self, pairs: Iterable[tuple[int, int]]) -> None:
        """Put both numbers of each pair into one component."""
        parents = self._parents
        for one, other in pairs:
            a, b = self._root(one), self._root(other)
            if a != b:
                parents[max(a, b)] = min(a, b)

    def roots(self) -> Iterator[int]:
        """The number that stands for 0, for 1, and so on."""
        for number in range(len(self._parents)):
            yield self._root(number)

    def _root(self, number: int) -> int:
        parents = self._parents
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number
