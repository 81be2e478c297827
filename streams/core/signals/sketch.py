"""A distribution in a few hundred bytes: counts of values in buckets that grow by a fixed factor.

Bucket n holds the values from 2**(n/8) up to, not including, 2**((n+1)/8): 9 % wide, so a quantile is right to within
5 %. That is the logarithmic histogram of DDSketch (Masson et al., VLDB 2019) with a fixed grid: sketches of the same
values are equal whatever their order (but for the last bits of the sum), and merge by adding counts.
"""

import math
import operator
from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import TypeGuard

import msgspec

STEPS = 8
"""Buckets from a value to its double."""
LOWEST, HIGHEST = -160, 400
"""Buckets of all values up to 2**-20 (zero too) and from 2**50 on; so a sketch has 561 buckets at most."""

# Logarithms and powers may differ in the last bit between machines; square roots and products may not.
_FACTOR = math.sqrt(math.sqrt(math.sqrt(2.0)))
_EDGES = tuple(accumulate((0.5, *[_FACTOR] * (STEPS - 1)), operator.mul))


class Sketch(msgspec.Struct, frozen=True, array_like=True):
    """Values that were seen, without the values. Compare by value; `buckets` must not be changed in place."""

    count: int = 0
    total: float = 0.0
    """Sum of the values, each held to what the highest bucket may hold."""
    buckets: dict[int, int] = msgspec.field(default_factory=dict)

    def with_value(self, value: float | None) -> "Sketch":
        """The sketch with one more value. What is no measurement (None, NaN, infinite, negative) is left out."""
        if not measurable(value):
            return self
        bucket = bucket_of(value)
        buckets = dict(self.buckets)
        buckets[bucket] = buckets.get(bucket, 0) + 1
        return Sketch(self.count + 1, self.total + min(value, 2.0 ** (HIGHEST / STEPS)), buckets)

    def share_above(self, value: float) -> float | None:
        """Share of the values that are larger, those of the same bucket counted half; None where there are none."""
        if not self.count or not measurable(value):
            return None
        own = bucket_of(value)
        above = sum(count for bucket, count in self.buckets.items() if bucket > own)
        return (above + self.buckets.get(own, 0) / 2) / self.count

    @property
    def zero_share(self) -> float | None:
        """Share of the values that are zero or nearly; None where there are none."""
        return self.buckets.get(LOWEST, 0) / self.count if self.count else None

    def quantile(self, at: float) -> float | None:
        """Middle of the bucket that holds the quantile (0 to 1); 0 for the lowest bucket; None where there are none."""
        if not self.count:
            return None
        rank, seen = at * (self.count - 1), 0
        bucket = LOWEST
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen > rank:
                break
        return 0.0 if bucket == LOWEST else 2.0 ** ((bucket + 0.5) / STEPS)

    @property
    def mean(self) -> float | None:
        """Mean of the values; None where there are none."""
        return self.total / self.count if self.count else None


def merged(sketches: Iterable[Sketch]) -> Sketch:
    """All values of several sketches as one, in any order."""
    count, totals = 0, []
    buckets: dict[int, int] = {}
    for sketch in sketches:
        count += sketch.count
        totals.append(sketch.total)
        for bucket, number in sketch.buckets.items():
            buckets[bucket] = buckets.get(bucket, 0) + number
    return Sketch(count, math.fsum(totals), buckets)


def measurable(value: float | None) -> TypeGuard[float]:
    """Whether it is a finite number from 0 on."""
    return value is not None and 0 <= value < math.inf


def bucket_of(value: float) -> int:
    """Bucket of a measurable value."""
    if value <= 0:
        return LOWEST
    mantissa, exponent = math.frexp(value)
    bucket = (exponent - 1) * STEPS + bisect_right(_EDGES, mantissa) - 1
    return min(max(bucket, LOWEST), HIGHEST)
