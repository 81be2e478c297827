"""`tdc policy check|diff|replay`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.table import Table

from ops.cli.output import AsJson, err, out, print_json, table
from schemas.settings import load_settings

if TYPE_CHECKING:
    from streams.core.policy import Policy
    from streams.core.replay import Difference

File = Annotated[Path, typer.Argument(help="A policy file (TOML).")]

_commands = typer.Typer(help="Check policies, compare them, and see what one would change.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(_commands, name="policy")


@_commands.command()
def check(policy: File, as_json: AsJson = False) -> None:
    """Read a policy and show every value with its hash. A wrong key or value is named, and the exit code is 2."""
    from ops.policy import values_of_policy
    from streams.core.policy import load_policy

    found = load_policy(policy)
    if as_json:
        print_json({"name": found.name, "hash": found.hash, "values": values_of_policy(found)})
        return
    out.print(table("", ("value", "is"), list(values_of_policy(found).items())))
    out.print(f"policy {found.name} is valid; hash {found.hash}")


@_commands.command()
def diff(one: File, other: File, as_json: AsJson = False) -> None:
    """Values in which two policies differ."""
    from ops.policy import changed_values
    from streams.core.policy import load_policy

    left, right = load_policy(one), load_policy(other)
    changed = changed_values(left, right)
    if as_json:
        print_json(
            {
                "hashes": [left.hash, right.hash],
                "changed": [{"name": name, "one": before, "other": after} for name, before, after in changed],
            }
        )
        return
    if changed:
        out.print(table("", ("value", str(one), str(other)), changed))
    else:
        out.print("both say the same")


@_commands.command()
def replay(policy: File, as_json: AsJson = False) -> None:
    """Decide stored traces again under a policy, from their stored signals, and show what would change.

    Nothing is changed. To apply a policy from now on set TDC_POLICY to its file and start the curate workers anew; to
    apply it to the past as well, run them with a fresh TDC_REDIS__KEY_PREFIX and TDC_STORAGE__ROOT: they go through
    the log again.
    """
    from ops.policy import replay as run
    from ops.policy import to_json
    from streams.core.policy import load_policy

    found = load_policy(policy)
    with err.status("reading decisions") as status:
        changes = run(load_settings(), found, lambda n: status.update(f"reading decisions: {n:,}"))
    if as_json:
        print_json(to_json(changes, found))
    else:
        out.print(_render(changes, found))


def _render(found: "Difference", policy: "Policy") -> Group:
    """The difference for people."""
    if not found.traces:
        return Group("no decisions are stored yet: nothing to hold against the policy")
    moved = {pair: n for pair, n in found.moves.items() if pair[0] != pair[1]}
    parts: list[Any] = [
        f"policy {policy.name} ({policy.hash[:12]}) on {found.traces:,} stored decisions: "
        f"{sum(moved.values()):,} verdicts would change"
    ]
    verdicts = ("accepted", "duplicate", "rejected", "quarantined")
    grid = Table(title="verdict now (rows) and then (columns)", title_justify="left", header_style="bold")
    grid.add_column("")
    for name in verdicts:
        grid.add_column(name, justify="right")
    for now in verdicts:
        cells = [found.moves.get((now, then), 0) for then in verdicts]
        if any(cells):
            grid.add_row(now, *(f"{n:,}" if n else "" for n in cells))
    parts += ["", grid]
    codes = sorted(set(found.reasons_now) | set(found.reasons_then), key=lambda code: -found.reasons_then[code])
    if codes:
        rows = [(code, found.reasons_now[code], found.reasons_then[code]) for code in codes]
        parts += ["", table("first reason", ("reason", "now", "then"), rows)]
    if found.changed:
        rows_ = [
            (one.stored.trace_id, _said(one.stored.verdict, one.stored.reasons), _said(one.verdict, one.reasons))
            for one in found.changed
        ]
        parts += ["", table(f"the first {len(rows_)} that change", ("trace", "now", "then"), rows_)]
    parts += ["", f"examples stored {found.examples_now:,}, of these lost {found.examples_lost:,}"]
    if found.newly_accepted:
        parts.append(
            f"{found.newly_accepted:,} traces would be let in; "
            "which of them repeat others shows only when they are curated"
        )
    return Group(*parts)


def _said(verdict: str, reasons: tuple[str, ...]) -> str:
    return f"{verdict}: {', '.join(reasons)}" if reasons else verdict
