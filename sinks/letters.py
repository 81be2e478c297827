"""Dead letters of the sink: what could not be decoded goes to `dead-letters`, durably, before offsets move past it."""

from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.codec import encode
from schemas.contracts import topic_contracts
from schemas.errors import BrokerUnavailable, PermanentError
from schemas.records import DeadLetter
from schemas.registry import RegistryClient
from schemas.settings import Settings
from sinks.decoding import Consumed

STAGE = "sink"
TOPIC = "dead-letters"
_FLUSH_SECONDS = 20.0


def dead_letter(message: Consumed, error: PermanentError) -> DeadLetter:
    """The dead letter of a message. Its time is the broker's, so that a replay makes the same bytes."""
    return DeadLetter(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        stage=STAGE,
        error_class=type(error).__name__,
        error_message=str(error),
        key=message.key,
        value=message.value,
        failed_at=message.timestamp_millis * 1000,
        headers={name: raw for name, raw in reversed(message.headers) if raw is not None},  # of one name the first
    )


class DeadLetterPublisher:
    """Publishes dead letters and waits until the brokers have them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: Any = None
        self._schema_id: int | None = None

    def publish(self, letters: Sequence[DeadLetter]) -> None:
        """Publish all. Raises BrokerUnavailable or RegistryUnavailable: then all may be published again."""
        if not letters:
            return
        if self._schema_id is None:
            self._schema_id = RegistryClient.from_settings(self._settings).register(TOPIC, DeadLetter.__name__)
        if self._producer is None:
            room = topic_contracts()[TOPIC].max_message_bytes
            self._producer = Producer(
                self._settings.kafka_config()
                | {"enable.idempotence": True, "compression.type": "zstd", "message.max.bytes": room}
            )
        failures: list[str] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failures.append(error.str())

        try:
            for letter in letters:
                self._producer.produce(
                    TOPIC,
                    key=letter.key,
                    value=encode(letter, self._schema_id),
                    headers=_headers(letter),
                    on_delivery=delivered,
                )
                self._producer.poll(0)
        except (KafkaException, BufferError) as error:
            failures.append(str(error))
        waiting = self._producer.flush(_FLUSH_SECONDS)
        if waiting or failures:
            self._producer = None
            raise BrokerUnavailable(f"{waiting + len(failures)} dead letters were not delivered to {TOPIC}")


def _headers(letter: DeadLetter) -> list[tuple[str, bytes]]:
    values = {
        "origin-topic": letter.topic,
        "origin-partition": letter.partition,
        "origin-offset": letter.offset,
        "stage": letter.stage,
        "error-class": letter.error_class,
        "error-message": letter.error_message,
    }
    return [(name, str(value).encode("utf-8")) for name, value in values.items()]
