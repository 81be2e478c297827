"""Choices of `tdc up` that need no process: object store or directory, wrong names, other ports."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ops.stack import StackError, UnavailableError, down, lifecycle, start_part, status, stop_part
from ops.stack.model import Ports, Stack, silent
from ops.stack.s3 import S3
from ops.stack.state import ObjectStore, State, load


@pytest.fixture
def state(tmp_path: Path) -> State:
    made = State(Stack(tmp_path, Ports.from_base(23100), tmp_path / "cache"))
    made.save()
    return made


@pytest.fixture
def without_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.mark.usefixtures("without_go")
def test_without_go_tables_live_in_a_directory(state: State) -> None:
    heard: list[str] = []
    row = lifecycle._ensure_object_store(state, lambda part, message: heard.append(message), None)
    assert row.running
    assert row.pid is None
    assert row.listening == str(state.stack.home / "tables")
    assert "no Go compiler" in row.detail
    assert any("local directory" in message for message in heard)
    held = load(state.stack.home)
    assert held is not None
    assert held.object_store == "directory"


@pytest.mark.usefixtures("without_go")
def test_insisting_on_the_object_store_fails_without_go(state: State) -> None:
    with pytest.raises(UnavailableError, match="no Go compiler"):
        lifecycle._ensure_object_store(state, silent, True)


def test_a_directory_stays_the_choice_though_go_appears(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(self: S3, cache: Path, say: object) -> Path:
        raise AssertionError("tables would seem to vanish")

    monkeypatch.setattr(S3, "fetch", unexpected)
    state.object_store = "directory"
    assert lifecycle._ensure_object_store(state, silent, None).listening.endswith("tables")


def test_status_says_what_does_not_run(state: State) -> None:
    state.object_store = "directory"
    state.save()
    rows = {row.name: row for row in status(state.stack.home)}
    assert not rows["kafka"].running
    assert rows["kafka"].detail == "not running"
    assert rows["s3"].running, "a directory is always there"


def test_down_without_a_stack_is_harmless(tmp_path: Path) -> None:
    assert down(tmp_path / "nowhere") == []
    assert down(tmp_path) == []


def test_an_unknown_part_is_named_with_the_known_ones(state: State) -> None:
    with pytest.raises(StackError, match="kafka, redis, registry, s3"):
        stop_part(state.stack.home, "zookeeper")


def test_a_part_of_an_unknown_stack_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="tdc up"):
        start_part(tmp_path, "kafka")


@pytest.mark.parametrize(("held", "with_s3"), [("s3", False), ("directory", True)])
def test_where_tables_live_is_decided_once(state: State, held: ObjectStore, with_s3: bool) -> None:
    state.object_store = held
    with pytest.raises(StackError, match="another TDC_HOME"):
        lifecycle._ensure_object_store(state, silent, with_s3)
    assert state.object_store == held


@pytest.mark.usefixtures("without_go")
def test_a_directory_stack_has_no_credentials(state: State) -> None:
    """Their presence tells clients to look for tables in the object store."""
    lifecycle._ensure_object_store(state, silent, None)
    assert not (state.stack.home / "credentials.json").exists()
