"""The whole line on the real stack: what goes in comes out, once, with the right content."""

import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.codec import decode_events
from schemas.registry import RegistryClient
from tests.integration.line import Line
from tests.integration.world import CANARY, TOPIC, World
from training_data_producer import Producer

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def test_every_event_ends_in_one_place_and_every_trace_has_the_content_of_its_events(line: Line) -> None:
    world = line.world(1)
    supervisor = line.start()
    world.send(world.messages([world.mixed_run() for _ in range(60)]))
    world.send([world.broken(b"\x00\x00\x00\x00\x00"), world.broken(b""), world.broken(None)])
    world.send(world.messages([world.mixed_run() for _ in range(60)]))
    status = line.settle(supervisor, world.ledger)
    assert status.traces.accepted > 10
    assert status.traces.quarantined
    assert status.traces.withheld
    assert status.close_reasons["idle"]


def test_what_agents_report_through_the_sdk_arrives(line: Line) -> None:
    world = line.world(2)
    supervisor = line.start()
    servers = str(line.settings.kafka_config()["bootstrap.servers"])
    producer = Producer(
        servers, line.settings.registry_url(), spool_directory=line.directory / "spool", handle_sigterm=False
    )
    for number in range(20):
        with producer.trace(
            scenario="Research", agent="Scout", goal="Find it", consent="granted", consent_basis="contract",
            data_subject_id="someone", model=("acme", "acme-1"),
        ) as trace:  # fmt: skip
            trace.user_message(f"Ask {CANARY}, number {number}")
            with trace.tool("Search", {"q": f"price of {number}"}) as call:
                call.result({"hits": number})
            trace.complete("successful")
    producer.close()
    adopt(line, world)
    assert len(world.ledger.events) == 20
    status = line.settle(supervisor, world.ledger)
    assert status.close_reasons == {"ended": 20}


def adopt(line: Line, world: World) -> None:
    """Enter what others sent to `agent-events`."""
    lookup = RegistryClient.from_settings(line.settings)
    reader = Consumer({**line.settings.kafka_config(), "group.id": "adopt"})
    try:
        parts = [TopicPartition(TOPIC, number, 0) for number in range(line.settings.kafka.partitions)]
        left = sum(reader.get_watermark_offsets(part)[1] for part in parts)
        reader.assign(parts)
        for _ in range(left):
            message = reader.poll(20)
            assert message is not None
            world.ledger.valid(decode_events(message.value(), lookup))
    finally:
        reader.close()
