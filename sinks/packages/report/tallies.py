"""Counting columns as they stream by: bounded memory, vectorised, and the same whatever the size of the batches."""

import struct
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from sinks.packages.facts import Count, Cross, Distribution, Histogram, Tally

MAX_NAME_CHARS = 200
"""Longer names are cut: they are shown in tables, and one of them could otherwise fill a document."""

_MICRO = 1_000_000
_FINE = 500
"""Micro-units in a fine bin of a share: quantiles are exact to 0.0005."""
_BIN = 50_000
_LEAST_BINS = 8
_MANTISSA_SHIFT = 47
"""Leaves five bits of a double's mantissa: magnitudes are told apart to 3 %, whole numbers below 64 exactly."""


class Names:
    """Counts by name, with a bound on the names that are told apart: the first ones in row order."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts: dict[str, int] = {}
        self._other = 0
        self._missing = 0

    def add(self, column: pa.Array) -> None:
        """Count the values of a string or bool column; null and the empty string are missing."""
        values, numbers = _counted(column)
        known = self._counts
        for name, count in zip(values, numbers, strict=True):
            if name in known:
                known[name] += count
            else:
                self.add_name(name, count)

    def add_name(self, name: str | None, count: int) -> None:
        """Count one name."""
        if not name:
            self._missing += count
            return
        name = cut(name)
        if name in self._counts or len(self._counts) < self._limit:
            self._counts[name] = self._counts.get(name, 0) + count
        else:
            self._other += count

    def tally(self, shown: int | None = None) -> Tally:
        """What was counted; with `shown` only that many of the most frequent names, the others in `other`."""
        ordered = sorted(self._counts.items(), key=lambda pair: (-pair[1], pair[0]))
        kept = ordered if shown is None else ordered[:shown]
        rest = sum(count for _, count in ordered[len(kept) :])
        return Tally(
            counts=tuple(Count(name=name, count=count) for name, count in kept),
            other=self._other + rest,
            missing=self._missing,
        )


class Pairs:
    """Rows by two names, and the mean score by the first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._counts: dict[str, dict[str, int]] = {}
        self._scores: dict[str, tuple[int, int]] = {}
        self._other = 0

    def add(self, first: pa.Array, second: pa.Array, scores: pa.Array | None = None) -> None:
        """Count pairs; rows without the first name are left out, without the second count as `unknown`."""
        table = pa.table({"first": first, "second": pc.fill_null(second, "unknown")})
        aggregates: list[tuple[object, str]] = [([], "count_all")]
        if scores is not None:
            table = table.append_column("micro", micro_units(scores))
            aggregates += [("micro", "sum"), ("micro", "count")]
        grouped = table.group_by(["first", "second"], use_threads=False).aggregate(aggregates).to_pydict()
        blank: list[int | None] = [None] * len(grouped["first"])
        for name, other, count, total, scored in zip(
            grouped["first"],
            grouped["second"],
            grouped["count_all"],
            grouped.get("micro_sum", blank),
            grouped.get("micro_count", blank),
            strict=True,
        ):
            if not name:
                continue
            name = cut(name)
            if name not in self._counts and len(self._counts) >= self._limit:
                self._other += count
                continue
            row = self._counts.setdefault(name, {})
            row[cut(other)] = row.get(cut(other), 0) + count
            if total is not None:
                had, of = self._scores.get(name, (0, 0))
                self._scores[name] = (had + total, of + scored)

    def cross(self, order: tuple[str, ...], shown: int) -> Cross:
        """The most frequent first names against the second ones: those of `order` first, then by name."""
        ordered = sorted(self._counts, key=lambda name: (-sum(self._counts[name].values()), name))
        seen = {other for row in self._counts.values() for other in row}
        columns = (*(name for name in order if name in seen), *sorted(seen - set(order)))
        rest = sum(sum(self._counts[name].values()) for name in ordered[shown:])
        return Cross(
            rows=tuple(ordered[:shown]),
            columns=columns,
            counts=tuple(tuple(self._counts[name].get(other, 0) for other in columns) for name in ordered[:shown]),
            other=self._other + rest,
        )

    def means(self, names: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
        """Mean score of each of these names that has one."""
        found = ((name, *self._scores.get(name, (0, 0))) for name in names)
        return tuple((name, round(total / count / _MICRO, 6)) for name, total, count in found if count)


class Shares:
    """Numbers between 0 and 1 in twenty bins; what lies above 1 is counted apart, below 0 as 0."""

    def __init__(self) -> None:
        self._fine: dict[int, int] = {}
        self._numbers = _Numbers()

    def add(self, column: pa.Array) -> None:
        """Count a float column. Null, NaN and infinities are missing."""
        micro = micro_units(column)
        self._numbers.add(micro)
        known = pc.max_element_wise(micro.drop_null(), 0)
        above = pc.filter(known, pc.greater(known, _MICRO))
        _merge(self._fine, pc.divide(pc.filter(known, pc.less_equal(known, _MICRO)), _FINE))
        if len(above):
            _merge(self._fine, _float_keys(pc.divide(above.cast(pa.float64()), float(_MICRO))))

    def distribution(self) -> Distribution:
        """Figures, rounded to six digits."""
        counts = [0] * (_MICRO // _BIN)
        levels: dict[float, int] = {}
        above = 0
        for key, count in self._fine.items():
            if key > _MICRO // _FINE:
                level = _double(key)
                above += count
            else:
                level = key * _FINE / _MICRO
                counts[min(key * _FINE // _BIN, len(counts) - 1)] += count
            levels[level] = levels.get(level, 0) + count  # just above 1 both scales have a level of 1
        edges = tuple(round(number * _BIN / _MICRO, 6) for number in range(len(counts) + 1))
        histogram = Histogram(edges=edges, counts=tuple(counts), above=above, missing=self._numbers.missing)
        return self._numbers.distribution(histogram, levels, _MICRO, str(_FINE / _MICRO))


class Magnitudes:
    """Whole numbers from 0 upward, in bins that are four to each doubling (single numbers below 8)."""

    def __init__(self) -> None:
        self._fine: dict[int, int] = {}
        self._numbers = _Numbers()

    def add(self, column: pa.Array) -> None:
        """Count an integer column."""
        self._numbers.add(column.cast(pa.int64()))
        _merge(self._fine, _float_keys(pc.max_element_wise(column.drop_null(), 0).cast(pa.float64())))

    def distribution(self) -> Distribution:
        """Figures; the bins run from the smallest to the largest that is needed, and are never fewer than eight."""
        levels = {_double(key): count for key, count in self._fine.items()}
        bins: dict[int, int] = {}
        for level, count in levels.items():
            place = _bin_of(int(level))
            bins[place] = bins.get(place, 0) + count
        first, last = (min(bins), max(max(bins), min(bins) + _LEAST_BINS - 1)) if bins else (0, 0)
        edges = tuple(float(_bin_edge(place)) for place in range(first, last + 2))
        counts = tuple(bins.get(place, 0) for place in range(first, last + 1))
        histogram = Histogram(edges=edges, counts=counts, missing=self._numbers.missing)
        return self._numbers.distribution(histogram, levels, 1, "3 % of the value")


def _bin_of(value: int) -> int:
    """0 to 7 stand for themselves, then 8 to 9, 10 to 11, 12 to 13, 14 to 15, 16 to 19..."""
    if value < 8:
        return value
    octave = value.bit_length() - 3  # 1 for 8 to 15
    return 4 * octave + (value >> octave)


def _bin_edge(place: int) -> int:
    """Smallest number of a bin."""
    if place < 8:
        return place
    octave = place // 4 - 1
    return (place % 4 + 4) << octave


class _Numbers:
    """Count, extremes and exact sum of integers, so that batches of any size give the same mean."""

    def __init__(self) -> None:
        self.count = 0
        self.missing = 0
        self._sum = 0
        self._least: int | None = None
        self._most: int | None = None

    def add(self, column: pa.Array) -> None:
        self.missing += column.null_count
        if column.null_count == len(column):
            return
        self.count += len(column) - column.null_count
        self._sum += pc.sum(column).as_py()
        least, most = pc.min_max(column).as_py().values()
        self._least = least if self._least is None else min(self._least, least)
        self._most = most if self._most is None else max(self._most, most)

    def distribution(
        self, histogram: Histogram, levels: Mapping[float, int], scale: int, resolution: str
    ) -> Distribution:
        if self._least is None or self._most is None:
            return Distribution(histogram=histogram, resolution=resolution)
        least, most = self._least / scale, self._most / scale
        p05, p25, median, p75, p95 = (
            round(min(max(_quantile(levels, percent, self.count), least), most), 6) for percent in (5, 25, 50, 75, 95)
        )
        return Distribution(
            histogram=histogram,
            count=self.count,
            minimum=least,
            p05=p05,
            p25=p25,
            median=median,
            p75=p75,
            p95=p95,
            maximum=most,
            mean=round(self._sum / self.count / scale, 6),
            resolution=resolution,
        )


def micro_units(column: pa.Array) -> pa.Array:
    """Millionths, as integers; null for what is no finite number."""
    numbers = column.cast(pa.float64())
    finite = pc.and_(pc.is_finite(numbers), pc.less(pc.abs(numbers), 1e12))
    kept = pc.if_else(finite, numbers, pa.scalar(None, pa.float64()))
    return pc.round(pc.multiply(kept, float(_MICRO))).cast(pa.int64())


def cut(name: str) -> str:
    """The name, shortened to what a document can bear."""
    return name if len(name) <= MAX_NAME_CHARS else name[: MAX_NAME_CHARS - 1] + "…"


def _counted(column: pa.Array) -> tuple[list[str | None], list[int]]:
    """Values of a column as names, in the order in which they come first, and how often each is there."""
    values, numbers = pc.value_counts(column).flatten()
    return values.cast(pa.large_string()).to_pylist(), numbers.to_pylist()


def _float_keys(column: pa.Array) -> pa.Array:
    """Integers that order numbers from 0 upward as they are: exponent and the top of the mantissa."""
    return pc.shift_right(column.view(pa.int64()), _MANTISSA_SHIFT)


def _merge(into: dict[int, int], keys: pa.Array) -> None:
    values, numbers = (found.to_pylist() for found in pc.value_counts(keys).flatten())
    for value, count in zip(values, numbers, strict=True):
        into[value] = into.get(value, 0) + count


def _quantile(levels: Mapping[float, int], percent: int, count: int) -> float:
    """Lower bound of the fine bin that holds the value of this rank (nearest rank)."""
    rank = max(1, -(-percent * count // 100))
    seen = 0
    for level in sorted(levels):
        seen += levels[level]
        if seen >= rank:
            return level
    return 0.0


def _double(key: int) -> float:
    number: float = struct.unpack("<d", struct.pack("<q", key << _MANTISSA_SHIFT))[0]
    return number
