"""`tdc dead-letters list|replay`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ops.cli.output import AsJson, err, out, print_json, table
from schemas.settings import Settings, load_settings

if TYPE_CHECKING:
    from ops.letters import Letter

Stage = Annotated[Literal["assemble", "curate", "sink"] | None, typer.Option(help="Only letters of this stage.")]
ErrorClass = Annotated[str | None, typer.Option("--error", help="Only this error class, e.g. UnknownSchema.")]

_commands = typer.Typer(help="What could not be processed: list it, or send it again.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_commands, name="dead-letters")


@_commands.command("list")
def list_(
    stage: Stage = None,
    error: ErrorClass = None,
    limit: Annotated[int, typer.Option(help="Show at most this many.", min=1)] = 100,
    as_json: AsJson = False,
) -> None:
    """Origin and reason of each dead letter. Content is never shown: it may be personal."""
    rows: list[dict[str, object]] = []
    matching = 0
    for letter in _matching(load_settings(), stage, error):
        matching += 1
        if len(rows) < limit:
            rows.append(_row(letter))
    if as_json:
        print_json(rows)
        return
    if rows:
        out.print(table("dead letters", list(_COLUMNS), [[row[name] for name in _COLUMNS] for row in rows]))
    out.print(f"{matching} dead letters" + (f", {limit} shown" if matching > limit else ""))


@_commands.command("replay")
def replay_(
    stage: Stage = None,
    error: ErrorClass = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send the original bytes back to their topic, once the cause is gone; what still fails comes back."""
    from ops.letters import replay

    settings = load_settings()
    letters = _matching(settings, stage, error)
    count = sum(1 for _ in letters) if dry_run else replay(settings, letters)
    if as_json:
        print_json({"messages": count, "dry_run": dry_run})
    else:
        out.print(f"{count} messages {'would be' if dry_run else 'were'} sent again")


_COLUMNS = ("topic", "partition", "offset", "event", "stage", "error", "message", "bytes", "at")


def _row(letter: "Letter") -> dict[str, object]:
    record = letter.record
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "event": record.event_index,
        "stage": record.stage,
        "error": record.error_class,
        "message": record.error_message,
        "bytes": len(record.value or b""),
        "at": datetime.fromtimestamp(record.failed_at / 1e6, UTC).isoformat(timespec="seconds"),
    }


def _matching(settings: Settings, stage: str | None, error: str | None) -> "Iterator[Letter]":
    from ops.letters import read_letters

    with err.status("reading dead letters") as status:
        for letter in read_letters(settings, lambda n, of: status.update(f"reading dead letters: {n:,} of {of:,}")):
            if stage in (None, letter.record.stage) and error in (None, letter.record.error_class):
                yield letter
