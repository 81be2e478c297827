"""Reading and replaying dead letters. A letter is known by its origin, not by its own offset."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from schemas.codec import REPLAYED, decode
from schemas.errors import BrokerUnavailable, PermanentError
from schemas.records import DeadLetter
from schemas.registry import RegistryClient
from schemas.settings import Settings
from streams.kafka import partitions_of, producer_config, to_message
from streams.ports import ORIGINAL

TOPIC = "dead-letters"


@dataclass(frozen=True)
class Letter:
    """One dead letter and where it lies."""

    partition: int
    offset: int
    record: DeadLetter
    headers: tuple[tuple[str, bytes], ...] = ()
    """Those that the message itself had."""

    @property
    def origin(self) -> tuple[str, int, int, int | None, str]:
        """What makes it unique: a crash may publish one twice."""
        record = self.record
        return record.topic, record.partition, record.offset, record.event_index, record.stage


def read_letters(settings: Settings, on_progress: Callable[[int, int], None] = lambda *_: None) -> Iterator[Letter]:
    """All dead letters that the broker still holds, each origin once, and of a message that was sent again and failed
    again the last one. `on_progress` gets (read, all).

    Raises BrokerUnavailable.
    """
    # Two passes: what came back stands behind what it was, and letters are too large to be held.
    came_back = {place for letter in _letters(settings) if (place := dict(letter.headers).get(REPLAYED)) is not None}
    for letter in _letters(settings, on_progress):
        if _place(letter.record) not in came_back:
            yield letter


def _letters(settings: Settings, on_progress: Callable[[int, int], None] = lambda *_: None) -> Iterator[Letter]:
    registry = RegistryClient.from_settings(settings)
    reader = Consumer(
        {
            **settings.kafka_config(),
            "group.id": "tdc-dead-letters",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.message.max.bytes": 4 * 2**20,
            "queued.max.messages.kbytes": 64 * 1024,
        }
    )
    seen: set[tuple[str, int, int, int | None, str]] = set()
    try:
        ends: dict[int, int] = {}
        starts: list[TopicPartition] = []
        for partition in partitions_of(reader, TOPIC):
            low, high = reader.get_watermark_offsets(TopicPartition(TOPIC, partition), timeout=10)
            if high > low:
                ends[partition] = high
                starts.append(TopicPartition(TOPIC, partition, low))
        total = sum(ends[start.partition] - start.offset for start in starts)
        reader.assign(starts)
        read = 0
        while ends:
            raw = reader.poll(20)
            if raw is None:
                raise BrokerUnavailable("Kafka stopped answering while dead letters were read")
            error = raw.error()
            if error:
                raise BrokerUnavailable(f"Kafka cannot read dead letters ({error.name()})")
            message = to_message(raw)
            read += 1
            on_progress(read, total)
            if message.offset + 1 >= ends.get(message.partition, 0):
                ends.pop(message.partition, None)
            try:
                record = decode(message.value, registry, DeadLetter, message.headers)
            except PermanentError:
                continue  # somebody else wrote to the topic; it is not one of ours
            headers = tuple(record.headers.items()) or _original(message.headers)
            letter = Letter(message.partition, message.offset, record, headers)
            if letter.origin not in seen:
                seen.add(letter.origin)
                yield letter
    except KafkaException as error:
        raise BrokerUnavailable(f"Kafka does not answer ({error.args[0].str()})") from None
    finally:
        reader.close()


def _place(record: DeadLetter) -> bytes:
    return f"{record.topic}-{record.partition}-{record.offset}".encode()


def _original(headers: tuple[tuple[str, bytes], ...]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name.removeprefix(ORIGINAL), raw) for name, raw in headers if name.startswith(ORIGINAL))


def replay(settings: Settings, letters: Iterator[Letter]) -> int:
    """Send the original bytes back to their topics with the original keys; returns how many.

    Events that were processed meanwhile are known as duplicates. Raises BrokerUnavailable.
    """
    producer = Producer(producer_config(settings))
    failures: list[str] = []
    sent = 0
    replayed: set[tuple[str, int, int]] = set()
    for letter in letters:
        record = letter.record
        place = (record.topic, record.partition, record.offset)
        if place in replayed:
            continue  # a batch with two bad events has two letters and one message
        replayed.add(place)
        while True:
            try:
                producer.produce(
                    record.topic,
                    partition=record.partition,  # where its trace is, whatever its producer makes of keys
                    value=record.value,
                    key=record.key,
                    headers=[
                        *(header for header in letter.headers if header[0] != REPLAYED),
                        (REPLAYED, _place(record)),
                    ],
                    on_delivery=lambda error, _: failures.append(error.name()) if error else None,
                )
                break
            except BufferError:
                producer.poll(0.5)
        sent += 1
        producer.poll(0)
    left = producer.flush(60)
    if left or failures:
        raise BrokerUnavailable(f"Kafka did not take {left + len(failures)} of {sent} messages")
    return sent
