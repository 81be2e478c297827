"""Starting and stopping one part: the steps that every part goes through."""

from __future__ import annotations

import signal as signals
import time
from pathlib import Path

from ops.stack import processes
from ops.stack.errors import NotReadyError, PartFailedError, PortTakenError, log_tail
from ops.stack.model import PartStatus, Say, Stack
from ops.stack.parts import Part
from ops.stack.processes import Identity
from ops.stack.state import State

_PORT_SECONDS = 2.0
_POLL_SECONDS = 0.1


def start(part: Part, state: State, program: Path, say: Say) -> PartStatus:
    """Start a part that does not run, and wait until it answers. Raises PortTakenError or PartFailedError."""
    stack = state.stack
    _free_ports(part, stack)
    say("starting")
    began = time.monotonic()
    identity = processes.spawn(_label(part, stack), stack.home, part.command(stack, program), stack.log(part.name))
    state.record(part.name, identity)
    wait_until_healthy(part, stack, identity)
    took = f"{time.monotonic() - began:.1f} s"
    say(f"up in {took}")
    return PartStatus(part.name, part.address(stack), True, identity.pid, f"started in {took}")


def running(part: Part, state: State) -> Identity | None:
    """The part's process: as recorded, or one that an interrupted start left unrecorded, which is recorded now."""
    recorded = state.processes.get(part.name)
    if recorded is not None and processes.alive(recorded):
        return recorded
    for label, identity in processes.leftovers(state.stack.home):
        if label == _label(part, state.stack):
            state.record(part.name, identity)
            return identity
    return None


def wait_until_healthy(part: Part, stack: Stack, identity: Identity) -> None:
    """Return when the part answers. Raises PartFailedError with the end of its log when it exits or takes too long."""
    deadline = time.monotonic() + part.start_seconds
    while True:
        if not processes.alive(identity):
            raise PartFailedError(_failure(part, stack, "exited while starting"))
        try:
            part.probe(stack)
            return
        except NotReadyError as reason:
            if time.monotonic() > deadline:
                problem = f"did not become healthy within {part.start_seconds:.0f} s: {reason}"
                raise PartFailedError(_failure(part, stack, problem)) from reason
        time.sleep(_POLL_SECONDS)


def stop(part: Part, state: State, signal: int = signals.SIGTERM) -> PartStatus:
    """Stop a part's process, recorded or left over from an interrupted start. Its data stays."""
    found = {state.processes.get(part.name)}
    found |= {identity for label, identity in processes.leftovers(state.stack.home) if _is_of(part, label)}
    alive = [identity for identity in found if identity is not None and processes.alive(identity)]
    clean = [processes.stop(identity, signal, part.stop_seconds) for identity in alive]
    state.record(part.name, None)
    if not alive:
        detail = "was not running"
    elif all(clean):
        detail = "stopped"
    else:
        detail = f"killed: it did not stop within {part.stop_seconds:.0f} s"
    return PartStatus(part.name, part.address(state.stack), False, None, detail)


def _label(part: Part, stack: Stack) -> str:
    # With the ports: a process that an earlier start put elsewhere cannot be taken over.
    return f"{part.name}:{stack.ports.base}"


def _is_of(part: Part, label: str) -> bool:
    return label.partition(":")[0] == part.name


def _free_ports(part: Part, stack: Stack) -> None:
    for port in part.ports(stack.ports):
        deadline = time.monotonic() + _PORT_SECONDS
        while not processes.port_is_free(port):
            # A killed process's listening socket may outlive it for a moment.
            if time.monotonic() > deadline:
                raise PortTakenError(
                    f"{part.name}: port {port} is in use by {processes.port_holder(port)}. Stop that process, or "
                    "choose other ports (TDC_PORT_BASE) for a stack of another TDC_HOME."
                )
            time.sleep(_POLL_SECONDS)


def _failure(part: Part, stack: Stack, problem: str) -> str:
    log = stack.log(part.name)
    tail = log_tail(log)
    return f"{part.name} {problem}\n  log: {log}" + (f"\n{tail}" if tail else " (empty)")
