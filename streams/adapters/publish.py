"""The import driver: recordings to `agent-events`. The producer and the schema id come in; nothing is connected here.

Consecutive events of a trace travel in one `EventBatch`. Every message has the trace id as its key and the trace
context in a header. An idempotent producer keeps the order and writes nothing twice within one import; a second import
of the same file writes the same event ids, which assembly knows.
"""

import io
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from schemas.codec import encode, validate_event
from schemas.contracts import topic_contracts
from schemas.errors import BrokerUnavailable, InvalidRecord
from schemas.records import Event, EventBatch
from streams.adapters.base import BrokenRecord, Importer, ImportOptions, RecordingFile

TOPIC = "agent-events"
MAX_BATCH_EVENTS = 200
MAX_BATCH_BYTES = 256 * 2**10
MAX_IN_FLIGHT_BYTES = 32 * 2**20
MAX_REPORTED_BROKEN = 1_000
_FRAME_BYTES = 400
"""What ids and names around an event's body take, about; batches that come out too long are halved."""
_READ_BYTES = 256 * 2**10
_TRACE_CONTEXT = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}")


class Producer(Protocol):
    """The part of `confluent_kafka.Producer` that is used."""

    def produce(self, topic: str, **message: Any) -> None: ...
    def poll(self, timeout: float) -> int: ...
    def flush(self, timeout: float) -> int: ...


@dataclass(frozen=True)
class Progress:
    """How far an import is. Bytes are those on the disk, compressed or not."""

    file: str
    bytes_read: int
    bytes_total: int
    events: int
    broken: int


@dataclass(frozen=True)
class ImportReport:
    """What an import did."""

    files: int = 0
    runs: int = 0
    """Ends of root agents, so runs that a file holds twice count twice."""
    events: int = 0
    messages: int = 0
    broken_count: int = 0
    broken: tuple[BrokenRecord, ...] = ()
    """The first of them, at most MAX_REPORTED_BROKEN."""


def producer_config(connection: Mapping[str, str | int | float | bool]) -> dict[str, str | int | float | bool]:
    """Settings of an import's producer on top of those of the connection: nothing lost, nothing twice, bounded."""
    return {
        **connection,
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": "zstd",
        "linger.ms": 20,
        "message.max.bytes": topic_contracts()[TOPIC].max_message_bytes,
        "queue.buffering.max.kbytes": 2 * MAX_IN_FLIGHT_BYTES // 1024,
    }


def publish(
    files: Sequence[RecordingFile],
    importer: Importer,
    options: ImportOptions,
    *,
    producer: Producer,
    schema_id: int,
    on_progress: Callable[[Progress], None] | None = None,
    stall_seconds: float = 60,
) -> ImportReport:
    """Import recordings in order; returns when the broker has acknowledged all of them.

    `schema_id` is the registered id of EventBatch on TOPIC. Raises BrokerUnavailable when the broker refuses a
    message or acknowledges nothing for `stall_seconds`; importing again then is safe.
    """
    outbox = _Outbox(producer, schema_id, stall_seconds)
    tally = _Tally()
    total = sum(source.path.stat().st_size for source in files)
    read_before = 0
    for source in files:
        meter = _Meter()
        metered = _MeteredFile(source.path, meter)
        for batch in batches(tally.counted(importer(metered, options), source)):
            for broken in outbox.send(batch, source):
                tally.broken(broken)
            if on_progress:
                on_progress(
                    Progress(source.name, read_before + meter.position, total, tally.events, tally.broken_count)
                )
        read_before += source.path.stat().st_size
        if on_progress:
            on_progress(Progress(source.name, read_before, total, tally.events, tally.broken_count))
    outbox.flush()
    return ImportReport(
        files=len(files),
        runs=tally.runs,
        events=tally.events,
        messages=outbox.messages,
        broken_count=tally.broken_count,
        broken=tuple(tally.examples),
    )


def batches(events: Iterable[Event]) -> Iterator[EventBatch]:
    """Consecutive events of one trace, in batches of at most MAX_BATCH_EVENTS and about MAX_BATCH_BYTES."""
    waiting: list[Event] = []
    size = 0
    for event in events:
        length = len(msgspec.msgpack.encode(event.body)) + _FRAME_BYTES
        if waiting and (
            event.trace_id != waiting[0].trace_id
            or event.producer_id != waiting[0].producer_id
            or len(waiting) == MAX_BATCH_EVENTS
            or size + length > MAX_BATCH_BYTES
        ):
            yield _batch(waiting)
            waiting, size = [], 0
        waiting.append(event)
        size += length
    if waiting:
        yield _batch(waiting)


def _batch(events: Sequence[Event]) -> EventBatch:
    return EventBatch(trace_id=events[0].trace_id, producer_id=events[0].producer_id, events=tuple(events))


@dataclass
class _Tally:
    """Counts while the import runs."""

    runs: int = 0
    events: int = 0
    broken_count: int = 0
    examples: list[BrokenRecord] = field(default_factory=list)

    def broken(self, record: BrokenRecord) -> None:
        self.broken_count += 1
        if len(self.examples) < MAX_REPORTED_BROKEN:
            self.examples.append(record)

    def counted(self, found: Iterable[Event | BrokenRecord], source: RecordingFile) -> Iterator[Event]:
        for item in found:
            if isinstance(item, BrokenRecord):
                self.broken(item)
                continue
            try:
                validate_event(item)
            except InvalidRecord as error:
                self.broken(BrokenRecord(str(source.path), None, None, f"a {item.kind} event: {error}"))
                continue
            self.events += 1
            self.runs += item.agent_ended is not None and item.agent_ended.root
            yield item


class _Outbox:
    """Sends batches and keeps what is not acknowledged within bounds."""

    def __init__(self, producer: Producer, schema_id: int, stall_seconds: float) -> None:
        self.messages = 0
        self._producer = producer
        self._schema_id = schema_id
        self._stall_seconds = stall_seconds
        self._in_flight_bytes = 0
        self._acknowledged = 0
        self._refusal: str | None = None
        self._max_message_bytes = topic_contracts()[TOPIC].max_message_bytes

    def send(self, batch: EventBatch, source: RecordingFile) -> Iterator[BrokenRecord]:
        """Send a batch, in halves where it is too long; gives the events that no message can hold."""
        value = encode(batch, self._schema_id)
        if len(value) > MAX_BATCH_BYTES and len(batch.events) > 1:
            middle = len(batch.events) // 2
            yield from self.send(_batch(batch.events[:middle]), source)
            yield from self.send(_batch(batch.events[middle:]), source)
        elif len(value) > self._max_message_bytes:
            reason = (
                f"one {batch.events[0].kind} event takes {len(value)} bytes; {TOPIC} takes {self._max_message_bytes}"
            )
            yield BrokenRecord(str(source.path), None, None, reason)
        else:
            self._produce(batch, value)

    def _produce(self, batch: EventBatch, value: bytes) -> None:
        self._wait(lambda: self._in_flight_bytes + len(value) <= MAX_IN_FLIGHT_BYTES or not self._in_flight_bytes)
        headers = []
        context = f"{batch.trace_id}-{batch.events[0].span_id}"
        if _TRACE_CONTEXT.fullmatch(context):
            headers.append(("traceparent", f"00-{context}-01".encode()))

        def delivered(error: object, _: object) -> None:
            self._in_flight_bytes -= len(value)
            self._acknowledged += 1
            if error is not None and self._refusal is None:
                self._refusal = str(error)

        def accepted() -> bool:
            try:
                self._producer.produce(
                    TOPIC, key=batch.trace_id.encode(), value=value, headers=headers, on_delivery=delivered
                )
            except BufferError:  # librdkafka's own queue is full
                return False
            self._in_flight_bytes += len(value)
            return True

        self._wait(accepted)
        self.messages += 1
        self._producer.poll(0)
        self._check()

    def flush(self) -> None:
        """Wait until everything is acknowledged."""
        self._wait(lambda: not self._in_flight_bytes)
        self._check()

    def _wait(self, done: Callable[[], bool]) -> None:
        """Serve acknowledgements until `done`; a broker that is silent for too long ends it."""
        acknowledged, since = self._acknowledged, time.monotonic()
        while not done():
            self._producer.poll(0.1)
            self._check()
            if self._acknowledged != acknowledged:
                acknowledged, since = self._acknowledged, time.monotonic()
            elif time.monotonic() - since > self._stall_seconds:
                raise BrokerUnavailable(
                    f"Kafka acknowledged nothing for {self._stall_seconds:g} s; is it up? Import again: nothing doubles"
                )

    def _check(self) -> None:
        if self._refusal is not None:
            raise BrokerUnavailable(f"Kafka refused a message ({self._refusal}); import again: nothing doubles")


class _Meter:
    """Where a file's reader is."""

    position = 0


@dataclass(frozen=True)
class _MeteredFile(RecordingFile):
    """A recording that tells how much of it has been read."""

    meter: _Meter = field(default_factory=_Meter, compare=False)

    def raw(self) -> io.BufferedReader:
        return io.BufferedReader(_MeteredReader(self.path, self.meter), _READ_BYTES)


class _MeteredReader(io.FileIO):
    """A file that notes how far it was read; a second pass over it does not count again."""

    def __init__(self, path: Path, meter: _Meter) -> None:
        super().__init__(path)
        self._meter = meter

    def readinto(self, buffer: Any) -> int | None:
        count = super().readinto(buffer)
        self._meter.position = max(self._meter.position, self.tell())
        return count
