"""When a trace is complete, and what becomes of events that come later: each close reason for real."""

import time

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.codec import decode, decode_events
from schemas.records import AgentEnded, Event, LateEvent, UserMessage
from schemas.registry import RegistryClient
from sinks.query import query
from tests.integration.line import Line
from tests.integration.world import World

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def test_a_late_event_inside_the_amend_window_replaces_the_revision_everywhere(line: Line) -> None:
    world = line.world(51)
    supervisor = line.start()
    runs = [_good(world) for _ in range(5)]
    for events in runs:
        world.ledger.valid(events[:-3])
        world.ledger.valid(events[-1:])
        world.send([world.message(events[:-3]), world.message(events[-1:])])  # the end is there, two are missing
    line.settle(supervisor, world.ledger)
    first = _examples(line)
    assert first
    assert set(first.values()) == {1}
    for events in runs[:3]:
        world.ledger.valid(events[-3:-1])
        world.send([world.message(events[-3:-1])])
    again = runs[3][:2]  # these are known: no amendment
    world.ledger.valid(again)
    world.send([world.message(again)])
    line.settle(supervisor, world.ledger)
    latest = query(line.settings, "SELECT trace_id, revision FROM traces ORDER BY 1").to_pylist()
    assert sorted(row["revision"] for row in latest) == [1, 1, 2, 2, 2]
    assert latest == query(line.settings, "SELECT trace_id, revision FROM decisions ORDER BY 1").to_pylist()
    amended = {row["trace_id"] for row in latest if row["revision"] == 2}
    rows = query(line.settings, "SELECT trace_id, revision FROM examples").to_pylist()
    assert all(row["revision"] == (2 if row["trace_id"] in amended else 1) for row in rows)


def test_after_the_amend_window_events_go_to_late_events(line: Line) -> None:
    world = line.having(assemble={"amend_seconds": 0.5}).world(52)
    supervisor = line.start()
    events = _good(world)
    kept, late = [*events[:-3], events[-1]], events[-3:-1]
    world.ledger.valid(kept)
    world.send([world.message(kept)])
    line.settle(supervisor, world.ledger)
    time.sleep(1.5)
    world.ledger.received += 3  # two too late, one known
    world.ledger.late += 2
    message = world.message([*late, events[0]])
    world.send([message])
    line.settle(supervisor, world.ledger)
    found = _late_events(line)
    assert [(record.event_ids, record.reason) for record in found] == [
        (tuple(event.event_id for event in late), "amend_window_over")
    ]
    lookup = RegistryClient.from_settings(line.settings)
    assert [e.event_id for e in decode_events(found[0].value, lookup)][:2] == [event.event_id for event in late]


def test_each_close_reason_happens_for_real(line: Line) -> None:
    limits = {"max_age_seconds": 5.0, "idle_seconds": 2.5, "max_events": 40, "max_open_traces": 3}
    world = line.having(assemble=limits).world(53)
    supervisor = line.start()
    ended, idle, large = _good(world), world.run(ends=False, turns=1), world.run(ends=False, turns=20)
    for events in (ended, idle, large[:40]):
        world.ledger.valid(events)
        world.send([world.message(events)])
    old = world.run(ends=False, turns=6)
    for event in old[:14]:  # it never falls silent
        world.ledger.valid([event])
        world.send([world.message([event])])
        time.sleep(0.5)
    line.settle(supervisor, world.ledger)
    many = [world.run(ends=False, turns=1) for _ in range(20)]
    for events in many:
        world.ledger.valid(events)
    world.send([world.message(events) for events in many])
    status = line.settle(supervisor, world.ledger)
    assert set(status.close_reasons) == {"ended", "idle", "max_age", "max_size", "evicted"}, status.close_reasons
    reason = {row["trace_id"]: row["close_reason"] for row in query(line.settings, "FROM traces").to_pylist()}
    assert [reason[events[0].trace_id] for events in (ended, idle, large)] == ["ended", "idle", "max_size"]
    assert "evicted" in {reason[events[0].trace_id] for events in many}


def _good(world: World) -> list[Event]:
    """A run that is accepted, also without the two events before its end."""
    events = world.run(turns=2)
    extra = msgspec.structs.replace(
        events[1], event_id=f"{events[0].trace_id}-x", sequence=len(events) - 1,
        occurred_at=events[-1].occurred_at, user_message=UserMessage(content="Thanks"),
    )  # fmt: skip
    moved = [
        msgspec.structs.replace(event, tool_returned=msgspec.structs.replace(event.tool_returned, success=True))
        if event.tool_returned
        else event
        for event in events[:-1]
    ]
    end = msgspec.structs.replace(
        events[-1], sequence=len(events), agent_ended=AgentEnded(root=True, completion_status="successful")
    )
    return [*moved, extra, end]


def _examples(line: Line) -> dict[str, int]:
    rows = query(line.settings, "SELECT example_id, revision FROM examples").to_pylist()
    return {row["example_id"]: row["revision"] for row in rows}


def _late_events(line: Line) -> list[LateEvent]:
    reader = Consumer({**line.settings.kafka_config(), "group.id": "late", "auto.offset.reset": "earliest"})
    lookup = RegistryClient.from_settings(line.settings)
    found = []
    try:
        parts = [TopicPartition("late-events", number, 0) for number in range(line.settings.kafka.partitions)]
        left = sum(reader.get_watermark_offsets(part)[1] for part in parts)
        reader.assign(parts)
        for _ in range(left):
            message = reader.poll(20)
            assert message is not None
            found.append(decode(message.value(), lookup, LateEvent))
    finally:
        reader.close()
    return found
