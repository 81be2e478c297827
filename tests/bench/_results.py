"""Runs benchmarks one after the other and makes one table and one JSON file of what they print.

A benchmark is a module here that prints one JSON document as the last thing on stdout; what it says on stderr passes
through. `tdc bench` runs this module: `python -m tests.bench._results [NAME...] [--quick] [--output FILE] [--json]`.
Exit code 1 when a benchmark failed; an aim that is missed is shown, it is no failure.
"""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import psutil
from rich.console import Console
from rich.table import Table

from tests.bench._aims import PLANS, Figure, Plan

HERE = Path(__file__).parent


class Machine(msgspec.Struct, frozen=True):
    """Where it was measured."""

    cpu: str
    cores: int
    memory_gib: float
    python: str
    system: str
    load: float | None
    """Processes that ran or wanted to before the first benchmark, over a minute; None where that is not known."""


class Measured(msgspec.Struct, frozen=True):
    """One figure, with its range over the rounds where there were some."""

    benchmark: str
    name: str
    unit: str
    value: float | None
    """Median; None when the benchmark did not print it."""
    min: float | None = None
    max: float | None = None
    aim: str | None = None
    held: bool | None = None
    """None without an aim or without a value."""


class Ran(msgspec.Struct, frozen=True):
    """One benchmark that was run."""

    command: str
    seconds: float
    exit_code: int
    document: object = None
    """What it printed."""
    error: str | None = None


class Results(msgspec.Struct, frozen=True):
    """The JSON file."""

    date: str
    quick: bool
    """The sizes were tiny: its figures mean nothing."""
    machine: Machine
    figures: list[Measured]
    benchmarks: dict[str, Ran]

    @property
    def failed(self) -> list[str]:
        """Benchmarks that ended badly or printed no JSON."""
        return [name for name, ran in self.benchmarks.items() if ran.error]


@dataclass(frozen=True)
class _Range:
    low: float
    middle: float
    high: float


def benchmarks() -> list[str]:
    """Names of all benchmarks."""
    return sorted(path.stem for path in HERE.glob("*.py") if not path.stem.startswith(("_", "test_", "conftest")))


def last_document(text: str) -> object:
    """The JSON document that the text ends with. Raises ValueError when it ends otherwise."""
    lines = text.rstrip().splitlines()
    for start in reversed(range(len(lines))):
        if lines[start][:1] in ("{", "["):
            try:
                return json.loads("\n".join(lines[start:]))
            except ValueError:
                continue
    raise ValueError("its output does not end with a JSON document")


def figures_of(benchmark: str, document: object) -> list[Measured]:
    """The figures to show of what a benchmark printed."""
    plan = PLANS.get(benchmark, Plan(()))
    return [_measured(benchmark, figure, _at(document, figure.path)) for figure in plan.figures or _found(document)]


def _found(document: object) -> Iterator[Figure]:
    if isinstance(document, dict):
        for key, value in document.items():
            if _range(value) is not None:
                yield Figure(str(key), str(key).replace("_", " "))


def _at(document: object, path: str) -> object:
    for key in path.split("."):
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def _range(value: object) -> _Range | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _Range(value, value, value)
    if isinstance(value, dict) and {"min", "median", "max"} <= set(value):
        return _Range(value["min"], value["median"], value["max"])
    if isinstance(value, list) and value and all(isinstance(one, int | float) for one in value):
        return _Range(min(value), statistics.median(value), max(value))
    return None


def _measured(benchmark: str, figure: Figure, value: object) -> Measured:
    low, high = figure.at_least, figure.at_most
    aim = f">= {low:g}" if low is not None else f"<= {high:g}" if high is not None else None
    found = _range(value)
    if found is None:
        return Measured(benchmark, figure.name, figure.unit, None, aim=aim)
    held = None if aim is None else (low is None or found.middle >= low) and (high is None or found.middle <= high)
    return Measured(benchmark, figure.name, figure.unit, found.middle, found.low, found.high, aim, held)


def this_machine() -> Machine:
    """What this runs on."""
    try:
        load: float | None = round(psutil.getloadavg()[0], 2)
    except OSError:
        load = None
    memory_gib = round(psutil.virtual_memory().total / 2**30, 1)
    return Machine(
        _cpu_model(), psutil.cpu_count() or 1, memory_gib, platform.python_version(), platform.platform(), load
    )


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def run_one(name: str, quick: bool) -> Ran:
    """Run one benchmark."""
    arguments = PLANS.get(name, Plan(())).quick if quick else ()
    command = [sys.executable, "-m", f"tests.bench.{name}", *arguments]
    began = time.monotonic()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, cwd=HERE.parents[1])
    said = " ".join(("python", *command[1:]))
    seconds = round(time.monotonic() - began, 1)
    if done.returncode:
        return Ran(said, seconds, done.returncode, error=f"it ended with exit code {done.returncode}")
    try:
        return Ran(said, seconds, 0, last_document(done.stdout))
    except ValueError as error:
        return Ran(said, seconds, 0, error=str(error))


def run_all(names: Sequence[str], quick: bool, say: Console) -> Results:
    """Run these, one after the other."""
    machine, date = this_machine(), datetime.now(UTC).isoformat(timespec="seconds")
    figures: list[Measured] = []
    runs: dict[str, Ran] = {}
    for number, name in enumerate(names, start=1):
        say.print(f"[dim]{number}/{len(names)}[/dim] {name}")
        runs[name] = run_one(name, quick)
        figures += figures_of(name, runs[name].document) if runs[name].error is None else []
        if runs[name].error is not None:
            say.print(f"[red]{name}: {runs[name].error}[/red]")
    return Results(date, quick, machine, figures, runs)


def table(results: Results) -> Table:
    """All figures for people."""
    machine = results.machine
    made = Table(
        title=f"{machine.cpu}, {machine.cores} cores, Python {machine.python}, {results.date[:10]}"
        + (" - quick: the figures mean nothing" if results.quick else ""),
        title_justify="left",
        header_style="bold",
    )
    for column in ("benchmark", "figure", "median", "min", "max", "unit", "aim", "held"):
        made.add_column(column, justify="right" if column in ("median", "min", "max", "aim") else "left")
    before = ""
    for row in results.figures:
        ranged = row.min != row.max
        made.add_row(
            "" if row.benchmark == before else row.benchmark, row.name, _shown(row.value),
            _shown(row.min) if ranged else "", _shown(row.max) if ranged else "", row.unit, row.aim or "",
            {True: "[green]yes[/green]", False: "[red]no[/red]", None: ""}[row.held],
        )  # fmt: skip
        before = row.benchmark
    for name in results.failed:
        made.add_row(name, f"[red]{results.benchmarks[name].error}[/red]")
    return made


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=[], help="benchmarks to run; all when none is named")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that each runs")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--json", action="store_true", help="the same JSON on stdout, instead of a table")
    options = parser.parse_args()
    results = run_all(options.names or benchmarks(), options.quick, Console(stderr=True, highlight=False))
    text = msgspec.json.format(msgspec.json.encode(results), indent=2).decode() + "\n"
    options.output.parent.mkdir(parents=True, exist_ok=True)
    draft = options.output.with_name(f".{options.output.name}.part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(options.output)
    if options.json:
        sys.stdout.write(text)
    else:
        Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table(results))
    print(f"written to {options.output}", file=sys.stderr)
    sys.exit(1 if results.failed else 0)


if __name__ == "__main__":
    main()
