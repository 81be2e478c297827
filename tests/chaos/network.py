"""The network between the workers and their servers, as a chaos run can break it: a handle on `proxies.py`."""

import json
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Network:
    """Runs the proxies in a process of their own: they must not wait for the tests' work."""

    def __init__(self, ways: Mapping[str, tuple[int, int]]) -> None:
        """`ways`: port to listen on and port to pass to, by name; the one named `s3` speaks HTTP."""
        arguments = [f"{name}:{'s3' if name == 's3' else 'tcp'}:{at}:{to}" for name, (at, to) in ways.items()]
        self.hits: Counter[str] = Counter()
        """How many requests, connections or waits each kind of break struck, by mode and way."""
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.proxies", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    @contextmanager
    def broken(self, name: str, mode: str, share: float = 1.0, seconds: float = 0.0) -> Iterator[None]:
        """Break one way for a while."""
        self._set(name, mode, share, seconds)
        try:
            yield
        finally:
            self.hits[f"{mode} {name}"] += self._set(name, "pass", 1.0, 0.0)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def _set(self, name: str, mode: str, share: float, seconds: float) -> int:
        order = {"name": name, "mode": mode, "share": share, "seconds": seconds}
        with self._lock:
            assert self._process.stdin
            assert self._process.stdout
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        assert answer, "the proxies died"
        return int(answer)
