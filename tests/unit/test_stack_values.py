"""Ports, secrets and state of the local stack: what must hold before any process starts."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from ops.stack import Endpoints, Ports, Stack, StackError, endpoints
from ops.stack.errors import log_tail
from ops.stack.keys import pseudonym_key_file, s3_credentials
from ops.stack.processes import Identity
from ops.stack.state import ObjectStore, State, load
from schemas.settings import load_settings


def make_state(home: Path) -> State:
    return State(Stack(home, Ports.from_base(23000), home / "cache"))


def test_ports_count_up_from_the_base() -> None:
    ports = Ports.from_base(19090)
    assert (ports.kafka, ports.kafka_controller, ports.registry, ports.redis, ports.s3) == tuple(range(19090, 19095))
    assert [ports.worker(0), ports.worker(3)] == [19100, 19103]
    assert ports.base == 19090


@pytest.mark.parametrize("base", [0, 80, 65530, -1])
def test_a_port_base_without_room_is_refused(base: int) -> None:
    with pytest.raises(StackError, match="out of range"):
        Ports.from_base(base)


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    key_file = pseudonym_key_file(tmp_path)
    first_key, first_credentials = key_file.read_text(), s3_credentials(tmp_path)
    assert len(bytes.fromhex(first_key)) == 32
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "credentials.json").stat().st_mode) == 0o600
    assert pseudonym_key_file(tmp_path).read_text() == first_key
    assert s3_credentials(tmp_path) == first_credentials
    assert sorted(path.name for path in tmp_path.iterdir()) == ["credentials.json", "pseudonym.key"]


def test_secrets_do_not_show_in_a_repr(tmp_path: Path) -> None:
    state = make_state(tmp_path)
    state.object_store = "s3"
    state.save()
    known = endpoints(tmp_path)
    assert known.s3_secret_key
    assert known.s3_access_key
    assert known.s3_secret_key not in repr(known)
    assert known.s3_access_key not in repr(known)
    assert known.s3_secret_key not in repr(s3_credentials(tmp_path))


def test_endpoints_follow_the_object_store_that_was_chosen(tmp_path: Path) -> None:
    state = make_state(tmp_path)
    state.object_store = "directory"
    state.save()
    known: Endpoints = endpoints(tmp_path)
    assert known.tables_url == str(tmp_path / "tables")
    assert known.s3_endpoint is None
    assert known.s3_secret_key is None
    assert known.bootstrap_servers == "127.0.0.1:23000"
    assert known.redis_url == "redis://127.0.0.1:23003/0"


def test_endpoints_of_an_unknown_home_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="tdc up"):
        endpoints(tmp_path)


def test_state_is_read_back_as_written(tmp_path: Path) -> None:
    state = make_state(tmp_path)
    state.object_store = "s3"
    state.record("kafka", Identity(7, 1.5))
    state.record("redis", Identity(8, 2.5))
    state.record("redis", None)
    held = load(tmp_path)
    assert held is not None
    assert held.stack == state.stack
    assert held.object_store == "s3"
    assert held.processes == {"kafka": Identity(7, 1.5)}


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"port_base": 23000', json.dumps({"port_base": "x"})])
def test_unreadable_state_says_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / "stack.json").write_text(content)
    with pytest.raises(StackError, match="Remove that file"):
        load(tmp_path)


def test_the_log_tail_is_the_end_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "kafka.log"
    assert log_tail(log) == ""
    log.write_text("".join(f"line {number}\n" for number in range(5000)))
    assert log_tail(log, 2) == "    line 4998\n    line 4999"


def test_the_log_tail_shows_reasons_and_not_stack_frames(tmp_path: Path) -> None:
    log = tmp_path / "registry.log"
    log.write_text("Caused by: no table\n" + "\tat org.h2.Parser.parse(Parser.java:555)\n" * 90 + "\t... 102 more\n")
    assert log_tail(log, 2) == "    Caused by: no table"


@pytest.mark.parametrize("object_store", ["s3", "directory"])
def test_the_settings_find_the_stack_by_home_and_port_base(tmp_path: Path, object_store: ObjectStore) -> None:
    """Clients read the settings, the stack writes the files: both must mean the same."""
    state = make_state(tmp_path)
    state.object_store = object_store
    state.save()
    known = endpoints(tmp_path)
    settings = load_settings(home=tmp_path, port_base=23000)
    assert settings.kafka_config()["bootstrap.servers"] == known.bootstrap_servers
    assert settings.registry_url() == known.registry_url
    assert settings.redis_url() == known.redis_url
    assert settings.storage_root() == known.tables_url
    assert settings.storage_options().get("aws_endpoint_url") == known.s3_endpoint
    assert settings.storage_options().get("aws_secret_access_key") == known.s3_secret_key
    assert settings.pseudonym_key_path() == known.pseudonym_key_file
