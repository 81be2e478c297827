"""`tdc policy check|diff|replay`."""

from pathlib import Path
from typing import Annotated

import typer

from ops.cli.output import AsJson, err, out, print_json, table
from schemas.settings import load_settings

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
    from ops.policy import render, to_json
    from ops.policy import replay as run
    from streams.core.policy import load_policy

    found = load_policy(policy)
    with err.status("reading decisions") as status:
        changes = run(load_settings(), found, lambda n: status.update(f"reading decisions: {n:,}"))
    if as_json:
        print_json(to_json(changes, found))
    else:
        out.print(render(changes, found))
