"""Ports for the stacks of tests: below those that the system gives to clients, and apart for each test process."""

import os
import socket

PORTS_OF_A_STACK = 14
_FIRST, _SLICE, _STEP = 10_200, 5_400, 40


def free_port_base() -> int:
    """A base with all ports of a stack free, out of the slice of this test process."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
    first = _FIRST + worker * _SLICE
    bases = range(first, first + _SLICE - _STEP, _STEP)
    offset = os.getpid() % len(bases)  # two runs side by side seldom ask for the same ones
    order: list[int] = [*bases[offset:], *bases[:offset]]
    for base in order:
        if all(_free(port) for port in range(base, base + PORTS_OF_A_STACK)):
            return base
    raise AssertionError("no free ports")


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
