"""`tdc package`: versioned, documented datasets out of the tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ops.cli.output import AsJson, err, out, print_json
from ops.cli.package_options import At, Reference
from ops.cli.package_recipes import recipes
from ops.cli.package_uses import use
from ops.cli.package_views import (
    built_json,
    empty_json,
    leaks,
    listed_json,
    megabytes,
    say_built,
    say_empty,
    say_list,
    show_difference,
    show_version,
)
from schemas.settings import load_settings

if TYPE_CHECKING:
    from schemas.settings import Settings
    from sinks.packages.place import Place
    from sinks.packages.plan import Built, OnProgress, Plan

packages = typer.Typer(
    name="package",
    help="Dataset packages: build, look at, compare, check, build again, and record what used them.\n\n"
    "A recipe says which rows a package takes, how they are split and in which formats they are written. "
    "[bold]tdc package recipes[/bold] lists those that come along; [bold]tdc package recipes NAME > mine.toml[/bold] "
    "gives one to change, and [bold]tdc package build mine.toml[/bold] builds it.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    packages.command()(use)
    packages.command()(recipes)
    app.add_typer(packages)


@packages.command()
def build(
    recipe: Annotated[
        str | None,
        typer.Argument(metavar="RECIPE", help="A shipped recipe by name (see tdc package recipes), or a TOML file."),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Every shipped recipe, one package each. Those that no row fits are listed with the reason; "
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
        list[str] | None,
        typer.Option(
            "--format",
            help="Instead of the recipe's formats; repeatable. CONTAINER (parquet, jsonl, csv, tfrecord, huggingface) "
            "holds the columns as they are, CONTAINER/SHAPE what a trainer wants, such as jsonl/trl; all stands for "
            "every one that holds the rows. tdc package recipes --formats lists them.",
        ),
    ] = None,
    version: Annotated[
        str | None, typer.Option(help="Version to publish, such as 2.0.0, instead of the one that follows.")
    ] = None,
    out_: Annotated[
        str | None, typer.Option("--out", help="Directory or s3:// URL to publish under; default: beside the tables.")
    ] = None,
    terms: Annotated[
        Path | None,
        typer.Option(
            help="Provider terms of your own, TOML; default: a summary that comes along (tdc package recipes --terms)."
        ),
    ] = None,
    why: Annotated[str, typer.Option(help="Why this version is made; goes into the version history.")] = "",
    memory_mb: Annotated[int, typer.Option(min=256, help="Memory of the database before it uses the disk.")] = 1024,
    as_json: AsJson = False,
) -> None:
    """Build and publish the next version of a package from the current tables.

    Consent is checked again, near-duplicates and tasks stay in one split, and nothing can be seen before the last file
    is written. Where nothing changed since the latest version, no new one is made. Where no row fits, nothing is
    published, the reason is told and the exit code is 1.

    Examples: tdc package build tool_selection --purpose internal-fine-tuning;
    tdc package build mine.toml --format jsonl/openai --out datasets; tdc package build --all --format all.
    """
    from dataclasses import replace

    from schemas.errors import UsageError
    from sinks.packages.build import build as run_build
    from sinks.packages.emptiness import explained
    from sinks.packages.errors import EmptyPackage
    from sinks.packages.place import open_place
    from sinks.packages.plan import Plan
    from sinks.packages.recipe import ALL_FORMATS, formats_that_hold, load_recipe, shipped_names
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
    plan = plans[0]
    if plan.formats == (ALL_FORMATS,):
        plan = replace(plan, formats=formats_that_hold(plan.loaded.recipe.kind, plan.formats))
    with _progress() as on_progress:
        try:
            built = run_build(settings, place, plan, on_progress)
        except EmptyPackage as error:
            raise explained(settings, plan.loaded.recipe, error) from None
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
            {
                "built": [built_json(one, place.uri) for one in built],
                "empty": {one.name: empty_json(one) for one in empty},
            }
        )
    else:
        for one in built:
            say_built(one, place.uri)
        for without in empty:
            say_empty(without)
    if not built:
        raise typer.Exit(1)


@packages.command("list")
def list_(at: At = None, as_json: AsJson = False) -> None:
    """Published packages and their versions, the latest of each bright: rows, size, purpose and age of the data.

    A version whose manifest is damaged is told on stderr; the exit code is then 1.
    """
    from sinks.packages.catalogue import listing
    from sinks.packages.errors import PackageError
    from sinks.packages.place import open_place

    place = open_place(load_settings(), at)
    found = listing(place)
    if at is not None and not (found.versions or found.damaged or place.exists()):
        raise PackageError(f"{place.uri} is not there")
    if as_json:
        print_json([listed_json(listed) for listed in found.versions])
    elif found.versions:
        say_list(found.versions)
    elif not found.damaged:
        out.print(f"no package is published at {place.uri}", markup=False, soft_wrap=True)
        out.print("`tdc package build RECIPE` makes one. Recipes that come along:")
        from sinks.packages.recipe import shipped_names

        out.print("  " + ", ".join(shipped_names()))
    for what in found.damaged:
        err.print(what, style="red", markup=False, soft_wrap=True)
    if found.damaged:
        raise typer.Exit(1)


@packages.command()
def show(
    reference: Reference,
    files: Annotated[bool, typer.Option("--files", help="Every data file, with its rows and bytes.")] = False,
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """One version: rows, splits, formats, sources, what was left out and why, who trained on it.

    The folder it names holds README.md (the dataset card), quality_report.html, usage_guidelines.md and more to read.
    """
    from sinks.packages.catalogue import find
    from sinks.packages.place import open_place
    from sinks.packages.usage import uses

    place = open_place(load_settings(), at)
    version = find(place, reference)
    manifest = version.manifest
    told = uses(place, manifest.name, manifest.version)
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(manifest) | {"uses": [msgspec.to_builtins(use) for use in told]})
        return
    address = f"{place.uri}/{manifest.name}/{manifest.version}"
    show_version(manifest, version.facts, told, address, files=files)


@packages.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="A", help="A package, or one of its versions: NAME or NAME@1.0.0.")],
    now: Annotated[str, typer.Argument(metavar="B", help="Another version of it, or another package.")],
    at: At = None,
    as_json: AsJson = False,
) -> None:
    """What changed from A to B: rows added, removed, changed and moved, and every figure that differs.

    Rows are told apart by their ids and compared by the digests in each version's index. Why a version was made is in
    its version_history.md.
    """
    from sinks.packages.catalogue import find
    from sinks.packages.diff import diff as run_diff
    from sinks.packages.place import open_place

    place = open_place(load_settings(), at)
    found = run_diff(find(place, before), find(place, now))
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(found) | {"same": found.same})
        return
    show_difference(found)


@packages.command()
def verify(reference: Reference, at: At = None, as_json: AsJson = False) -> None:
    """Check a version: every checksum, count and column, leaks between splits, leftover personal data and secrets.

    Reads every byte of every format. The exit code is 1 where anything is not as the manifest says. Who can write all
    files can make a package of their own look sound: keep the manifest's sha256, which is printed, somewhere else.
    """
    import hashlib

    from sinks.packages.catalogue import find
    from sinks.packages.manifest import FILE_NAME
    from sinks.packages.place import open_place
    from sinks.packages.verify import verify as run_verify

    place = open_place(load_settings(), at)
    manifest = find(place, reference).manifest
    with _progress() as on_progress:
        found = run_verify(place, manifest, on_progress)
    digest = hashlib.sha256(place.read(f"{found.name}/{found.version}/{FILE_NAME}")).hexdigest()
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins(found) | {"sound": not found.faults, "manifest_sha256": digest})
    else:
        for fault in found.faults:
            out.print(f"fault: {fault.path}: {fault.what}", markup=False, soft_wrap=True)
        checked = "not checked: no sound format holds the columns" if found.leaks is None else leaks(found.leaks)
        word = "[green]sound[/green]" if not found.faults else f"[red]{len(found.faults)} faults[/red]"
        size = f"{found.files} files, {megabytes(found.bytes_read)} MB, {found.rows:,} rows"
        out.print(f"{found.name} {found.version}: {word}; {size}")
        out.print(f"splits: {checked}", soft_wrap=True)
        out.print(f"manifest: sha256 {digest}", soft_wrap=True)
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
