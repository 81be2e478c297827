"""`tdc demo` for real, in a home of its own: once for machines, then again over the data of the first time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.stack import down
from tests.integration.ports import free_port_base

# The first start on a machine downloads what the stack needs.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

_ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    home = tmp_path_factory.mktemp("demo") / "home"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TDC_")}
    try:
        yield {
            **kept,
            "TDC_HOME": str(home),
            "TDC_PORT_BASE": str(free_port_base()),
            "PYTHONPATH": os.pathsep.join([str(_ROOT), str(_ROOT / "producer")]),
        }
    finally:
        down(home)


def tdc(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops.cli.main", *arguments], env=environment, capture_output=True, text=True, timeout=400
    )


@pytest.fixture(scope="module")
def first(environment: dict[str, str]) -> dict[str, Any]:
    done = tdc(environment, "demo", "--json")
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_run_arrives_and_the_balance_holds(first: dict[str, Any]) -> None:
    assert first["ok"] is True
    assert first["faults"] == []
    assert first["balanced"] is True
    assert first["agents"].keys() == {"research", "bugfix", "handoff"}
    for agent in first["agents"].values():
        assert agent["arrived"] == agent["runs"] > 20
        assert agent["killed"] >= 1
    # A fresh home holds this demo and nothing else, so both ways of counting must agree.
    assert sum(agent["runs"] for agent in first["agents"].values()) == first["status"]["traces"]["assembled"]
    assert sum(first["verdicts"].values()) == first["status"]["traces"]["assembled"]


def test_runs_end_in_every_way(first: dict[str, Any]) -> None:
    killed = sum(agent["killed"] for agent in first["agents"].values())
    assert first["close_reasons"]["idle"] == killed
    assert first["close_reasons"]["ended"] > 50
    assert {"accepted", "rejected", "quarantined"} <= first["verdicts"].keys()
    assert {
        "negative_outcome", "incomplete_execution", "consent_denied", "consent_unknown", "rejected_by_human",
    } <= first["reasons"].keys()  # fmt: skip
    assert first["reasons"]["incomplete_execution"] == killed


def test_examples_can_be_looked_at(first: dict[str, Any], environment: dict[str, str]) -> None:
    sql = "SELECT count(*) AS n FROM decisions WHERE list_contains(reasons, 'error_training_only')"
    failed = json.loads(tdc(environment, "query", sql, "--json").stdout)[0]["n"]
    assert first["examples"]["conversation"] == first["verdicts"]["accepted"] - failed
    assert first["execution_trace"]["steps"]
    assert first["execution_trace"]["trace_id"] == first["accepted_example"]["trace_id"]
    expected = json.loads(first["accepted_example"]["expected_output"])
    assert expected["tool"]
    assert expected["reasoning"]
    assert first["rejected"]["reasons"][0] == "negative_outcome"


def test_planted_values_were_met_and_are_nowhere(first: dict[str, Any]) -> None:
    assert {"EMAIL", "PHONE", "CARD", "API_KEY"} <= first["redactions"].keys()
    assert first["planted_values_found"] == 0


def test_a_second_demo_speaks_of_its_own_runs(first: dict[str, Any], environment: dict[str, str]) -> None:
    began = time.monotonic()
    done = tdc(environment, "demo")
    assert done.returncode == 0, done.stderr[-4000:] + done.stdout[-2000:]
    runs = sum(agent["runs"] for agent in first["agents"].values())
    assert f"The demo went well: {runs} runs" in done.stdout
    assert "planted values found in tables: 0" in done.stdout
    assert "one run, as it is stored" in done.stdout
    # Promised on a warm machine that does nothing else; tests share theirs.
    assert time.monotonic() - began < 180
    status = json.loads(tdc(environment, "status", "--json").stdout)
    assert status["balanced"] is True
    assert status["traces"]["assembled"] == 2 * runs


def test_the_commands_it_proposes_work(first: dict[str, Any], environment: dict[str, str]) -> None:
    proposed = [command for command in first["next"] if command != "tdc down"]
    assert len(proposed) >= 4
    for command in proposed:
        done = subprocess.run(
            ["sh", "-c", command.replace("tdc", '"$0" -m ops.cli.main', 1), sys.executable],
            env=environment, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}\n{done.stderr}"
