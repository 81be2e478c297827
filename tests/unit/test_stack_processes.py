"""Processes of the stack: recognised by more than a pid, ended for certain, found without a record."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.stack import processes
from ops.stack.model import Command
from ops.stack.processes import Identity

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for _, identity in processes.leftovers(tmp_path):
        processes.stop(identity, signal.SIGKILL, 5)


def spawn(home: Path, *argv: str) -> Identity:
    return processes.spawn("sleeper", home, Command(argv, {"MARK": "1"}, home), home / "logs" / "sleeper.log")


def wait_for(path: Path, text: str) -> None:
    deadline = time.monotonic() + 10
    while text not in path.read_text():
        assert time.monotonic() < deadline, path.read_text()
        time.sleep(0.02)


def test_a_process_lives_until_it_is_stopped(home: Path) -> None:
    identity = spawn(home, "sleep", "60")
    assert processes.alive(identity)
    assert os.getsid(identity.pid) == identity.pid, "it must outlive the terminal that started it"
    assert processes.stop(identity, signal.SIGTERM, 5) is True
    assert not processes.alive(identity)
    assert processes.stop(identity, signal.SIGTERM, 5) is True, "stopping what is gone is harmless"


def test_another_process_with_the_same_pid_is_not_taken_for_ours(home: Path) -> None:
    identity = spawn(home, "sleep", "60")
    stale = Identity(identity.pid, identity.started - 3600)
    assert not processes.alive(stale)
    processes.stop(stale, signal.SIGKILL, 1)
    assert processes.alive(identity), "a process that merely has the recorded pid must not be killed"


def test_a_dead_child_does_not_count_as_alive(home: Path) -> None:
    identity = spawn(home, "true")
    deadline = time.monotonic() + 5
    while processes.alive(identity):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_ignores_sigterm_is_killed(home: Path) -> None:
    identity = spawn(home, sys.executable, "-c", STUBBORN)
    wait_for(home / "logs" / "sleeper.log", "deaf")
    assert processes.stop(identity, signal.SIGTERM, 0.3) is False
    assert not processes.alive(identity)


def test_a_suspended_process_is_stopped_too(home: Path) -> None:
    identity = spawn(home, "sleep", "60")
    os.kill(identity.pid, signal.SIGSTOP)
    processes.stop(identity, signal.SIGTERM, 0.3)
    assert not processes.alive(identity)


def test_unrecorded_processes_are_found_by_their_home(home: Path) -> None:
    identity = spawn(home, "sleep", "60")
    assert list(processes.leftovers(home)) == [("sleeper", identity)]
    assert list(processes.leftovers(home / "another")) == []


def test_only_what_is_needed_is_passed_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx1k")
    monkeypatch.setenv("KAFKA_OPTS", "surprise")
    spawn(home, "env")
    wait_for(home / "logs" / "sleeper.log", "MARK=1")
    text = (home / "logs" / "sleeper.log").read_text()
    assert "JAVA_TOOL_OPTIONS" not in text
    assert "KAFKA_OPTS" not in text


def test_the_last_run_s_log_is_kept(home: Path) -> None:
    spawn(home, "echo", "first")
    wait_for(home / "logs" / "sleeper.log", "first")
    spawn(home, "echo", "second")
    wait_for(home / "logs" / "sleeper.log", "second")
    assert (home / "logs" / "sleeper.log.1").read_text() == "first\n"


def test_a_port_in_use_is_named_with_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not processes.port_is_free(port)
        assert f"pid {os.getpid()}" in processes.port_holder(port)
    assert processes.port_is_free(port)
