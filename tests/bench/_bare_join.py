"""The join with no engine around it: what the best engine could reach. `python -m tests.bench._bare_join`, see peers.

librdkafka in and out, our own codec, a dict of events in memory. A trace is written when its root ends: no quiet
period, no check, no redaction, no state that outlives the process, no offsets. SIGTERM stops it.
"""

import json
from pathlib import Path

from confluent_kafka import Consumer, Producer

from schemas.codec import SchemaId, WriterSchema, decode_events
from schemas.compiled import write_record
from schemas.contracts import parsed_schema
from schemas.records import Event
from tests.bench._peers.join import options

_BATCH = 500


class Known:
    """The schemas that the benchmark tells of; they are ours."""

    def __init__(self, schemas: Path) -> None:
        texts = json.loads(schemas.read_text(encoding="utf-8"))
        names = {int(number): schema["name"] for number, schema in texts.items() if number != "joined"}
        self._writers = {number: WriterSchema(name, parsed_schema(name), True) for number, name in names.items()}

    def writer_schema(self, schema_id: SchemaId) -> WriterSchema:
        """As the registry would answer."""
        assert isinstance(schema_id, int)
        return self._writers[schema_id]


def joined(trace_id: str, events: dict[str, Event]) -> bytes:
    """One record of all events in sequence, in Avro: a string, and an array in one block."""
    key = trace_id.encode()
    out = bytearray()
    _write_long(len(key), out)
    out += key
    _write_long(len(events), out)
    for event in sorted(events.values(), key=lambda event: event.sequence):
        write_record(event, out)
    _write_long(0, out)
    return bytes(out)


def _write_long(number: int, out: bytearray) -> None:
    number *= 2  # zigzag of what is not negative
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)


def main() -> None:
    """Join until stopped."""
    told = options()
    known = Known(told.schemas)
    consumer = Consumer(
        {"bootstrap.servers": told.servers, "group.id": "bare", "auto.offset.reset": "earliest",
         "enable.auto.commit": False}
    )  # fmt: skip
    producer = Producer({"bootstrap.servers": told.servers, "compression.type": "zstd", "linger.ms": 5})
    consumer.subscribe([told.source])
    held: dict[str, dict[str, Event]] = {}
    while True:
        for message in consumer.consume(_BATCH, 0.1):
            ended = False
            for event in decode_events(message.value(), known):
                held.setdefault(event.trace_id, {}).setdefault(event.event_id, event)
                ended = ended or bool(event.agent_ended and event.agent_ended.root)
            if ended:
                producer.produce(
                    told.target, key=event.trace_id, value=joined(event.trace_id, held.pop(event.trace_id))
                )
        producer.poll(0)


if __name__ == "__main__":
    main()
