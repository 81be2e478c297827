"""The windows of quality that one partition of `traces` holds, as the curate stage keeps them. No I/O.

A batch works on a draft; what it changed counts once the batch is committed. A batch that has to be done again starts
from a new draft, so no run enters a window twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.records import QualityWindow, Trace
from streams.core.curate import Assessed
from streams.core.policy import WindowRules
from streams.core.signals.base import NOTHING_KNOWN, Context
from streams.core.windows import (
    OTHER,
    Kind,
    Window,
    WindowKey,
    context_keys,
    context_of,
    finished,
    key_of,
    merge,
    observe,
    pack,
    parse_key,
    unpack,
)

_NAME = "quality:"
_LATENESS_US = 60_000_000
"""A trace is curated soon after it closed: an hour is taken as finished a minute after its end."""
_LOOK_EVERY_US = 5_000_000


@dataclass(frozen=True)
class Due:
    """What a look at the windows leads to."""

    records: tuple[QualityWindow, ...]
    published: Mapping[WindowKey, Window]
    dropped: tuple[WindowKey, ...]

    @property
    def keep(self) -> list[tuple[str, bytes]]:
        """Entries to store: what was published is marked as such."""
        return [(_name(key), pack(window)) for key, window in self.published.items()]

    @property
    def drop(self) -> list[str]:
        """Entries to delete."""
        return [_name(key) for key in self.dropped]


class PartitionWindows:
    """Windows of one partition, from the entries kept with its state."""

    def __init__(self, partition: int, rules: WindowRules, kept: Mapping[str, bytes]) -> None:
        self._partition = partition
        self._rules = rules
        self.windows: dict[WindowKey, Window] = {
            parse_key(name.removeprefix(_NAME)): unpack(packed)
            for name, packed in kept.items()
            if name.startswith(_NAME)
        }
        self._closed_us = 0
        self._look_at = 0

    def draft(self) -> "Draft":
        """What one batch works on."""
        return Draft(self._rules, self.windows, {key.kind for key in self.windows})

    def committed(self, draft: "Draft") -> None:
        """The batch is durable."""
        self.windows.update(draft.touched)
        self._closed_us = max(self._closed_us, draft.closed_us)

    def due(self, now_ms: int | None) -> Due | None:
        """Windows to publish and to drop; None where there is nothing to do.

        `now_ms` is the clock of a worker that has read everything; without it time is that of the last trace.
        """
        now_us = max(self._closed_us, 0 if now_ms is None else now_ms * 1000)
        if not self.windows or now_us < self._look_at:
            return None
        self._look_at = now_us + _LOOK_EVERY_US
        found = finished(self.windows, now_us, _LATENESS_US, partition=self._partition, keep_hours=self._rules.hours)
        if not found.records and not found.dropped:
            return None
        return Due(found.records, found.published, found.dropped)

    def published(self, due: Due) -> None:
        """What was due is done."""
        self.windows.update(due.published)
        for key in due.dropped:
            self.windows.pop(key, None)


@dataclass
class Draft:
    """Windows as one batch sees and changes them."""

    rules: WindowRules
    _stored: Mapping[WindowKey, Window]
    _kinds: set[Kind]
    touched: dict[WindowKey, Window] = field(default_factory=dict)
    closed_us: int = 0
    _newest: int = 0
    """Newest hour known."""
    _past: dict[WindowKey, Window] = field(default_factory=dict)
    """The hours before a window as one: they hardly ever change within a batch."""

    def __post_init__(self) -> None:
        self._newest = max((key.hour for key in self._stored), default=0)

    def context_of(self, trace: Trace) -> Context:
        """What the trace is measured against."""
        if not self.rules.enabled:
            return NOTHING_KNOWN
        key = key_of(_kind(trace), trace.closed_at, self._kinds)
        if key.kind.scenario == OTHER:
            return NOTHING_KNOWN  # these runs have nothing in common
        now = self._window(key)
        past = self._past.get(key)
        if past is None:
            hours = (self._window(one) for one in context_keys(key, self.rules.hours) if one != key)
            past = self._past[key] = merge(window for window in hours if window is not None)
        return context_of((past,) if now is None else (past, now))

    def observe(self, assessed: Assessed) -> None:
        """Enter a run that was measured, for those that follow."""
        measured = assessed.measured
        if measured is None or not self.rules.enabled:
            return
        trace = assessed.trace
        key = key_of(_kind(trace), trace.closed_at, self._kinds)
        if key.hour < self._newest - self.rules.hours:
            return  # its window is gone: a new one would be published in place of the whole one
        self._newest = max(self._newest, key.hour)
        self.touched[key] = observe(self._window(key) or Window(), measured.view, measured.score, measured.outcome)
        self._kinds.add(key.kind)
        for later in [one for one in self._past if one.kind == key.kind and one.hour > key.hour]:
            del self._past[later]
        self.closed_us = max(self.closed_us, trace.closed_at)

    def changed(self) -> list[tuple[str, bytes]]:
        """Entries to store with the batch."""
        return [(_name(key), pack(window)) for key, window in self.touched.items()]

    def _window(self, key: WindowKey) -> Window | None:
        return self.touched.get(key) or self._stored.get(key)


def _kind(trace: Trace) -> Kind:
    return Kind(trace.scenario, trace.execution_mode, trace.model)


def _name(key: WindowKey) -> str:
    return _NAME + key.text
