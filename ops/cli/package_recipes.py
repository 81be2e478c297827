"""`tdc package recipes`: what can be built, and the files to begin one's own with."""

import sys
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from ops.cli.output import AsJson, out, print_json


def recipes(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Print this recipe, to be saved and changed.")
    ] = None,
    formats: Annotated[bool, typer.Option("--formats", help="List the formats instead.")] = False,
    terms: Annotated[bool, typer.Option("--terms", help="Print the provider terms, to be saved and changed.")] = False,
    domains: Annotated[
        bool, typer.Option("--domains", help="Print the domain rules, to be saved and changed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """The recipes that come along; with NAME the text of one, as a beginning of your own.

    Example: tdc package recipes decision_making > mine.toml explains every key there is; change name and what you like,
    then tdc package build mine.toml. A recipe error names line and key.
    """
    from schemas.errors import UsageError
    from sinks.packages.recipe import DOMAIN_RULES, SHIPPED, load_recipe, shipped_names
    from sinks.packages.terms import SHIPPED as SHIPPED_TERMS

    if sum((name is not None, formats, terms, domains)) > 1:
        raise UsageError("ask for one: NAME, --formats, --terms or --domains")
    if terms or domains:
        sys.stdout.write((SHIPPED_TERMS if terms else DOMAIN_RULES).read_text(encoding="utf-8"))
        return
    if formats:
        _formats(as_json)
        return
    if name is not None:
        if name not in shipped_names():
            raise UsageError(f"there is no recipe {name}; there are {', '.join(shipped_names())}")
        sys.stdout.write((SHIPPED / f"{name}.toml").read_text(encoding="utf-8"))
        return
    found = [load_recipe(name).recipe for name in shipped_names()]
    if as_json:
        print_json(
            [{"name": one.name, "kind": one.kind, "title": one.title, "description": one.description} for one in found]
        )
        return
    made = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    made.add_column("recipe", no_wrap=True)
    made.add_column("rows", no_wrap=True)
    made.add_column("what it holds")
    for one in found:
        made.add_row(one.name, one.kind.replace("_", " "), one.description)
    out.print(made)


def _formats(as_json: bool) -> None:
    from sinks.packages.formats import FORMATS
    from sinks.packages.report.loading import described

    if as_json:
        print_json({name: described(name) for name in FORMATS})
        return
    made = Table(box=SIMPLE_HEAD, header_style="bold", pad_edge=False)
    made.add_column("format", no_wrap=True)
    made.add_column("what its rows are")
    for name in FORMATS:
        made.add_row(name, described(name))
    out.print(made)
