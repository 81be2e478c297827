"""`tdc package`: versioned, documented datasets out of the tables."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ops.cli.output import AsJson, err, out, print_json, table
from ops.cli.package_views import built_json, day, leaks, megabytes, say_built, show_version, summary
from schemas.settings import load_settings

if TYPE_CHECKING:
    from schemas.settings import Settings
    from sinks.packages.build import OnProgress
    from sinks.packages.place import Place
    from sinks.packages.plan import Built, Plan

packages = typer.Typer(
    name="package",
    help="Dataset packages: build, look at, compare, check, build again, and record what used them.",
    no_args_is_help=True,
)

At = Annotated[
    str | None, typer.Option("--at", help="Directory or s3:// URL that holds the packages; default: beside the tables.")
]
Reference = Annotated[
    str, typer.Argument(metavar="NAME[@VERSION]", help="A package; its latest version where none is named.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(packages)


@packages.command()
def build(
    recipe: Annotated[
        str | None, typer.Argument(metavar="RECIPE", help="A shipped recipe by name, or a TOML file.")
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Every shipped recipe, one package each. Those that no row fits are listed; "
            "the exit code is 1 only where none has a row.",
        ),
    ] = False,
    purpose: Annotated[
        str | None,
        typer.Option(
            help="What the data is for: internal-research, internal-fine-tuning, commercial-model or competing-model. "
            "Rows of models whose provider does not allow it stay out. Default: the narrowest."
        ),
    ] = None,
    formats: Annotated[
        list[str] | None, typer.Option("--format", help="Instead of the recipe's formats; repeatable.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="Version to publish, instead of the one that follows.")] = None,
    out_: Annotated[
        str | None, typer.Option("--out", help="Directory or s3:// URL to publish under; default: beside the tables.")
    ] = None,
    terms: Annotated[
        Path | None, typer.Option(help="Provider terms of your own, TOML; default: the shipped summary.")
    ] = None,
    why: Annotated[str, typer.Option(help="Why this version is made; goes into the version history.")] = "",
    memory_mb: Annotated[int, typer.Option(min=256, help="Memory of the database before it uses the disk.")] = 1024,
    as_json: AsJson = False,
) -> None:
    """Build and publish the next version of a package from the current tables.

    Consent is checked again, near-duplicates and tasks stay in one split, and nothing can be seen before the last file
    is written. Where nothing changed since the latest version, no new one is made. Where no row fits, nothing is
    published and the exit code is 1.
    """
    from schemas.errors import UsageError
    from sinks.packages.build import build as run_build
    from sinks.packages.place import open_place
    from sinks.packages.plan import Plan
    from sinks.packages.recipe import load_recipe, shipped_names
    from sinks.packages.select import check_purpose
    from sinks.packages.terms import PURPOSES, SHIPPED, read_terms

    if every == (recipe is not None):
        raise UsageError("name one recipe, or build --all of them")
    if every and version is not None:
        raise UsageError("each package has versions of its own: --version goes with one recipe")
    found, text = read_terms(terms or SHIPPED)
    plans = [
        Plan(
            loaded=load_recipe(name),
            terms=found,
            terms_text=text,
            purpose=check_purpose(purpose, PURPOSES),
            purpose_stated=purpose is not None,
            formats=tuple(formats or ()),
            version=version,
            why=why,
            memory_mb=memory_mb,
        )
        for name in (shipped_names() if recipe is None else (recipe,))
    ]
    settings = load_settings()
    place = open_place(settings, out_)
    if every:
        _build_all(settings, place, plans, as_json)
        return
    with _progress() as on_progress:
        built = run_build(settings, place, plans[0], on_progress)
    if as_json:
        print_json(built_json(built, place.uri))
        return
    say_built(built, place.uri)


def _build_all(settings: "Settings", place: "Place", plans: "list[Plan]", as_json: bool) -> None:
    from sinks.packages.build_all import build_all

    built: list[Built] = []
    with _progress() as on_progress:
        empty = build_all(settings, place, plans, on_progress, built.append)
    if as_json:
        print_json(
            {"built": [built_json(one, place.uri) for one in built], "empty": {one.name: one.why for one in empty}}
        )
    else:
        for one in built:
            say_built(one, place.uri)
        for without in empty:
            out.print(f"empty: {without.why}", markup=False, soft_wrap=True)
    if not built:
        raise typer.Exit(1)


@packages.command("list")
def list_(at: At = None, as_json: AsJson = False) -> None:
    """Published packages and their versions."""
    from sinks.packages.catalogue import listing
    from sinks.packages.place import open_place

    found = listing(open_place(load_settings(), at))
    if as_json:
        print_json(
            [summary(listed.manifest) | {"size_bytes": listed.size_bytes, "latest": listed.latest} for listed in found]
        )
        return
    if not found:
        out.print("no package is published yet; `tdc package build RECIPE` makes one. Recipes that come along:")
        from sinks.packages.recipe import shipped_names

        out.print("  " + ", ".join(shipped_names()))
        return
    rows = [
        [m.name, m.version, m.rows, megabytes(listed.size_bytes), m.kind, m.source.purpose, day(m.created_at)]
        for listed in found
        for m in (listed.manifest,)
    ]
    out.print(table("", ["package", "version", "rows", "MB", "kind", "purpose", "data until"], rows))


@packages.command()
def show(reference: Reference, at: At = None, as_json: AsJson = False) -> None:
    """One version: rows, splits, files, sources, what was left out, who trained on it."""
    from sinks.packages.catalogue import find
    from sinks.packages.place import open_place
    from sinks.packages.usage import uses

    place = open_place(load_settings(), at)
    manifest = find(place, reference).manifest
    told = uses(place, manifest.name, manifest.version)
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(manifest) | {"uses": [msgspec.to_builtins(use) for use in told]})
        return
    show_version(manifest, told, f"{place.uri}/{manifest.name}/{manifest.version}")


@packages.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="NAME[@VERSION]")],
    now: Annotated[str, typer.Argument(metavar="B", help="NAME[@VERSION]")],
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """What changed from A to B: rows added, removed, changed and moved, and every figure that differs."""
    from sinks.packages.catalogue import find
    from sinks.packages.diff import diff as run_diff
    from sinks.packages.place import open_place

    place = open_place(load_settings(), at)
    found = run_diff(find(place, before), find(place, now))
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(found) | {"same": found.same})
        return
    rows = found.rows
    out.print(
        f"[bold]{found.before} → {found.now}[/bold]: {rows.added:,} rows added, {rows.removed:,} removed, "
        f"{rows.changed:,} changed, {found.moved:,} in another split, {rows.kept:,} as they were"
    )
    for remark in found.remarks:
        out.print(f"  {remark}", markup=False, soft_wrap=True)
    if found.figures:
        out.print(
            table("", ["figure", "name", "before", "now"], [[f.what, f.name, f.before, f.now] for f in found.figures])
        )


@packages.command()
def verify(reference: Reference, at: At = None, as_json: AsJson = False) -> None:
    """Check a version: every checksum, count and column, leaks between splits, leftover personal data and secrets.

    Reads every byte. The exit code is 1 where anything is not as the manifest says.
    """
    from sinks.packages.catalogue import find
    from sinks.packages.place import open_place
    from sinks.packages.verify import verify as run_verify

    place = open_place(load_settings(), at)
    found = run_verify(place, find(place, reference).manifest)
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(found) | {"sound": not found.faults})
    else:
        for fault in found.faults:
            out.print(f"fault: {fault.path}: {fault.what}", markup=False, soft_wrap=True)
        checked = "not checked: no sound format holds the columns" if found.leaks is None else leaks(found.leaks)
        word = "sound" if not found.faults else f"{len(found.faults)} faults"
        size = f"{found.files} files, {megabytes(found.bytes_read)} MB, {found.rows:,} rows"
        out.print(f"{found.name} {found.version}: {word}; {size}")
        out.print(f"splits: {checked}", soft_wrap=True)
    if found.faults:
        raise typer.Exit(1)


@packages.command()
def rebuild(
    reference: Reference,
    out_: Annotated[
        str | None, typer.Option("--out", help="Keep the second build under this directory or URL.")
    ] = None,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """Build a version again from its manifest, and compare byte by byte; exit code 1 where a byte differs.

    The tables must still have the versions it was built from: sink.history_hours says how long they are kept.
    """
    from sinks.packages.catalogue import find
    from sinks.packages.place import open_place
    from sinks.packages.rebuild import rebuild as run_rebuild

    settings = load_settings()
    place = open_place(settings, at)
    manifest = find(place, reference).manifest
    target = None if out_ is None else open_place(settings, out_)
    with _progress() as on_progress:
        found = run_rebuild(settings, place, manifest.name, manifest.version, target, on_progress)
    if as_json:
        print_json(asdict(found) | {"identical": found.identical})
    elif found.identical:
        out.print(f"{found.name} {found.version}: {found.files} files, every byte is the same")
    else:
        for path in found.different:
            out.print(f"differs: {path}", markup=False, soft_wrap=True)
        for what, then, now in found.code:
            out.print(
                f"{what} was {then} then and is {now or 'gone'} now: bytes depend on it", markup=False, soft_wrap=True
            )
    if not found.identical:
        raise typer.Exit(1)


@packages.command()
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
    """Record that a training run used a version, or what came of it. Nothing that was recorded is ever changed."""
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


@contextmanager
def _progress() -> "Iterator[OnProgress]":
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
        console=err, transient=True,
    ) as bar:  # fmt: skip
        task = bar.add_task("", total=None)

        def on_progress(what: str, done: int, total: int) -> None:
            bar.update(task, description=what, completed=done, total=total or None)

        yield on_progress
