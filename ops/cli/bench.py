"""`tdc bench`."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from ops.cli.output import AsJson
from schemas.errors import UsageError
from schemas.settings import load_settings

_ROOT = Path(__file__).parent.parent.parent
_BENCH = _ROOT / "tests" / "bench"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(bench)


def bench(
    names: Annotated[list[str] | None, typer.Argument(help="Benchmarks to run; all when none is named.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Tiny sizes: shows that each runs, measures nothing.")] = False,
    output: Annotated[
        Path | None, typer.Option(help="JSON file to write; default: bench-results.json in TDC_HOME.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the benchmarks of tests/bench: ratios measured in one run, as a table and a JSON file.

    Those that need servers start some of their own. Exit code 1 when a benchmark fails; a missed aim is only shown.
    """
    known = sorted(path.stem for path in _BENCH.glob("*.py") if not path.stem.startswith(("_", "test_", "conftest")))
    if not known:
        raise UsageError("the benchmarks are in tests/bench of a checkout; this installation has none")
    unknown = sorted(set(names or ()) - set(known))
    if unknown:
        raise UsageError(f"there is no benchmark {', '.join(unknown)}; known: {', '.join(known)}")
    target = (output or load_settings().home / "bench-results.json").absolute()
    flags = [*(["--quick"] if quick else []), *(["--json"] if as_json else []), "--output", str(target)]
    command = [sys.executable, "-m", "tests.bench._results", *flags, *(names or known)]
    code = subprocess.call(command, cwd=_ROOT)
    if code:
        raise typer.Exit(1)
