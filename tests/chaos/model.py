"""What must come of a log of `agent-events`, said independently of the code that does it. Pure.

Broker time alone decides: a trace closes at a time that follows from its messages, so that the same log leads to the
same traces whatever died in between. Limits on the number of open traces are not modelled; runs keep below them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.records import Event
from schemas.settings import AssembleSettings
from tests.integration.world import Ledger, Meaning

Place = tuple[int, int]
"""Partition and offset."""


@dataclass(frozen=True)
class Logged:
    """One message of the log."""

    place: Place
    timestamp_ms: int
    size_bytes: int
    """With its frame in front of it."""
    key: bytes | None
    value: bytes | None
    meaning: Meaning


@dataclass
class Fate:
    """What must come of one trace."""

    events: dict[str, Event] = field(default_factory=dict)
    reason: str = ""
    """Why it closed the last time."""
    closed_ms: int = 0
    held: dict[Place, int] = field(default_factory=dict)
    """Messages that it was made of, with their bytes."""


@dataclass
class Expected:
    """What must come of a log."""

    ledger: Ledger = field(default_factory=Ledger)
    fates: dict[str, Fate] = field(default_factory=dict)
    late: dict[Place, tuple[str, ...]] = field(default_factory=dict)
    """Ids of the events of a message that came too late."""
    known: set[Place] = field(default_factory=set)
    """Messages that hold nothing new, to traces that were closed."""
    dead: set[Place] = field(default_factory=set)
    """Messages that lead to dead letters."""


@dataclass
class _Open:
    first_ms: int
    last_ms: int
    events: int
    size_bytes: int
    ended: bool

    def closes(self, windows: AssembleSettings) -> tuple[float, str]:
        if self.events >= windows.max_events or self.size_bytes >= windows.max_bytes:
            return self.last_ms, "max_size"
        wait, reason = (windows.quiet_seconds, "ended") if self.ended else (windows.idle_seconds, "idle")
        silence, age = self.last_ms + wait * 1000, self.first_ms + windows.max_age_seconds * 1000
        return (age, "max_age") if age < silence else (silence, reason)


def expected(log: Iterable[Logged], windows: AssembleSettings) -> Expected:
    """What must come of a log, in the order of its partitions."""
    result = Expected()
    by_trace: dict[str, list[Logged]] = {}
    for message in log:
        letters = message.meaning.letters
        result.ledger.received += len(message.meaning.events) + letters
        if letters:
            result.ledger.dead[message.key, message.value] += letters
            result.dead.add(message.place)
        if message.meaning.events:
            by_trace.setdefault(message.meaning.events[0].trace_id, []).append(message)
    for trace_id, own in by_trace.items():
        result.fates[trace_id] = fate = _follow(own, windows, result)
        result.ledger.events[trace_id] = fate.events
    return result


def _follow(messages: Iterable[Logged], windows: AssembleSettings, result: Expected) -> Fate:
    fate = Fate()
    opened: _Open | None = None
    for message in messages:
        now = message.timestamp_ms
        if opened is not None and opened.closes(windows)[0] <= now:
            _close(fate, opened, windows)
            opened = None
        events = message.meaning.events
        new = tuple(dict.fromkeys(event.event_id for event in events if event.event_id not in fate.events))
        ends = any(event.agent_ended and event.agent_ended.root for event in events)
        if opened is None and fate.reason:
            if not new:
                result.known.add(message.place)
                continue
            if fate.reason == "max_size" or now >= fate.closed_ms + windows.amend_seconds * 1000:
                result.late[message.place] = new
                result.ledger.late += len(new)
                continue
            ended = any(event.agent_ended and event.agent_ended.root for event in fate.events.values())
            opened = _Open(now, now, len(fate.events), sum(fate.held.values()), ended)
        if opened is None:
            opened = _Open(now, now, 0, 0, False)
        opened.last_ms = max(opened.last_ms, now)
        opened.events += len(events)
        opened.size_bytes += message.size_bytes
        opened.ended = opened.ended or ends
        fate.events.update((event.event_id, event) for event in events)
        fate.held[message.place] = message.size_bytes
    if opened is not None:
        _close(fate, opened, windows)
    return fate


def _close(fate: Fate, opened: _Open, windows: AssembleSettings) -> None:
    at, fate.reason = opened.closes(windows)
    fate.closed_ms = int(at)
