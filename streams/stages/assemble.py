"""The assemble stage: `agent-events` in, `traces` out. Joins the pure core with state, log and publisher.

Effects are durable before a message counts as applied: late events and dead letters are published before the commit
that moves the applied offset; a trace is published before the commit that closes it. A crash in between repeats the
publication, marked `redelivered`, with the same content.
"""

import asyncio
import struct
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec

from schemas.codec import SchemaLookup, decode_events, self_contained, validate_event
from schemas.errors import InvalidRecord, PermanentError
from schemas.records import LateEvent
from streams.core.assemble import (
    Closing,
    offset_ranges,
    unique_in_order,
)
from streams.core.identifiers import mail_in
from streams.core.intake import (
    Arrival,
    StoredMessage,
    Taken,
    View,
    take_in,
    to_refetch,
    unpack_offsets,
)
from streams.core.redact.redactor import RULES_ALONE, Redactor
from streams.core.timers import ClosedTrace, OpenTrace, Windows
from streams.metrics import METRICS
from streams.ports import Log, Message, Outgoing, Publisher, dead_letter, unapplied
from streams.stages.closing import Reporting, events_of, outgoing_of, settle
from streams.stages.taking_over import unsure_before
from streams.state.port import Change, Lease, PartitionState, StateFull

TOPIC = "agent-events"
STAGE = "assemble"
_CLOSE_TRACES = 64
_CLOSE_BYTES = 8 * 2**20
_TICK_TRACES = 2_048
"""Traces that one look at the timers closes: the runtime wants to hear from the stage in between."""
_REFETCH_TRACES = 16
"""Closed traces that are held in memory at a time to be amended."""
_FORGET_TRACES = 1_000
_FOREVER_MS = 1 << 52
_OFFSET = struct.Struct(">Q")


def _nobody_listens() -> None: ...


@dataclass
class _Partition:
    number: int
    state: PartitionState
    lease: Lease
    unsure_before: int
    """A trace with a message below this offset may have been published by an owner before."""
    last_ms: int = 0
    open_traces: int = 0
    open_bytes: int = 0
    unsure: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Decoded:
    arrivals: list[Arrival]
    dead: list[Outgoing]
    dead_offsets: list[int]
    """Offset of each dead event, ascending; a message that cannot be decoded is one."""


class AssembleStage:
    """One worker's share of the partitions of `agent-events`."""

    name = STAGE
    topic = TOPIC

    def __init__(
        self,
        *,
        owner: str,
        state_of: Callable[[int], PartitionState],
        publisher: Publisher,
        log: Log,
        lookup: SchemaLookup,
        windows: Windows,
        pseudonym_key: bytes,
        redactor: Redactor = RULES_ALONE,
    ) -> None:
        self._owner = owner
        self._state_of = state_of
        self._publisher = publisher
        self._log = log
        self._lookup = lookup
        self._windows = windows
        self._key = pseudonym_key
        self.worked: Callable[[], None] = _nobody_listens
        if redactor.recognizer is not None:
            redactor = replace(redactor, recognizer=Reporting(redactor.recognizer, lambda: self.worked()))
        self._redactor = redactor
        self._thread = ThreadPoolExecutor(1, "assemble")  # one: detectors are not made for two at a time
        self._partitions: dict[int, _Partition] = {}

    async def acquire(self, partition: int) -> int | None:
        """Take over a partition; returns the offset to go on from, None for the beginning."""
        state = self._state_of(partition)
        lease = await state.acquire(self._owner)
        unsure = await unsure_before(self._log, lease, TOPIC, partition, "traces")
        counts = await state.counts()
        self._partitions[partition] = _Partition(
            partition, state, lease, unsure, 0, counts.get("open_traces", 0), counts.get("open_bytes", 0)
        )
        return lease.applied

    def release(self, partition: int) -> None:
        """Forget a partition that went to another worker."""
        self._partitions.pop(partition, None)

    def applied(self, partition: int) -> int | None:
        """Next offset this worker expects."""
        return self._partitions[partition].lease.applied

    async def handle(self, partition: int, messages: Sequence[Message]) -> None:
        """Apply messages in offset order. Everything is durable when it returns."""
        own = self._partitions[partition]
        fresh = unapplied(messages, own.lease.applied or 0)
        if not fresh:
            return
        decoded = self._decode(fresh)
        if decoded.dead:
            await self._publisher.publish(decoded.dead)
            METRICS.dead_letters.labels(STAGE).inc(len(decoded.dead))
        await self._take_in(own, decoded, fresh[-1].offset + 1, max(own.last_ms, fresh[-1].timestamp_ms))
        own.last_ms = max(own.last_ms, fresh[-1].timestamp_ms)
        METRICS.messages.labels(STAGE).inc(len(fresh))
        await self._keep_bounds(own)

    async def tick(self, partition: int, now_ms: int | None) -> None:
        """Fire timers: up to `now_ms` when caught up with the log, else (None) up to the last applied broker time."""
        own = self._partitions[partition]
        up_to = own.last_ms if now_ms is None else max(now_ms, own.last_ms)
        for _ in range(0, _TICK_TRACES, _CLOSE_TRACES):
            due = await own.state.due(up_to, _CLOSE_TRACES)
            if not due:
                break
            await self._close(own, due)
        await self._forget(own, up_to - self._windows.remember_ms)

    def open_traces(self, partition: int) -> int:
        """Open traces of a partition."""
        return self._partitions[partition].open_traces

    def _decode(self, messages: Sequence[Message]) -> _Decoded:
        arrivals: list[Arrival] = []
        dead: list[Outgoing] = []
        dead_offsets: list[int] = []
        for message in messages:
            try:
                if message.value is not None and len(message.value) > self._windows.max_bytes:
                    raise InvalidRecord(
                        f"the message has {len(message.value)} bytes; a trace may have {self._windows.max_bytes}"
                    )
                events = decode_events(message.value, self._lookup, message.headers)
                if message.key != events[0].trace_id.encode():
                    raise InvalidRecord("the key is not the trace_id: the trace would be split over partitions")
                if mail_in(events[0].trace_id, self._redactor.policy.replaced):
                    # It would be the key of everything that is made of the trace.
                    raise InvalidRecord("the trace_id shows an e-mail address: identifiers must be opaque")
            except PermanentError as error:
                dead.append(dead_letter(message, STAGE, error))
                dead_offsets.append(message.offset)
                continue
            good: list[str] = []
            ended = False
            for index, event in enumerate(events):
                try:
                    validate_event(event)
                except InvalidRecord as error:
                    dead.append(dead_letter(message, STAGE, error, index))
                    dead_offsets.append(message.offset)
                    continue
                good.append(event.event_id)
                ended = ended or bool(event.agent_ended and event.agent_ended.root)
            if good and message.value is not None:
                value = self_contained(message.value, message.headers)
                arrivals.append(
                    Arrival(events[0].trace_id, message.offset, message.timestamp_ms, value, tuple(good), ended)
                )
        return _Decoded(arrivals, dead, dead_offsets)

    async def _take_in(self, own: _Partition, decoded: _Decoded, next_offset: int, now_ms: int) -> None:
        arrivals = decoded.arrivals
        counted = 0  # dead events
        while True:
            view, part = await self._view(own, arrivals)
            taken = take_in(part, view, self._windows)
            if taken.taken == 0 and taken.close_first:
                await self._close(own, [taken.close_first])
                continue
            rest = arrivals[taken.taken :]
            change = self._change(taken)
            change.applied = rest[0].offset if rest else next_offset
            # Each dead event is counted with the step that passes its offset: after a crash it is not seen again.
            dead = bisect_left(decoded.dead_offsets, change.applied) - counted
            if dead:
                change.count("received", dead)
                change.count("dead_lettered", dead)
            if taken.late:
                await self._publisher.publish([self._late(own, late.arrival, late.event_ids, late.reason)
                                               for late in taken.late])  # fmt: skip
            try:
                own.lease = await own.state.commit(own.lease, change)
            except StateFull:
                if not await self._make_room(own, now_ms):
                    raise
                continue
            counted += dead
            own.open_traces += sum(1 for trace_id in taken.open if trace_id not in view.open)
            own.open_bytes += taken.counts.get("open_bytes", 0)
            METRICS.events.labels("received").inc(change.counts.get("received", 0))
            if not rest:
                return
            arrivals = rest

    async def _view(self, own: _Partition, arrivals: Sequence[Arrival]) -> tuple[View, Sequence[Arrival]]:
        """What the next arrivals touch, and how far it reaches."""
        trace_ids = list(dict.fromkeys(arrival.trace_id for arrival in arrivals))
        opened, closed = await own.state.entries(own.lease, trace_ids)
        view = View(
            {trace_id: msgspec.msgpack.decode(entry, type=OpenTrace) for trace_id, entry in opened.items()},
            {trace_id: msgspec.msgpack.decode(entry, type=ClosedTrace) for trace_id, entry in closed.items()},
        )
        wanted = list(to_refetch(arrivals, view, self._windows).items())
        if len(wanted) > _REFETCH_TRACES:
            arrivals = arrivals[: wanted[_REFETCH_TRACES][1]]
        refetched: dict[str, Sequence[StoredMessage]] = {}
        for trace_id, _ in wanted[:_REFETCH_TRACES]:
            offsets = unpack_offsets(view.closed[trace_id].offsets)
            found = await self._log.fetch(TOPIC, own.number, offsets)
            if len(found) == len(offsets):
                refetched[trace_id] = [
                    StoredMessage(offset, self_contained(found[offset].value or b"", found[offset].headers))
                    for offset in offsets
                ]
        return View(view.open, view.closed, refetched), arrivals

    def _change(self, taken: Taken) -> Change:
        return Change(
            append=[(trace_id, _OFFSET.pack(stored.offset) + stored.value) for trace_id, stored in taken.appends],
            put_open=[
                (trace_id, msgspec.msgpack.encode(entry), entry.due_ms(self._windows))
                for trace_id, entry in taken.open.items()
            ],
            counts=dict(taken.counts),
        )

    def _late(self, own: _Partition, arrival: Arrival, event_ids: tuple[str, ...], reason: str) -> Outgoing:
        record = LateEvent(
            trace_id=arrival.trace_id,
            event_ids=event_ids,
            reason=reason,
            topic=TOPIC,
            partition=own.number,
            offset=arrival.offset,
            value=arrival.value,
        )
        return Outgoing("late-events", arrival.trace_id.encode(), record)

    async def _keep_bounds(self, own: _Partition) -> None:
        excess = own.open_traces - self._windows.max_open_traces
        while excess > 0 or own.open_bytes > self._windows.max_open_bytes:
            if not await self._evict(own, max(1, min(excess, _CLOSE_TRACES))):
                return
            excess = own.open_traces - self._windows.max_open_traces

    async def _make_room(self, own: _Partition, now_ms: int) -> bool:
        """Let go of something: of traces that were remembered for long enough (no tick comes before this), else of open
        ones, which are closed. Closed ones that may still have stragglers stay: those would begin their trace anew."""
        return await self._forget(own, now_ms - self._windows.remember_ms) or await self._evict(own, _CLOSE_TRACES)

    async def _forget(self, own: _Partition, before_ms: int) -> bool:
        """Forget traces that closed before; whether there were any."""
        aged = await own.state.aged(before_ms, _FORGET_TRACES)
        if aged:
            own.lease = await own.state.commit(own.lease, Change(drop_closed=aged))
        return bool(aged)

    async def _evict(self, own: _Partition, count: int) -> bool:
        soonest = await own.state.due(_FOREVER_MS, count)
        packed, _ = await own.state.entries(own.lease, soonest)
        change = Change(makes_room=True)
        for trace_id, raw in packed.items():
            entry = msgspec.structs.replace(msgspec.msgpack.decode(raw, type=OpenTrace), evicted=True)
            change.put_open.append((trace_id, msgspec.msgpack.encode(entry), entry.due_ms(self._windows)))
        if packed:
            # Decided before it is done: after a crash the same traces are closed with the same messages, whatever
            # came meanwhile. Otherwise one revision would be published with two contents.
            own.lease = await own.state.commit(own.lease, change)
            await self._close(own, soonest)
        return bool(packed)

    async def _close(self, own: _Partition, trace_ids: Sequence[str]) -> None:
        """Publish these open traces and mark them closed, in portions of bounded size."""
        packed, _ = await own.state.entries(own.lease, trace_ids)
        portion: list[tuple[str, OpenTrace]] = []
        size = 0
        for trace_id in trace_ids:
            if trace_id not in packed:
                continue
            entry = msgspec.msgpack.decode(packed[trace_id], type=OpenTrace)
            if portion and size + entry.size_bytes > _CLOSE_BYTES:
                await self._close_portion(own, portion)
                portion, size = [], 0
            portion.append((trace_id, entry))
            size += entry.size_bytes
        if portion:
            await self._close_portion(own, portion)

    async def _close_portion(self, own: _Partition, portion: Sequence[tuple[str, OpenTrace]]) -> None:
        held = await own.state.messages(own.lease, [trace_id for trace_id, _ in portion])
        # In a thread of its own: with a model a large trace takes longer than a session lasts, and while the event loop
        # waits nobody tells the broker that this worker lives. Its partition would go from one worker to the next.
        work = partial(self._assembled, own, portion, held)
        outgoing, change = await asyncio.get_running_loop().run_in_executor(self._thread, work)
        own.unsure.update(trace_id for trace_id, _ in portion)
        await self._publisher.publish(outgoing)
        own.lease = await own.state.commit(own.lease, change)
        own.unsure.difference_update(trace_id for trace_id, _ in portion)
        own.open_traces -= len(portion)
        own.open_bytes -= sum(entry.size_bytes for _, entry in portion)
        METRICS.traces.labels("assembled").inc(len(portion))

    def _assembled(
        self, own: _Partition, portion: Sequence[tuple[str, OpenTrace]], held: Mapping[str, Sequence[bytes]]
    ) -> tuple[list[Outgoing], Change]:
        """What to publish of these open traces, and the change that closes them. Changes nothing itself."""
        outgoing: list[Outgoing] = []
        change = Change()
        for trace_id, entry in portion:
            stored = [StoredMessage(_OFFSET.unpack_from(raw)[0], raw[8:]) for raw in held[trace_id]]
            events = unique_in_order(events_of(stored, self._lookup))
            closing = Closing(
                trace_id,
                entry.revision,
                entry.close_reason(self._windows),
                entry.due_ms(self._windows),
                offset_ranges(TOPIC, own.number, (message.offset for message in stored)),
                entry.first_offset < own.unsure_before or trace_id in own.unsure,
            )
            outgoing.extend(outgoing_of(events, closing, stored, self._key, self._redactor))
            settle(change, entry, events, closing, stored)
            self.worked()
        return outgoing, change
