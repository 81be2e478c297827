"""The patterns that stand out in a window of sums. Pure: the same window gives the same patterns.

A sequence stands out when enough traces of its scenario hold it (`min_traces`, `min_support`), when no longer one says
the same (a part of a longer sequence that nearly as many traces hold is dropped), and when it is among the `top` by
traces times tools. Time is event time: the window ends with the newest bucket that holds a trace.

Trend: the share of traces that hold the sequence in the newest quarter of the window against the share before, by a
two-proportion z test (|z| >= `trend_z`, and a change by a factor of `trend_factor`). Both sides need
`trend_min_traces`; what pruning may have hidden is granted to the side where it weakens the finding.

    emerging  more often than before        new     never before in the window (and emerging)
    fading    less often than before        steady  neither, or too little to tell
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import sqrt

from schemas.records import Frequency, Pattern, PatternTool, Trend
from streams.core.patterns.counters import (
    ANSWERED,
    CALLS,
    FAILURE,
    INPUT,
    JUDGED,
    LATENCY_US,
    MICROS,
    OCCURRENCES,
    PATTERN,
    PATTERN_CELLS,
    RATING,
    SEP,
    SUCCEEDED,
    SUCCESSES,
    TIMED,
    TOOL_CELLS,
    TOTAL,
    TRACES,
    Cell,
    Group,
    Window,
    merged,
)
from streams.core.patterns.families import pattern_type


@dataclass(frozen=True)
class PatternRules:
    """What a pattern is. The window is `buckets` stretches of `bucket_seconds`."""

    bucket_seconds: int = 3600
    buckets: int = 24
    min_traces: int = 3
    min_support: float = 0.02
    """Share of the scenario's traces."""
    same_support: float = 0.9
    """A sequence is dropped when a longer one is held by this share of its traces."""
    top: int = 40
    """Patterns of one scenario."""
    high: float = 0.3
    medium: float = 0.1
    """Least support of a pattern whose frequency is high, and medium."""
    trend_z: float = 3.0
    trend_factor: float = 1.5
    trend_min_traces: int = 20
    min_input_traces: int = 3
    """An input or a failure is told when this many traces share it."""
    max_inputs: int = 8
    max_words: int = 5

    @property
    def bucket_us(self) -> int:
        """Width of a bucket in microseconds."""
        return self.bucket_seconds * MICROS


def mine(window: Window, rules: PatternRules) -> tuple[Pattern, ...]:
    """Patterns of a window, strongest first, then those followed so far that no longer stand out (`active` false)."""
    cells = merged(window.buckets)
    total, judged, succeeded = cells[TOTAL].sums if TOTAL in cells else (0, 0, 0)
    if not total:
        return ()
    recent_from = window.newest - max(1, rules.buckets // 4) + 1
    view = _View(
        window=window,
        rules=rules,
        cells=cells,
        total=total,
        judged=judged,
        succeeded=succeeded,
        recent=merged(bucket for bucket in window.buckets if bucket.number >= recent_from),
        lost_recent=sum(bucket.lost for bucket in window.buckets if bucket.number >= recent_from),
        lost=sum(bucket.lost for bucket in window.buckets),
        details=_details(cells, rules),
    )
    chosen = _standing_out(cells, total, rules)
    left = sorted(window.followed - set(chosen))
    return (*(view.pattern(name, True) for name in chosen), *(view.pattern(name, False) for name in left))


def tools_in(name: str) -> tuple[str, ...]:
    """Tools of a pattern's name."""
    return tuple(name.split(SEP)[1:])


def name_of(tools: Iterable[str]) -> str:
    """Name under which a sequence of tools is counted."""
    return SEP.join((PATTERN, *tools))


def pattern_id(group: Group, tools: Sequence[str]) -> str:
    """Readable and always the same: `airline_get_user_to_book_reservation_1f3a9c20`.

    Of another mode than EXECUTION with its name: `airline_simulation_get_user_5b0c77de`.
    """
    scenario, mode = group
    mode_words = () if mode == "EXECUTION" else (mode.lower(),)
    ends = [tools[0]] if len(tools) == 1 else [tools[0], "to", tools[-1]]
    digest = sha256(SEP.join((mode, scenario, *tools)).encode()).hexdigest()[:8]
    return "_".join((_slug(scenario, 30), *mode_words, *(_slug(end, 30) for end in ends), digest))


def _slug(text: str, length: int) -> str:
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_")[:length].strip("_") or "x"


def _standing_out(cells: Mapping[str, Cell], total: int, rules: PatternRules) -> list[str]:
    least = max(rules.min_traces, rules.min_support * total)
    frequent = {
        name: cell.sums[TRACES] for name, cell in cells.items() if name[0] == PATTERN and cell.sums[TRACES] >= least
    }
    covered: set[str] = set()
    for name, traces in frequent.items():
        tools = tools_in(name)
        for part in (name_of(tools[:-1]), name_of(tools[1:])) if len(tools) > 1 else ():
            if traces >= rules.same_support * frequent.get(part, 2 * traces):
                covered.add(part)
    kept = [name for name in frequent if name not in covered]
    return sorted(kept, key=lambda name: (-frequent[name] * name.count(SEP), name))[: rules.top]


@dataclass(frozen=True)
class _ToolDetails:
    inputs: Mapping[str, tuple[str, ...]]
    failures: tuple[str, ...]
    rating: float | None


_NO_DETAILS = _ToolDetails({}, (), None)


def _details(cells: Mapping[str, Cell], rules: PatternRules) -> dict[str, _ToolDetails]:
    """Tool to what is told of it in the whole scenario."""
    inputs: dict[str, dict[str, list[tuple[int, str]]]] = defaultdict(lambda: defaultdict(list))
    failures: dict[str, list[tuple[int, str]]] = defaultdict(list)
    ratings: dict[str, float] = {}
    for name, cell in cells.items():
        kind, *words = name.split(SEP)
        if kind == INPUT and cell.sums[0] >= rules.min_input_traces:
            inputs[words[0]][words[1]].append((-cell.sums[0], words[2]))
        elif kind == FAILURE and cell.sums[0] >= rules.min_input_traces:
            failures[words[0]].append((-cell.sums[0], words[1]))
        elif kind == RATING:
            ratings[words[0]] = cell.sums[1] / cell.sums[0] / MICROS
    return {
        tool: _ToolDetails(
            _strongest(inputs.get(tool, {}), rules),
            tuple(word for _, word in sorted(failures.get(tool, ()))[: rules.max_words]),
            ratings.get(tool),
        )
        for tool in {*inputs, *failures, *ratings}
    }


def _strongest(found: Mapping[str, list[tuple[int, str]]], rules: PatternRules) -> dict[str, tuple[str, ...]]:
    ranked = sorted(found.items(), key=lambda item: (min(item[1])[0], item[0]))
    return {
        name: tuple(word for _, word in sorted(words)[: rules.max_words]) for name, words in ranked[: rules.max_inputs]
    }


@dataclass(frozen=True)
class _View:
    window: Window
    rules: PatternRules
    cells: Mapping[str, Cell]
    total: int
    judged: int
    succeeded: int
    recent: Mapping[str, Cell]
    lost_recent: int
    lost: int
    details: Mapping[str, _ToolDetails]

    def pattern(self, name: str, active: bool) -> Pattern:
        """One pattern as it is published."""
        tools = tools_in(name)
        cell = self.cells.get(name) or Cell([0] * (PATTERN_CELLS + TOOL_CELLS * len(tools)), [])
        sums, rules, window = cell.sums, self.rules, self.window
        support = sums[TRACES] / self.total
        own = [sums[PATTERN_CELLS + TOOL_CELLS * n :][:TOOL_CELLS] for n in range(len(tools))]
        return Pattern(
            pattern_id=pattern_id(window.group, tools),
            revision=window.revision,
            active=active,
            scenario=window.group.scenario,
            execution_mode=window.group.execution_mode,
            pattern_type=pattern_type(tools),
            tools=tools,
            frequency=self._frequency(support),
            trend=self._trend(name),
            occurrence_count=sums[OCCURRENCES],
            trace_count=sums[TRACES],
            trace_count_error=self.lost,
            support=round(support, 6),
            success_rate=_share(sums[SUCCEEDED], sums[JUDGED]),
            scenario_success_rate=_share(self.succeeded, self.judged),
            avg_latency_seconds=_latency(own, sums[OCCURRENCES]),
            sequence=tuple(self._tool(tool, cells) for tool, cells in zip(tools, own, strict=True)),
            trace_ids=tuple(trace_id for _, trace_id in cell.samples),
            window_start=(window.newest - rules.buckets + 1) * rules.bucket_us,
            window_end=(window.newest + 1) * rules.bucket_us,
            created_at=window.read_at,
        )

    def _tool(self, tool: str, cells: Sequence[int]) -> PatternTool:
        details = self.details.get(tool, _NO_DETAILS)
        return PatternTool(
            tool=tool,
            call_count=cells[CALLS],
            typical_inputs=dict(details.inputs),
            avg_latency_seconds=round(cells[LATENCY_US] / cells[TIMED] / MICROS, 6) if cells[TIMED] else None,
            success_rate=_share(cells[SUCCESSES], cells[ANSWERED]),
            common_failures=details.failures,
            quality_score=None if details.rating is None else round(details.rating, 6),
        )

    def _frequency(self, support: float) -> Frequency:
        if support >= self.rules.high:
            return "high"
        return "medium" if support >= self.rules.medium else "low"

    def _trend(self, name: str) -> Trend:
        rules = self.rules
        recent_total = self.recent[TOTAL].sums[TRACES] if TOTAL in self.recent else 0
        earlier_total = self.total - recent_total
        if min(recent_total, earlier_total) < rules.trend_min_traces:
            return "steady"
        recent = self.recent[name].sums[TRACES] if name in self.recent else 0
        earlier = (self.cells[name].sums[TRACES] if name in self.cells else 0) - recent
        hidden_before = min(earlier_total, earlier + self.lost - self.lost_recent)
        hidden_now = min(recent_total, recent + self.lost_recent)
        if self._differs(recent, recent_total, hidden_before, earlier_total):
            return "emerging" if hidden_before else "new"
        return "fading" if self._differs(earlier, earlier_total, hidden_now, recent_total) else "steady"

    def _differs(self, more: int, more_total: int, less: int, less_total: int) -> bool:
        """Whether the first share is larger, beyond chance and by enough to matter."""
        first, second = more / more_total, less / less_total
        pooled = (more + less) / (more_total + less_total)
        error = sqrt(pooled * (1 - pooled) * (1 / more_total + 1 / less_total))
        return error > 0 and first - second >= self.rules.trend_z * error and first >= self.rules.trend_factor * second


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None


def _latency(own: Sequence[Sequence[int]], occurrences: int) -> float | None:
    """Mean seconds in the tools of one occurrence; None unless every tool of it has some timed call."""
    if not occurrences or any(not cells[TIMED] for cells in own):
        return None
    return round(sum(cells[LATENCY_US] / cells[TIMED] * cells[CALLS] for cells in own) / occurrences / MICROS, 6)
