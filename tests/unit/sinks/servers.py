"""Servers for tests of the sink: an S3 service, and a proxy that breaks what passes through it."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ops.stack import UnavailableError, default_cache, silent
from ops.stack.errors import NotReadyError
from ops.stack.keys import s3_credentials
from ops.stack.model import Ports, Stack
from ops.stack.s3 import S3

Fault = Literal["none", "reset", "unavailable", "lost_answer"]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def s3_service(home: Path) -> Iterator[dict[str, str]]:
    """VersityGW over a directory, with the bucket `tdc`: port, access_key, secret_key. Raises UnavailableError."""
    port = free_port()
    part = S3()
    stack = Stack(
        home, Ports(kafka=0, kafka_controller=0, registry=0, redis=0, s3=port, first_worker=0), default_cache()
    )
    program = part.fetch(stack.cache, lambda _: silent("s3", ""))
    command = part.command(stack, program)
    with (home / "s3.log").open("wb") as log:
        process = subprocess.Popen(
            command.argv, env={**os.environ, **command.env}, cwd=command.cwd, stdout=log, stderr=log
        )
    try:
        for _ in range(100):
            try:
                part.probe(stack)
                break
            except NotReadyError:
                time.sleep(0.1)
        else:
            raise UnavailableError("the S3 service did not start")
        keys = s3_credentials(home)
        yield {"port": str(port), "access_key": keys.access_key, "secret_key": keys.secret_key}
    finally:
        process.terminate()
        process.wait(10)


class FaultyProxy:
    """Runs `proxy.py` in a process of its own: delta-rs keeps the interpreter lock while it opens an upload."""

    def __init__(self, target_port: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("proxy.py")), str(target_port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.port = int(self._ask("port"))

    def set(self, fault: Fault, lost_after: str = "-") -> None:
        """Change what happens to requests; open connections are cut."""
        self._ask(f"fault {fault} {lost_after}")

    def lost(self) -> int:
        """How many answers were thrown away."""
        return int(self._ask("lost"))

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate(timeout=10)

    def _ask(self, line: str) -> str:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()
