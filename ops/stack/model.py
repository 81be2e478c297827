"""The plain values of the local stack: where it lives, its ports, and what its parts report."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ops.stack.errors import StackError
from ops.stack.versions import REDIS_MAXMEMORY, S3_BUCKET, S3_REGION

LOOPBACK = "127.0.0.1"
_FIRST_WORKER_OFFSET = 10
_PORTS_RESERVED = 40

Say = Callable[[str], None]


class Progress(Protocol):
    """Told what each part is doing, from several threads at once."""

    def __call__(self, part: str, message: str, /) -> None: ...


def silent(part: str, message: str, /) -> None:
    """A progress listener that listens to nothing."""


@dataclass(frozen=True)
class Ports:
    """Every port of one stack, counted up from one base so that two stacks can live side by side."""

    kafka: int
    kafka_controller: int
    registry: int
    redis: int
    s3: int
    first_worker: int

    @classmethod
    def from_base(cls, port_base: int) -> Ports:
        """The ports of the stack at `port_base`. Raises StackError when they would not all be valid."""
        if not 1024 <= port_base <= 65535 - _PORTS_RESERVED:
            raise StackError(
                f"port base {port_base} is out of range: choose one from 1024 to {65535 - _PORTS_RESERVED}"
            )
        return cls(
            kafka=port_base,
            kafka_controller=port_base + 1,
            registry=port_base + 2,
            redis=port_base + 3,
            s3=port_base + 4,
            first_worker=port_base + _FIRST_WORKER_OFFSET,
        )

    @property
    def base(self) -> int:
        return self.kafka

    def worker(self, index: int) -> int:
        """The health and metrics port of worker process number `index`, from 0."""
        if not 0 <= index < _PORTS_RESERVED - _FIRST_WORKER_OFFSET:
            raise StackError(f"no port is reserved for worker {index}")
        return self.first_worker + index


def default_cache() -> Path:
    """Where downloads are kept for every stack of this user: `$XDG_CACHE_HOME/tdc` or `~/.cache/tdc`."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(root) if os.path.isabs(root) else Path.home() / ".cache") / "tdc"


@dataclass(frozen=True)
class Stack:
    """One stack: its state directory, its ports, and where downloads are shared with other stacks."""

    home: Path
    ports: Ports
    cache: Path
    redis_maxmemory: str = REDIS_MAXMEMORY

    def log(self, part: str) -> Path:
        return self.home / "logs" / f"{part}.log"


@dataclass(frozen=True)
class PartStatus:
    """One row of `tdc up` and `tdc status`: a part, where it listens, and whether it answers."""

    name: str
    listening: str
    running: bool
    pid: int | None
    detail: str


@dataclass(frozen=True)
class Command:
    """How to start a part's process: nothing is inherited but what is named here."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path


@dataclass(frozen=True)
class Endpoints:
    """What a client of the stack needs. `s3_*` are None when tables live in a local directory."""

    bootstrap_servers: str
    registry_url: str
    redis_url: str
    tables_url: str
    pseudonym_key_file: Path
    s3_endpoint: str | None = None
    s3_region: str = S3_REGION
    s3_bucket: str = S3_BUCKET
    s3_access_key: str | None = field(default=None, repr=False)
    s3_secret_key: str | None = field(default=None, repr=False)
