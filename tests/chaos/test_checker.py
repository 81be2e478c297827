"""The checker of chaos runs can fail: each guarantee is broken on purpose, and what it says of that is held here."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import redis

from ops.status import gather_status
from ops.supervisor import PROCESSES, Supervisor, settings_environment
from tests.chaos.verdict import Verdict
from tests.integration.line import ROOT, Line, wait_for
from tests.integration.world import World

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

CALM_SECONDS = 10.0


def test_it_finds_effects_that_were_not_durable_when_they_were_acknowledged(line: Line) -> None:
    world = line.world(2)
    supervisor = line.start(["curate", "sink"])
    with _broken(line, "assemble", "effects-first") as first:
        _flow(world, 1)
        wait_for(lambda: gather_status(line.settings).traces.assembled > 5)
        first.kill()
    with _broken(line, "assemble", "effects-first"):
        violations = _verdict(line, world, supervisor).violations
    assert any("not calm" in words for words in violations), violations
    assert any("is in 0 places" in words for words in violations), violations


def test_it_finds_a_state_that_two_workers_change(line: Line) -> None:
    world = line.world(3)
    supervisor = line.start(["curate", "sink"])
    with _broken(line, "assemble", "fence") as one:
        wait_for(lambda: _owner(line))
        first = _owner(line)
        with _broken(line, "assemble", "fence") as other:
            wait_for(lambda: _owner(line) != first)
            _flow(world, 2)
            wait_for(lambda: not any(gather_status(line.settings).lag.values()))
            violations = _verdict(line, world, supervisor).violations
            assert (one.poll(), other.poll()) == (None, None)
    assert any("traces stored = assembled - withheld" in words for words in violations), violations


def test_it_finds_rows_that_were_committed_without_their_offsets(line: Line) -> None:
    world = line.world(4)
    supervisor = line.start(["assemble", "curate"])
    with _broken(line, "sink", "offsets"):
        _flow(world, 1)
        wait_for(lambda: (now := gather_status(line.settings)).traces.stored and not now.lag["curate"])
        violations = _verdict(line, world, supervisor).violations
    assert any("up to -1, its log ends at" in words for words in violations), violations


def test_it_finds_content_that_was_not_redacted(line: Line) -> None:
    world = line.world(5)
    supervisor = line.start(["curate", "sink"])
    with _broken(line, "assemble", "redaction"):
        _flow(world, 1)
        violations = _verdict(line, world, supervisor, seconds=90).violations
    assert any("that was to be redacted, in traces-" in words for words in violations), violations


def _flow(world: World, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        world.send(world.messages([world.mixed_run() for _ in range(6)]))
        time.sleep(0.3)


def _verdict(line: Line, world: World, supervisor: Supervisor, seconds: float = CALM_SECONDS) -> Verdict:
    """What the checker says, also of a world that does not come to rest."""
    verdict = Verdict(line.settings, world)
    verdict.settle(seconds, supervisor.look_after)
    verdict.look(sorted((line.directory / "logs").glob("*.log")))
    return verdict


def _owner(line: Line) -> bytes | None:
    """Who holds the first partition of `agent-events`."""
    with redis.Redis.from_url(line.settings.redis_url()) as client:
        found: bytes | None = client.hget(f"{line.settings.redis.key_prefix}:{{agent-events-0}}:lease", "owner")
    return found


@contextlib.contextmanager
def _broken(line: Line, process: str, guarantee: str) -> Iterator["subprocess.Popen[bytes]"]:
    assert process in PROCESSES
    path = line.directory / "logs" / f"{process}-broken.log"
    path.parent.mkdir(exist_ok=True)
    with path.open("ab") as log:
        broken = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.broken_worker", process, guarantee],
            cwd=ROOT,
            env={**os.environ, **settings_environment(line.settings), "TDC_KAFKA__MEMBER": f"{process}-broken"},
            stdout=log,
            stderr=log,
        )
    try:
        yield broken
    finally:
        broken.kill()
        broken.wait()
