"""Starting, recognising and ending the parts' processes. No knowledge of any part lives here."""

from __future__ import annotations

import contextlib
import os
import signal as signals
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from ops.stack.model import LOOPBACK, Command

# A process whose start was never recorded (the starter was killed) is still known by its environment.
HOME_MARK = "TDC_STACK_HOME"
PART_MARK = "TDC_STACK_PART"

# psutil derives start times from the boot time, which a clock adjustment moves a little.
_SAME_START_SECONDS = 5.0
# Of the caller's environment only this reaches a part: a stray KAFKA_*, QUARKUS_* or JAVA_TOOL_OPTIONS must not.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_CHANGE_DIRECTORY_AND_EXEC = 'cd "$0" && exec "$@"'


@dataclass(frozen=True)
class Identity:
    """A process, told apart from a later one with the same pid by when it started (epoch seconds)."""

    pid: int
    started: float


def base_environment() -> dict[str, str]:
    """The part of the caller's environment that any program needs."""
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ}


def spawn(label: str, home: Path, command: Command, log: Path) -> Identity:
    """Start a detached process in its own session; its output goes to `log`, the last run's to `log.1`.

    `label` and `home` mark it for `leftovers`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        log.replace(log.with_suffix(".log.1"))
    env = {**base_environment(), **command.env, HOME_MARK: str(home), PART_MARK: label}
    # posix_spawn and not Popen: nobody will ever wait for the process, and Popen warns about that.
    pid = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", _CHANGE_DIRECTORY_AND_EXEC, str(command.cwd), *command.argv],
        env,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    try:
        return Identity(pid, psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return Identity(pid, time.time())


def alive(identity: Identity | None) -> bool:
    """Whether exactly this process still runs (a zombie, or another process with its pid, does not count)."""
    return identity is not None and _find(identity) is not None


def stop(identity: Identity, signal: int, grace_seconds: float) -> bool:
    """Send `signal`, then SIGKILL after the grace. Returns False when SIGKILL was needed for a polite signal."""
    if not _send(identity, signal):
        return True
    if _gone_within(identity, grace_seconds):
        return True
    # A stopped process (SIGSTOP) handles nothing but SIGKILL.
    _send(identity, signals.SIGKILL)
    _gone_within(identity, 10.0)
    return False


def leftovers(home: Path) -> Iterator[tuple[str, Identity]]:
    """Label and identity of the processes that belong to the stack at `home`, recorded or not."""
    for process in psutil.process_iter():
        try:
            env = process.environ()
            if env.get(HOME_MARK) == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                yield env.get(PART_MARK, ""), Identity(process.pid, process.create_time())
        except (psutil.Error, OSError):
            continue


def port_is_free(port: int) -> bool:
    """Whether a server could bind `port` on the loopback address right now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections that a dead process left in TIME_WAIT do not hold the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def port_holder(port: int) -> str:
    """Who listens on `port`, for an error message; another user's process cannot always be seen."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return "another process"
    for connection in connections:
        address = connection.laddr
        if address and address.port == port and connection.status == psutil.CONN_LISTEN and connection.pid:
            with contextlib.suppress(psutil.Error):
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return "another process"


def _find(identity: Identity) -> psutil.Process | None:
    try:
        process = psutil.Process(identity.pid)
        if abs(process.create_time() - identity.started) > _SAME_START_SECONDS:
            return None
        if process.status() == psutil.STATUS_ZOMBIE:
            # A dead child of ours stays a zombie until somebody waits for it.
            with contextlib.suppress(OSError):
                os.waitpid(identity.pid, os.WNOHANG)
            return None
    except psutil.Error:
        return None
    return process


def _send(identity: Identity, signal: int) -> bool:
    process = _find(identity)
    if process is None:
        return False
    try:
        process.send_signal(signal)
    except psutil.NoSuchProcess:
        return False
    return True


def _gone_within(identity: Identity, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while alive(identity):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
