"""Apache Kafka as one KRaft node, started from its jars."""

from __future__ import annotations

import base64
import importlib.resources
import logging
import secrets
import socket
import subprocess
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from ops.stack import cache as downloads
from ops.stack import maven
from ops.stack.errors import NotReadyError, PartFailedError
from ops.stack.java import find_java
from ops.stack.model import LOOPBACK, Command, Ports, Say, Stack
from ops.stack.processes import base_environment
from ops.stack.versions import KAFKA_HEAP, KAFKA_SCALA, KAFKA_VERSION, MESSAGE_MAX_BYTES, SLF4J_VERSION

_JARS = (
    maven.Artifact("org.apache.kafka", f"kafka_{KAFKA_SCALA}", KAFKA_VERSION),
    maven.Artifact("org.apache.kafka", "kafka-tools", KAFKA_VERSION),
    maven.Artifact("org.slf4j", "slf4j-simple", SLF4J_VERSION),
)
_FORMAT_SECONDS = 60
_PROBE_SECONDS = 2.0


def server_properties(ports: Ports, data: Path) -> dict[str, str]:
    """The broker's configuration. One node: every internal topic has one replica."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{LOOPBACK}:{ports.kafka_controller}",
        "listeners": f"PLAINTEXT://{LOOPBACK}:{ports.kafka},CONTROLLER://{LOOPBACK}:{ports.kafka_controller}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{ports.kafka}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "log.dirs": str(data),
        "message.max.bytes": str(MESSAGE_MAX_BYTES),
        "replica.fetch.max.bytes": str(MESSAGE_MAX_BYTES),
        # Our topics are declared with their retention; a misspelt name must be an error.
        "auto.create.topics.enable": "false",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # The default 50 partitions each cost files and seconds on a laptop.
        "offsets.topic.num.partitions": "8",
        "transaction.state.log.num.partitions": "8",
        "group.initial.rebalance.delay.ms": "0",
        # A killed worker's partitions should move within seconds.
        "group.min.session.timeout.ms": "6000",
        # After a crash the broker may register again only when its old session has ended (9 s by default).
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "1000",
        # The heap is small and messages may be large: bound what waits, and the cleaner's buffer (128 MiB by default).
        "queued.max.request.bytes": str(3 * MESSAGE_MAX_BYTES),
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    }


class Kafka:
    """The broker, with its controller in the same process."""

    name = "kafka"
    start_seconds = 90.0
    stop_seconds = 30.0

    def ports(self, ports: Ports) -> tuple[int, ...]:
        return (ports.kafka, ports.kafka_controller)

    def address(self, stack: Stack) -> str:
        return f"{LOOPBACK}:{stack.ports.kafka}"

    def fetch(self, cache: Path, say: Say) -> Path:
        find_java()
        return downloads.fetched(cache, f"kafka-{KAFKA_VERSION}", _download, say, lock="maven")

    def command(self, stack: Stack, program: Path) -> Command:
        home = stack.home / "kafka"
        data = home / "data"
        scratch = home / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        config = home / "server.properties"
        settings = server_properties(stack.ports, data)
        config.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
        java = (find_java(), "-cp", f"{program}/*", f"-Djava.io.tmpdir={scratch}")
        if not (data / "meta.properties").exists():
            _format((*java, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(config)), home)
        logging_options = (
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
        )
        memory = (f"-Xmx{KAFKA_HEAP}", "-XX:+ExitOnOutOfMemoryError")
        return Command((*java, *memory, *logging_options, "kafka.Kafka", str(config)), {}, home)

    def probe(self, stack: Stack) -> None:
        # librdkafka retries and logs for long where nobody listens; a plain connection tells that at once.
        try:
            socket.create_connection((LOOPBACK, stack.ports.kafka), timeout=1.0).close()
        except OSError as error:
            raise NotReadyError("does not accept connections") from error
        client = AdminClient({"bootstrap.servers": self.address(stack), "log_level": 0}, logger=_SILENT)
        try:
            if not client.list_topics(timeout=_PROBE_SECONDS).brokers:
                raise NotReadyError("has no broker registered yet")
        except KafkaException as error:
            raise NotReadyError(f"does not list topics: {error.args[0].str()}") from error


_SILENT = logging.getLogger("ops.stack.kafka.silent")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False


def _download(into: Path, say: Say) -> None:
    say(f"downloading Apache Kafka {KAFKA_VERSION} (55 MB, once)")
    maven.fetch_with_dependencies(_JARS, into, say)
    pinned = importlib.resources.files("ops.stack").joinpath("kafka_jars.sha256").read_text("utf-8")
    expected = {name: digest for digest, name in (line.split() for line in pinned.splitlines())}
    for jar in into.iterdir():
        if jar.name not in expected:
            # Resolvers differ in what they consider needed; only what was pinned may run.
            jar.unlink()
    for name, digest in expected.items():
        downloads.verify(into / name, digest)


def _cluster_id() -> str:
    # 16 random bytes; a leading "-" would be read as an option.
    while True:
        candidate = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        if not candidate.startswith("-"):
            return candidate


def _format(command: tuple[str, ...], home: Path) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=_FORMAT_SECONDS, check=False, cwd=home, env=base_environment()
    )
    if done.returncode != 0:
        raise PartFailedError(f"kafka: its data directory could not be prepared:\n{done.stdout}{done.stderr}")
