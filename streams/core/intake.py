"""Intake: arriving messages change the open traces of one partition. Pure: state and input in, effects out."""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import xxhash

from streams.core.timers import ClosedTrace, OpenTrace, Windows

_OFFSET = struct.Struct(">Q")


@dataclass(frozen=True)
class Arrival:
    """One valid message of `agent-events`."""

    trace_id: str
    offset: int
    timestamp_ms: int
    """Broker append time."""
    value: bytes
    """The message as it was sent; None of it is interpreted here."""
    event_ids: tuple[str, ...]
    ended: bool
    """It holds the root's end."""


@dataclass(frozen=True)
class StoredMessage:
    """A message held for an open trace."""

    offset: int
    value: bytes


@dataclass(frozen=True)
class View:
    """The part of the state that a batch touches."""

    open: Mapping[str, OpenTrace]
    closed: Mapping[str, ClosedTrace]
    refetched: Mapping[str, Sequence[StoredMessage]] = field(default_factory=dict)
    """Messages of closed traces, read again from the log because an amendment needs them."""


@dataclass(frozen=True)
class Late:
    """Events that came too late; `event_ids` are those that are not duplicates."""

    arrival: Arrival
    event_ids: tuple[str, ...]
    reason: str


@dataclass
class Taken:
    """Effects of a batch: all of them are applied in one step, or none."""

    open: dict[str, OpenTrace] = field(default_factory=dict)
    appends: list[tuple[str, StoredMessage]] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    taken: int = 0
    """How many of the arrivals were dealt with."""
    close_first: str | None = None
    """This trace is due before the next arrival: close it, then go on."""

    def count(self, name: str, by: int) -> None:
        """Add to a counter."""
        if by:
            self.counts[name] = self.counts.get(name, 0) + by


def event_hash(event_id: str) -> bytes:
    """Eight bytes that stand for an event id."""
    return xxhash.xxh3_64_digest(event_id.encode("utf-8", "surrogatepass"))


def pack_offsets(offsets: Iterable[int]) -> bytes:
    """Eight bytes an offset."""
    return b"".join(_OFFSET.pack(offset) for offset in offsets)


def unpack_offsets(packed: bytes) -> list[int]:
    """Inverse of `pack_offsets`."""
    return [offset for (offset,) in _OFFSET.iter_unpack(packed)]


def unknown_ids(closed: ClosedTrace, event_ids: Iterable[str]) -> tuple[str, ...]:
    """Those event ids that the closed trace does not hold, each once."""
    packed = closed.event_hashes
    known = {packed[at : at + 8] for at in range(0, len(packed), 8)}
    return tuple(event_id for event_id in dict.fromkeys(event_ids) if event_hash(event_id) not in known)


def to_refetch(arrivals: Sequence[Arrival], view: View, windows: Windows) -> dict[str, int]:
    """Closed traces whose messages an amendment will need, and the place of the arrival that needs them first."""
    found: dict[str, int] = {}
    for place, arrival in enumerate(arrivals):
        trace_id = arrival.trace_id
        if trace_id in found or trace_id in view.open:
            continue
        closed = view.closed.get(trace_id)
        if closed and _may_amend(closed, arrival, windows) and unknown_ids(closed, arrival.event_ids):
            found[trace_id] = place
    return found


def _may_amend(closed: ClosedTrace, arrival: Arrival, windows: Windows) -> bool:
    return closed.amendable and arrival.timestamp_ms < closed.closed_ms + windows.amend_ms


def take_in(arrivals: Sequence[Arrival], view: View, windows: Windows) -> Taken:
    """Apply arrivals in order, up to the first whose own trace has to be closed before it.

    Closing by the arrival's broker time, not by when this code runs, is what makes a replay of the log close the
    same traces at the same places.
    """
    result = Taken()
    for arrival in arrivals:
        opened = result.open.get(arrival.trace_id) or view.open.get(arrival.trace_id)
        if opened is not None and (opened.evicted or opened.due_ms(windows) <= arrival.timestamp_ms):
            result.close_first = arrival.trace_id
            return result
        if opened is None:
            opened = _open(arrival, view, windows, result)
        if opened is not None:
            result.open[arrival.trace_id] = _grown(opened, arrival)
            result.appends.append((arrival.trace_id, StoredMessage(arrival.offset, arrival.value)))
            result.count("pending", len(arrival.event_ids))
            result.count("open_bytes", len(arrival.value))
        result.count("received", len(arrival.event_ids))
        result.taken += 1
    return result


def _open(arrival: Arrival, view: View, windows: Windows, result: Taken) -> OpenTrace | None:
    closed = view.closed.get(arrival.trace_id)
    if closed is None or arrival.timestamp_ms >= closed.closed_ms + windows.remember_ms:
        return OpenTrace(1, arrival.timestamp_ms, arrival.timestamp_ms, arrival.offset, 0, 0, 0, False)
    new_ids = unknown_ids(closed, arrival.event_ids)
    if not new_ids:
        result.count("duplicate", len(arrival.event_ids))
        return None
    messages = view.refetched.get(arrival.trace_id)
    if messages is None or not _may_amend(closed, arrival, windows):
        if not closed.amendable:
            reason = "trace_full"
        else:
            reason = "log_gone" if _may_amend(closed, arrival, windows) else "amend_window_over"
        result.late.append(Late(arrival, new_ids, reason))
        result.count("late", len(new_ids))
        result.count("duplicate", len(arrival.event_ids) - len(new_ids))
        return None
    result.appends.extend((arrival.trace_id, message) for message in messages)
    held = sum(len(message.value) for message in messages)
    result.count("open_bytes", held)
    first_offset = min((message.offset for message in messages), default=arrival.offset)
    return OpenTrace(
        closed.revision + 1, arrival.timestamp_ms, arrival.timestamp_ms, first_offset,
        0, closed.unique_events, held, closed.ended, closed.unique_events,
    )  # fmt: skip


def _grown(opened: OpenTrace, arrival: Arrival) -> OpenTrace:
    return OpenTrace(
        opened.revision,
        opened.first_ms,
        max(opened.last_ms, arrival.timestamp_ms),
        min(opened.first_offset, arrival.offset),
        opened.new_events + len(arrival.event_ids),
        opened.size_events + len(arrival.event_ids),
        opened.size_bytes + len(arrival.value),
        opened.ended or arrival.ended,
        opened.assembled_before,
    )
