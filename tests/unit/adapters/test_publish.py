"""The import driver, with a broker made of memory."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import confluent_kafka
import msgspec
import pytest

from schemas.codec import SchemaId, WriterSchema, decode_events
from schemas.contracts import parsed_schema, topic_contracts
from schemas.errors import BrokerUnavailable, UsageError
from schemas.records import Event, SourceRef, UserMessage
from streams.adapters import publish as publishing
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile, RunBuilder
from streams.adapters.catalogue import FORMATS, format_named
from streams.adapters.files import find_recordings
from streams.adapters.publish import Progress, batches, producer_config, publish
from tests.contract.importer_samples import SAMPLES

SAMPLE = next(sample for sample in SAMPLES if sample.format == "tau2")


class Registry:
    def writer_schema(self, schema_id: SchemaId) -> WriterSchema:
        assert schema_id == 7
        return WriterSchema(record="EventBatch", schema=parsed_schema("EventBatch"), is_ours=True)


class MemoryBroker:
    """Acknowledges on poll, a few at a time, like librdkafka; `fails` and `silent` are its faults."""

    def __init__(self, *, fails: bool = False, silent: bool = False, queue: int = 3) -> None:
        self.messages: list[dict[str, Any]] = []
        self.most_waiting_bytes = 0
        self._waiting: list[dict[str, Any]] = []
        self._fails, self._silent, self._queue = fails, silent, queue

    def produce(self, topic: str, **message: Any) -> None:
        assert topic == "agent-events"
        if len(self._waiting) >= self._queue:
            raise BufferError("Local: Queue full")
        self._waiting.append(message)
        self.most_waiting_bytes = max(self.most_waiting_bytes, sum(len(m["value"]) for m in self._waiting))

    def poll(self, timeout: float) -> int:
        if self._silent or not self._waiting or not timeout:  # an answer takes time
            return 0
        message = self._waiting.pop(0)
        self.messages.append(message)
        message["on_delivery"]("_MSG_TIMED_OUT" if self._fails else None, None)
        return 1

    def flush(self, timeout: float) -> int:
        return len(self._waiting)

    def events(self) -> list[Event]:
        return [event for message in self.messages for event in decode_events(message["value"], Registry())]


def run(files: list[RecordingFile], broker: MemoryBroker, **more: Any) -> publishing.ImportReport:
    return publish(files, FORMATS["tau2"].importer(), ImportOptions(), producer=broker, schema_id=7, **more)


@pytest.fixture
def files(tmp_path: Path) -> list[RecordingFile]:
    content = SAMPLE.make(40)
    (tmp_path / "a.json").write_bytes(content)
    (tmp_path / "b.json.gz").write_bytes(gzip.compress(content.replace(b"sim-", b"other-")))
    (tmp_path / "c.json").write_bytes(b'{"simulations": [5')
    return find_recordings([tmp_path], format_named("tau2").suffixes)


def test_everything_arrives_once_in_order(files: list[RecordingFile]) -> None:
    broker = MemoryBroker()
    report = run(files, broker)
    expected = [e for source in files for e in FORMATS["tau2"].importer()(source, ImportOptions())]
    assert broker.events() == [item for item in expected if isinstance(item, Event)]
    assert (report.files, report.runs, report.events) == (3, 80, len(broker.events()))
    assert report.messages == len(broker.messages) == 80
    assert report.broken_count == len(report.broken) == 2
    assert {Path(broken.path).name for broken in report.broken} == {"c.json"}
    for message in broker.messages:
        [first, *_] = decode_events(message["value"], Registry())
        assert message["key"] == first.trace_id.encode()
        assert message["headers"] == [("traceparent", f"00-{first.trace_id}-{first.span_id}-01".encode())]


def test_progress_counts_bytes_on_the_disk(files: list[RecordingFile]) -> None:
    seen: list[Progress] = []
    run(files, MemoryBroker(), on_progress=seen.append)
    total = sum(source.path.stat().st_size for source in files)
    assert [p.bytes_read for p in seen] == sorted(p.bytes_read for p in seen)
    assert (seen[-1].bytes_read, seen[-1].bytes_total, seen[-1].broken) == (total, total, 2)


def test_batches_are_bounded() -> None:
    found = list(batches(_many(450)))
    assert [len(batch.events) for batch in found] == [200, 200, 50]
    assert {batch.trace_id for batch in found} == {"0" * 32}
    assert all(len(batch.events) < 30 for batch in batches(_many(60, "x" * 20_000)))


def _many(count: int, content: str = "x") -> Iterator[Event]:
    """Events of one trace."""
    run = RunBuilder(
        source=SourceRef(format="test"),
        trace_id="0" * 32,
        agent="a",
        scenario="s",
        execution_mode="SIMULATION",
        options=ImportOptions(),
    )
    for _ in range(count):
        yield run.event(UserMessage(content=content))


def test_a_batch_that_came_out_too_long_is_halved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{}")
    monkeypatch.setattr(publishing, "_FRAME_BYTES", -100_000)
    broker = MemoryBroker()
    report = publish(
        [RecordingFile(path)],
        lambda *_: _many(60, "x" * 20_000),
        ImportOptions(),
        producer=broker,
        schema_id=7,
    )
    assert len(broker.events()) == report.events == 60
    assert all(len(message["value"]) <= publishing.MAX_BATCH_BYTES for message in broker.messages)


def test_in_flight_bytes_are_bounded(monkeypatch: pytest.MonkeyPatch, files: list[RecordingFile]) -> None:
    monkeypatch.setattr(publishing, "MAX_IN_FLIGHT_BYTES", 10_000)
    broker = MemoryBroker(queue=1000)
    run(files, broker)
    assert 0 < broker.most_waiting_bytes <= 10_000


def test_an_event_that_no_message_holds_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"id": "s", "messages": [{"role": "user", "content": "secret" * 100_000}]}))
    contract = msgspec.structs.replace(topic_contracts()["agent-events"], max_message_bytes=300_000)
    monkeypatch.setattr(publishing, "topic_contracts", lambda: {"agent-events": contract})
    report = run([RecordingFile(path)], MemoryBroker())
    assert report.broken_count == 1
    assert "user_message" in report.broken[0].reason
    assert "secret" not in report.broken[0].reason


def test_invalid_events_are_reported(files: list[RecordingFile]) -> None:
    [event, *_] = list(_many(1))
    wrong = msgspec.structs.replace(event, occurred_at=-1)
    report = publish(files[:1], lambda *_: iter([wrong, event]), ImportOptions(), producer=MemoryBroker(), schema_id=7)
    assert (report.events, report.broken_count) == (1, 1)


def test_broken_records_are_counted_but_not_all_kept(files: list[RecordingFile]) -> None:
    broken = [BrokenRecord("x", n, n, "bad") for n in range(5_000)]
    report = publish(files[:1], lambda *_: iter(broken), ImportOptions(), producer=MemoryBroker(), schema_id=7)
    assert (report.broken_count, len(report.broken)) == (5_000, publishing.MAX_REPORTED_BROKEN)


def test_a_broker_that_fails_or_is_silent_is_said_so(files: list[RecordingFile]) -> None:
    with pytest.raises(BrokerUnavailable, match="refused"):
        run(files, MemoryBroker(fails=True))
    with pytest.raises(BrokerUnavailable, match="acknowledged nothing"):
        run(files, MemoryBroker(silent=True), stall_seconds=0.05)


def test_the_producer_loses_and_doubles_nothing() -> None:
    config = producer_config({"bootstrap.servers": "x"})
    assert (config["enable.idempotence"], config["acks"], config["bootstrap.servers"]) == (True, "all", "x")
    confluent_kafka.Producer(config)  # librdkafka knows every one of them


def test_files_are_found_by_name_folder_and_pattern(tmp_path: Path) -> None:
    for name in ("b.json", "a.jsonl.gz", "sub/c.json.zst", "notes.txt", ".hidden.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    def found(*paths: Path) -> list[str]:
        return [str(file.path.relative_to(tmp_path)) for file in find_recordings(paths, (".json", ".jsonl"))]

    assert found(tmp_path) == ["a.jsonl.gz", "b.json", "sub/c.json.zst"]
    assert found(tmp_path / "notes.txt") == ["notes.txt"]
    assert found(tmp_path / "*.json", tmp_path / "b.json") == ["b.json"]
    assert found(tmp_path / "**" / "*.zst") == ["sub/c.json.zst"]


@pytest.mark.parametrize("path", ["missing.json", "*.nothing", "sub"])
def test_nothing_to_import_is_said_so(tmp_path: Path, path: str) -> None:
    (tmp_path / "sub").mkdir()
    with pytest.raises(UsageError, match=path.replace("*", r"\*")):
        find_recordings([tmp_path / path], (".json",))


def test_unknown_formats_are_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="openai-messages"):
        format_named("nonsense")
