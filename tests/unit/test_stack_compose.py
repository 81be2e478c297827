"""docker-compose.yml says the same as the local stack: versions, sizes, and what must survive a restart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.stack import registry, versions
from ops.stack.kafka import server_properties
from ops.stack.model import Ports
from schemas.settings import load_settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text("utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
# Differ by nature: addresses, listeners and directories inside a container.
PLACES = ("listeners", "advertised", "log.dirs", "quorum", "listener.")


def test_images_are_the_pinned_versions() -> None:
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{versions.KAFKA_VERSION}"
    assert SERVICES["registry"]["image"] == f"apicurio/apicurio-registry:{versions.REGISTRY_VERSION}"
    for name, service in SERVICES.items():
        assert re.search(r":[\w.]*\d|:local$", service["image"]), f"{name} has no pinned version"


def test_the_broker_has_the_same_settings() -> None:
    local = server_properties(Ports.from_base(19090), Path("data"))
    composed = SERVICES["kafka"]["environment"]
    compared = {key: value for key, value in local.items() if not any(place in key for place in PLACES)}
    assert {key: composed.get("KAFKA_" + key.upper().replace(".", "_")) for key in compared} == compared
    assert composed["KAFKA_MESSAGE_MAX_BYTES"] == str(48 * 1024 * 1024)
    assert composed["KAFKA_HEAP_OPTS"] == f"-Xmx{versions.KAFKA_HEAP}"


def test_the_registry_keeps_its_ids_on_a_volume() -> None:
    service = SERVICES["registry"]
    local = registry.environment(19092, Path("/var/lib/registry/schemas"))
    assert service["environment"] == {
        **{
            key: value for key, value in local.items() if not key.startswith(("QUARKUS_HTTP_HOST", "QUARKUS_HTTP_PORT"))
        },
        "JAVA_OPTS_APPEND": f"-Xmx{versions.REGISTRY_HEAP}",
    }
    assert service["volumes"] == ["registry:/var/lib/registry"]


def test_redis_appends_and_never_evicts() -> None:
    command = SERVICES["redis"]["command"]
    given = dict(zip(command[1::2], command[2::2], strict=True))
    assert given["--appendonly"] == "yes"
    assert given["--appendfsync"] == versions.REDIS_APPENDFSYNC
    assert given["--maxmemory-policy"] == versions.REDIS_MAXMEMORY_POLICY
    assert given["--maxmemory"] == f"${{TDC_REDIS_MAXMEMORY:-{versions.REDIS_MAXMEMORY}}}"
    local = (ROOT / "ops" / "redis" / "redis.conf").read_text("utf-8").splitlines()
    for option in ("appendonly", "appendfsync", "save", "maxmemory-policy"):
        assert f"{option} {given['--' + option] or chr(34) * 2}" in local


def test_the_bucket_is_the_same() -> None:
    assert f"s3.bucket.create -name {versions.S3_BUCKET}" in SERVICES["s3-bucket"]["command"][0]


def test_nothing_listens_beyond_this_machine() -> None:
    for name, service in SERVICES.items():
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:"), f"{name} publishes {port}"


def test_default_ports_are_those_of_the_local_stack() -> None:
    ports = Ports.from_base(versions.DEFAULT_PORT_BASE)
    expected = {"kafka": ports.kafka, "registry": ports.registry, "redis": ports.redis, "s3": ports.s3}
    for name, port in expected.items():
        assert f":-{port}}}" in SERVICES[name]["ports"][0]


def test_no_secret_is_written_down() -> None:
    example = (ROOT / "ops" / "compose.env.example").read_text("utf-8")
    for name, value in re.findall(r"(\w*(?:PASSWORD|SECRET_KEY|ACCESS_KEY(?:_ID)?)): (.+)", TEXT):
        assert re.fullmatch(r"\$\{TDC_\w+:\?.*\}", value), f"{name} must come from the environment"
    for variable in set(re.findall(r"\$\{(\w+):\?", TEXT)):
        assert re.search(rf"^{variable}=", example, re.MULTILINE), f"{variable} is not in the example"
        if "FILE" not in variable:
            assert re.search(rf"^{variable}=$", example, re.MULTILINE), f"{variable} has a value in the example"


@pytest.mark.parametrize("profile", ["workers", "ui", "monitoring"])
def test_the_extra_profiles_exist(profile: str) -> None:
    assert any(profile in service.get("profiles", []) for service in SERVICES.values())


def test_what_the_stages_lean_on_starts_without_a_profile() -> None:
    assert {name for name, service in SERVICES.items() if "profiles" not in service} == {
        "kafka",
        "registry",
        "redis",
        "s3",
        "s3-bucket",
    }


@pytest.mark.parametrize("worker", ["assemble", "curate", "sink"])
def test_the_workers_settings_are_understood(worker: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in SERVICES[worker]["environment"].items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.storage_root() == f"s3://{versions.S3_BUCKET}/tables"
    assert (
        settings.kafka_config()["bootstrap.servers"] in SERVICES["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    )
    assert settings.worker.health_port == 9100
    assert f"{worker}:9100" in COMPOSE["configs"]["prometheus"]["content"]
