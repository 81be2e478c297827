"""Figures that agents state: any number that Avro can hold, and so some that nothing further on can."""

import math
from collections.abc import Sequence

_LONG = 2**63


def finite(number: float | None) -> float | None:
    """A number that can be written in JSON; anything else is unknown."""
    return number if number is not None and math.isfinite(number) else None


def long_sum(counts: Sequence[int]) -> int | None:
    """Sum of what is known; None where nothing is, and where a long of Avro cannot hold it."""
    total = sum(counts)
    return total if counts and -_LONG <= total < _LONG else None
