"""Parts of the stack that die, forget, stall or come late: everything resumes by itself and adds up."""

import os
import signal
import time
from pathlib import Path

import pytest
import redis

from ops.stack import start_part, stop_part
from ops.stack import status as stack_status
from ops.supervisor import Supervisor
from tests.integration.line import Line
from tests.integration.world import World

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


def flow(world: World, supervisor: Supervisor, seconds: float, *, flush: bool = True) -> None:
    """Events arrive for a while."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        world.send(world.messages([world.mixed_run() for _ in range(5)]), flush=flush)
        supervisor.look_after()
        time.sleep(0.25)


def kill(line: Line, part: str) -> None:
    stop_part(line.home, part, signal=signal.SIGKILL)


def test_broker_killed_and_started_again_while_events_flow(line: Line) -> None:
    world = line.world(21)
    supervisor = line.start()
    flow(world, supervisor, 2)
    kill(line, "kafka")
    flow(world, supervisor, 3, flush=False)
    start_part(line.home, "kafka")
    flow(world, supervisor, 2)
    line.settle(supervisor, world.ledger)


def test_redis_killed_and_started_again(line: Line) -> None:
    world = line.world(22)
    supervisor = line.start()
    flow(world, supervisor, 2)
    kill(line, "redis")
    flow(world, supervisor, 2)
    start_part(line.home, "redis")
    flow(world, supervisor, 1)
    line.settle(supervisor, world.ledger)


def test_redis_flushed_while_events_flow(line: Line) -> None:
    world = line.world(23)
    supervisor = line.start()
    flow(world, supervisor, 2)
    client(line).flushall()
    flow(world, supervisor, 2)
    client(line).flushall()
    flow(world, supervisor, 1)
    line.settle(supervisor, world.ledger)


def test_redis_that_lost_the_tail_of_its_log(line: Line) -> None:
    world = line.world(24)
    supervisor = line.start()
    flow(world, supervisor, 2)
    kill(line, "redis")
    # Redis 7 has a directory of them, Redis 6 one file.
    cut_tail(max((line.home / "redis").glob("**/*.aof"), key=lambda path: path.stat().st_size), 0.3)
    start_part(line.home, "redis")
    flow(world, supervisor, 1)
    line.settle(supervisor, world.ledger)


def cut_tail(log: Path, share: float) -> None:
    """Lose the end of a file, as a power cut does, in the middle of a command."""
    with log.open("r+b") as file:
        file.truncate(int(log.stat().st_size * (1 - share)))


def test_registry_away_at_the_start_and_in_the_middle(line: Line) -> None:
    world = line.world(25)
    kill(line, "registry")
    supervisor = line.start()
    started = supervisor.pids()
    flow(world, supervisor, 5)
    start_part(line.home, "registry")
    flow(world, supervisor, 1)
    kill(line, "registry")
    flow(world, supervisor, 1)
    assert supervisor.pids() == started, "they wait for it; nobody has to start them again"
    start_part(line.home, "registry")
    line.settle(supervisor, world.ledger)


def test_object_store_killed_slow_and_back(stored_line: Line) -> None:
    line = stored_line
    world = line.world(26)
    supervisor = line.start()
    flow(world, supervisor, 2)
    kill(line, "s3")
    flow(world, supervisor, 3)
    start_part(line.home, "s3")
    flow(world, supervisor, 1)
    store = next(row.pid for row in stack_status(line.home) if row.name == "s3")
    assert store
    for _ in range(3):  # it answers, but slowly
        os.kill(store, signal.SIGSTOP)
        flow(world, supervisor, 1.5)
        os.kill(store, signal.SIGCONT)
        flow(world, supervisor, 0.3)
    line.settle(supervisor, world.ledger)


def client(line: Line) -> "redis.Redis":
    return redis.Redis.from_url(line.settings.redis_url())
