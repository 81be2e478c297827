"""What is counted of traces, and what a store gives back: integers by name, so that order changes no sum.

A name is a letter and words, parted by `SEP`:

    s                     traces, judged traces, successful traces
    p tool tool ...       TRACES, OCCURRENCES, JUDGED, SUCCEEDED, and for each tool
                          CALLS, ANSWERED, SUCCESSES, LATENCY_US, TIMED
    f tool kind           traces in which the tool failed like that
    i tool input word     traces in which the tool was given that
    q tool                feedback on its calls: ratings, their sum in millionths

The first integer is always a number of traces (ratings for `q`): stores prune by it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from operator import add
from typing import NamedTuple, get_args

from xxhash import xxh3_64_intdigest

from schemas.records import ExecutionMode

SEP = "\x1f"
TOTAL = "s"
LOST = "e"
"""Name under which a store keeps the most that pruning may have taken from one name."""
PATTERN, FAILURE, INPUT, RATING = "p", "f", "i", "q"

TRACES, OCCURRENCES, JUDGED, SUCCEEDED = range(4)
PATTERN_CELLS = 4
CALLS, ANSWERED, SUCCESSES, LATENCY_US, TIMED = range(5)
TOOL_CELLS = 5
MICROS = 1_000_000

SAMPLES = 3
"""Trace ids kept of each pattern."""

_MODES: dict[str, ExecutionMode] = {mode: mode for mode in get_args(ExecutionMode)}


class Group(NamedTuple):
    """Which runs are summed up together: simulated ones are synthetic, and say nothing about real ones.

    Models are not told apart: a sequence of tools is the same whoever calls them, and its rates are held against those
    of all runs of the group.
    """

    scenario: str
    execution_mode: ExecutionMode = "EXECUTION"

    @property
    def text(self) -> str:
        """As one text; `parse_group` reads it."""
        return f"{self.execution_mode}{SEP}{self.scenario}"


def parse_group(text: str) -> Group:
    """The group of `Group.text`. Raises KeyError."""
    mode, _, scenario = text.partition(SEP)
    return Group(scenario, _MODES[mode])


Sample = tuple[int, str]
"""Digest of a trace id, and the id. Of all traces of a pattern those with the smallest digests are kept: a sample that
does not depend on order."""


def sample_of(trace_id: str) -> Sample:
    """The digest has 52 bits: a float, Lua's only number, holds it exactly."""
    return xxh3_64_intdigest(trace_id.encode()) >> 12, trace_id


@dataclass(slots=True)
class Cell:
    """Sums under one name."""

    sums: list[int]
    samples: list[Sample]

    def add(self, sums: Sequence[int], samples: Iterable[Sample]) -> None:
        """Add to it."""
        self.sums = list(map(add, self.sums, sums))
        self.samples = nsmallest(SAMPLES, {*self.samples, *samples})


@dataclass(frozen=True, slots=True)
class Counted:
    """One trace, counted."""

    offset: int
    """Of its message in the topic partition."""
    trace_id: str
    group: Group
    closed_at: int
    """Microseconds since 1970 UTC: its place in time."""
    counts: Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class Bucket:
    """Sums of the traces that closed in one stretch of time."""

    number: int
    """Start divided by the width of a bucket."""
    cells: Mapping[str, Cell]
    lost: int = 0
    """A sum of traces may be too low by this at most: rare names were pruned to bound memory."""


@dataclass(frozen=True, slots=True)
class Window:
    """What is known of one group: its newest buckets, oldest first; those without traces are left out."""

    group: Group
    version: int
    """Grows with every change."""
    revision: int
    """Higher each time the window is read in order to publish; also after the store was lost."""
    read_at: int
    """Microseconds since 1970 UTC."""
    newest: int
    """Number of the newest bucket."""
    buckets: tuple[Bucket, ...]
    followed: frozenset[str]
    """Names of patterns that were published as active."""


def merged(buckets: Iterable[Bucket]) -> dict[str, Cell]:
    """All buckets as one."""
    found: dict[str, Cell] = {}
    for bucket in buckets:
        for name, cell in bucket.cells.items():
            known = found.get(name)
            if known is None:
                found[name] = Cell(list(cell.sums), list(cell.samples))
            else:
                known.add(cell.sums, cell.samples)
    return found


def batched(items: Iterable[Counted], bucket_us: int) -> dict[int, dict[str, Cell]]:
    """Traces summed up by bucket number."""
    buckets: dict[int, dict[str, Cell]] = {}
    for item in items:
        cells = buckets.setdefault(item.closed_at // bucket_us, {})
        sample = sample_of(item.trace_id)
        for name, sums in item.counts.items():
            known = cells.get(name)
            is_pattern = name[0] == PATTERN
            if known is None:
                cells[name] = Cell(list(sums), [sample] if is_pattern else [])
                continue
            known.sums = list(map(add, known.sums, sums))
            if is_pattern and (len(known.samples) < SAMPLES or sample < known.samples[-1]):
                known.samples = sorted((*known.samples, sample))[:SAMPLES]
    return buckets
