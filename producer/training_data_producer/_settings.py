"""Where events go and how much may wait; the only module that reads the environment."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFAULT_SPOOL_BYTES = 256 * 2**20
_LOCAL_PORT_BASE = 19_090


@dataclass(frozen=True)
class Settings:
    """Everything a producer needs to know."""

    kafka_config: Mapping[str, Any]
    """In librdkafka's words; at least `bootstrap.servers`."""
    registry_url: str
    """Base URL of the Confluent API."""
    registry_credentials: tuple[str, str] | None
    topic: str
    spool_directory: Path
    """One per destination."""
    spool_bytes: int
    queue_events: int
    queue_bytes: int
    flush_seconds: float

    @property
    def subject(self) -> str:
        """Registry subject of the batches (TopicRecordNameStrategy)."""
        return f"{self.topic}-tdc.EventBatch"


def default_spool() -> Path:
    """`$XDG_STATE_HOME/training-data-producer`, by default under `~/.local/state`."""
    root = os.environ.get("XDG_STATE_HOME", "")
    return (Path(root) if os.path.isabs(root) else Path.home() / ".local" / "state") / "training-data-producer"


def destination_directory(root: Path, bootstrap_servers: str, topic: str) -> Path:
    """Spool of one destination: events meant for one cluster must not be delivered to another."""
    servers = ",".join(sorted(server.strip() for server in bootstrap_servers.split(",")))
    return root / hashlib.sha256(f"{servers}\n{topic}".encode()).hexdigest()[:16]


def environment() -> dict[str, Any]:
    """Arguments of `Producer` from `TDC_*` variables; defaults describe the local stack."""
    read = os.environ.get
    base = int(read("TDC_PORT_BASE", _LOCAL_PORT_BASE))
    config = {
        name: value
        for name, variable in (
            ("security.protocol", "TDC_KAFKA__SECURITY_PROTOCOL"),
            ("sasl.mechanism", "TDC_KAFKA__SASL_MECHANISM"),
            ("sasl.username", "TDC_KAFKA__SASL_USERNAME"),
            ("sasl.password", "TDC_KAFKA__SASL_PASSWORD"),
            ("ssl.ca.location", "TDC_KAFKA__SSL_CA_LOCATION"),
        )
        if (value := read(variable))
    }
    username = read("TDC_REGISTRY__USERNAME")
    spool = read("TDC_SPOOL_DIRECTORY")
    return {
        "bootstrap_servers": read("TDC_KAFKA__BOOTSTRAP_SERVERS") or f"127.0.0.1:{base}",
        "registry_url": read("TDC_REGISTRY__URL") or f"http://127.0.0.1:{base + 2}/apis/ccompat/v7",
        "kafka_config": config,
        "registry_credentials": (username, read("TDC_REGISTRY__PASSWORD", "")) if username else None,
        "spool_directory": Path(spool) if spool else None,
        "spool_bytes": int(read("TDC_SPOOL_BYTES", DEFAULT_SPOOL_BYTES)),
    }
