"""The producer SDK against a real broker and registry: normal, broken as it promises to survive, recovered."""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from ops.stack import down, endpoints, start_part, status, up
from schemas.codec import SchemaId, WriterSchema, decode_events, validate_event
from schemas.contracts import parsed_schema, registered_schema, topic_contracts
from schemas.records import Event
from tests.integration.ports import free_port_base
from training_data_producer import Producer

pytestmark = pytest.mark.integration

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Message:
    key: bytes
    value: bytes
    headers: list[tuple[str, str | bytes | None]]


@dataclass(frozen=True)
class Destination:
    """The stack, and one topic of it that only this test uses."""

    home: Path
    bootstrap_servers: str
    registry_url: str
    topic: str
    spool: Path

    def producer(self, **arguments: object) -> Producer:
        given: dict[str, object] = {"topic": self.topic, "spool_directory": self.spool, "handle_sigterm": False}
        return Producer(self.bootstrap_servers, self.registry_url, **{**given, **arguments})  # type: ignore[arg-type]

    def run(self, body: str) -> subprocess.Popen[str]:
        """Another process, with a `producer` for this destination made."""
        program = (
            "import os, sys, time, signal, threading\n"
            "from training_data_producer import Producer\n"
            f"producer = Producer({self.bootstrap_servers!r}, {self.registry_url!r}, topic={self.topic!r}, "
            f"spool_directory={str(self.spool)!r}, flush_seconds=4)\n" + textwrap.dedent(body)
        )
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY / "producer")}
        return subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )

    def messages(self) -> list[Message]:
        """Everything on the topic now, in order within each partition."""
        consumer = Consumer({
            "bootstrap.servers": self.bootstrap_servers, "group.id": f"{self.topic}-{time.time_ns()}",
            "auto.offset.reset": "earliest", "enable.partition.eof": True, "isolation.level": "read_committed",
        })  # fmt: skip
        found: list[Message] = []
        ended: set[int] = set()
        try:
            consumer.subscribe([self.topic])
            deadline = time.monotonic() + 30
            while len(ended) < 2:
                assert time.monotonic() < deadline, "the topic could not be read to its end"
                message = consumer.poll(1.0)
                if message is None:
                    continue
                if message.error():
                    ended.add(message.partition() or 0)
                    continue
                key, value, headers = message.key(), message.value(), message.headers()
                assert key is not None
                assert value is not None
                assert isinstance(headers, list)
                found.append(Message(key, value, headers))
        finally:
            consumer.close()
        return found

    def events(self) -> list[Event]:
        return [event for message in self.messages() for event in decode_events(message.value, OurSchema())]


class OurSchema:
    def writer_schema(self, schema_id: SchemaId) -> WriterSchema:
        return WriterSchema(record="EventBatch", schema=parsed_schema("EventBatch"), is_ours=True)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("producer") / "home"
    try:
        up(home, free_port_base(), with_s3=False)
        yield home
    finally:
        down(home)


@pytest.fixture
def there(stack: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Destination:
    start_part(stack, "kafka")
    topic = "events-" + request.node.name.replace("_", "-").replace("[", "-").rstrip("]")
    known = endpoints(stack)
    contract = topic_contracts()["agent-events"]
    config = {
        "max.message.bytes": str(contract.max_message_bytes),
        "message.timestamp.type": contract.timestamp_type,
    }
    admin = AdminClient({"bootstrap.servers": known.bootstrap_servers})
    for future in admin.create_topics([NewTopic(topic, 2, 1, config=config)]).values():
        future.result(20)
    return Destination(stack, known.bootstrap_servers, known.registry_url, topic, tmp_path / "spool")


def kill_kafka(there: Destination) -> None:
    pid = next(row.pid for row in status(there.home) if row.name == "kafka")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not next(row.running for row in status(there.home) if row.name == "kafka"))


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    return out


def texts(events: list[Event]) -> list[str | None]:
    """What users said, in the order of the log, each event once."""
    seen: set[str] = set()
    found = []
    for event in events:
        if event.user_message and event.event_id not in seen:
            seen.add(event.event_id)
            found.append(event.user_message.content)
    return found


def numbered(count: int, start: int = 0) -> list[str]:
    return [str(number) for number in range(start, start + count)]


def test_messages_are_what_the_contract_says(there: Destination) -> None:
    with there.producer() as producer, producer.trace(scenario="s", agent="a", consent="granted") as trace:
        trace.user_message("hello")
    assert producer.stats().delivered == 3
    (message,) = there.messages()
    assert message.key == trace.trace_id.encode()
    assert message.headers == [("traceparent", trace.traceparent.encode())]
    schema_id = int.from_bytes(message.value[1:5], "big")
    with urllib.request.urlopen(f"{there.registry_url}/schemas/ids/{schema_id}", timeout=10) as answer:
        assert json.loads(json.load(answer)["schema"]) == json.loads(registered_schema("EventBatch"))
    events = decode_events(message.value, OurSchema())
    for event in events:
        validate_event(event)
    assert [event.kind for event in events] == ["agent_started", "user_message", "agent_ended"]
    assert not list(there.spool.rglob("*.seg"))


def test_many_threads_and_traces_lose_nothing_and_keep_their_order(there: Destination) -> None:
    def agent(name: str) -> str:
        with producer.trace(scenario="s", agent=name) as trace:
            for number in range(300):
                trace.user_message(str(number))
            return trace.trace_id

    with there.producer() as producer:
        with ThreadPoolExecutor(8) as pool:
            traces = list(pool.map(agent, [f"agent-{n}" for n in range(16)]))
        assert producer.flush(20)
    stats = producer.stats()
    assert (stats.emitted, stats.delivered, stats.dropped) == (16 * 302, 16 * 302, 0)
    events = there.events()
    assert len({event.event_id for event in events}) == len(events) == stats.emitted
    for trace_id in traces:
        mine = [event for event in events if event.trace_id == trace_id]
        assert [event.sequence for event in mine] == list(range(302))


def test_tasks_hang_their_events_under_their_own_steps(there: Destination) -> None:
    async def work(number: int) -> None:
        async with trace.step(f"step-{number}"):
            await asyncio.sleep(0.01)
            trace.user_message(str(number))

    async def main() -> None:
        await asyncio.gather(*(work(number) for number in range(20)))

    with there.producer() as producer, producer.trace(scenario="s", agent="a") as trace:
        asyncio.run(main())
    events = there.events()
    spans = {event.step_started.step_name: event.span_id for event in events if event.step_started}
    for event in events:
        if event.user_message:
            assert event.span_id == spans[f"step-{event.user_message.content}"]


def test_a_killed_broker_costs_nothing(there: Destination, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "training_data_producer")
    with there.producer() as producer, producer.trace(scenario="s", agent="a") as trace:
        for text in numbered(500):
            trace.user_message(text)
        kill_kafka(there)
        for text in numbered(1500, 500):
            trace.user_message(text)
            time.sleep(0.002)
        wait_until(lambda: producer.stats().spooled > 0)
        assert not producer.flush(0.5)
        start_part(there.home, "kafka")
        for text in numbered(100, 2000):
            trace.user_message(text)
        wait_until(lambda: producer.flush(1), 60)
    stats = producer.stats()
    assert (stats.emitted, stats.delivered, stats.dropped) == (2102, 2102, 0)
    assert stats.spool_bytes == 0
    assert texts(there.events()) == numbered(2100)
    assert "Kafka is back" in caplog.text


def test_the_next_process_delivers_in_order_what_earlier_ones_left(there: Destination) -> None:
    kill_kafka(there)
    for start in (0, 1000):
        process = there.run(f"""
            with producer.trace(scenario="s", agent="a") as trace:
                for number in range({start}, {start} + 1000):
                    trace.user_message(str(number))
        """)
        ended(process)
    assert list(there.spool.rglob("*.seg"))
    assert {path.stat().st_mode & 0o777 for path in there.spool.rglob("*.seg")} == {0o600}
    start_part(there.home, "kafka")
    with there.producer() as producer:
        wait_until(lambda: producer.flush(2) and producer.stats().respooled == 2004)
    assert not [path for path in there.spool.rglob("*") if path.is_file()]
    events = there.events()
    for trace_id in {event.trace_id for event in events}:
        mine = [event for event in events if event.trace_id == trace_id]
        assert [event.sequence for event in mine] == list(range(1002))


def test_two_next_processes_do_not_deliver_the_same_leftovers(there: Destination) -> None:
    kill_kafka(there)
    for _ in range(4):
        ended(
            there.run("""
            with producer.trace(scenario="s", agent="a") as trace:
                for number in range(500):
                    trace.user_message(str(number))
        """)
        )
    start_part(there.home, "kafka")
    heirs = [there.run("assert producer.flush(20); print(producer.stats().respooled)") for _ in range(3)]
    assert sum(int(ended(heir)) for heir in heirs) == 4 * 502
    events = there.events()
    assert len(events) == len({event.event_id for event in events}) == 4 * 502


def test_a_killed_process_leaves_its_spool_to_the_next(there: Destination) -> None:
    kill_kafka(there)
    process = there.run("""
        trace = producer.trace(scenario="s", agent="a").start()
        for number in range(1000):
            trace.user_message(str(number))
        producer.flush(0.3)
        print("on disk", flush=True)
        time.sleep(60)
    """)
    assert process.stdout is not None
    assert process.stdout.readline() == "on disk\n"
    process.kill()
    process.communicate()
    start_part(there.home, "kafka")
    with there.producer() as producer:
        wait_until(lambda: producer.flush(2) and producer.stats().respooled == 1001)
    assert texts(there.events()) == numbered(1000)


def test_a_registry_that_is_away_only_delays(there: Destination) -> None:
    producer = Producer(
        there.bootstrap_servers, "http://127.0.0.1:9", topic=there.topic, spool_directory=there.spool,
        handle_sigterm=False,
    )  # fmt: skip
    with producer.trace(scenario="s", agent="a") as trace:
        for text in numbered(300):
            trace.user_message(text)
    producer.close(3)
    assert producer.stats().delivered == 0
    with there.producer() as heir:
        wait_until(lambda: heir.flush(2) and heir.stats().respooled == 302)
    assert texts(there.events()) == numbered(300)


def test_exit_delivers_what_was_just_emitted(there: Destination) -> None:
    ended(
        there.run("""
        with producer.trace(scenario="s", agent="a") as trace:
            for number in range(1000):
                trace.user_message(str(number))
    """)
    )
    assert texts(there.events()) == numbered(1000)


@pytest.mark.parametrize("handler", ["default", "own"])
def test_sigterm_delivers_and_then_does_what_it_did_before(there: Destination, handler: str) -> None:
    own = handler == "own"
    process = there.run(f"""
        def goodbye(number, frame):
            os.write(1, b"goodbye")
            os._exit(7)
        if {own}:
            signal.signal(signal.SIGTERM, goodbye)
            producer.close()
            producer = Producer({there.bootstrap_servers!r}, {there.registry_url!r}, topic={there.topic!r},
                                spool_directory={str(there.spool)!r})
        trace = producer.trace(scenario="s", agent="a").start()
        for number in range(100):
            trace.user_message(str(number))
        print("ready", flush=True)
        while True:
            time.sleep(0.05)  # a signal just before a long sleep would wait for its end
    """)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.terminate()
    out = ended(process, 7 if own else -signal.SIGTERM)
    assert ("goodbye" in out) is own
    assert texts(there.events()) == numbered(100)


def test_sigterm_while_kafka_is_away_leaves_everything_on_disk(there: Destination) -> None:
    kill_kafka(there)
    process = there.run("""
        trace = producer.trace(scenario="s", agent="a").start()
        for number in range(100):
            trace.user_message(str(number))
        print("ready", flush=True)
        while True:
            time.sleep(0.05)  # a signal just before a long sleep would wait for its end
    """)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    begun = time.monotonic()
    process.terminate()
    ended(process, -signal.SIGTERM)
    assert time.monotonic() - begun < 8
    start_part(there.home, "kafka")
    with there.producer() as producer:
        wait_until(lambda: producer.flush(2) and producer.stats().respooled == 101)
    assert texts(there.events()) == numbered(100)


def test_a_forked_child_sends_its_own_events_and_none_of_its_parents(there: Destination) -> None:
    out = ended(
        there.run("""
        with producer.trace(scenario="s", agent="a") as trace:
            for number in range(100):
                trace.user_message(str(number))
            child = os.fork()
            if child == 0:
                with trace.agent("child") as agent:
                    agent.user_message("from the child")
                sys.exit(0)  # unwinds the parent's `with`
            os.waitpid(child, 0)
            trace.user_message("100")
        producer.close()
        print(producer.stats().delivered)
    """)
    )
    assert out.split() == ["103"]
    with there.producer() as heir:  # had the fork hit librdkafka at a bad moment, the child's events would be on disk
        assert heir.flush(20)
    events = there.events()
    assert len({event.event_id for event in events}) == len(events) == 106
    assert len({event.producer_id for event in events}) == 2
    assert sum(bool(event.agent_ended and event.agent_ended.root) for event in events) == 1


def test_multiprocessing_children_deliver_before_they_end(there: Destination) -> None:
    producer = there.producer()
    with producer.trace(scenario="s", agent="a") as trace:

        def work(name: str) -> None:
            trace.user_message(name)

        children = [multiprocessing.get_context("fork").Process(target=work, args=(str(n),)) for n in range(3)]
        for child in children:
            child.start()
        for child in children:
            child.join(30)
            assert child.exitcode == 0
    producer.close()
    assert sorted(text or "" for text in texts(there.events())) == ["0", "1", "2"]


def test_another_process_continues_the_trace(there: Destination) -> None:
    with there.producer() as producer:
        trace = producer.trace(scenario="s", agent="a", consent="granted")
        with trace, trace.step("delegate") as step:
            ended(
                there.run(f"""
                with producer.trace(scenario="s", agent="helper", traceparent={step.traceparent!r}) as helper:
                    helper.user_message("hello")
            """)
            )
    events = there.events()
    assert {event.trace_id for event in events} == {trace.trace_id}
    helpers = [event for event in events if event.agent == "helper"]
    assert [event.kind for event in helpers] == ["agent_started", "user_message", "agent_ended"]
    assert helpers[0].parent_span_id == step.span_id
    assert [event.agent for event in events if event.agent_ended and event.agent_ended.root] == ["a"]


def test_only_a_full_disk_drops_and_it_says_so(there: Destination, caplog: pytest.LogCaptureFixture) -> None:
    kill_kafka(there)
    producer = there.producer(spool_bytes=400_000, queue_events=500)
    trace = producer.trace(scenario="s", agent="a").start()
    for text in numbered(3000):
        trace.user_message(text.ljust(10_000))
    wait_until(lambda: producer.stats().dropped > 0)
    for text in numbered(1000, 3000):
        trace.user_message(text.ljust(10_000))
    stats = producer.stats()
    assert stats.emitted == 4001
    assert 0 < stats.spool_bytes <= 400_000
    wait_until(lambda: "events were dropped" in caplog.text)
    start_part(there.home, "kafka")
    wait_until(lambda: producer.flush(1), 60)
    stats = producer.stats()
    producer.close()
    assert stats.delivered + stats.dropped == stats.emitted == 4001
    assert stats.internal_errors == 0
    assert len({event.event_id for event in there.events()}) == stats.delivered


def test_an_event_that_is_too_large_is_kept_aside_and_stops_nothing(there: Destination) -> None:
    with there.producer(queue_bytes=200 * 2**20) as producer:
        with producer.trace(scenario="s", agent="a") as trace:
            trace.user_message("x" * (49 * 2**20))
            trace.user_message("after")
        assert producer.flush(20)
    assert producer.stats().refused == 1
    assert texts(there.events()) == ["after"]
    assert len(list(there.spool.rglob("*.refused"))) == 1


def test_emit_stays_quick_while_the_broker_is_killed(there: Destination) -> None:
    worst = 0.0
    with there.producer() as producer, producer.trace(scenario="s", agent="a") as trace:
        killer = threading.Timer(0.3, kill_kafka, (there,))
        killer.start()
        until = time.monotonic() + 4
        while time.monotonic() < until:
            begun = time.perf_counter()
            trace.user_message("hello")
            worst = max(worst, time.perf_counter() - begun)
            time.sleep(0.001)
        killer.join()
        start_part(there.home, "kafka")
        wait_until(lambda: producer.flush(1), 60)
    assert worst < 0.25  # a shared machine: scheduling, not waiting for a broker (seconds)
