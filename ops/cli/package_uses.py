"""`tdc package use`: what was trained on a package, and what came of it."""

import time
from pathlib import Path
from typing import Annotated

import typer

from ops.cli.output import AsJson, out, print_json
from ops.cli.package_options import At, Reference
from schemas.settings import load_settings


def use(
    reference: Reference,
    run_id: Annotated[
        str, typer.Option("--run", help="Id of the training run; say more of it later under the same id.")
    ],
    base_model: Annotated[str | None, typer.Option(help="Model that was trained.")] = None,
    notes: Annotated[str | None, typer.Option(help="Anything worth knowing.")] = None,
    results: Annotated[
        str | None, typer.Option(help="What came of it: a JSON object of names and values, or a file that holds one.")
    ] = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Record that a training run used a version, or what came of it. Records are only added; of what is said twice the
    later counts.

    Example: tdc package use tool_selection@1.0.0 --run run-17 --base-model some-7b; and when it is done
    tdc package use tool_selection@1.0.0 --run run-17 --results '{"accuracy": 0.81}'. tdc package show prints them.
    """
    import msgspec

    from sinks.packages.catalogue import find
    from sinks.packages.place import open_place
    from sinks.packages.usage import Said, parse_results, record, uses

    place = open_place(load_settings(), at)
    manifest = find(place, reference).manifest
    text = results
    if results is not None and not results.lstrip().startswith("{"):
        text = _read(results)
    said = Said(
        run_id=run_id,
        package=manifest.name,
        version=manifest.version,
        recorded_at=int(time.time() * 1_000_000),
        base_model=base_model,
        notes=notes,
        results={} if text is None else parse_results(text, results or ""),
    )
    record(place, manifest, said)
    known = next(use for use in uses(place, manifest.name, manifest.version) if use.run_id == run_id)
    if as_json:
        print_json(msgspec.to_builtins(known))
        return
    out.print(f"recorded: {run_id} used {manifest.name} {manifest.version}", markup=False, soft_wrap=True)


def _read(path: str) -> str:
    from schemas.errors import UsageError

    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the results {path}: {error}") from None
