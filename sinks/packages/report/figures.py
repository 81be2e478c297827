"""Figures that several documents show, worked out from facts."""

import datetime
import math
from collections.abc import Iterable

from sinks.packages.facts import Representation, Tally


def representation(what: str, tally: Tally, named: bool = True) -> Representation:
    """How even a tally is, over the names it tells apart. With `named` false the largest stays nameless."""
    counts = [count.count for count in tally.counts]
    total = sum(counts)
    entropy = -math.fsum(count / total * math.log(count / total) for count in counts) if total else 0.0
    whole = tally.named
    return Representation(
        what=what,
        distinct=len(counts),
        largest=tally.counts[0].name if counts and named else None,
        largest_share=round(counts[0] / whole, 6) if counts else 0.0,
        normalised_entropy=round(entropy / math.log(len(counts)), 6) + 0.0 if len(counts) > 1 else 0.0,
        effective_number=round(math.exp(entropy), 3) if counts else 0.0,
    )


def share(part: int, whole: int) -> float:
    """A part of a whole; 0 where there is no whole."""
    return part / whole if whole else 0.0


def percent(value: float) -> str:
    """A share for people. Never shows 0 % or 100 % for what is not exactly that."""
    if 0 < value < 0.001:
        return "< 0.1 %"
    if 0.999 < value < 1:
        return "> 99.9 %"
    return f"{value * 100:.1f} %".replace(".0 %", " %")


def number(value: float | None, digits: int = 3) -> str:
    """A figure for people: thousands with thin commas, decimals only where there are any."""
    if value is None:
        return "–"
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.{digits}f}".rstrip("0").rstrip(".")


def size(size_bytes: int) -> str:
    """Bytes in units of 1000."""
    amount = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{number(amount, 1)} {unit}"
        amount /= 1000
    return f"{number(amount, 1)} TB"


def total_size(sizes: Iterable[int]) -> str:
    """Sum of sizes, for people."""
    return size(sum(sizes))


def moment(created_at: int) -> str:
    """`2026-03-01T12:00:00Z` of microseconds since 1970, cut to the second."""
    return (_EPOCH + datetime.timedelta(seconds=created_at // 1_000_000)).isoformat() + "Z"


def day(created_at: int) -> str:
    """`2026-03-01` of microseconds since 1970, UTC."""
    return moment(created_at).partition("T")[0]


_EPOCH = datetime.datetime(1970, 1, 1)  # naive on purpose: every time here is UTC
