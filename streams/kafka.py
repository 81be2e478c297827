"""Kafka at the edge: publishing with acknowledgement, reading the log again, topics and schema ids."""

import asyncio
import threading
from collections.abc import Mapping, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from schemas.codec import encode
from schemas.contracts import topic_contracts
from schemas.errors import BrokerUnavailable, PermanentError
from schemas.settings import Settings
from streams.ports import Message, Outgoing

_MAX_MESSAGE_BYTES = 48 * 2**20
_DELIVERY_SECONDS = 30


def producer_config(settings: Settings) -> dict[str, str | int | float | bool]:
    """An idempotent producer that waits for all in-sync replicas."""
    return {
        **settings.kafka_config(),
        "enable.idempotence": True,
        "acks": "all",
        "compression.type": "zstd",
        "linger.ms": 5,
        "message.max.bytes": _MAX_MESSAGE_BYTES,
        "delivery.timeout.ms": _DELIVERY_SECONDS * 1000,
        "queue.buffering.max.kbytes": 256 * 1024,
    }


class KafkaPublisher:
    """Publishes Avro records; `schema_ids` maps (topic, record name) to registered ids."""

    def __init__(self, settings: Settings, schema_ids: Mapping[tuple[str, str], int]) -> None:
        self._producer = Producer(producer_config(settings))
        self._schema_ids = schema_ids

    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        """Return once the broker has all. Raises BrokerUnavailable, or PermanentError for a record too large."""
        if outgoing:
            await asyncio.to_thread(self._publish, outgoing)

    def _publish(self, outgoing: Sequence[Outgoing]) -> None:
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: object) -> None:
            if error is not None:
                failures.append(error)

        for out in outgoing:
            value = encode(out.record, self._schema_ids[out.topic, type(out.record).__name__])
            while True:
                try:
                    self._producer.produce(
                        out.topic, value=value, key=out.key, headers=list(out.headers), on_delivery=delivered
                    )
                    break
                except BufferError:
                    self._producer.poll(0.1)
                except KafkaException as error:
                    if error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE:
                        raise PermanentError(f"a record for {out.topic} has {len(value)} bytes, too many") from None
                    raise BrokerUnavailable(f"Kafka refused a record for {out.topic}") from None
        left = self._producer.flush(_DELIVERY_SECONDS + 5)
        if left or failures:
            self._producer.purge()
            name = failures[0].name() if failures else "timeout"
            raise BrokerUnavailable(f"Kafka did not take {left + len(failures)} of {len(outgoing)} records ({name})")


class KafkaLog:
    """Reads single messages and offsets of the log."""

    def __init__(self, settings: Settings) -> None:
        self._consumer = Consumer(
            {
                **settings.kafka_config(),
                "group.id": "tdc-log-reader",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
                "isolation.level": "read_uncommitted",  # as Faust reads: one must not see an end before the other
                "fetch.message.max.bytes": _MAX_MESSAGE_BYTES,
            }
        )
        self._lock = threading.Lock()

    async def fetch(self, topic: str, partition: int, offsets: Sequence[int]) -> Mapping[int, Message]:
        """Messages at these offsets; those the broker no longer has are missing."""
        return await asyncio.to_thread(self._fetch, topic, partition, offsets)

    def _fetch(self, topic: str, partition: int, offsets: Sequence[int]) -> Mapping[int, Message]:
        wanted = sorted(set(offsets))
        found: dict[int, Message] = {}
        with self._lock:
            low, high = self._watermarks(topic, partition)
            wanted = [offset for offset in wanted if low <= offset < high]
            position = -1
            for offset in wanted:
                if position < 0 or offset < position or offset > position + 100:
                    self._consumer.assign([TopicPartition(topic, partition, offset)])
                while True:
                    raw = self._consumer.poll(10.0)
                    if raw is None:
                        raise BrokerUnavailable(f"Kafka did not answer for {topic}-{partition} offset {offset}")
                    error = raw.error()
                    if error:
                        raise BrokerUnavailable(f"Kafka cannot read {topic}-{partition} again ({error.name()})")
                    at = raw.offset()
                    assert at is not None
                    position = at + 1
                    if at >= offset:
                        break
                if at == offset:
                    found[offset] = to_message(raw)
            self._consumer.unassign()
        return found

    def _watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        try:
            low, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
        except KafkaException as error:
            raise BrokerUnavailable(f"Kafka did not give the offsets of {topic} ({error.args[0].name()})") from None
        return low, high

    async def end_offset(self, topic: str, partition: int) -> int:
        """Offset that the next message will get."""
        return (await self.watermarks(topic, partition))[1]

    async def watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        """First offset held, and the offset after the last one."""

        def call() -> tuple[int, int]:
            with self._lock:
                return self._watermarks(topic, partition)

        return await asyncio.to_thread(call)

    async def is_empty(self, topic: str) -> bool:
        """True when nothing was ever written to the topic."""

        def call() -> bool:
            with self._lock:
                return all(self._watermarks(topic, p)[1] == 0 for p in partitions_of(self._consumer, topic))

        return await asyncio.to_thread(call)


def partitions_of(client: Consumer | AdminClient | Producer, topic: str) -> list[int]:
    """Partition numbers of a topic."""
    try:
        metadata = client.list_topics(topic, timeout=10)
    except KafkaException as error:
        raise BrokerUnavailable(f"Kafka does not answer ({error.args[0].name()})") from None
    return sorted(metadata.topics[topic].partitions)


def to_message(raw: object) -> Message:
    """A confluent-kafka message as ours."""
    headers = tuple((name, value) for name, value in (raw.headers() or ()) if value is not None)  # type: ignore[attr-defined]
    return Message(
        raw.topic(), raw.partition(), raw.offset(), raw.timestamp()[1], raw.key(), raw.value(), headers  # type: ignore[attr-defined]
    )  # fmt: skip


def ensure_topics(settings: Settings) -> list[str]:
    """Create the topics that are missing, as their contracts say; returns the names of those created."""
    admin = AdminClient(settings.kafka_config())
    try:
        existing = set(admin.list_topics(timeout=15).topics)
        wanted = [
            NewTopic(
                contract.name,
                num_partitions=settings.kafka.partitions,
                replication_factor=settings.kafka.replication_factor,
                config={
                    "cleanup.policy": contract.cleanup_policy,
                    "retention.ms": str(contract.retention_hours * 3_600_000),
                    "max.message.bytes": str(contract.max_message_bytes),
                    "message.timestamp.type": contract.timestamp_type,
                },
            )
            for contract in topic_contracts().values()
            if contract.name not in existing
        ]
        created: list[str] = []
        for name, future in admin.create_topics(wanted).items() if wanted else ():
            try:
                future.result(30)
                created.append(name)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
        return created
    except KafkaException as error:
        raise BrokerUnavailable(f"Kafka cannot create the topics ({error.args[0].str()})") from None
