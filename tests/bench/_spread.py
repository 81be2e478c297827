"""Minimum, median and maximum: how every benchmark states what it measured more than once."""

import statistics
from collections.abc import Sequence


def spread(values: Sequence[float], digits: int = 0) -> dict[str, float]:
    """Of at least one value, rounded."""
    three = {"min": min(values), "median": statistics.median(values), "max": max(values)}
    return {name: round(value, digits or None) for name, value in three.items()}
