"""The launcher starts, kills and judges processes; none is left behind."""

import sys
import time
from pathlib import Path

import psutil
import pytest

from ops.demo import launch
from ops.demo.launch import ASSIGNMENTS, Assignment, Finished, Target, run_agents

_PROGRAM = """
import json, sys, time
seed, runs = int(sys.argv[1]), int(sys.argv[2])
for number in range(runs):
    print(json.dumps({"trace_id": f"{seed}-{number}", "number": number}), flush=True)
    time.sleep(0.05)
if seed == 9:
    sys.exit(3)
if seed == 8:
    time.sleep(60)
print("not json", flush=True)
print(json.dumps({"finished": True, "emitted": 10, "delivered": 9 if seed == 7 else 10, "dropped": 0}), flush=True)
"""


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    def command(target: Target, assignment: Assignment) -> list[str]:
        return [sys.executable, "-c", _PROGRAM, str(assignment.seed), str(assignment.runs)]

    monkeypatch.setattr(launch, "_command", command)
    return Target("", "", "", "demorun", tmp_path / "logs", tmp_path, {})


def run_one(target: Target, assignment: Assignment) -> Finished:
    [finished] = run_agents(target, [assignment])
    return finished


def test_a_process_that_does_its_runs_is_fine(target: Target) -> None:
    finished = run_one(target, Assignment("bugfix", seed=1, runs=2))
    assert finished == Finished(Assignment("bugfix", 1, 2), ("1-0", "1-1"), False, None, 10)


def test_a_process_is_killed_in_the_run_that_was_chosen(target: Target) -> None:
    finished = run_one(target, Assignment("bugfix", seed=1, runs=60, kill_in_run=1))
    assert finished.killed
    assert finished.fault is None
    assert finished.announced[:2] == ("1-0", "1-1")
    assert len(finished.announced) < 60
    assert finished.events_emitted is None


def test_a_failing_process_is_named_with_its_log(target: Target) -> None:
    fault = run_one(target, Assignment("bugfix", seed=9, runs=1)).fault
    assert fault is not None
    assert "bugfix-9 ended with exit code 3" in fault
    assert str(target.directory) in fault


def test_events_that_were_not_delivered_are_a_fault(target: Target) -> None:
    assert "9 of 10 events" in str(run_one(target, Assignment("bugfix", seed=7, runs=1)).fault)


def test_a_kill_that_came_too_late_is_a_fault(target: Target) -> None:
    fault = run_one(target, Assignment("bugfix", seed=1, runs=1, kill_in_run=5)).fault
    assert "before it could be killed" in str(fault)


def test_a_process_that_does_not_end_is_ended(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch, "PROCESS_SECONDS", 1.0)
    began = time.monotonic()
    fault = run_one(target, Assignment("bugfix", seed=8, runs=1)).fault
    assert "did not end within 1 s" in str(fault)
    assert time.monotonic() - began < 20


def test_an_interrupt_leaves_no_process_behind(target: Target) -> None:
    def interrupt(finished: int, announced: int) -> None:
        if announced:
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_agents(target, [Assignment("bugfix", seed=8, runs=1)] * 6, at_once=2, on_tick=interrupt)
    assert time.monotonic() - began < 20
    assert [child for child in psutil.Process().children(recursive=True) if is_agent(child)] == []


def is_agent(process: psutil.Process) -> bool:
    """Other children of the test run, such as servers of other tests, are none of this test's business."""
    try:
        return any("ops.demo.agents" in part for part in process.cmdline())
    except psutil.Error:
        return False


def test_the_planned_runs_are_a_demo() -> None:
    assert {assignment.kind for assignment in ASSIGNMENTS} == {"research", "bugfix", "handoff"}
    assert len({assignment.name for assignment in ASSIGNMENTS}) == len(ASSIGNMENTS)
    runs = [a.runs if a.kill_in_run is None else a.kill_in_run + 1 for a in ASSIGNMENTS]
    assert 60 <= sum(runs) <= 100
    assert sum(a.kill_in_run is not None for a in ASSIGNMENTS) >= 3
