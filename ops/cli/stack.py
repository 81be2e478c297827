"""`tdc up`, `tdc down`."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ops.cli.output import AsJson, err, out, print_json, table
from schemas.settings import load_settings

if TYPE_CHECKING:
    from ops.stack import PartStatus


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(up)
    app.command()(down)


def up(
    as_json: AsJson = False,
    s3: Annotated[
        bool | None, typer.Option("--s3/--no-s3", help="Insist on S3, or keep tables in a directory.")
    ] = None,
) -> None:
    """Start the local stack: Kafka, schema registry, Redis, S3. Harmless when it is up.

    State lives in TDC_HOME, ports count up from TDC_PORT_BASE. The first start downloads what is missing, once.
    """
    from ops.bring_up import bring_up

    rows = bring_up(load_settings(), err, s3=s3)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    out.print(_table("local stack", rows))


def down(as_json: AsJson = False) -> None:
    """Stop the local stack. Data stays in TDC_HOME."""
    from ops import stack

    rows = stack.down(load_settings().home)
    if as_json:
        print_json([asdict(row) for row in rows])
    elif not rows:
        out.print("nothing was running")
    else:
        out.print(_table("local stack", rows))


def _table(title: str, rows: "Sequence[PartStatus]") -> object:
    return table(
        title,
        ("part", "listens at", "state", "detail"),
        [(row.name, row.listening, "running" if row.running else "stopped", row.detail) for row in rows],
    )
