"""One trace to counters: pure, linear in its tool calls.

The calls of each agent are a sequence; runs of one tool count as one element of it. Counted are all contiguous
sequences of one to five elements, but no repetition of a shorter one (A B A B is A B twice). Calls that users made do
not count.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from schemas.steps import Action
from streams.core.patterns.counters import (
    FAILURE,
    INPUT,
    MICROS,
    OCCURRENCES,
    PATTERN,
    PATTERN_CELLS,
    RATING,
    SEP,
    TOTAL,
)
from streams.core.patterns.inputs import label_of, shapes_of
from streams.core.view import TraceView

LONGEST = 5
MAX_CALLS = 2_000
"""Tool calls of one trace that are looked at: its first ones."""
MAX_SEQUENCES = 400
"""Different sequences of one trace that are counted: the most frequent ones."""
MAX_INPUT_CALLS = 5
"""Calls of one tool in one trace whose inputs are looked at: the first ones that differ."""
MAX_INPUT_TOOLS = 50
"""Tools of one trace whose inputs are looked at."""

_TOOL = re.compile(r"[\w.\-:/ ()]{1,100}\Z")
_KIND = re.compile(r"[A-Za-z][A-Za-z0-9_.:\-]{0,59}\Z")
UNNAMED_TOOL = "unnamed_tool"
OTHER_FAILURE = "other"

Counts = dict[str, list[int]]


@dataclass(slots=True)
class _Element:
    label: str
    cells: list[int]
    """Calls, answered, successes, latency in microseconds, timed."""


def counts_of(view: TraceView, successful: bool | None) -> Counts:
    """Counters of a trace by name, see `counters`. `successful`: None where nobody knows how the run went."""
    judged = (int(successful is not None), int(successful is True))
    counts: Counts = {TOTAL: [1, *judged]}
    threads: dict[str | None, list[Action]] = defaultdict(list)
    left = MAX_CALLS
    for step in view.steps:
        for turn in step.turns:
            for action in turn.actions:
                if action.by_agent and left:
                    threads[step.thread].append(action)
                    left -= 1
    details = _Details(view, counts)
    for actions in threads.values():
        _sequences(_elements(actions, details), judged, counts)
    return _bounded(counts) if len(counts) > MAX_SEQUENCES else counts


def _elements(actions: Sequence[Action], details: "_Details") -> list[_Element]:
    found: list[_Element] = []
    for action in actions:
        label = details.look_at(action)
        if found and found[-1].label == label:
            element = found[-1]
        else:
            element = _Element(label, [0, 0, 0, 0, 0])
            found.append(element)
        cells = element.cells
        cells[0] += 1
        returned = action.returned.tool_returned if action.returned else None
        if returned is not None:
            cells[1] += 1
            cells[2] += returned.success
            micros = _latency_us(action)
            if micros is not None:
                cells[3] += micros
                cells[4] += 1
    return found


def _latency_us(action: Action) -> int | None:
    """Stated latency; else what lies between the two events, where their times are real."""
    call, returned = action.call, action.returned
    if returned is None or returned.tool_returned is None:
        return None
    stated = returned.tool_returned.latency_seconds
    if stated is not None:
        return round(stated * MICROS) if 0 <= stated < MICROS else None
    between = returned.occurred_at - call.occurred_at
    real = not (call.occurred_at_synthetic or returned.occurred_at_synthetic)
    return between if real and 0 < between < MICROS * MICROS else None


def _sequences(elements: Sequence[_Element], judged: tuple[int, int], counts: Counts) -> None:
    labels = [element.label for element in elements]
    cells = [cell for element in elements for cell in element.cells]
    width = len(cells) // len(elements) if elements else 0
    for start in range(len(labels)):
        name = PATTERN
        for length in range(1, min(LONGEST, len(labels) - start) + 1):
            if length == 4 and labels[start : start + 2] == labels[start + 2 : start + 4]:
                break
            name = f"{name}{SEP}{labels[start + length - 1]}"
            own = cells[width * start : width * (start + length)]
            known = counts.get(name)
            if known is None:
                counts[name] = [1, 1, *judged, *own]
                continue
            known[OCCURRENCES] += 1
            for number, value in enumerate(own, PATTERN_CELLS):
                known[number] += value


def _bounded(counts: Counts) -> Counts:
    names = [name for name in counts if name[0] == PATTERN]
    if len(names) <= MAX_SEQUENCES:
        return counts
    ranked = sorted(names, key=lambda name: (-counts[name][OCCURRENCES], name.count(SEP), name))
    for name in ranked[MAX_SEQUENCES:]:
        del counts[name]
    return counts


@lru_cache(maxsize=4096)
def _is_tool(name: str) -> bool:
    return _TOOL.match(name) is not None


class _Details:
    """Counts how tools failed, what they were given and how they were rated."""

    def __init__(self, view: TraceView, counts: Counts) -> None:
        self._counts = counts
        self._declared = {tool.name: tool.parameters_json for tool in view.tools}
        self._ratings = {
            given.target_span_id: given.rating
            for given in view.feedback
            if given.target_span_id is not None and given.rating is not None and 0 <= given.rating <= 1
        }
        self._labels: dict[tuple[str, str], str] = {}
        """Calls whose arguments were looked at, to their labels."""
        self._looked: Counter[str] = Counter()

    def look_at(self, action: Action) -> str:
        """Count a call; the label of its tool."""
        tool, parameters = action.tool, action.parameters_json
        label = self._labels.get((tool, parameters))
        if label is None:
            label = label_of(tool, parameters) if _is_tool(tool) else UNNAMED_TOOL
            self._labels[tool, parameters] = label
            if self._looked[label] < MAX_INPUT_CALLS and len(self._looked) <= MAX_INPUT_TOOLS:
                self._looked[label] += 1
                prefix = f"{INPUT}{SEP}{label}{SEP}"
                for name, word in shapes_of(label, parameters, self._declared.get(tool)):
                    self._counts.setdefault(f"{prefix}{name}{SEP}{word}", [1])
        returned = action.returned.tool_returned if action.returned else None
        if returned is not None and not returned.success:
            kind = returned.error_kind or OTHER_FAILURE
            kind = kind if _KIND.match(kind) else OTHER_FAILURE
            self._counts.setdefault(f"{FAILURE}{SEP}{label}{SEP}{kind}", [1])
        rating = self._ratings.get(action.call.span_id) if self._ratings else None
        if rating is not None:
            cell = self._counts.setdefault(f"{RATING}{SEP}{label}", [0, 0])
            cell[0] += 1
            cell[1] += round(rating * MICROS)
        return label
