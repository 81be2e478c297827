"""What the supervisor does when servers hang; with real servers it is tested in tests/integration."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from ops import supervisor
from ops.supervisor import PROCESSES, PipelineFailed, Supervisor
from schemas.errors import StorageUnavailable, UsageError
from schemas.settings import Settings

NOWHERE = 1_100
"""Ports where nobody listens: a sink waits there for its servers."""


@pytest.fixture
def pipeline(tmp_path: Path) -> Supervisor:
    settings = Settings(home=tmp_path, port_base=NOWHERE)
    return Supervisor(settings, tmp_path / "logs", processes={"sink": PROCESSES["sink"]})


def test_a_process_that_dies_while_the_balance_hangs_is_started_again(
    pipeline: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(supervisor, "gather_status", lambda _: hangs.wait(60))
    with pipeline:
        first = pipeline.pids()["sink"]
        os.kill(first, signal.SIGKILL)
        until = time.monotonic() + 20
        for found in pipeline.statuses():
            assert found is None
            assert time.monotonic() < until
            if pipeline.pids().get("sink", first) != first:
                break
        hangs.set()


def test_waiting_ends_in_time_although_the_balance_hangs(pipeline: Supervisor, monkeypatch: pytest.MonkeyPatch) -> None:
    hangs = threading.Event()
    monkeypatch.setattr(supervisor, "gather_status", lambda _: hangs.wait(60))
    with pipeline, pytest.raises(PipelineFailed, match="after 1 s"):
        pipeline.wait_until_idle(timeout_seconds=1)
    hangs.set()


def test_a_server_that_does_not_answer_is_told_and_asked_again_and_a_bug_is_raised(
    pipeline: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Exception] = [StorageUnavailable("no store"), ValueError("a bug")]

    def ask(_: Settings) -> None:
        raise answers.pop(0)

    monkeypatch.setattr(supervisor, "gather_status", ask)
    with pipeline:
        told = (found for found in pipeline.statuses() if found is not None)
        assert str(next(told)) == "no store"
        with pytest.raises(ValueError, match="a bug"):
            next(told)


def test_it_does_not_leave_while_the_balance_is_asked_for(
    pipeline: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered = threading.Event()

    def ask(_: Settings) -> None:
        time.sleep(4)
        answered.set()

    monkeypatch.setattr(supervisor, "gather_status", ask)
    with pipeline:
        assert next(pipeline.statuses()) is None
    assert answered.is_set()


def test_a_process_that_refuses_its_settings_is_quoted_with_its_own_words_only(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "sink.log"
    log.parent.mkdir()
    log.write_text("error: what another run said\n")
    wrong = {"sink": ("sink", "--no-such-option")}
    with (
        Supervisor(Settings(home=tmp_path, port_base=NOWHERE), log.parent, processes=wrong) as pipeline,
        pytest.raises(UsageError, match="sink refused its settings") as refused,
    ):
        for _ in pipeline.statuses():
            pass
    assert "no-such-option" in str(refused.value)
    assert "another run" not in str(refused.value)
