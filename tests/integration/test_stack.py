"""The local stack for real: up, broken in every part, recovered, down. Nothing may be forgotten on the way."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from redis import Redis
from redis.exceptions import OutOfMemoryError

from ops.stack import (
    PART_NAMES,
    PartFailedError,
    PartStatus,
    PortTakenError,
    StackError,
    down,
    endpoints,
    processes,
    restart,
    start_part,
    status,
    stop_part,
    up,
)
from ops.stack.processes import Identity
from ops.stack.redis import Redis as RedisPart
from ops.stack.state import load
from ops.stack.versions import MESSAGE_MAX_BYTES
from tests.integration.ports import free_port_base

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# The first start on a machine downloads 165 MB and builds the object store.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SCHEMA = {"type": "record", "name": "Probe", "fields": [{"name": "x", "type": "string"}]}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    directory = tmp_path_factory.mktemp("stack") / "home"
    try:
        up(directory, free_port_base())
        yield directory
    finally:
        down(directory)


@pytest.fixture
def has_s3(home: Path) -> None:
    if endpoints(home).s3_endpoint is None:
        pytest.skip("no object store on this machine: there is no Go to build it with")


def row(rows: list[PartStatus], name: str) -> PartStatus:
    return next(row for row in rows if row.name == name)


def pid_of(home: Path, name: str) -> int:
    pid = row(status(home), name).pid
    assert pid is not None
    return pid


def kill(home: Path, name: str) -> None:
    os.kill(pid_of(home, name), signal.SIGKILL)
    wait_until(lambda: not row(status(home), name).running)


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def registry_call(home: Path, path: str, body: object = None) -> Any:
    request = urllib.request.Request(
        endpoints(home).registry_url + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/vnd.schemaregistry.v1+json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def register(home: Path, subject: str, name: str) -> int:
    schema = {**SCHEMA, "name": name}
    return int(registry_call(home, f"/subjects/{subject}/versions", {"schema": json.dumps(schema)})["id"])


def s3_client(home: Path) -> S3Client:
    known = endpoints(home)
    return boto3.session.Session().client(
        "s3",
        endpoint_url=known.s3_endpoint,
        region_name=known.s3_region,
        aws_access_key_id=known.s3_access_key,
        aws_secret_access_key=known.s3_secret_key,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, max_pool_connections=32),
    )


def produce(home: Path, topic: str, *values: bytes) -> None:
    producer = Producer(
        {
            "bootstrap.servers": endpoints(home).bootstrap_servers,
            "message.max.bytes": MESSAGE_MAX_BYTES,
            "acks": "all",
            "log_level": 0,
        }
    )
    failures: list[object] = []
    for value in values:
        producer.produce(topic, value, callback=lambda error, _: failures.append(error) if error else None)
    assert producer.flush(30) == 0
    assert failures == []


def consume(home: Path, topic: str, count: int) -> list[bytes]:
    consumer = Consumer(
        {
            "bootstrap.servers": endpoints(home).bootstrap_servers,
            "group.id": f"test-{time.monotonic_ns()}",
            "auto.offset.reset": "earliest",
            "session.timeout.ms": 6000,
            "fetch.message.max.bytes": MESSAGE_MAX_BYTES,
            "log_level": 0,
        }
    )
    consumer.subscribe([topic])
    try:
        values: list[bytes] = []
        deadline = time.monotonic() + 30
        while len(values) < count and time.monotonic() < deadline:
            message = consumer.poll(0.5)
            if message is not None and message.error() is None:
                values.append(message.value() or b"")
        return values
    finally:
        consumer.close()


def make_topic(home: Path, topic: str) -> None:
    admin = AdminClient({"bootstrap.servers": endpoints(home).bootstrap_servers, "log_level": 0})
    config = {"max.message.bytes": str(MESSAGE_MAX_BYTES)}
    for future in admin.create_topics([NewTopic(topic, 1, 1, config=config)]).values():
        future.result(20)


def test_up_twice_changes_nothing(home: Path) -> None:
    before = {r.name: r.pid for r in status(home)}
    assert sorted(before) == sorted(PART_NAMES)
    state = load(home)
    assert state is not None
    rows = up(home, state.stack.ports.base)
    assert {r.name: r.pid for r in rows} == before
    assert all(r.running for r in rows)


def test_another_port_base_is_refused_while_it_runs(home: Path) -> None:
    with pytest.raises(StackError, match="tdc down"):
        up(home, free_port_base())


def test_everything_listens_on_the_loopback_address_only(home: Path) -> None:
    state = load(home)
    assert state is not None
    for name, identity in state.processes.items():
        listening = [c for c in psutil.Process(identity.pid).net_connections("tcp") if c.status == "LISTEN"]
        assert listening, name
        assert {c.laddr.ip.removeprefix("::ffff:") for c in listening} == {"127.0.0.1"}, name


def test_no_secret_is_on_a_command_line_or_in_a_log(home: Path, has_s3: None) -> None:
    secret = endpoints(home).s3_secret_key
    assert secret
    state = load(home)
    assert state is not None
    for identity in state.processes.values():
        assert secret not in " ".join(psutil.Process(identity.pid).cmdline())
    for log in (home / "logs").iterdir():
        assert secret not in log.read_text(errors="replace")


def test_schema_ids_survive_a_crash_right_after_they_were_given(home: Path) -> None:
    first = register(home, "probe-value", "Probe")
    for round_number in range(3):
        name = f"Probe{round_number}"
        pid = pid_of(home, "registry")
        given = register(home, f"probe{round_number}-value", name)
        os.kill(pid, signal.SIGKILL)
        start_part(home, "registry")
        assert json.loads(registry_call(home, f"/schemas/ids/{given}")["schema"])["name"] == name
        assert register(home, f"probe{round_number}-value", name) == given, "the id of a schema must be stable"
    assert json.loads(registry_call(home, f"/schemas/ids/{first}")["schema"]) == SCHEMA


def test_messages_survive_a_crash_of_the_broker(home: Path) -> None:
    make_topic(home, "crash")
    values = [f"message {number}".encode() for number in range(500)]
    produce(home, "crash", *values)
    restart(home, "kafka", signal=signal.SIGKILL)
    assert consume(home, "crash", len(values)) == values


def test_large_messages_pass_and_unknown_topics_do_not_appear(home: Path) -> None:
    make_topic(home, "large")
    large = os.urandom(40 * 1024 * 1024)
    produce(home, "large", large, b"small")
    assert consume(home, "large", 2) == [large, b"small"]
    admin = AdminClient({"bootstrap.servers": endpoints(home).bootstrap_servers, "log_level": 0})
    admin.list_topics("misspelt", timeout=10)
    time.sleep(0.5)
    assert "misspelt" not in admin.list_topics(timeout=10).topics


def test_redis_keeps_what_it_confirmed_and_never_evicts(home: Path) -> None:
    with Redis.from_url(endpoints(home).redis_url, decode_responses=True) as client:
        client.set("kept", "yes")
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("maxmemory") == {"maxmemory": str(4 * 1024**3)}
    restart(home, "redis", signal=signal.SIGKILL)
    with Redis.from_url(endpoints(home).redis_url, decode_responses=True) as client:
        assert client.get("kept") == "yes"
        client.config_set("maxmemory", "1")
        with pytest.raises(OutOfMemoryError):
            client.set("more", "x")
        assert client.get("kept") == "yes"
        client.config_set("maxmemory", "4gb")


def test_concurrent_conditional_writes_have_one_winner(home: Path, has_s3: None) -> None:
    """Delta's commits on S3 rest on exactly this."""
    client = s3_client(home)
    bucket = endpoints(home).s3_bucket
    writers = 24
    for round_number in range(5):
        together = threading.Barrier(writers)
        key = f"commits/{round_number}"

        def write(number: int, key: str = key, together: threading.Barrier = together) -> str:
            together.wait()
            try:
                client.put_object(Bucket=bucket, Key=key, Body=str(number).encode(), IfNoneMatch="*")
            except ClientError as error:
                return str(error.response["Error"]["Code"])
            return "won"

        with ThreadPoolExecutor(writers) as pool:
            outcomes = Counter(pool.map(write, range(writers)))
        assert outcomes["won"] == 1, outcomes
        assert set(outcomes) <= {"won", "PreconditionFailed", "ConditionalRequestConflict"}


def test_objects_survive_a_crash_of_the_store(home: Path, has_s3: None) -> None:
    bucket = endpoints(home).s3_bucket
    s3_client(home).put_object(Bucket=bucket, Key="kept", Body=b"yes")
    restart(home, "s3", signal=signal.SIGKILL)
    assert s3_client(home).get_object(Bucket=bucket, Key="kept")["Body"].read() == b"yes"


@pytest.mark.parametrize("name", ["kafka", "redis", "registry"])
def test_up_restarts_just_the_part_that_died(home: Path, name: str) -> None:
    before = {r.name: r.pid for r in status(home)}
    kill(home, name)
    assert "died" in row(status(home), name).detail
    state = load(home)
    assert state is not None
    rows = up(home, state.stack.ports.base)
    assert all(r.running for r in rows)
    assert {r.name for r in rows if r.pid != before[r.name]} == {name}


def test_a_start_that_was_never_recorded_is_taken_over(home: Path) -> None:
    state = load(home)
    assert state is not None
    unrecorded = state.processes["redis"]
    state.record("redis", None)
    assert start_part(home, "redis").pid == unrecorded.pid
    state.record("redis", None)
    stop_part(home, "redis")
    assert not processes.alive(unrecorded)
    assert start_part(home, "redis").running


def test_a_registry_killed_while_it_makes_its_database_starts_again(home: Path) -> None:
    stop_part(home, "registry")
    kept = home / "registry"
    aside = kept.rename(home / "registry-aside")
    try:
        thread = threading.Thread(target=start_part_quietly, args=(home, "registry"))
        thread.start()
        wait_until(lambda: "registry" in processes_of(home))
        log = home / "logs" / "registry.log"
        wait_until(lambda: "Initializing the Apicurio Registry database" in log.read_text())
        os.kill(processes_of(home)["registry"].pid, signal.SIGKILL)
        thread.join()
        assert start_part(home, "registry").running
        assert register(home, "fresh-value", "Fresh") >= 1
    finally:
        stop_part(home, "registry")
        shutil.rmtree(kept)
        aside.rename(kept)
        start_part(home, "registry")


def processes_of(home: Path) -> dict[str, Identity]:
    state = load(home)
    assert state is not None
    return state.processes


def start_part_quietly(home: Path, part: str) -> None:
    with contextlib.suppress(PartFailedError):
        start_part(home, part)


def test_a_port_in_use_is_named_with_its_holder(home: Path) -> None:
    stop_part(home, "redis")
    state = load(home)
    assert state is not None
    said = rf"port {state.stack.ports.redis} is in use by .*pid {os.getpid()}"
    with socket.create_server(("127.0.0.1", state.stack.ports.redis)), pytest.raises(PortTakenError, match=said):
        start_part(home, "redis")
    assert start_part(home, "redis").running


def test_a_part_that_cannot_start_shows_the_end_of_its_log(home: Path) -> None:
    stop_part(home, "redis")
    # Redis 7 has a manifest, which nothing repairs; the one file of Redis 6 is a directory here.
    file = next(iter((home / "redis").rglob("*.manifest")), home / "redis" / "appendonly.aof")
    kept = file.rename(file.with_suffix(".kept"))
    file.mkdir()
    try:
        with pytest.raises(PartFailedError, match=r"(?s)redis exited while starting.*redis\.log.*(AOF|append)"):
            start_part(home, "redis")
    finally:
        file.rmdir()
        kept.rename(file)
    assert start_part(home, "redis").running


def test_down_stops_all_also_what_is_dead_and_keeps_the_data(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    identifier = register(home, "kept-value", "Kept")
    state = load(home)
    assert state is not None
    kill(home, "registry")
    os.kill(state.processes["redis"].pid, signal.SIGSTOP)
    monkeypatch.setattr(RedisPart, "stop_seconds", 1.0)
    assert not any(r.running for r in down(home))
    assert list(processes.leftovers(home)) == []
    assert not any(r.running for r in down(home))
    rows = up(home, state.stack.ports.base)
    assert all(r.running for r in rows)
    assert json.loads(registry_call(home, f"/schemas/ids/{identifier}")["schema"])["name"] == "Kept"
