"""Parts of the stack that die, forget, stall or come late: everything resumes by itself and adds up."""

import os
import signal
import time

import pytest
import redis
from confluent_kafka import Consumer

from ops.stack import start_part, stop_part
from ops.stack import status as stack_status
from ops.supervisor import Supervisor
from sinks.consumer import GROUP
from sinks.query import query
from sinks.tables import TOPICS
from streams.app import DEFAULT_POLICY
from tests.integration.line import Line, cut_tail, wait_for
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


def test_a_transaction_that_was_torn_is_gone_for_good(line: Line) -> None:
    """Redis alone would keep its first half, and apply it together with the next one at the start after."""
    both = "for _, key in ipairs(KEYS) do redis.call('INCR', key) end"
    keys = [f"{line.settings.redis.key_prefix}:{name}" for name in ("one", "two", "three")]
    client(line).eval(both, 3, *keys)
    client(line).eval(both, 3, *keys)
    kill(line, "redis")
    log = max((line.home / "redis").glob("**/*.aof"), key=lambda path: path.stat().st_mtime)
    held = log.read_bytes()
    log.write_bytes(held[: held.rindex(keys[2].encode()) + 4])  # inside the last of the three
    for _ in range(2):
        start_part(line.home, "redis")
        client(line).eval(both, 3, *keys)
        stop_part(line.home, "redis")
    start_part(line.home, "redis")
    assert client(line).mget(keys) == [b"3"] * 3


def test_near_duplicates_windows_and_patterns_survive_kills_and_a_flush(line: Line) -> None:
    world = line.under(DEFAULT_POLICY).world(27)
    supervisor = line.start()
    for round_ in range(6):
        runs = [world.run(like=number % 7) for number in range(12)] + [world.mixed_run() for _ in range(3)]
        world.send(world.messages(runs))
        time.sleep(0.4)
        if round_ in (1, 3):
            wait_for(lambda: alive(supervisor, "curate"))
            os.kill(supervisor.pids()["curate"], signal.SIGKILL)
        if round_ == 4:
            client(line).flushall()
        supervisor.look_after()
        time.sleep(0.4)
    status = line.settle(supervisor, world.ledger)
    accepted = query(line.settings, "SELECT count(*) FROM decisions WHERE verdict = 'accepted'").to_pydict()
    assert status.traces.duplicate >= 20, status.traces
    assert status.traces.accepted == accepted["count_star()"][0]
    wait_for(lambda: query(line.settings, "SELECT * FROM patterns WHERE occurrence_count > 40").num_rows > 0, 40)
    repeats = query(
        line.settings,
        "SELECT a.verdict, count(*) AS n FROM decisions d JOIN decisions a ON d.duplicate_of = a.trace_id "
        "WHERE d.verdict = 'duplicate' GROUP BY 1",
    ).to_pylist()
    assert repeats == [{"verdict": "accepted", "n": status.traces.duplicate}]


def test_a_sink_whose_place_another_consumer_took_is_started_anew(line: Line) -> None:
    """The broker fences the older one of two members of one name: that consumer can do nothing any more."""
    world = line.world(31)
    supervisor = line.start()
    flow(world, supervisor, 1)
    supervisor.wait_until_idle(timeout_seconds=90)  # so it is a member by now, and the older one
    fenced = supervisor.pids()["sink"]
    config = line.settings.kafka_config() | {"group.id": GROUP, "group.instance.id": "sink", "log_level": 0}
    other = Consumer(config | {"partition.assignment.strategy": "range"})
    other.subscribe(list(TOPICS))
    wait_for(lambda: bool(other.poll(0.2) or other.assignment()), 30)
    wait_for(lambda: alive(supervisor, "sink") and supervisor.pids()["sink"] != fenced, 30)
    other.close()
    flow(world, supervisor, 1)
    line.settle(supervisor, world.ledger)


def alive(supervisor: Supervisor, name: str) -> bool:
    """Whether a process runs; what died is started again."""
    supervisor.look_after()
    return name in supervisor.pids()


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
