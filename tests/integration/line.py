"""One real stack for all tests of the whole line, and a clean slate for each of them."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from ops.status import Status
from ops.supervisor import PROCESSES, Supervisor, settings_environment
from schemas.contracts import topic_contracts
from schemas.errors import BrokerUnavailable
from schemas.registry import RegistryClient
from schemas.settings import Settings, load_settings
from streams.kafka import ensure_topics
from tests.integration.checker import check
from tests.integration.world import Ledger, World

ROOT = Path(__file__).parents[2]
ALONE = ROOT / "tests" / "policies" / "alone.toml"
"""A decision depends on its trace alone, so the checker knows each."""
RULES = ROOT / "tests" / "policies" / "rules.toml"
QUICK: Mapping[str, Any] = {
    "kafka": {"partitions": 2, "session_timeout_seconds": 6},
    "assemble": {"quiet_seconds": 0.6, "idle_seconds": 4},
    "worker": {"clock_slack_seconds": 0.2, "retry_seconds": 60},
    "sink": {"flush_seconds": 0.4},
}


@dataclass
class Line:
    """The pipeline of one test: its own state, tables and freshly made topics on the shared stack."""

    home: Path
    settings: Settings
    schema_ids: Mapping[tuple[str, str], int]
    directory: Path
    open: list[Supervisor] = field(default_factory=list)

    def world(self, seed: int) -> World:
        """A world that sends to this line."""
        config = {**self.settings.kafka_config(), "enable.idempotence": True, "linger.ms": 2, "log_level": 0,
                  "message.max.bytes": 48 * 2**20, "delivery.timeout.ms": 90_000,
                  "reconnect.backoff.max.ms": 500}  # fmt: skip
        return World(seed, Producer(config), self.schema_ids)

    def having(self, **sections: Mapping[str, Any]) -> "Line":
        """The same line with some settings changed: `having(assemble={"idle_seconds": 1})`."""
        changed = {
            name: getattr(self.settings, name).model_copy(update=dict(values)) for name, values in sections.items()
        }
        self.settings = self.settings.model_copy(update=changed)
        return self

    def under(self, policy: Path) -> "Line":
        """The same line under another policy."""
        self.settings = self.settings.model_copy(update={"policy": policy})
        return self

    def start(self, processes: Sequence[str] = tuple(PROCESSES), *, also: str = "") -> Supervisor:
        """Start these processes under a supervisor; `also` is added to their names where others of them run."""
        only = {name + also: PROCESSES[name] for name in processes}
        supervisor = Supervisor(self.settings, self.directory / "logs", processes=only)
        self.open.append(supervisor)
        return supervisor.__enter__()

    def settle(self, supervisor: Supervisor, ledger: Ledger, seconds: float = 90) -> Status:
        """Wait until everything is through, and hold it against the ledger."""
        supervisor.wait_until_idle(timeout_seconds=seconds)
        return check(self.settings, ledger)

    def stop(self) -> None:
        """Stop whatever runs."""
        for supervisor in self.open:
            supervisor.stop()
        self.open.clear()

    def logs(self) -> str:
        """What the processes said."""
        return "\n".join(path.read_text(errors="replace") for path in sorted((self.directory / "logs").glob("*.log")))

    def tdc(
        self,
        *arguments: str,
        stdin: str | None = None,
        seconds: float = 120,
        environment: Mapping[str, str] | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Run the command line with this line's settings."""
        own = {**settings_environment(self.settings), "COLUMNS": "200"}
        return subprocess.run(
            [sys.executable, "-m", "ops.cli.main", *arguments],
            cwd=ROOT, env={**os.environ, **own, **(environment or {})},
            input=stdin, capture_output=True, text=True, timeout=seconds, check=False,
        )  # fmt: skip


def quick_settings(home: Path, port_base: int, name: str, storage: Mapping[str, str | None]) -> Settings:
    """Settings with short windows, and state and tables of their own."""
    sections = {key: dict(values) for key, values in QUICK.items()}
    sections["redis"] = {"key_prefix": name}
    sections["storage"] = dict(storage)
    return load_settings(home=home, port_base=port_base, policy=ALONE, redaction=RULES, **sections)


def fresh_topics(settings: Settings) -> None:
    """Delete and create all topics."""
    admin = AdminClient({**settings.kafka_config(), "log_level": 0})
    names = set(topic_contracts())
    known = sorted(names & set(admin.list_topics(timeout=20).topics))
    for done in admin.delete_topics(known).values() if known else ():
        done.result()
    wait_for(lambda: not names & set(admin.list_topics(timeout=10).topics), 30)
    wait_for(lambda: _made(settings), 30)


def _made(settings: Settings) -> bool:
    try:
        ensure_topics(settings)
    except (KafkaException, BrokerUnavailable):
        return False  # the broker is still deleting
    return True


def registered(settings: Settings) -> Mapping[tuple[str, str], int]:
    """Registered schema ids."""
    return RegistryClient.from_settings(settings).register_all()


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def cut_tail(log: Path, share: float) -> None:
    """Lose the end of a file, as a power cut does, in the middle of a command."""
    with log.open("r+b") as file:
        file.truncate(int(log.stat().st_size * (1 - share)))
