"""Runs all stages and the sink as processes of this machine, and starts again what dies."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import IO, Any

from pydantic import BaseModel, SecretStr

from ops.status import Status, gather_status
from schemas.errors import TdcError, TransientError, UsageError
from schemas.settings import Settings

PROCESSES: dict[str, tuple[str, ...]] = {
    "assemble": ("worker", "assemble", "--attended"),
    "curate": ("worker", "curate", "--attended"),
    "sink": ("sink", "--attended"),
}
_FAST_DEATHS = 5
"""A process that dies this often within a minute of its start is not started again."""
_STOP_SECONDS = 30.0
_ASK_SECONDS = 5.0
_TAKE_OVER_SECONDS = 10.0
_LEAKS = ("nanobind: ", " - ", "See https://nanobind")
_LOOK_SECONDS = 0.4
"""Between two looks at the processes."""


class PipelineFailed(TdcError):
    """A process of the pipeline cannot stay up."""


@dataclass
class _Child:
    name: str
    arguments: tuple[str, ...]
    log_path: Path
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    not_before: float = 0.0
    fast_deaths: int = 0
    log: IO[bytes] | None = field(default=None, repr=False)
    log_start: int = 0
    """Where in the log this process began: before it stands what others said."""


class Supervisor:
    """`with Supervisor(settings, log_dir) as pipeline: pipeline.wait_until_idle(...)`."""

    def __init__(
        self,
        settings: Settings,
        log_dir: Path,
        workers: int = 1,
        processes: Mapping[str, tuple[str, ...]] = PROCESSES,
    ) -> None:
        self._settings = settings
        self._environment = {**os.environ, **settings_environment(settings), "PYTHONUNBUFFERED": "1"}
        self._children = [
            _Child(
                name if n == 0 else f"{name}-{n + 1}", arguments, log_dir / f"{name}{'' if n == 0 else f'-{n + 1}'}.log"
            )
            for name, arguments in processes.items()
            for n in range(workers if name != "sink" else 1)
        ]
        self._asking: threading.Thread | None = None
        log_dir.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "Supervisor":
        try:
            for child in self._children:
                self._start(child)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def pids(self) -> dict[str, int]:
        """Process ids of what runs, by name."""
        return {c.name: c.process.pid for c in self._children if c.process and c.process.poll() is None}

    def look_after(self) -> None:
        """Start again what died. Raises PipelineFailed when a process keeps dying."""
        now = time.monotonic()
        for child in self._children:
            if child.process is None:
                if now >= child.not_before:
                    self._start(child)
                continue
            code = child.process.poll()
            if code is None:
                continue
            if code == 2:
                raise UsageError(f"{child.name} refused its settings:\n{_tail(child)}")
            child.fast_deaths = child.fast_deaths + 1 if now - child.started_at < 60 else 1
            if child.fast_deaths > _FAST_DEATHS:
                raise PipelineFailed(
                    f"{child.name} died {child.fast_deaths} times (last exit code {code}); see {child.log_path}:\n"
                    + _tail(child)
                )
            _close_pipe(child.process)
            child.process = None
            child.not_before = now + min(0.2 * 2**child.fast_deaths, 10)

    def wait_until_idle(
        self, on_status: Callable[[Status], None] = lambda _: None, timeout_seconds: float | None = None
    ) -> Status:
        """Wait until everything produced so far is through. Raises PipelineFailed, also when time is over."""
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        calm = 0
        for found in self.statuses():
            if isinstance(found, Status):
                on_status(found)
                # Twice in a row: the parts are read one after the other, not at one instant.
                calm = calm + 1 if found.idle and found.balanced else 0
                if calm >= 2:
                    return found
            elif found is not None:
                calm = 0
            if until is not None and time.monotonic() > until:
                raise PipelineFailed(f"not everything was through after {timeout_seconds:.0f} s; see `tdc status`")
        raise AssertionError("statuses has no end")

    def statuses(self, rest_seconds: float = _LOOK_SECONDS) -> Iterator[Status | TransientError | None]:
        """Looks after the processes for ever, and tells the balance again and again; None while it is being asked for.

        It is asked for in a thread: a server that hangs must not keep from being started again what died.
        """
        while True:
            asked: Queue[Status | Exception] = Queue(1)
            self._asking = threading.Thread(target=_ask, args=(self._settings, asked), name="status", daemon=True)
            self._asking.start()
            while True:
                self.look_after()
                try:
                    found = asked.get(timeout=_LOOK_SECONDS)
                except Empty:
                    yield None
                    continue
                break
            if not isinstance(found, Status | TransientError):
                raise found
            yield found
            time.sleep(rest_seconds)

    def stop(self) -> None:
        """Ask every process to leave; the sink stores what it holds. What does not leave is killed."""
        running = [c.process for c in self._children if c.process is not None and c.process.poll() is None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        until = time.monotonic() + _STOP_SECONDS
        for process in running:
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for child in self._children:
            if child.process is not None:
                _close_pipe(child.process)
            if child.log is not None:
                child.log.close()
                child.log = None
        if self._asking is not None:
            # A thread that is inside librdkafka when the interpreter ends takes the process with it.
            self._asking.join(_ASK_SECONDS)

    def _start(self, child: _Child) -> None:
        if child.log is None:
            child.log = _locked(child.log_path, child.name)
        child.log_start = child.log.seek(0, os.SEEK_END)
        child.process = subprocess.Popen(
            [sys.executable, "-m", "ops.cli.main", *child.arguments],
            # Its own name in the consumer group: when it dies, what is started in its place need not wait until the
            # broker believes that it is dead.
            env={**self._environment, "TDC_KAFKA__MEMBER": child.name},
            stdin=subprocess.PIPE,  # never written to: it ends when this process does
            stdout=child.log,
            stderr=child.log,
            start_new_session=True,
        )
        child.started_at = time.monotonic()


def _ask(settings: Settings, answer: "Queue[Status | Exception]") -> None:
    try:
        answer.put(gather_status(settings))
    except Exception as error:
        answer.put(error)


def settings_environment(settings: Settings) -> dict[str, str]:
    """The settings as `TDC_*` variables, so that a child process has the very same ones."""
    variables: dict[str, str] = {}

    def walk(prefix: str, model: BaseModel) -> None:
        for name in type(model).model_fields:
            value: Any = getattr(model, name)
            key = f"{prefix}{name.upper()}"
            if value is None:
                continue
            if isinstance(value, BaseModel):
                walk(f"{key}__", value)
            elif isinstance(value, SecretStr):
                variables[key] = value.get_secret_value()
            elif isinstance(value, str | Path):
                variables[key] = str(value)
            else:
                variables[key] = json.dumps(value)

    walk("TDC_", settings)
    variables["TDC_HOME"] = str(settings.home.absolute())
    return variables


def _close_pipe(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _locked(path: Path, name: str) -> IO[bytes]:
    """The log of a process, locked as long as it or its supervisor lives: two of one name would oust each other.

    A process whose supervisor was killed stops by itself; that is waited for.
    """
    log = path.open("ab")
    until = time.monotonic() + _TAKE_OVER_SECONDS
    while True:
        try:
            fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                log.close()
                raise PipelineFailed(f"{name} runs already, under another `tdc run` (its log is {path})") from None
            time.sleep(0.2)
        else:
            return log


def _tail(child: _Child, lines: int = 8) -> str:
    """The last that the process said since it was started."""
    try:
        with child.log_path.open("rb") as log:
            log.seek(child.log_start)
            said = log.read().decode("utf-8", errors="replace").splitlines()
        # At exit the bindings of a library count what they hold: that would push out what matters.
        return "\n".join([line for line in said if not line.startswith(_LEAKS)][-lines:])
    except OSError:
        return ""
