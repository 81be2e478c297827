"""How each kind of fault is done, and undone."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import redis

from ops.stack import start_part, stop_part
from ops.stack import status as stack_status
from tests.chaos.disks import filled
from tests.chaos.plan import Fault
from tests.chaos.site import Site
from tests.integration.line import cut_tail

Doing = Callable[[Site, Fault], AbstractContextManager[None]]
_COMING_SECONDS = 30.0


class NotStruckError(Exception):
    """There was nothing to break: the process did not run."""


def doing(kind: str) -> Doing:
    """How a kind of fault is done: entered to break, left to mend."""
    verb, _, name = kind.partition(" ")
    if kind in _SPECIAL:
        return _SPECIAL[kind]
    if verb in ("cut", "drop"):
        return lambda site, fault: site.network.broken(name, verb)
    if verb == "s3":
        return lambda site, fault: site.network.broken("s3", name, fault.share, 1.0 + 2 * fault.share)
    if name in ("kafka", "redis", "registry", "s3"):
        return {"kill": _kill_part(name), "restart": _restart_part(name), "freeze": _freeze_part(name)}[verb]
    return {"kill": _kill(name), "freeze": _freeze(name), "join": _join(name)}[verb]


def _pid(site: Site, name: str, which: float) -> int:
    """A process of a kind; one that is just being started is waited for."""
    until = time.monotonic() + _COMING_SECONDS
    while not (found := site.pids(name)):
        if time.monotonic() > until:
            raise NotStruckError(f"no {name} runs")
        time.sleep(0.1)
    return found[int(which * 10) % len(found)]


def _kill(name: str) -> Doing:
    @contextmanager
    def kill(site: Site, fault: Fault) -> Iterator[None]:
        os.kill(_pid(site, name, fault.share), signal.SIGKILL)
        yield

    return kill


def _freeze(name: str) -> Doing:
    @contextmanager
    def freeze(site: Site, fault: Fault) -> Iterator[None]:
        with _frozen(_pid(site, name, fault.share)):
            yield

    return freeze


@contextmanager
def _frozen(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _join(name: str) -> Doing:
    """A second process of a kind comes, and leaves in peace or dies."""

    def join(site: Site, fault: Fault) -> AbstractContextManager[None]:
        return _guest(site, name, signal.SIGKILL if fault.share < 0.5 else signal.SIGTERM)

    return join


@contextmanager
def _guest(site: Site, name: str, end: int) -> Iterator[None]:
    words = ["sink"] if name == "sink" else ["worker", name]
    with site.guest(name, ["-m", "ops.cli.main", *words, "--attended"], end):
        yield


@contextmanager
def _rival_sink(site: Site, fault: Fault) -> Iterator[None]:
    """A sink that knows of no other: both write every partition, and the tables let one through at a time."""
    with site.guest("rival", ["-m", "tests.chaos.rival_sink"]):
        yield


@contextmanager
def _zombie_sink(site: Site, fault: Fault) -> Iterator[None]:
    """A sink falls silent with what it holds, another takes its partitions, and the first wakes up."""
    pid = _pid(site, "sink", fault.share)
    with site.guest("sink", ["-m", "ops.cli.main", "sink", "--attended"]), _frozen(pid):
        yield


def _kill_part(name: str) -> Doing:
    @contextmanager
    def kill(site: Site, fault: Fault) -> Iterator[None]:
        stop_part(site.home, name, signal=signal.SIGKILL)
        try:
            yield
        finally:
            start_part(site.home, name)

    return kill


def _restart_part(name: str) -> Doing:
    @contextmanager
    def restart(site: Site, fault: Fault) -> Iterator[None]:
        stop_part(site.home, name)
        try:
            yield
        finally:
            start_part(site.home, name)

    return restart


def _freeze_part(name: str) -> Doing:
    @contextmanager
    def freeze(site: Site, fault: Fault) -> Iterator[None]:
        pid = next((row.pid for row in stack_status(site.home) if row.name == name), None)
        if pid is None:
            raise NotStruckError(f"no {name} runs")
        with _frozen(pid):
            yield

    return freeze


@contextmanager
def _flush_redis(site: Site, fault: Fault) -> Iterator[None]:
    client = redis.Redis.from_url(site.settings.redis_url())
    try:
        client.flushall()
    except redis.ConnectionError:
        raise NotStruckError("Redis does not answer") from None
    finally:
        client.close()
    yield


@contextmanager
def _tear_redis(site: Site, fault: Fault) -> Iterator[None]:
    """As after a power cut: the end of what it wrote is gone."""
    stop_part(site.home, "redis", signal=signal.SIGKILL)
    try:
        cut_tail(max((site.home / "redis").glob("**/*.aof"), key=lambda path: path.stat().st_size), 0.1 * fault.share)
        yield
    finally:
        start_part(site.home, "redis")


@contextmanager
def _disk_full(site: Site, fault: Fault) -> Iterator[None]:
    """Not a byte is left where the objects lie; where no disk may be mounted the server is made to say so."""
    if not site.mounted:
        with site.network.broken("s3", "full"):
            yield
        return
    with filled(site.disk):
        yield


_SPECIAL: dict[str, Doing] = {
    "rival sink": _rival_sink,
    "zombie sink": _zombie_sink,
    "flush redis": _flush_redis,
    "tear redis": _tear_redis,
    "disk full": _disk_full,
}
