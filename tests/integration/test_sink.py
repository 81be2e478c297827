"""The sink's process on real Kafka, registry and S3: nothing lost, nothing twice, whatever is broken."""

import json
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pydantic import SecretStr

from ops.stack import UnavailableError, down, start_part, stop_part, up
from schemas.codec import decode, encode
from schemas.errors import UsageError
from schemas.records import DeadLetter, Pattern
from schemas.registry import RegistryClient
from schemas.settings import KafkaSettings, Settings, SinkSettings, StorageSettings
from sinks.consumer import SinkProgress, _Runner, run_sink
from sinks.query import query, resume_points, stored_counts, through
from tests.integration.ports import free_port_base
from tests.unit.sinks.driving import Record, stored, topic_of
from tests.unit.sinks.samples import decision, example, pattern, trace

pytestmark = pytest.mark.integration

PARTITIONS = 2
ROOT = Path(__file__).parents[2]
PROCESS = """
import signal, sys, threading
from pathlib import Path
from schemas.settings import Settings
from sinks.consumer import run_sink
from schemas.registry import RegistryClient
settings = Settings.model_validate_json(sys.stdin.read())
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
run_sink(settings, RegistryClient.from_settings(settings), stop, lambda p: print(p.messages, flush=True))
"""


@pytest.fixture(scope="module")
def port_base() -> int:
    return free_port_base()


@pytest.fixture(scope="module")
def home(port_base: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("sink-stack")
    try:
        up(place, port_base)
    except UnavailableError as error:
        pytest.skip(f"no stack on this machine: {error}")
    try:
        yield place
    finally:
        down(place)


@dataclass
class World:
    """Fresh topics, an empty storage root, and sinks to start."""

    settings: Settings
    home: Path
    ids: dict[tuple[str, str], int]
    producer: Producer
    running: list[tuple[threading.Thread, threading.Event]] = field(default_factory=list)
    processes: list["subprocess.Popen[str]"] = field(default_factory=list)
    progress: list[SinkProgress] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def publish(self, *records: Record) -> None:
        for record in records:
            topic = topic_of(record)
            value = encode(record, self.ids[topic, type(record).__name__])
            key = record.pattern_id if isinstance(record, Pattern) else record.trace_id
            self.producer.produce(topic, value=value, key=key.encode())
            self.producer.poll(0)
        assert self.producer.flush(20) == 0

    def start(self) -> threading.Event:
        stop = threading.Event()

        def run() -> None:
            try:
                run_sink(self.settings, RegistryClient.from_settings(self.settings), stop, self.progress.append)
            except Exception as error:
                self.failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        self.running.append((thread, stop))
        return stop

    def start_process(self) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", PROCESS], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert process.stdin
        process.stdin.write(json.dumps(self.settings.model_dump(exclude_none=True), default=_plain))
        process.stdin.close()
        self.processes.append(process)
        return process

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait(10)
        for _, stop in self.running:
            stop.set()
        for thread, _ in self.running:
            thread.join(60)
            assert not thread.is_alive()
        self.running.clear()


def _plain(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)


@pytest.fixture
def world(home: Path, port_base: int) -> Iterator[World]:
    settings = Settings(
        home=home,
        port_base=port_base,
        kafka=KafkaSettings.model_validate({"session_timeout_seconds": 6}),
        sink=SinkSettings.model_validate({"flush_seconds": 0.3, "compact_every_commits": 5}),
    )
    fresh_topics(settings)
    # An own root for each test, on the stack's own S3.
    options = settings.storage_options()
    storage = {"root": f"s3://tdc/{uuid.uuid4().hex}"} if options else {"root": str(home / uuid.uuid4().hex)}
    if options:
        storage |= {
            "endpoint_url": options["aws_endpoint_url"],
            "access_key_id": options["aws_access_key_id"],
            "secret_access_key": options["aws_secret_access_key"],
        }
    settings = settings.model_copy(update={"storage": StorageSettings.model_validate(storage)})
    made = World(
        settings=settings,
        home=home,
        ids=RegistryClient.from_settings(settings).register_all(),
        producer=Producer(settings.kafka_config() | {"enable.idempotence": True}),
    )
    try:
        yield made
    finally:
        made.stop()
        assert made.failures == []


def fresh_topics(settings: Settings, partitions: dict[str, int] | None = None) -> None:
    admin = AdminClient(settings.kafka_config())
    names = ["traces", "decisions", "examples", "dead-letters"]
    # That of patterns is left out: tests that need it make it, and the others show that the sink does without.
    known = [name for name in (*names, "patterns") if name in admin.list_topics(timeout=10).topics]
    if known:
        for done in admin.delete_topics(known).values():
            done.result()
    wait_for(lambda: _group_is_gone(admin))  # a killed member stays until its session ends
    wait_for(lambda: not {*names, "patterns"} & set(admin.list_topics(timeout=10).topics))
    topics = [NewTopic(name, (partitions or {}).get(name, PARTITIONS), 1) for name in names]
    for done in admin.create_topics(topics).values():
        done.result()


def _group_is_gone(admin: AdminClient) -> bool:
    try:
        admin.delete_consumer_groups(["tdc-sink"])["tdc-sink"].result()
    except KafkaException as error:
        return bool(error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND)
    return True


def wait_for(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def rows(world: World, name: str) -> int:
    return stored_counts(world.settings).rows[name]


def run_of(numbers: range) -> list[Record]:
    records: list[Record] = []
    for number in numbers:
        records += [trace(f"t{number}"), example(f"t{number}"), decision(f"t{number}")]
    return records


def committed_offsets(world: World) -> int:
    consumer = Consumer(world.settings.kafka_config() | {"group.id": "tdc-sink"})
    try:
        parts = [TopicPartition(topic, p) for topic in ("traces", "decisions", "examples") for p in range(PARTITIONS)]
        return sum(max(0, part.offset) for part in consumer.committed(parts, timeout=10))
    finally:
        consumer.close()


def test_what_is_published_is_stored_once_and_lag_goes_to_zero(world: World) -> None:
    world.publish(*run_of(range(50)))
    stop = world.start()
    wait_for(lambda: rows(world, "examples") == 50 and rows(world, "decisions") == 50)
    world.publish(trace("t7", 2), decision("t7", 2), example("t7", 2))
    wait_for(lambda: ("t7-r2-0", 2) in stored(world.settings)["examples"])
    wait_for(lambda: ("t7", 2) in stored(world.settings)["traces"])
    stop.set()
    world.stop()
    found = stored(world.settings)
    assert len(found["traces"]) == len(found["decisions"]) == len(found["examples"]) == 50
    assert ("t7", 2) in found["decisions"]
    assert committed_offsets(world) == 153
    assert sum(offset + 1 for offset in through(resume_points(world.settings, PARTITIONS)).values()) == 153


def test_killed_at_any_time_it_stores_everything_once(world: World) -> None:
    total = 0
    for round_ in range(4):
        process = world.start_process()
        for _ in range(3):
            world.publish(*run_of(range(total, total + 40)))
            total += 40
            time.sleep(0.35 + 0.13 * round_)
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    world.start()
    wait_for(lambda: rows(world, "decisions") == total and rows(world, "examples") == total, 90)
    wait_for(lambda: rows(world, "traces") == total)
    for name, keys in stored(world.settings).items():
        assert len(set(keys)) == len(keys) == total, name


def test_a_term_signal_flushes_and_leaves(world: World) -> None:
    slow = world.settings.model_copy(update={"sink": SinkSettings.model_validate({"flush_seconds": 3600})})
    world.settings = slow
    process = world.start_process()
    wait_for(lambda: "traces" in str(query_or_none(world)))
    world.publish(*run_of(range(5)))
    time.sleep(6)
    assert rows(world, "traces") == 0
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert rows(world, "traces") == rows(world, "examples") == 5


def query_or_none(world: World) -> list[str]:
    return [f"{row['name']}" for row in query(world.settings, "SHOW TABLES").to_pylist()]


def test_a_frozen_process_cannot_write_what_another_took_over(world: World) -> None:
    frozen = world.start_process()
    world.publish(*run_of(range(10)))
    wait_for(lambda: rows(world, "decisions") == 10)
    frozen.send_signal(signal.SIGSTOP)
    world.publish(*run_of(range(10, 30)))
    world.start()
    wait_for(lambda: rows(world, "decisions") == 30 and rows(world, "examples") == 30, 90)
    frozen.send_signal(signal.SIGCONT)
    world.publish(*run_of(range(30, 60)))
    wait_for(lambda: rows(world, "decisions") == 60 and rows(world, "examples") == 60, 90)
    for name, keys in stored(world.settings).items():
        assert len(set(keys)) == len(keys) == 60, name


def test_undecodable_messages_become_dead_letters_and_stop_nothing(world: World) -> None:
    world.producer.produce("traces", value=b"not avro", key=b"k")
    wrong = encode(decision("t1"), world.ids["decisions", "Decision"])
    world.producer.produce("traces", value=wrong, key=b"k")
    world.publish(*run_of(range(3)))
    world.start()
    wait_for(lambda: rows(world, "traces") == 3)
    consumer = Consumer(world.settings.kafka_config() | {"group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe(["dead-letters"])
        found = [message for message in consumer.consume(2, timeout=20) if message.error() is None]
    finally:
        consumer.close()
    lookup = RegistryClient.from_settings(world.settings)
    letters = sorted((decode(message.value(), lookup, DeadLetter) for message in found), key=lambda d: d.offset)
    assert [letter.value for letter in letters] == [b"not avro", wrong]
    assert {letter.stage for letter in letters} == {"sink"}
    assert dict(found[0].headers() or [])["origin-topic"] == b"traces"


@pytest.mark.parametrize("part", ["s3", "registry", "kafka"])
def test_a_part_that_goes_away_is_waited_for(world: World, part: str) -> None:
    world.publish(*run_of(range(10)))
    world.start()
    wait_for(lambda: rows(world, "decisions") == 10)
    if part == "registry":
        world.stop()  # a schema that is known is not asked for again: start anew without the registry
    try:
        stop_part(world.home, part, signal=signal.SIGKILL)
        if part == "registry":
            world.start()
        if part != "kafka":
            world.publish(*run_of(range(10, 20)))
        time.sleep(4)
        if part != "kafka":
            assert any(progress.paused for progress in world.progress)
    finally:
        start_part(world.home, part)
    if part == "kafka":
        world.publish(*run_of(range(10, 20)))
    wait_for(lambda: rows(world, "decisions") == 20 and rows(world, "examples") == 20, 120)
    wait_for(lambda: rows(world, "traces") == 20)
    for name, keys in stored(world.settings).items():
        assert len(set(keys)) == len(keys) == 20, name


def test_a_partition_that_stands_still_is_taken_up_anew(world: World) -> None:
    sink = world.settings.sink.model_copy(update={"stall_seconds": 3})
    settings = world.settings.model_copy(update={"sink": sink})
    runner = _Runner(settings, RegistryClient.from_settings(settings), threading.Event(), world.progress.append)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        world.publish(*run_of(range(10)))
        wait_for(lambda: rows(world, "traces") == rows(world, "decisions") == 10)
        # What a broker that comes back can do to librdkafka: a partition is owned, and gives nothing.
        runner.consumer.pause([TopicPartition("traces", part) for part in range(PARTITIONS)])
        world.publish(*run_of(range(10, 20)))
        wait_for(lambda: rows(world, "traces") == rows(world, "examples") == 20)
    finally:
        runner.stop_event.set()
        thread.join(60)
    for name, keys in stored(world.settings).items():
        assert len(set(keys)) == len(keys) == 20, name


def test_patterns_are_stored_also_when_their_topic_comes_later_and_is_of_another_width(world: World) -> None:
    world.publish(*run_of(range(5)))
    world.start()
    wait_for(lambda: rows(world, "decisions") == 5)
    admin = AdminClient(world.settings.kafka_config())
    admin.create_topics([NewTopic("patterns", PARTITIONS + 1, 1)])["patterns"].result()
    world.publish(pattern("p1", 7), pattern("p2", 7), pattern("p1", 8, traces=9))
    wait_for(lambda: rows(world, "patterns") == 2)
    world.publish(pattern("p1", 7), pattern("p2", 9), *run_of(range(5, 9)))
    wait_for(lambda: rows(world, "decisions") == 9 and rows(world, "examples") == 9)
    found = "SELECT pattern_id, revision, trace_count FROM patterns ORDER BY 1"
    wait_for(
        lambda: (
            [tuple(row.values()) for row in query(world.settings, found).to_pylist()] == [("p1", 8, 9), ("p2", 9, 4)]
        )
    )
    points = through(resume_points(world.settings, PARTITIONS + 1))
    assert sum(offset + 1 for name, offset in points.items() if name.startswith("patterns-")) == 5


def test_topics_made_anew_under_the_tables_are_refused(world: World) -> None:
    world.publish(*run_of(range(10)))
    world.start()
    wait_for(lambda: rows(world, "decisions") == 10)
    world.stop()
    fresh_topics(world.settings)
    with pytest.raises(UsageError, match="made anew"):
        run_sink(world.settings, RegistryClient.from_settings(world.settings), threading.Event())


def test_topics_of_different_widths_are_refused(world: World) -> None:
    fresh_topics(world.settings, {"decisions": 3})
    with pytest.raises(UsageError, match="same number of partitions"):
        run_sink(world.settings, RegistryClient.from_settings(world.settings), threading.Event())
