"""The sink's process: Kafka messages in, commits out. A thin shell; what is written and when is decided elsewhere.

The tables are the authority on what is stored: consumption starts after the offsets that they hold. Offsets that
are committed to Kafka follow the tables and only show how far the sink is.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event as StopEvent

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # public, not in __all__

from schemas.codec import SchemaLookup
from schemas.contracts import topic_contracts
from schemas.errors import BrokerUnavailable, LeaseLost, PermanentError, Stalled, TransientError, UsageError
from schemas.settings import Settings
from sinks.buffer import Backoff, Buffer, PartitionKey
from sinks.decoding import Consumed, consumed, to_entry
from sinks.flush import TableSink, open_tables
from sinks.letters import DeadLetterPublisher, dead_letter
from sinks.maintenance import Maintenance
from sinks.stalls import Stalls
from sinks.tables import LANE_TOPICS, TOPICS

log = logging.getLogger(__name__)

GROUP = "tdc-sink"
_POLL_SECONDS = 0.1
_METADATA_SECONDS = 10.0
_CLOSING_SECONDS = 20.0
_LOOKS_A_STALL = 3
"""How often partitions are looked at within the time that one may stand still."""


@dataclass(frozen=True)
class SinkProgress:
    """Where the sink stands; passed on after every flush and every failure."""

    rows: Mapping[str, int]
    """Rows stored since the start, by table."""
    messages: int
    """Messages whose effects are durable, since the start."""
    dead_letters: int
    buffered_rows: int
    paused: bool
    """True while intake rests because something does not answer."""
    problem: str | None = None
    """What does not answer, for people."""


def run_sink(
    settings: Settings,
    lookup: SchemaLookup,
    stop_event: StopEvent,
    on_progress: Callable[[SinkProgress], None] = lambda _: None,
) -> None:
    """Consume until `stop_event` is set, then flush and leave.

    Storage, registry and broker faults are waited out. Raises UsageError when the topics do not fit the tables, Stalled
    when Kafka gives nothing although there is something.
    """
    _Runner(settings, lookup, stop_event, on_progress).run()


@dataclass
class _Runner:
    settings: Settings
    lookup: SchemaLookup
    stop_event: StopEvent
    on_progress: Callable[[SinkProgress], None]
    backoff: Backoff = field(default_factory=Backoff)
    positioned: bool = False
    assigned: list[TopicPartition] = field(default_factory=list)
    starts: dict[PartitionKey, int] = field(default_factory=dict)
    """Where consumption began, for partitions that gave nothing yet."""
    next_look: float = 0.0
    stalled_before: bool = False
    """A stall was met by taking position again, and no message was stored since."""
    undecoded: deque[Consumed] = field(default_factory=deque)
    """Messages that wait for the registry: one, and the few that came while intake was pausing."""
    stored_rows: dict[str, int] = field(default_factory=dict)
    stored_messages: int = 0
    stored_letters: int = 0

    def __post_init__(self) -> None:
        sink = self.settings.sink
        self.buffer = Buffer(sink.flush_rows, sink.flush_bytes, sink.flush_seconds)
        self.tables = TableSink(open_tables(self.settings))
        self.letters = DeadLetterPublisher(self.settings)
        self.stalls = Stalls(sink.stall_seconds)
        self.maintenance = Maintenance(self.settings)
        self.consumer = Consumer(consumer_config(self.settings))
        self.admin = AdminClient(self.settings.kafka_config())

    def run(self) -> None:
        try:
            self._until_it_works(self.tables.create_tables)
            self.consumer.subscribe(
                list(TOPICS), on_assign=self._on_assign, on_revoke=self._on_gone, on_lost=self._on_gone
            )
            while not self.stop_event.is_set():
                self._turn()
            self._leave()
        finally:
            self.consumer.close()
            self.maintenance.stop()

    def _turn(self) -> None:
        """One round: take a message if one may be taken, flush if it is time."""
        now = time.monotonic()
        if self.backoff.waits(now):
            # Paused partitions give nothing; the poll answers the broker and lets partitions come and go.
            self._take(self.consumer.poll(_POLL_SECONDS))
            return
        if self.assigned and not self.positioned:
            self._attempt(self._take_position)
            return
        if self.undecoded:
            self._attempt(self._decode_waiting)
            return
        if self.buffer.due(now):
            self._attempt(self._flush)
            return
        if self.positioned and now >= self.next_look:
            self.next_look = now + self.stalls.seconds / _LOOKS_A_STALL
            self._look_for_stalls()
        self._take(self.consumer.poll(_POLL_SECONDS))

    def _look_for_stalls(self) -> None:
        """Take position again where a partition stands still; end the process when that did not help."""
        positions = {(part.topic, part.partition): part.offset for part in self.consumer.position(self.assigned)}
        positions = {key: offset if offset >= 0 else self.starts[key] for key, offset in positions.items()}
        try:
            ends = self._log_ends()
        except BrokerUnavailable:
            return  # the consumer finds out for itself; to look is no reason to pause
        stalled = self.stalls.look(positions, ends, time.monotonic())
        if not stalled:
            return
        words = (
            f"Kafka gives no messages of {', '.join(stalled)} for {self.stalls.seconds:.0f} s, though there are some"
        )
        if self.stalled_before:
            raise Stalled(f"{words}; taking position again did not help: the sink has to be started anew")
        log.warning("%s; taking position again", words)
        self.stalled_before = True
        self._forget()

    def _take(self, message: Message | None) -> None:
        if message is None:
            return
        error = message.error()
        if error is not None:
            _check(error)
            return
        if not self.positioned:
            return  # consumption starts again at the offset that the tables say
        self.undecoded.append(consumed(message))
        if not self.backoff.waits(time.monotonic()):
            self._attempt(self._decode_waiting)

    def _decode_waiting(self) -> None:
        now = time.monotonic()
        while self.undecoded:
            message = self.undecoded[0]
            try:
                entry = to_entry(message, self.lookup)
            except PermanentError as error:
                self.buffer.add_dead_letter(dead_letter(message, error), now)
            else:
                self.buffer.add(entry, now)
            self.undecoded.popleft()

    def _flush(self) -> None:
        batch = self.buffer.batch()
        self.letters.publish(batch.dead_letters)
        self.stored_letters += len(batch.dead_letters)
        self.buffer.drop_dead_letters()
        batch = self.buffer.batch()
        result = self.tables.flush(batch)
        for name, rows in result.rows.items():
            self.stored_rows[name] = self.stored_rows.get(name, 0) + rows
        self.stored_messages += self.buffer.rows
        self.stalled_before = False
        self.buffer.clear()
        self._commit_offsets(batch.ends)
        self.maintenance.committed(result.committed)
        self._report()

    def _commit_offsets(self, ends: Mapping[tuple[str, int], int]) -> None:
        offsets = [TopicPartition(topic, partition, end + 1) for (topic, partition), end in ends.items()]
        try:
            self.consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            # Only the display of lag suffers: the tables hold the offsets, and the next commit catches up.
            log.warning("offsets were not committed to Kafka: %s", error.args[0].str())

    def _attempt(self, action: Callable[[], None]) -> None:
        try:
            action()
        except LeaseLost as lost:
            log.warning("%s; starting again from what the tables hold", lost)
            self._forget()
        except TransientError as error:
            self._failed(error)
        else:
            if self.backoff.failures:
                self.backoff.worked()
                self.consumer.resume(self.assigned)
                log.info("working again")

    def _failed(self, error: TransientError) -> None:
        if not self.backoff.failures:
            log.warning("%s; intake pauses until it answers", error)
            self.consumer.pause(self.assigned)
        self.stalls.forget()
        self.backoff.failed(time.monotonic())
        self._report(str(error))

    def _until_it_works(self, action: Callable[[], None]) -> None:
        while not self.stop_event.is_set():
            try:
                action()
            except TransientError as error:
                wait = self.backoff.failed(time.monotonic()) - time.monotonic()
                self._report(str(error))
                self.stop_event.wait(wait)
            else:
                self.backoff.worked()
                return

    def _leave(self) -> None:
        deadline = time.monotonic() + _CLOSING_SECONDS
        while not self.buffer.empty and self.positioned and time.monotonic() < deadline:
            try:
                self._flush()
            except LeaseLost:
                return
            except TransientError as error:
                log.warning("%s; what was read but not stored is read again at the next start", error)
                time.sleep(1)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget()
        self.assigned = list(partitions)
        consumer.assign(partitions)
        if partitions:
            consumer.pause(partitions)

    def _on_gone(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget()
        self.assigned = []

    def _forget(self) -> None:
        """Drop what is not stored; it is read again by whoever owns the partitions."""
        self.buffer.clear()
        self.undecoded.clear()
        self.stalls.forget()
        self.positioned = False

    def _take_position(self) -> None:
        """Start where the tables stand. Raises UsageError when topics were recreated under the tables."""
        counts = {topic: n for topic, n in partition_counts(self.consumer).items() if topic in LANE_TOPICS}
        if len(set(counts.values())) > 1:
            raise UsageError(
                f"topics {', '.join(LANE_TOPICS)} must have the same number of partitions, they have {counts}"
            )
        self.tables.take_lanes({part.partition for part in self.assigned})
        ends, held = self._log_ends(), self._log_offsets(OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        starts = []
        for part in self.assigned:
            key = part.topic, part.partition
            offset = self.tables.resume_offset(*key)
            _check_log_end(part, offset, ends[key])
            if 0 < offset < held[key]:
                log.error("%s-%d: messages %d to %d were deleted before they were stored", *key, offset, held[key] - 1)
            starts.append(TopicPartition(*key, max(offset, held[key])))
        self.consumer.assign(starts)
        self.consumer.resume(starts)
        self.assigned = starts
        self.starts = {(part.topic, part.partition): part.offset for part in starts}
        self.positioned = True

    def _log_ends(self) -> dict[PartitionKey, int]:
        """Offset of the next message of every assigned partition.

        Asked over a connection of its own: on the consumer's, each question would wait behind a fetch.
        """
        return self._log_offsets(OffsetSpec.latest())  # type: ignore[no-untyped-call]

    def _log_offsets(self, which: OffsetSpec) -> dict[PartitionKey, int]:
        asked = self.admin.list_offsets(
            {TopicPartition(part.topic, part.partition): which for part in self.assigned},
            request_timeout=_METADATA_SECONDS,
        )
        try:
            return {(part.topic, part.partition): int(found.result().offset) for part, found in asked.items()}
        except KafkaException as error:
            # A client that knew the broker before it was started anew keeps asking under the old leader epoch.
            self.admin = AdminClient(self.settings.kafka_config())
            raise BrokerUnavailable(f"Kafka does not answer ({error.args[0].str()})") from None

    def _report(self, problem: str | None = None) -> None:
        self.on_progress(
            SinkProgress(
                rows=dict(self.stored_rows),
                messages=self.stored_messages,
                dead_letters=self.stored_letters,
                buffered_rows=self.buffer.rows,
                paused=problem is not None,
                problem=problem,
            )
        )


def _check_log_end(part: TopicPartition, offset: int, end: int) -> None:
    if offset > end:
        raise UsageError(
            f"the tables hold topic {part.topic}, partition {part.partition}, up to offset {offset - 1}, but its "
            f"log ends at {end}: the topic was deleted and made anew. Give the tables a new storage root, or "
            "restore the topic"
        )


def consumer_config(settings: Settings) -> dict[str, str | int | float | bool]:
    """The consumer's configuration. `range` gives one partition number of all topics to one process."""
    sink = settings.sink
    largest = max(topic_contracts()[topic].max_message_bytes for topic in TOPICS)
    member = {"group.instance.id": settings.kafka.member} if settings.kafka.member else {}
    return (
        settings.kafka_config()
        | member
        | {
            "group.id": GROUP,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "range",
            "session.timeout.ms": int(settings.kafka.session_timeout_seconds * 1000),
            # One flush may wait for a store that is slow to fail.
            "max.poll.interval.ms": 900_000,
            "isolation.level": "read_committed",
            # What librdkafka fetches ahead is memory too.
            "queued.max.messages.kbytes": max(1024, sink.flush_bytes // 1024),
            # A flush drains that in one go; the default second of rest before fetching on would then be idle time.
            "fetch.queue.backoff.ms": 50,
            "fetch.max.bytes": max(largest, sink.flush_bytes),
            "fetch.message.max.bytes": 4 * 2**20,
            "receive.message.max.bytes": max(largest, sink.flush_bytes) + 2**20,
            "topic.metadata.refresh.interval.ms": 10_000,
        }
    )


def partition_counts(consumer: Consumer) -> dict[str, int]:
    """Number of partitions of each topic that exists. Raises BrokerUnavailable."""
    try:
        known = consumer.list_topics(timeout=_METADATA_SECONDS).topics
    except KafkaException as error:
        raise BrokerUnavailable(f"Kafka does not answer ({error.args[0].str()})") from None
    return {topic: len(known[topic].partitions) for topic in TOPICS if topic in known and known[topic].partitions}


def _check(error: KafkaError) -> None:
    """Errors that librdkafka gets over by itself are passed by; fatal ones end the process.

    As a message comes only the code of a fatal error, without its mark: after it the consumer gives nothing for ever.
    """
    if error.fatal() or error.code() == KafkaError._FATAL:
        raise BrokerUnavailable(f"Kafka refused the consumer: {error.str()}")
    if error.code() not in (KafkaError._PARTITION_EOF, KafkaError.UNKNOWN_TOPIC_OR_PART):
        log.warning("Kafka: %s", error.str())
