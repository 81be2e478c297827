"""`tdc run`, `tdc worker`, `tdc sink`, `tdc status`, `tdc demo`."""

import logging
import os
import signal
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.columns import Columns
from rich.console import Group
from rich.live import Live
from rich.table import Table

from ops.cli.output import AsJson, err, out, print_json
from schemas.settings import load_settings

if TYPE_CHECKING:
    from ops.status import Status


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(run)
    app.command()(worker)
    app.command()(sink)
    app.command()(status)
    app.command()(demo)


def run(
    until_idle: Annotated[
        bool, typer.Option("--until-idle", help="End when everything produced so far is through.")
    ] = False,
    timeout: Annotated[
        float | None, typer.Option(help="With --until-idle: give up after this many seconds (exit code 1).", min=1)
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes of each stage.", min=1, max=64)] = 1,
    as_json: AsJson = False,
) -> None:
    """Run all stages and the sink, with live progress. Processes that die are started again.

    With --until-idle, traces that have no end yet are waited for: they close as `idle` after
    TDC_ASSEMBLE__IDLE_SECONDS of silence.
    """
    from ops.bring_up import prepare
    from ops.status import Status
    from ops.supervisor import Supervisor

    settings = load_settings()
    prepare(settings)
    with Supervisor(settings, settings.home / "logs", workers) as pipeline:
        if until_idle:
            with Live(console=err, refresh_per_second=4, transient=True) as live:
                final = pipeline.wait_until_idle(lambda s: live.update(status_table(s)), timeout)
            _print_status(final, as_json)
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        with Live(console=err, refresh_per_second=4) as live:
            for found in pipeline.statuses(rest_seconds=1):
                if stop.is_set():
                    return
                if isinstance(found, Status):
                    live.update(status_table(found))
                elif found is not None:
                    live.console.print(f"[dim]{found}[/dim]")


Attended = Annotated[bool, typer.Option("--attended", hidden=True, help="Stop when stdin ends: its starter is gone.")]


def worker(
    stage: Annotated[Literal["assemble", "curate"], typer.Argument(help="Which stage.")], attended: Attended = False
) -> None:
    """Run one process of one stage, for deployment; start more of them to scale."""
    from streams.app import run_worker

    _log_to_stderr()
    if attended:
        _stop_with_starter()
    run_worker(load_settings(), stage)


def sink(attended: Attended = False) -> None:
    """Run the sink: traces, decisions and examples into Delta tables. SIGTERM stores what is held and leaves."""
    from schemas.registry import RegistryClient
    from sinks.consumer import run_sink
    from streams.app import topics_and_schemas

    _log_to_stderr()
    if attended:
        _stop_with_starter()
    settings = load_settings()
    registry = RegistryClient.from_settings(settings)
    topics_and_schemas(settings, registry)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run_sink(settings, registry, stop)


def status(as_json: AsJson = False) -> None:
    """Where every event and trace is, whether it adds up, and the lag of each stage. Exit code 1 when it does not."""
    from ops.status import gather_status

    settings = load_settings()
    found = gather_status(settings)
    _print_status(found, as_json)
    if not as_json:  # in another folder it is another stack, or this one with other tables
        looked = f"Kafka at {settings.kafka_config()['bootstrap.servers']}, tables at {settings.storage_root()}"
        out.print(looked, style="dim", markup=False, soft_wrap=True)
    if not found.balanced:
        raise typer.Exit(1)


def demo(as_json: AsJson = False) -> None:
    """Start the stack, run sample agents for real, and show what became of their runs. Needs no recorded data."""
    from ops.demo.main import run_demo

    code = run_demo(load_settings(), console=err if as_json else out, as_json=as_json)
    if code:
        raise typer.Exit(code)


def _stop_with_starter() -> None:
    """A supervisor that was killed could not stop its processes; nobody would know of them any more."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="starter", daemon=True).start()


def _log_to_stderr() -> None:
    logging.basicConfig(
        level=os.environ.get("TDC_LOG_LEVEL", "INFO"), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


def _print_status(found: "Status", as_json: bool) -> None:
    if as_json:
        print_json(found.to_json())
        return
    out.print(status_table(found))
    for fault in found.faults:
        out.print(f"[red]does not add up:[/red] {fault}")


def status_table(found: "Status") -> Group:
    """The balance as a picture."""
    events, traces = found.events, found.traces
    columns = Columns(padding=(0, 3))
    for column in (
        _column("events", {
            "received": events.received, "duplicate": events.duplicate, "assembled": events.assembled,
            "late": events.late, "dead-lettered": events.dead_lettered, "pending": events.pending,
        }),
        _column("traces", {
            "open": traces.open, "assembled": traces.assembled, "accepted": traces.accepted,
            "rejected": traces.rejected, "duplicate": traces.duplicate, "quarantined": traces.quarantined,
            "pending": traces.pending,
        }),
        _column("examples", {"published": found.examples.published, "stored": found.examples.stored}),
        _column("lag (messages)", found.lag),
        _column("closed as", found.close_reasons),
        _column("rejected for", found.rejections),
    ):  # fmt: skip
        columns.add_renderable(column)
    return Group(columns, "[green]balanced[/green]" if found.balanced else "[red]not balanced[/red]")


def _column(title: str, numbers: Mapping[str, int]) -> Table:
    column = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 1))
    column.add_column(no_wrap=True)
    column.add_column(justify="right", no_wrap=True)
    for name, number in numbers.items():
        column.add_row(name, f"{number:,}")
    return column
