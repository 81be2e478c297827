"""Health of a worker: what it answers, and what happens when it hangs."""

import os
import subprocess
import sys

import pytest
import requests

from ops.supervisor import settings_environment
from streams.runtime import EXIT_STALLED
from tests.integration.line import ROOT, Line, wait_for
from tests.integration.ports import free_port_base

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def test_livez_readyz_and_metrics_of_a_worker(line: Line) -> None:
    port = free_port_base()
    world = line.having(worker={"health_port": port}).world(71)
    line.start(["assemble"])
    wait_for(lambda: _code(port, "livez") == 200, 30)
    wait_for(lambda: _code(port, "readyz") == 200, 30)
    world.send([*world.messages([world.run() for _ in range(5)]), world.broken(b"")])
    wait_for(lambda: 'tdc_traces_total{fate="assembled"} 5.0' in _text(port), 30)
    metrics = _text(port)
    assert 'tdc_dead_letters_total{stage="assemble"} 1.0' in metrics
    assert f'tdc_events_total{{fate="received"}} {world.ledger.received}.0' in metrics
    assert 'tdc_lag_messages{partition="0",stage="assemble"} 0.0' in metrics
    assert "run-71" not in metrics


def test_the_watchdog_ends_a_worker_that_hangs_and_shows_where(line: Line) -> None:
    world = line.having(worker={"stall_seconds": 6}).world(72)
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.stalling_worker", "assemble"],
        cwd=ROOT, env={**os.environ, **settings_environment(line.settings)},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        world.send(world.messages([world.run()]))
        _, said = worker.communicate(timeout=60)
    finally:
        worker.kill()
    assert worker.returncode == EXIT_STALLED
    assert "stalled: lag without progress" in said
    assert "Thread 0x" in said, "no stacks"
    supervisor = line.start()
    line.settle(supervisor, world.ledger)


def _code(port: int, name: str) -> int | None:
    try:
        return requests.get(f"http://127.0.0.1:{port}/{name}", timeout=5).status_code
    except requests.ConnectionError:
        return None


def _text(port: int) -> str:
    return requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
