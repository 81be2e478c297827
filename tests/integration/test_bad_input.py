"""Bad input on `agent-events`: nothing stops, nothing vanishes, and what can be repaired is replayed."""

import json
import time
import uuid
from typing import Any

import msgspec
import pytest
import requests
from confluent_kafka import Consumer, TopicPartition

from ops.letters import read_letters
from schemas.codec import HEADER_NAME, encode
from schemas.contracts import registered_schema
from schemas.records import Event, EventBatch
from tests.integration.line import Line
from tests.integration.poison import broken_message, framed_by_header, partly_broken
from tests.integration.world import CANARY, World

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

MESSAGES = 10_000
HOSTILE = ("\x00", "‮evil‬", "a" * 2**20, "𝕬" * 50, "'; DROP TABLE traces; --", "\u2028", "[red]", "${jndi:x}", "\ufffe")


def test_ten_thousand_broken_messages_are_all_accounted_for(line: Line) -> None:
    world = line.world(31)
    supervisor = line.start()
    large = [world.broken(world.random.randbytes(size), b"large") for size in (20 * 2**20, 40 * 2**20 - 2048)]
    broken = [broken_message(world, number) for number in range(MESSAGES)]
    hostile = [_hostile_run(world, text) for text in HOSTILE]
    good = world.messages([*(world.mixed_run() for _ in range(60)), *hostile])
    partly = [partly_broken(world) for _ in range(20)]
    messages = broken + good + partly + [framed_by_header(world) for _ in range(5)]
    world.random.shuffle(messages)
    started = time.monotonic()
    world.send(messages + large)
    status = line.settle(supervisor, world.ledger, 200)
    seconds = time.monotonic() - started
    print(f"{len(messages) / seconds:.0f} messages/s with {status.events.dead_lettered} broken ones")
    assert status.events.dead_lettered == MESSAGES + 2 + 20
    logs = line.logs()
    assert CANARY not in logs
    assert "Traceback" not in logs
    _check_headers(line)


def _hostile_run(world: World, text: str) -> list[Event]:
    """A valid run whose texts are unpleasant."""
    events = world.run(turns=1)
    said = msgspec.structs.replace(events[1].user_message, content=text)  # type: ignore[type-var]
    return [events[0], msgspec.structs.replace(events[1], user_message=said), *events[2:]]


def _check_headers(line: Line) -> None:
    """Every letter says in its headers where it comes from and why; the originals lie where they say."""
    reader = Consumer({**line.settings.kafka_config(), "group.id": "check", "auto.offset.reset": "earliest"})
    seen = 0
    try:
        parts = [TopicPartition("dead-letters", number, 0) for number in range(line.settings.kafka.partitions)]
        ends = {part.partition: reader.get_watermark_offsets(part)[1] for part in parts}
        reader.assign(parts)
        while seen < min(300, sum(ends.values())):
            message = reader.poll(20)
            assert message is not None
            headers: dict[str, Any] = dict(message.headers() or ())
            assert headers["origin-topic"] == b"agent-events"
            assert int(headers["origin-offset"]) >= 0
            assert int(headers["origin-partition"]) in ends
            assert headers["stage"] == b"assemble"
            assert headers["error-class"] in (
                b"InvalidWireFormat",
                b"UnknownSchema",
                b"UndecodableRecord",
                b"InvalidRecord",
            )
            assert headers["error-message"]
            assert CANARY.encode() not in headers["error-message"]
            seen += 1
    finally:
        reader.close()


def test_what_was_unknown_is_replayed_once_its_schema_is_registered(line: Line) -> None:
    world = line.world(32)
    supervisor = line.start()
    subject = f"foreign-{uuid.uuid4().hex}"
    schema = json.loads(registered_schema("EventBatch"))
    schema["doc"] = f"a foreign writer's own words {subject}"
    next_id = _register(line, f"{subject}-probe", {**schema, "doc": "probe " + subject}) + 1
    events, framed = world.run(turns=1), world.run(turns=1)
    messages = []
    for run, by_header in ((events, False), (framed, True)):
        batch = EventBatch(trace_id=run[0].trace_id, producer_id="test", events=tuple(run))
        value = encode(batch, next_id)
        key = run[0].trace_id.encode()
        headers = ((HEADER_NAME, value[:5]),)
        messages.append(world.broken(value[5:], key, headers) if by_header else world.broken(value, key))
    for_ever = world.broken(b"not avro", b"k")
    world.send([*messages, for_ever])
    line.settle(supervisor, world.ledger)
    listed = json.loads(line.tdc("dead-letters", "list", "--json").stdout)
    assert sorted(row["error"] for row in listed) == ["InvalidWireFormat", "UnknownSchema", "UnknownSchema"]
    assert _register(line, subject, schema) == next_id
    time.sleep(5.5)  # so long is it known to be unknown
    replayed = line.tdc("dead-letters", "replay", "--error", "UnknownSchema", "--json")
    assert json.loads(replayed.stdout) == {"messages": 2, "dry_run": False}
    status = supervisor.wait_until_idle(timeout_seconds=60)
    assert status.balanced
    assert status.traces.assembled == 2, [letter.record.error_message for letter in read_letters(line.settings)]
    assert status.events.assembled == len(events) + len(framed)
    before = [row for row in listed if row["error"] == "InvalidWireFormat"]
    line.tdc("dead-letters", "replay", "--error", "InvalidWireFormat")
    assert supervisor.wait_until_idle(timeout_seconds=60).events.dead_lettered == status.events.dead_lettered + 1
    after = json.loads(line.tdc("dead-letters", "list", "--error", "InvalidWireFormat", "--json").stdout)
    assert len(after) == len(before) == 1, "what came back stands for what it was"
    assert after[0]["offset"] > before[0]["offset"]


def _register(line: Line, subject: str, schema: Any) -> int:
    url = f"{line.settings.registry_url()}/subjects/{subject}/versions"
    answer = requests.post(url, json={"schema": json.dumps(schema)}, timeout=20)
    answer.raise_for_status()
    return int(answer.json()["id"])
