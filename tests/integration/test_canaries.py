"""Canaries in every field of every event, through the whole line under the default policies: found nowhere behind
redaction but where originals are kept.

Originals may be kept in `agent-events` and in the *values* of dead letters, late events and the quarantine.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest
import redis
import requests
from confluent_kafka import Consumer, TopicPartition

from schemas.codec import HEADER_NAME
from schemas.contracts import topic_contracts
from schemas.records import BODY_TYPES, ConsentStatus, Event, UserMessage
from sinks.query import query
from streams.app import DEFAULT_POLICY
from streams.redaction import DEFAULT_REDACTION
from tests.integration.canaries import Planter, planted_places
from tests.integration.line import Line, wait_for
from tests.integration.ports import free_port_base
from tests.integration.world import Sending, World
from tests.unit.core.build import Run, call

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

RAW_VALUES = frozenset({"dead-letters", "late-events", "quarantine"})
MADE = frozenset({"traces", "decisions", "examples", "patterns"})
"""Topics behind redaction that this traffic must fill; windows are published when their hour is over."""
IN_PROSE = "Yesterday Martha Kowalski of the night shift told me about the refund."
"""No rule finds this name, only the model."""


def every_field(planter: Planter, trace_id: str) -> list[Event]:
    """A run that succeeds, with canaries in every field of every kind of event."""
    run = Run(trace_id).add(planter.body("agent_started", root=True)).hears(IN_PROSE)
    for kind in BODY_TYPES:
        run.add(planter.body(kind, root=False), span=f"span-{kind}")
    arguments = planter.in_json("arguments of a call that is joined")
    run.says("I look.", call("Search", arguments, "c1")).calls("Search", arguments, call_id="c1")
    run.returns({"hits": planter.text("a result that is joined")}).says(planter.text("an answer"))
    run.add(planter.body("agent_ended", root=True))
    first, *others = run.events
    return [planter.envelope(first, "the first event"), planter.envelope(others[0], "another event"), *others[1:]]


def again(events: list[Event], name: str, status: ConsentStatus = "granted", **changes: Any) -> list[Event]:
    """The same run under another id."""
    old = events[0].trace_id
    return [
        msgspec.structs.replace(
            event,
            trace_id=name,
            event_id=event.event_id.replace(old, name),
            consent=msgspec.structs.replace(event.consent, status=status),
            **changes,
        )
        for event in events
    ]


def test_no_canary_is_found_behind_redaction(line: Line, capfd: pytest.CaptureFixture[str]) -> None:
    line.settings = line.settings.model_copy(update={"policy": DEFAULT_POLICY, "redaction": DEFAULT_REDACTION})
    line.having(assemble={"quiet_seconds": 1.5, "amend_seconds": 0})
    port = free_port_base()
    assembling = line.having(worker={"health_port": port}).start(["assemble"])
    curating = line.having(worker={"health_port": port + 1}).start(["curate", "sink"])
    world, planter = line.world(91), Planter()
    whole = every_field(planter, "whole")
    assert {place.partition(" of ")[2] for place in planter.planted.values()} >= {
        f"{kind}.{place.rpartition('.')[0]}.{place.rpartition('.')[2]}".replace("..", ".")
        for kind, body in BODY_TYPES.items()
        for place in planted_places(body)
    }, "a field of text was not planted"
    plain = {"scenario": "CanaryDesk", "agent": "Desk"}
    runs = [
        whole,
        *(again(whole, f"copy-{number}", "granted", **plain) for number in range(3)),
        again(whole, "undecided", "unknown"),
        again(whole, "refused", "denied"),
    ]
    header = planter.text("a header")
    held = [_person_in_an_id(planter, world, name) for name in ("event_id", "span_id", "producer_id", "target_span_id")]
    messages = [message for run in [*runs, *held] for message in _in_two(world, run, header)]
    late = Run("whole").hears(planter.text("a late event")).events
    late = [msgspec.structs.replace(late[0], event_id="late")]
    broken = _broken(world, planter, header)
    assert len(planter.found_in(b"".join(message.value or b"" for message in [*messages, *broken]))) > 500
    world.send([*messages, *broken])

    def all_closed() -> bool:
        assembling.look_after()
        return _closed(line) == len(runs) + len(held)

    wait_for(all_closed, 150)
    world.ledger.late += len(late)
    world.ledger.received += len(late)
    world.send([world.message(late)])
    assembling.wait_until_idle(timeout_seconds=60)
    status = curating.wait_until_idle(timeout_seconds=60)
    assert status.balanced
    assert (status.events.dead_lettered, status.events.late) == (len(broken), 1)
    assert status.traces.quarantined == 1 + len(held)
    assert status.traces.accepted >= 1
    rules = query(line.settings, "SELECT DISTINCT redaction_rules FROM traces").to_pylist()
    assert ["ner=rampart" in row["redaction_rules"] for row in rules] == [True]

    leaks: dict[str, dict[str, str]] = {}
    searched: set[str] = set()
    for place, data in _everywhere(line, port):
        searched.add(place.partition(" ")[0])
        found = planter.found_in(data) | ({"martha": "PERSON"} if _holds(data, "martha kowalski") else {})
        if found:
            leaks.setdefault(place, {}).update(found)
    assert not leaks, {place: sorted(set(found.values()))[:10] for place, found in leaks.items()}
    assert searched >= {"topic", "headers", "table", "file", "log", "metrics", "redis", "explain", "status", "letters"}
    said = capfd.readouterr()
    assert not planter.found_in(said.out + said.err)


def _holds(data: bytes | str, needle: str) -> bool:
    return needle in (data if isinstance(data, str) else data.decode("latin-1")).lower()


def _in_two(world: World, events: list[Event], header: str) -> Iterator[Sending]:
    """Two messages, with headers as a careless producer sets them."""
    middle = len(events) // 2
    for part in (events[:middle], events[middle:]):
        message = world.message(part)
        world.ledger.valid(part)
        yield Sending(message.key, message.value, (("baggage", header.encode()), (header, b"1")))


def _person_in_an_id(planter: Planter, world: World, name: str) -> list[Event]:
    """A run in which one identifier shows a person."""
    events = world.run(turns=1)
    shown = planter.short(f"the identifier {name}")
    if name == "target_span_id":
        target = Run(events[0].trace_id).add(planter.body("feedback_given", root=False)).events[0]
        assert target.feedback_given is not None
        body = msgspec.structs.replace(target.feedback_given, target_span_id=shown)
        spoken = msgspec.structs.replace(target, event_id="feedback", sequence=99, feedback_given=body)
        return [*events, spoken]
    return [msgspec.structs.replace(event, **{name: f"{shown}-{number if name == 'event_id' else 0}"})
            for number, event in enumerate(events)]  # fmt: skip


def _broken(world: World, planter: Planter, header: str) -> list[Sending]:
    """Messages that become dead letters."""
    text = planter.text("a message that is no Avro").encode()
    headers = ((header, header.encode()), ("baggage", header.encode()))
    shown = planter.short("a trace id").replace(" ", "-")
    event = msgspec.structs.replace(world.run(turns=0)[0], trace_id=shown)
    named = world.message([event])
    assert named.value is not None
    bodiless = msgspec.structs.replace(
        event, trace_id="bodiless", user_message=UserMessage(content=planter.text("a second body"))
    )
    twofold = world.message([bodiless])
    assert twofold.value is not None
    return [
        world.broken(text, text, headers),
        world.broken(b"\x00\x7f\xff\xff\xff" + text, b"key", headers),
        world.broken(text, b"key", ((HEADER_NAME, header.encode()),)),
        world.broken(named.value, named.key, headers),
        world.broken(twofold.value, twofold.key, headers),
    ]


def _closed(line: Line) -> int:
    client = redis.Redis.from_url(line.settings.redis_url())
    try:
        return sum(
            int(client.hget(f"{line.settings.redis.key_prefix}:{{agent-events-{n}}}:counts", "traces") or 0)
            for n in range(line.settings.kafka.partitions)
        )
    finally:
        client.close()


def _everywhere(line: Line, port: int) -> Iterator[tuple[str, bytes | str]]:
    """Every place that must be clean, with what it holds."""
    yield from _topics(line)
    for name in ("traces", "decisions", "examples", "patterns"):
        yield f"table {name}", str(query(line.settings, f"SELECT * FROM {name}").to_pylist())
    yield from _files(Path(line.settings.storage_root()))
    yield from ((f"log {path.name}", path.read_bytes()) for path in (line.directory / "logs").glob("*.log"))
    for one in (port, port + 1):
        yield f"metrics {one}", requests.get(f"http://127.0.0.1:{one}/metrics", timeout=10).text
    yield from _redis(line)
    asked = (
        ("explain", "whole"), ("explain", "refused", "--json"), ("explain", "undecided"), ("status", "--json"),
        ("dead-letters", "list"), ("dead-letters", "list", "--json"),
    )  # fmt: skip
    with ThreadPoolExecutor(3) as pool:
        for words, answer in zip(asked, pool.map(lambda words: line.tdc(*words), asked), strict=True):
            assert answer.returncode == 0, (words, answer.stderr)
            yield words[0].removeprefix("dead-"), answer.stdout + answer.stderr


def _topics(line: Line) -> Iterator[tuple[str, bytes | str]]:
    reader = Consumer({**line.settings.kafka_config(), "group.id": "canaries", "enable.partition.eof": True})
    filled: set[str] = set()
    try:
        parts = [
            TopicPartition(topic, partition, 0)
            for topic in topic_contracts()
            if topic != "agent-events"
            for partition in range(line.settings.kafka.partitions)
        ]
        reader.assign(parts)
        ended = 0
        while ended < len(parts):
            message = reader.poll(20)
            assert message is not None
            if message.error():
                ended += 1
                continue
            topic = message.topic() or ""
            filled.add(topic)
            yield f"headers of {topic}", repr(message.headers())
            if topic not in RAW_VALUES:
                yield f"topic {topic}", (message.key() or b"") + b" " + (message.value() or b"")
    finally:
        reader.close()
    assert filled >= MADE | RAW_VALUES, "the traffic did not reach every topic"


def _files(root: Path) -> Iterator[tuple[str, bytes | str]]:
    """Tables as they lie on the disk: old files, the log with its statistics, and what Parquet compresses."""
    for path in sorted(root.rglob("*")):
        if not path.is_file():
            continue
        yield f"file {path.relative_to(root)}", path.read_bytes()
        if path.suffix == ".parquet" and "_delta_log" not in path.parts:
            yield f"file {path.relative_to(root)}, read", str(pq.ParquetFile(path).read().to_pylist())


def _redis(line: Line) -> Iterator[tuple[str, bytes | str]]:
    client: Any = redis.Redis.from_url(line.settings.redis_url())
    readers: dict[bytes, Any] = {
        b"hash": client.hgetall,
        b"string": client.get,
        b"set": client.smembers,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"zset": lambda key: client.zrange(key, 0, -1),
    }
    kinds: set[str] = set()
    try:
        for key in client.scan_iter(match=f"{line.settings.redis.key_prefix}:*", count=1000):
            name = key.decode("latin-1")
            assert ":held:" not in name, "content of a closed trace"
            kinds.add(name.partition("{")[2].partition("}")[0].partition("-")[0].partition(":")[0])
            yield f"redis {name}", key + _flat(readers[client.type(key)](key))
    finally:
        client.close()
    assert {"agent", "traces", "patterns"} <= kinds
    assert any("near" in kind or "dup" in kind for kind in kinds), kinds


def _flat(value: Any) -> bytes:
    if isinstance(value, bytes):
        return value + b"\n"
    if isinstance(value, dict):
        return b"".join(_flat(one) + _flat(other) for one, other in value.items())
    return b"".join(map(_flat, value)) if isinstance(value, list | set | tuple) else b""
