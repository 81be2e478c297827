"""kill -9 of each process before, in the middle of and after each of its effects, and at random moments."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ops.supervisor import PROCESSES, settings_environment
from tests.integration.checker import check
from tests.integration.crashing_worker import EXIT
from tests.integration.line import ROOT, Line
from tests.integration.world import Sending, World

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

STAGE_POINTS = (
    ("acquire", "after", 2),
    ("publish", "before", 1),
    ("publish", "half", 2),
    ("publish", "after", 2),
    ("commit", "before", 2),
    ("commit", "after", 2),
    ("commit", "after", 3),
)
SINK_POINTS = (
    ("table", "before", 1),
    ("table", "after", 1),
    ("table", "after", 2),
    ("table", "after", 3),
    ("offsets", "before", 2),
    ("offsets", "after", 1),
)
POINTS = {"assemble": STAGE_POINTS, "curate": STAGE_POINTS, "sink": SINK_POINTS}


@pytest.mark.parametrize("process", sorted(POINTS))
def test_a_process_that_dies_at_any_effect_loses_nothing_and_doubles_nothing(line: Line, process: str) -> None:
    world = line.world(len(process))
    supervisor = line.start([name for name in PROCESSES if name != process])
    for turn, (effect, moment, number) in enumerate(POINTS[process]):
        life = _start(line, process, effect, moment, number)
        until = time.monotonic() + 40
        while life.poll() is None:
            assert time.monotonic() < until, f"it never came to {effect} {number}"
            world.send(_some(world))
            supervisor.look_after()
            time.sleep(0.4)
        assert life.returncode == EXIT, (effect, moment, number, life.returncode, line.logs()[-2000:])
        if (
            turn in (1, 3) and "sink" in supervisor.pids()
        ):  # it would know again what it stored of late; that must not be needed
            os.kill(supervisor.pids()["sink"], signal.SIGKILL)
    last = line.start([process])
    line.settle(last, world.ledger)


def test_random_kills_of_all_processes_while_events_flow(line: Line) -> None:
    world = line.world(11)
    rng = random.Random(11)
    supervisor = line.start()
    for _ in range(6):
        for _ in range(4):
            world.send(_some(world))
            time.sleep(rng.random() * 0.5)
        _, pid = rng.choice(sorted(supervisor.pids().items()))
        os.kill(pid, signal.SIGKILL)
        time.sleep(rng.random())
        supervisor.look_after()
    line.settle(supervisor, world.ledger)


def test_a_killed_supervisor_takes_its_processes_along(line: Line) -> None:
    world = line.world(12)
    arguments = [sys.executable, "-m", "ops.cli.main", "run"]
    own = {**os.environ, **settings_environment(line.settings), "TDC_HOME": str(line.home)}
    logs = line.home / "logs"
    first = subprocess.Popen(arguments, cwd=ROOT, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(5):
            world.send(_some(world))
            time.sleep(0.8)
        second = subprocess.run([*arguments, "--until-idle"], cwd=ROOT, env=own, capture_output=True, text=True)
        assert second.returncode == 1
        assert "runs already" in second.stderr
        first.kill()
        first.wait()
        world.send(_some(world))
        done = line.tdc("run", "--until-idle", "--timeout", "90")
        assert done.returncode == 0, done.stderr
    finally:
        first.kill()
        first.wait()
    assert not [p.pid for p in psutil.process_iter() if str(logs / "assemble.log") in _open_files(p)]
    check(line.settings, world.ledger)


def _open_files(process: psutil.Process) -> list[str]:
    try:
        return [file.path for file in process.open_files()]
    except psutil.Error:
        return []


def _some(world: World) -> list[Sending]:
    messages = world.messages([world.mixed_run() for _ in range(6)])
    if world.random.random() < 0.5:
        messages.append(world.broken(b"\x00\x00\x00\x00\x00"))
    return messages


def _start(line: Line, process: str, effect: str, moment: str, number: int) -> "subprocess.Popen[bytes]":
    log = Path(line.directory) / "logs" / f"{process}-crashing.log"
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.integration.crashing_worker", process, effect, moment, str(number)],
            cwd=ROOT,
            env={**os.environ, **settings_environment(line.settings), "TDC_KAFKA__MEMBER": process},
            stdout=out,
            stderr=out,
        )
