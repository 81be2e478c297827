"""A producer whose events are caught before they leave, and read back through the collector's own codec."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.codec import SchemaId, WriterSchema, decode_events, validate_event
from schemas.contracts import parsed_schema
from schemas.records import Event
from training_data_producer import Producer


class OurSchema:
    def writer_schema(self, schema_id: SchemaId) -> WriterSchema:
        return WriterSchema(record="EventBatch", schema=parsed_schema("EventBatch"), is_ours=True)


class Caught:
    """A producer for nowhere, and what it emitted."""

    def __init__(self, spool: Path) -> None:
        self.producer = Producer("127.0.0.1:9", "http://127.0.0.1:9", spool_directory=spool, handle_sigterm=False)
        # Nothing is taken from the queue: no thread is started.
        self.producer._outlet.pipeline._start = lambda: None  # type: ignore[method-assign]

    def events(self) -> list[Event]:
        """Everything emitted so far, as the collector sees it; each event is valid."""
        pipeline = self.producer._outlet.pipeline
        found: list[Event] = []
        for emitted in list(pipeline._queue):
            payload = pipeline._encoder.encode([emitted]).payload
            found += decode_events(b"\0\0\0\0\1" + payload, OurSchema())
        for event in found:
            validate_event(event)
        assert self.producer.stats().internal_errors == 0
        return found

    def one(self, kind: str) -> Event:
        (event,) = [event for event in self.events() if event.kind == kind]
        return event

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events()]


@pytest.fixture
def caught(tmp_path: Path) -> Iterator[Caught]:
    caught = Caught(tmp_path / "spool")
    yield caught
    caught.producer._outlet.pipeline._queue.clear()
    caught.producer.close()
