"""Where a chaos run takes place: a stack, proxies before it, the pipeline under `tdc run`, and senders.

What the run kills is started again here, as a service manager would.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import psutil

from ops.stack import Ports, down, endpoints, up
from ops.stack import kafka as kafka_part
from ops.stack.versions import S3_BUCKET
from ops.supervisor import settings_environment
from schemas.settings import Settings, load_settings
from tests.chaos.disks import mounted, unmount
from tests.chaos.network import Network
from tests.integration.line import ALONE, QUICK, ROOT, RULES, fresh_topics, registered

SENDERS = 2
DISK_BYTES = 768 * 2**20
_PLAIN = kafka_part.server_properties


class Site:
    """`with Site(directory, port_base) as site`: everything runs, and is gone when it ends."""

    def __init__(self, directory: Path, port_base: int, policy: Path = ALONE) -> None:
        self.directory = directory
        self.policy = policy
        self.home = directory / "home"
        self.port_base = port_base
        self.disk = self.home / "s3"
        """What holds the objects: a small disk of its own, where this process may mount one."""
        self.mounted = False
        self.restarts: dict[str, int] = {}
        """How often something had to be started again."""
        self._services: dict[str, subprocess.Popen[bytes]] = {}
        self._logs: dict[str, IO[bytes]] = {}
        self._stopping = threading.Event()
        self._guests: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Site":
        try:
            self._start_stack()
            self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)
            for name in self._commands():
                self._start(name)
            self._keeper.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start_stack(self) -> None:
        self.disk.mkdir(parents=True)
        self.mounted = mounted(self.disk, DISK_BYTES)
        kafka_part.server_properties = self._properties
        up(self.home, self.port_base)
        store = endpoints(self.home)
        base = self.port_base
        self.ways = {"kafka": (base + 6, base + 5), "registry": (base + 7, base + 2), "redis": (base + 8, base + 3)}
        storage: dict[str, str | None] = {"root": str(self.directory / "tables")}
        if store.s3_endpoint is not None:
            self.ways["s3"] = (base + 9, base + 4)
            storage = {
                "root": f"s3://{S3_BUCKET}/chaos",
                "endpoint_url": store.s3_endpoint,
                "access_key_id": store.s3_access_key,
                "secret_access_key": store.s3_secret_key,
            }
        self.network = Network(self.ways)
        sections: dict[str, dict[str, Any]] = {key: dict(values) for key, values in QUICK.items()}
        sections["assemble"]["amend_seconds"] = 8
        sections["storage"] = storage
        sections.setdefault("sink", {})["compact_every_commits"] = 3  # so that two sinks do it at the same time
        self.settings = load_settings(home=self.home, port_base=base, policy=self.policy, redaction=RULES, **sections)
        """As the checker sees the servers: past the proxies."""
        fresh_topics(self.settings)
        self.schema_ids: Mapping[tuple[str, str], int] = registered(self.settings)
        self.workers = self._through_proxies(self.settings)

    def _properties(self, ports: Ports, data: Path) -> dict[str, str]:
        """The broker's, with a second listener that is reached through a proxy."""
        properties = _PLAIN(ports, data)
        properties["listeners"] += f",WORKERS://127.0.0.1:{ports.base + 5}"
        properties["advertised.listeners"] += f",WORKERS://127.0.0.1:{ports.base + 6}"
        properties["listener.security.protocol.map"] += ",WORKERS:PLAINTEXT"
        return properties

    def _through_proxies(self, settings: Settings) -> Settings:
        at = {name: port for name, (port, _) in self.ways.items()}
        sections = {
            "kafka": {"bootstrap_servers": f"127.0.0.1:{at['kafka']}"},
            "registry": {"url": f"http://127.0.0.1:{at['registry']}/apis/ccompat/v7"},
            "redis": {"url": f"redis://127.0.0.1:{at['redis']}/0"},
            "storage": {"endpoint_url": f"http://127.0.0.1:{at['s3']}"} if "s3" in at else {},
            "worker": {"health_port": 0},
        }
        return settings.model_copy(
            update={name: getattr(settings, name).model_copy(update=values) for name, values in sections.items()}
        )

    def spool(self, number: int) -> Path:
        """Where a sender finds its messages."""
        return self.directory / f"sender-{number}"

    def logs(self) -> list[Path]:
        """What the processes of the pipeline wrote."""
        return sorted((self.home / "logs").glob("*.log"))

    def pids(self, name: str) -> list[int]:
        """Processes of a kind: assemble, curate, sink, supervisor, sender."""
        if name in ("supervisor", "sender"):
            own = [self._services[known] for known in sorted(self._services) if known.startswith(name)]
            return [process.pid for process in own if process.poll() is None]
        words = {"sink": ["sink"]}.get(name, ["worker", name])
        found = []
        for pid in self.pids("supervisor"):
            with contextlib.suppress(psutil.Error):
                for child in psutil.Process(pid).children():
                    with contextlib.suppress(psutil.Error):
                        if child.cmdline()[3:][: len(words)] == words:
                            found.append(child.pid)
        return found

    @contextlib.contextmanager
    def guest(self, name: str, command: Sequence[str], end: int = signal.SIGTERM) -> Iterator[int]:
        """One more process of the pipeline for a while."""
        process = self._popen(f"guest-{name}", command, {"TDC_KAFKA__MEMBER": f"guest-{name}"})
        self._guests.append(process)
        try:
            yield process.pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(end)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdin
            process.stdin.close()
            self._guests.remove(process)

    def close(self) -> None:
        """Stop everything, also what is frozen."""
        self._stopping.set()
        for pid in {pid for name in ("assemble", "curate", "sink", "supervisor", "sender") for pid in self.pids(name)}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        for process in (*self._services.values(), *self._guests):
            process.send_signal(signal.SIGTERM)
        for process in (*self._services.values(), *self._guests):
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdin:
                process.stdin.close()
        for log in self._logs.values():
            log.close()
        if hasattr(self, "network"):
            self.network.close()
        down(self.home)
        kafka_part.server_properties = _PLAIN
        if self.mounted:
            unmount(self.disk)

    def _commands(self) -> dict[str, list[str]]:
        commands = {"supervisor": ["-m", "ops.cli.main", "run"]}
        for number in range(SENDERS):
            self.spool(number).mkdir(exist_ok=True)
            arguments = [str(self.spool(number)), f"127.0.0.1:{self.port_base}"]
            commands[f"sender-{number}"] = ["-m", "tests.chaos.sender", *arguments]
        return commands

    def _start(self, name: str) -> None:
        self._services[name] = self._popen(name, self._commands()[name])

    def _popen(
        self, name: str, command: Sequence[str], more: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        if name not in self._logs:
            (self.home / "logs").mkdir(exist_ok=True)
            self._logs[name] = (self.home / "logs" / f"{name}.log").open("ab")
        log = self._logs[name]
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env={**os.environ, **settings_environment(self.workers), **(more or {})},
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
        )

    def _keep(self) -> None:
        """Start again what ended."""
        while not self._stopping.wait(0.3):
            for name, process in list(self._services.items()):
                if process.poll() is not None and not self._stopping.is_set():
                    self.restarts[name] = self.restarts.get(name, 0) + 1
                    if process.stdin:
                        process.stdin.close()
                    time.sleep(0.3)
                    self._start(name)
