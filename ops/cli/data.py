"""`tdc import`, `tdc query`, `tdc explain`, `tdc redact`."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal, cast

import typer
from rich.text import Text

from ops.cli.output import AsJson, byte_progress, err, out, print_json, table
from schemas.settings import load_settings


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("import")(import_)
    app.command()(query)
    app.command()(explain)
    app.command()(redact)


def import_(
    format_name: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            help="tau-bench, tau2, mini-swe, swe-agent, claude-code, codex, openai-messages, atif, otlp, inspect, "
            "toolbench, who-and-when, reflexion or llmunix.",
        ),
    ],
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Files, folders or globs; .gz and .zst too.")],
    consent: Annotated[
        Literal["granted", "denied", "unknown"], typer.Option(help="What the data subjects allowed.")
    ] = "unknown",
    basis: Annotated[str | None, typer.Option(help="Legal basis of the consent, in words.")] = None,
    data_subject: Annotated[str | None, typer.Option(help="Opaque id of the person the data is about.")] = None,
    scenario: Annotated[str | None, typer.Option(help="Scenario to use instead of the derived one.")] = None,
    mode: Annotated[
        Literal["EXECUTION", "SIMULATION", "OPTIMIZATION"] | None, typer.Option(help="Execution mode to use.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Turn recorded runs into events. Importing the same file again adds nothing.

    A broken record is reported with file and line, and the rest goes on; the exit code is then 1. Without --consent
    granted the traces are kept, redacted, but give no training examples.
    """
    from confluent_kafka import Producer

    from ops.bring_up import prepare
    from schemas.registry import RegistryClient
    from streams.adapters.base import ImportOptions
    from streams.adapters.catalogue import format_named
    from streams.adapters.files import find_recordings
    from streams.adapters.publish import Producer as Outbox
    from streams.adapters.publish import Progress, producer_config, publish

    settings = load_settings()
    found = format_named(format_name)
    files = find_recordings(paths, found.suffixes)
    prepare(settings)
    options = ImportOptions(consent, basis, data_subject, scenario, mode)
    with byte_progress() as bar:
        task = bar.add_task("importing", total=None)

        def on_progress(progress: Progress) -> None:
            bar.update(
                task, description=f"{progress.file}: {progress.events:,} events", completed=progress.bytes_read,
                total=progress.bytes_total,
            )  # fmt: skip

        report = publish(
            files,
            found.importer(),
            options,
            producer=cast(Outbox, Producer(producer_config(settings.kafka_config()))),
            schema_id=RegistryClient.from_settings(settings).register("agent-events", "EventBatch"),
            on_progress=on_progress,
        )
    if as_json:
        print_json(asdict(report))
    else:
        for broken in report.broken:
            where = f"line {broken.line}" if broken.line is not None else f"record {broken.record}"
            err.print(Text(f"{broken.path}, {where}:", style="yellow").append(f" {broken.reason}", style="default"))
        out.print(
            f"{report.files} files, {report.runs} runs, {report.events:,} events in {report.messages:,} messages, "
            f"{report.broken_count} broken records"
        )
        if consent == "unknown":
            out.print("consent is unknown: these traces will be quarantined; --consent granted makes examples of them")
    if report.broken_count:
        raise typer.Exit(1)


def query(
    sql: Annotated[str, typer.Argument(help="SQL over traces, examples, decisions, patterns; - reads it from stdin.")],
    as_json: AsJson = False,
) -> None:
    """Run SQL (DuckDB) over the current snapshot of the tables. With --json: an array of row objects."""
    from sinks.query import query as run_query

    rows = run_query(load_settings(), sys.stdin.read() if sql == "-" else sql)
    rows = rows.rename_columns(_told_apart(rows.column_names))
    if as_json:
        print_json(rows.to_pylist())
        return
    values = [list(row.values()) for row in rows.to_pylist()]
    out.print(table("", rows.column_names, values))
    out.print(f"[dim]{rows.num_rows} rows[/dim]")


def _told_apart(names: list[str]) -> list[str]:
    """Column names of which none comes twice: a row is an object. As DuckDB names them in a subquery: a, a_1."""
    found: list[str] = []
    for name in names:
        number = 0
        while (new := f"{name}_{number}" if number else name) in found or (number and new in names):
            number += 1
        found.append(new)
    return found


def explain(trace_id: Annotated[str, typer.Argument(help="Trace to explain.")], as_json: AsJson = False) -> None:
    """Why a trace was accepted or rejected: signals, thresholds, policy, what was redacted (kinds and counts)."""
    from ops.explain import explain_trace, render, to_json

    found = explain_trace(load_settings(), trace_id)
    if as_json:
        print_json(to_json(found))
        return
    out.print(render(found))


def redact(
    spans: Annotated[
        bool, typer.Option("--spans", help='JSON lines {"text", "spans": [{"kind","start","end"}]} instead of text.')
    ] = False,
    policy: Annotated[Path | None, typer.Option(help="Redaction policy; default: that of the stack.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="Pseudonym key; default: that of the stack.")] = None,
) -> None:
    """Redact text or JSON lines from stdin to stdout, line by line: the same rules and models as the pipeline.

    A line that the policy rejects ends the command with exit code 1: what came before it is out, the rest is not.
    --spans shows all that is found, also kinds that the policy keeps as they are.
    """
    from streams.app import pseudonym_key
    from streams.core.redact.filter import line_spans, redact_line
    from streams.core.redact.pseudonyms import Pseudonyms
    from streams.redaction import redactor_of

    chosen = {"pseudonym_key_file": key_file, "redaction": policy}
    settings = load_settings(**{name: path for name, path in chosen.items() if path is not None})
    pseudonyms = None if spans else Pseudonyms(pseudonym_key(settings), "tdc redact")
    redactor = redactor_of(settings)
    sys.stdin.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")  # type: ignore[union-attr]
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")  # type: ignore[union-attr]
    for line in sys.stdin:
        if pseudonyms is None:
            text = line.removesuffix("\n")
            found = [finding._asdict() for finding in line_spans(text, redactor)]
            sys.stdout.write(json.dumps({"text": text, "spans": found}) + "\n")
        else:
            sys.stdout.write(redact_line(line, pseudonyms, redactor))
        sys.stdout.flush()
