"""What every part of the stack offers the lifecycle, and the catalogue of parts."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from ops.stack.model import Command, Ports, Say, Stack


class Part(Protocol):
    """One program of the stack. Implementations hold no state: everything is in `Stack` and on disk."""

    @property
    def name(self) -> str:
        """What people call it: `tdc up` prints it, tests name it."""

    @property
    def start_seconds(self) -> float:
        """How long a start may take before it counts as failed."""

    @property
    def stop_seconds(self) -> float:
        """How long a clean stop may take before the process is killed."""

    def ports(self, ports: Ports) -> tuple[int, ...]:
        """The ports it listens on."""

    def address(self, stack: Stack) -> str:
        """Where clients find it."""

    def fetch(self, cache: Path, say: Say) -> Path:
        """Have the program on this machine and return where. Raises UnavailableError."""

    def command(self, stack: Stack, program: Path) -> Command:
        """Write its configuration, prepare its data directory, and say how to start it."""

    def probe(self, stack: Stack) -> None:
        """Return when it answers a real request, else raise NotReadyError. Takes two seconds at most."""
