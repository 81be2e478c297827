"""What a stage needs from outside: messages come in, records go out, the log can be read again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from schemas.records import DeadLetter, Record

ORIGINAL = "original."
"""Before the names of headers that the message itself had, in dead letters that were written before they held them."""


@dataclass(frozen=True)
class Message:
    """One Kafka message as it came."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def unapplied(messages: Sequence[Message], applied: int) -> list[Message]:
    """Messages of one partition, which come in offset order, from offset `applied` on, each once.

    After a rebalance a batch may hold what was fetched before it and was fetched again after it.
    """
    return list({message.offset: message for message in messages if message.offset >= applied}.values())


@dataclass(frozen=True)
class Outgoing:
    """One record to publish."""

    topic: str
    key: bytes | None
    record: Record
    headers: tuple[tuple[str, bytes], ...] = ()


class Publisher(Protocol):
    """Publishes records. Returns once the broker has all of them; raises BrokerUnavailable."""

    async def publish(self, outgoing: Sequence[Outgoing]) -> None: ...


class Log(Protocol):
    """Reads a topic again. Raises BrokerUnavailable."""

    async def fetch(self, topic: str, partition: int, offsets: Sequence[int]) -> Mapping[int, Message]:
        """Messages at these offsets; those the broker no longer has are missing."""
        ...

    async def end_offset(self, topic: str, partition: int) -> int:
        """Offset that the next message will get."""
        ...

    async def is_empty(self, topic: str) -> bool:
        """True when nothing was ever written to the topic."""
        ...


def dead_letter(message: Message, stage: str, error: Exception, event_index: int | None = None) -> Outgoing:
    """A message that cannot be processed, with its origin and the reason. The reason holds no content."""
    record = DeadLetter(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        event_index=event_index,
        stage=stage,
        error_class=type(error).__name__,
        error_message=str(error),
        key=message.key,
        value=message.value,
        failed_at=message.timestamp_ms * 1000,
        # For a replay: one of them may hold the schema id. Foreign headers may hold anything, so they are content.
        headers=dict(reversed(message.headers)),
    )
    headers = {
        "origin-topic": message.topic,
        "origin-partition": str(message.partition),
        "origin-offset": str(message.offset),
        "stage": stage,
        "error-class": type(error).__name__,
        "error-message": str(error),
    }
    if event_index is not None:
        headers["event-index"] = str(event_index)
    own = tuple((name, text.encode()) for name, text in headers.items())
    return Outgoing("dead-letters", message.key, record, own)
