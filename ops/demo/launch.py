"""Runs the sample agents as processes of their own, a few at a time, and kills some of them in the middle of a run."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ops
import training_data_producer

PROCESS_SECONDS = 60.0
"""No process of the demo may take longer."""
_TICK_SECONDS = 0.5


@dataclass(frozen=True)
class Assignment:
    """One process: which agent, which tasks, and in which run (if any) it is killed."""

    kind: str
    seed: int
    runs: int
    kill_in_run: int | None = None

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.seed}"


ASSIGNMENTS: tuple[Assignment, ...] = (
    # The killed ones first: the silence after which they are given up passes while the others work.
    Assignment("research", seed=30, runs=4, kill_in_run=1),
    Assignment("bugfix", seed=30, runs=4, kill_in_run=2),
    Assignment("handoff", seed=40, runs=4, kill_in_run=1),
    Assignment("bugfix", seed=40, runs=2, kill_in_run=0),
    Assignment("research", seed=0, runs=12),
    Assignment("bugfix", seed=0, runs=12),
    Assignment("handoff", seed=0, runs=14),
    Assignment("research", seed=12, runs=12),
    Assignment("bugfix", seed=12, runs=10),
    Assignment("handoff", seed=14, runs=12),
)


@dataclass(frozen=True)
class Finished:
    """How a process ended."""

    assignment: Assignment
    announced: tuple[str, ...]
    """Trace ids of which at least the first events are in Kafka."""
    killed: bool
    fault: str | None
    """What went wrong, in words; None when all went as planned."""
    events_emitted: int | None
    """None where the process was killed before it could say so."""


@dataclass(frozen=True)
class Target:
    """Where the agents send their events, and what else they need to know."""

    bootstrap: str
    registry: str
    pages: str
    demo_run: str
    directory: Path
    """For logs and undelivered events."""
    scratch: Path
    """For the agents' own files."""
    environment: Mapping[str, str]


def run_agents(
    target: Target,
    assignments: Sequence[Assignment] = ASSIGNMENTS,
    *,
    at_once: int = 4,
    on_tick: Callable[[int, int], None] = lambda finished, announced: None,
) -> list[Finished]:
    """Run all processes; `on_tick(processes finished, runs announced)` is called twice a second meanwhile.

    Whatever happens, no process is left behind.
    """
    target.directory.mkdir(parents=True, exist_ok=True)
    with _Processes() as processes, ThreadPoolExecutor(at_once, "demo-agent") as pool:
        futures = [pool.submit(processes.run, target, assignment) for assignment in assignments]
        try:
            while not _all_done(futures):
                on_tick(sum(future.done() for future in futures), processes.announced)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.kill_all()
            raise
        on_tick(len(futures), processes.announced)
        return [future.result() for future in futures]


def _all_done(futures: Sequence["Future[Finished]"]) -> bool:
    return not wait(futures, timeout=_TICK_SECONDS).not_done


class _Processes:
    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._closing = False
        self.announced = 0

    def __enter__(self) -> "_Processes":
        return self

    def __exit__(self, *_error: object) -> None:
        self.kill_all()

    def kill_all(self) -> None:
        with self._guard:
            self._closing = True
            for process in self._running:
                process.kill()

    def run(self, target: Target, assignment: Assignment) -> Finished:
        """Start one process, read what it says until its end, and kill it where that is planned."""
        announced: list[str] = []
        killed = False
        delivery: dict[str, Any] | None = None
        began = time.monotonic()
        log = target.directory / f"{assignment.name}.log"
        with log.open("wb") as errors, self._started(target, assignment, errors) as process:
            timer = threading.Timer(PROCESS_SECONDS, process.kill)
            timer.start()
            try:
                for line in process.stdout or ():
                    told = _told(line)
                    if "trace_id" in told:
                        announced.append(told["trace_id"])
                        with self._guard:
                            self.announced += 1
                        if told.get("number") == assignment.kill_in_run:
                            process.kill()
                            killed = True
                    elif "finished" in told:
                        delivery = told
                code = process.wait()
            finally:
                timer.cancel()
        late = time.monotonic() - began >= PROCESS_SECONDS
        return Finished(
            assignment,
            tuple(announced),
            killed,
            _fault(assignment, announced, killed, code, delivery, late=late, log=log),
            delivery["emitted"] if delivery else None,
        )

    @contextmanager
    def _started(self, target: Target, assignment: Assignment, errors: Any) -> Iterator["subprocess.Popen[str]"]:
        with self._guard:
            if self._closing:
                raise RuntimeError("the demo is ending")
            process = subprocess.Popen(
                _command(target, assignment), env=_environment(target), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=errors, text=True,
            )  # fmt: skip
            self._running.add(process)
        try:
            with process:
                yield process
        finally:
            with self._guard:
                self._running.discard(process)


def _command(target: Target, assignment: Assignment) -> list[str]:
    return [
        sys.executable, "-m", f"ops.demo.agents.{assignment.kind}",
        "--bootstrap", target.bootstrap, "--registry", target.registry, "--pages", target.pages,
        "--demo-run", target.demo_run, "--spool", str(target.directory / "spool"),
        "--seed", str(assignment.seed), "--runs", str(assignment.runs),
    ]  # fmt: skip


def _environment(target: Target) -> dict[str, str]:
    roots = [Path(str(module.__file__)).parent.parent for module in (ops, training_data_producer)]
    return {
        **os.environ,
        **target.environment,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(map(str, roots))),
        # A killed agent leaves its files behind: here they go with the directory.
        "TMPDIR": str(target.scratch),
    }


def _told(line: str) -> dict[str, Any]:
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _fault(
    assignment: Assignment,
    announced: Sequence[str],
    killed: bool,
    code: int,
    delivery: Mapping[str, Any] | None,
    *,
    late: bool,
    log: Path,
) -> str | None:
    """What went otherwise than planned. Pure."""
    name = assignment.name
    if killed:
        return None
    if late:
        return f"{name} did not end within {PROCESS_SECONDS:g} s; see {log}"
    if assignment.kill_in_run is not None:
        return f"{name} ended before it could be killed; see {log}"
    if code != 0 or delivery is None:
        return f"{name} ended with exit code {code}; see {log}"
    if len(announced) != assignment.runs:
        return f"{name} told of {len(announced)} runs, not of {assignment.runs}; see {log}"
    if delivery["dropped"] or delivery["delivered"] != delivery["emitted"]:
        return f"{name} delivered {delivery['delivered']} of {delivery['emitted']} events; see {log}"
    return None
