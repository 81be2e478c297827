"""Two workers of each stage: coming, going, dying, and a zombie that wakes up after its partitions went elsewhere."""

import os
import signal

import pytest

from tests.integration.line import Line, wait_for
from tests.integration.test_faults import client, flow

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def test_workers_come_and_go_while_events_flow(line: Line) -> None:
    world = line.world(41)
    first = line.start()
    flow(world, first, 1)
    second = line.start(["assemble", "curate"], also="-second")
    flow(world, first, 4)
    wait_for(lambda: owners(line) == 2)
    for name in ("assemble", "curate"):
        os.kill(first.pids()[name], signal.SIGKILL)
    flow(world, second, 1)
    flow(world, first, 3)  # the killed ones are started again
    second.stop()
    flow(world, first, 1)
    line.settle(first, world.ledger)


def test_a_zombie_that_wakes_up_can_commit_nothing(line: Line) -> None:
    world = line.world(42)
    first = line.start()
    flow(world, first, 1)
    second = line.start(["assemble", "curate"], also="-second")
    flow(world, second, 4)
    wait_for(lambda: owners(line) == 2)
    for name in ("assemble", "curate"):
        os.kill(first.pids()[name], signal.SIGSTOP)
    flow(world, second, line.settings.kafka.session_timeout_seconds + 5)
    awake_owners = owners(line)
    for name in ("assemble", "curate"):
        os.kill(first.pids()[name], signal.SIGCONT)
    assert awake_owners == 1
    flow(world, first, 4)
    line.settle(first, world.ledger)


def owners(line: Line) -> int:
    """How many workers own partitions of `agent-events`."""
    prefix, partitions = line.settings.redis.key_prefix, range(line.settings.kafka.partitions)
    return len({client(line).hget(f"{prefix}:{{agent-events-{number}}}:lease", "owner") for number in partitions})
