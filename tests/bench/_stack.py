"""A real stack of a benchmark's own, in a directory that goes away, and the CPU time of what runs on it."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import psutil
from confluent_kafka import Consumer, Producer, TopicPartition

from ops.stack import down, kafka, up
from ops.stack.state import load
from ops.supervisor import settings_environment
from schemas.settings import Settings, load_settings
from tests.integration.line import RULES, fresh_topics
from tests.integration.ports import free_port_base


class TookTooLong(RuntimeError):
    """Something that a benchmark waits for did not happen."""


@contextlib.contextmanager
def fresh_stack(*, slow_listener: bool = False) -> Iterator[tuple[Path, int]]:
    """Home and port base of servers that hold nothing; they and their data are gone afterwards.

    With `slow_listener` the broker listens at base + 10 too, and tells clients there that it is at base + 11, where a
    proxy may listen.
    """
    home = Path(tempfile.mkdtemp(prefix="tdc-bench-")) / "home"
    port_base = free_port_base()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # servers must not outlive a benchmark that is stopped
    if slow_listener:
        plain = kafka.server_properties
        kafka.server_properties = lambda ports, data: _with_slow_listener(plain(ports, data), ports.base)
    try:
        up(home, port_base, progress=lambda part, text: print(f"{part}: {text}", file=sys.stderr))
        yield home, port_base
    finally:
        if slow_listener:
            kafka.server_properties = plain
        down(home)
        shutil.rmtree(home.parent, ignore_errors=True)


def settings_on(stack: tuple[Path, int], name: str, **sections: object) -> Settings:
    """Settings for freshly made topics, and for state and tables of their own."""
    home, port_base = stack
    settings = load_settings(
        home=home, port_base=port_base, **{"redis": {"key_prefix": name}, "redaction": RULES, **sections}
    )
    fresh_topics(settings)
    return settings


def _with_slow_listener(properties: dict[str, str], base: int) -> dict[str, str]:
    return properties | {
        "listeners": properties["listeners"] + f",SLOW://127.0.0.1:{base + 10}",
        "advertised.listeners": properties["advertised.listeners"] + f",SLOW://127.0.0.1:{base + 11}",
        "listener.security.protocol.map": properties["listener.security.protocol.map"] + ",SLOW:PLAINTEXT",
    }


@contextlib.contextmanager
def process(
    arguments: list[str], log: Path, settings: Settings | None = None, core: int | None = None
) -> Iterator[int]:
    """Run a program, with the settings in its environment and on one core only if asked; gives its process id."""
    environment = {**os.environ, **(settings_environment(settings) if settings else {}), "PYTHONUNBUFFERED": "1"}
    with log.open("ab") as out:
        running = subprocess.Popen(arguments, env=environment, stdout=out, stderr=out, cwd=Path(__file__).parents[2])
    own = psutil.Process(running.pid)
    if core is not None and hasattr(own, "cpu_affinity"):
        own.cpu_affinity([core])
    try:
        yield running.pid
        if running.poll() is not None:
            raise TookTooLong(f"{' '.join(arguments[:4])} ended with {running.returncode}:\n{_tail(log)}")
    finally:
        running.terminate()
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def tdc(*arguments: str) -> list[str]:
    """The command line of `tdc` in this environment."""
    return [sys.executable, "-m", "ops.cli.main", *arguments]


def server_pids(home: Path) -> dict[str, int]:
    """Process ids of the servers by name."""
    state = load(home)
    return {name: identity.pid for name, identity in state.processes.items()} if state else {}


def cpu_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """CPU time of each process so far, all its threads included; of one that is gone, none."""
    found = {}
    for name, pid in pids.items():
        with contextlib.suppress(psutil.NoSuchProcess):
            times = psutil.Process(pid).cpu_times()
            found[name] = times.user + times.system
    return found


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds between two looks."""
    return {name: round(seconds - before.get(name, 0.0), 2) for name, seconds in after.items()}


def send(producer: Producer, topic: str, sent: Sequence[tuple[bytes | None, bytes | None]]) -> None:
    """Send messages as fast as it goes; returns when the broker has all."""
    for key, value in sent:
        put(producer, topic, key, value)
    producer.flush(60)


def put(producer: Producer, topic: str, key: bytes | None, value: bytes | None) -> None:
    """Hand over one message; waits while the producer's queue is full."""
    while True:
        try:
            producer.produce(topic, key=key, value=value)
            return
        except BufferError:
            producer.poll(0.05)


def messages_in(consumer: Consumer, topic: str, partitions: int = 1) -> int:
    """How many messages a topic holds."""
    count = 0
    for number in range(partitions):
        low, high = consumer.get_watermark_offsets(TopicPartition(topic, number), timeout=20)
        count += int(high) - int(low)
    return count


def wait_until(condition: Callable[[], bool], seconds: float, what: str, every: float = 0.05) -> None:
    """Raises TookTooLong when it does not become so."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise TookTooLong(f"{what}: not after {seconds:.0f} s")
        time.sleep(every)


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
