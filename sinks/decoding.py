"""One consumed message, and the table entry it becomes."""

from dataclasses import dataclass, replace

from confluent_kafka import Message

from schemas.codec import SchemaLookup, decode, decode_one_of, is_replayed
from schemas.errors import InvalidRecord
from schemas.records import Decision, Example, ExampleRetraction, Pattern, Record, Trace
from sinks.plan import Entry, decision_entry, example_entry, pattern_entry, retraction_entry, trace_entry

_OF_EXAMPLES: tuple[type[Record], ...] = (Example, ExampleRetraction)


@dataclass(frozen=True, slots=True)
class Consumed:
    """A message of Kafka."""

    topic: str
    partition: int
    offset: int
    timestamp_millis: int
    """Broker time, milliseconds since 1970."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def consumed(message: Message) -> Consumed:
    """A message as librdkafka hands it over; it must not be an error."""
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    if topic is None or partition is None or offset is None:
        raise ValueError("a message without origin")
    found = message.headers() or []
    headers = found.items() if isinstance(found, dict) else found
    return Consumed(
        topic=topic,
        partition=partition,
        offset=offset,
        timestamp_millis=max(0, message.timestamp()[1]),
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=tuple((name, _bytes(value)) for name, value in headers),
    )


def to_entry(message: Consumed, lookup: SchemaLookup) -> Entry:
    """Decode one message of any of the sink's topics. Raises PermanentError or RegistryUnavailable."""
    try:
        entry = _entry(message, lookup)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # whatever stands in a foreign record
        raise InvalidRecord(f"it cannot be made a row of a table ({type(error).__name__})") from None
    return replace(entry, may_exist=True) if is_replayed(message.headers) else entry


def _entry(message: Consumed, lookup: SchemaLookup) -> Entry:
    if message.topic == "traces":
        trace = decode(message.value, lookup, Trace, message.headers)
        return trace_entry(trace, message.partition, message.offset)
    if message.topic == "decisions":
        decision = decode(message.value, lookup, Decision, message.headers)
        return decision_entry(decision, message.partition, message.offset)
    if message.topic == "patterns":
        pattern = decode(message.value, lookup, Pattern, message.headers)
        return pattern_entry(pattern, message.partition, message.offset)
    record = decode_one_of(message.value, lookup, _OF_EXAMPLES, message.headers)
    if isinstance(record, ExampleRetraction):
        return retraction_entry(record, message.partition, message.offset)
    assert isinstance(record, Example)
    return example_entry(record, message.partition, message.offset)


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode("utf-8") if isinstance(value, str) else value
