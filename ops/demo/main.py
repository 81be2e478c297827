"""`tdc demo`: stack up, sample agents run for real through the SDK, all stages, then what became of their runs."""

import json
import random
import string
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.status import Status as Spinner

from ops.bring_up import bring_up
from ops.demo.collect import collect
from ops.demo.launch import ASSIGNMENTS, Target, run_agents
from ops.demo.pages import serve_pages
from ops.demo.report import Report, faults_of, tally
from ops.demo.summary import render
from ops.status import Status
from ops.supervisor import Supervisor, settings_environment
from schemas.settings import Settings

IDLE_SECONDS = 8.0
"""A killed run is given up after this silence; in real use one waits longer."""
QUIET_SECONDS = 1.0
_THROUGH_SECONDS = 180.0


def run_demo(settings: Settings, *, console: Console, as_json: bool) -> int:
    """Run the demo and show its summary on `console`, or as one JSON object on stdout; gives the exit code.

    0 when the balance holds, every run arrived, and no planted value is in a table; else 1. Raises TdcError when the
    stack or the pipeline cannot be kept up.
    """
    demo_run = "".join(random.choices(string.ascii_lowercase, k=10))
    settings = demo_settings(settings)
    seconds: dict[str, float] = {}
    progress = Console(stderr=True, highlight=False)
    with _timed(seconds, "stack"):
        bring_up(settings, progress)
    home = settings.home.absolute()
    logs = home / "demo" / demo_run
    with (
        Supervisor(settings, home / "logs") as pipeline,
        serve_pages() as pages,
        tempfile.TemporaryDirectory(prefix="tdc-demo-", ignore_cleanup_errors=True) as scratch,
        progress.status("running the sample agents") as spinner,
    ):
        target = Target(
            bootstrap=str(settings.kafka_config()["bootstrap.servers"]),
            registry=settings.registry_url(),
            pages=pages,
            demo_run=demo_run,
            directory=logs,
            scratch=Path(scratch),
            environment=settings_environment(settings),
        )

        def on_tick(processes: int, runs: int) -> None:
            pipeline.look_after()
            spinner.update(f"running the sample agents: {processes} of {len(ASSIGNMENTS)} processes done, {runs} runs")

        with _timed(seconds, "agents"):
            finished = run_agents(target, on_tick=on_tick)
        with _timed(seconds, "pipeline"):
            status = pipeline.wait_until_idle(lambda found: _show(spinner, found), _THROUGH_SECONDS)
    with _timed(seconds, "summary"):
        announced = [trace_id for process in finished for trace_id in process.announced]
        collected = collect(settings, demo_run, announced)
        tallies = tally(finished, collected)
    report = Report(
        demo_run=demo_run,
        seconds=seconds,
        status=status.to_json(),
        agents=tallies,
        collected=collected,
        places={
            "tables": _tables(settings),
            "TDC_HOME": str(home),
            "logs of stages": str(home / "logs"),
            "logs of agents": str(logs),
        },
        next_commands=_next_commands(demo_run, collected.rejected["trace_id"] if collected.rejected else None),
        faults=faults_of(status.to_json(), finished, tallies, collected),
    )
    if as_json:
        sys.stdout.write(json.dumps(report.to_json(), ensure_ascii=False, default=str) + "\n")
    else:
        console.print(render(report))
    return 0 if report.ok else 1


def demo_settings(settings: Settings) -> Settings:
    """The user's settings with shorter windows, so that killed runs are given up while one watches."""
    assemble = settings.assemble.model_copy(update={"idle_seconds": IDLE_SECONDS, "quiet_seconds": QUIET_SECONDS})
    return settings.model_copy(update={"assemble": assemble})


def _tables(settings: Settings) -> str:
    endpoint = settings.storage_options().get("aws_endpoint_url")
    return settings.storage_root() + (f" at {endpoint}" if endpoint else "")


def _show(spinner: Spinner, status: Status) -> None:
    lag = sum(status.lag.values())
    spinner.update(
        f"waiting for the pipeline: {status.traces.open} traces open, {lag} messages to go, "
        f"{status.examples.stored} examples stored"
    )


def _next_commands(demo_run: str, rejected: str | None) -> tuple[str, ...]:
    commands = [
        "tdc status",
        f"tdc query \"SELECT scenario, close_reason, count(*) FROM traces WHERE task_id LIKE '{demo_run}/%' "
        'GROUP BY ALL"',
        "tdc query \"SELECT quality_score, packages, expected_output FROM examples WHERE scenario LIKE 'demo-%' "
        'ORDER BY quality_score DESC LIMIT 3"',
    ]
    if rejected:
        commands.append(f"tdc explain {rejected}")
    return (*commands, "tdc down")


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    began = time.perf_counter()
    try:
        yield
    finally:
        seconds[phase] = time.perf_counter() - began
