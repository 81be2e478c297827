"""`tdc bench`: what benchmarks print becomes one table and one JSON file."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from tests.bench._aims import PLANS
from tests.bench._results import Ran, Results, benchmarks, figures_of, last_document, run_one, table, this_machine
from tests.bench._spread import spread

ROOT = Path(__file__).parents[3]
QUICK = ("assemble", "emit", "sink")


def tdc(*arguments: str, home: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "ops.cli.main", "bench", *arguments],
        cwd=ROOT, env={**os.environ, "TDC_HOME": str(home)}, capture_output=True, text=True, timeout=170, check=False,
    )  # fmt: skip


@pytest.mark.timeout(180)
def test_quick_run_ends_with_a_table_and_a_json_file(tmp_path: Path) -> None:
    done = tdc("--quick", *QUICK, home=tmp_path)
    assert done.returncode == 0, done.stderr
    results = msgspec.json.decode((tmp_path / "bench-results.json").read_bytes(), type=Results)
    assert list(results.benchmarks) == list(QUICK)
    assert results.quick
    assert results.failed == []
    assert results.machine.cores >= 1
    assert results.machine.cpu
    by_name = {figure.name: figure for figure in results.figures}
    rate, ratio = by_name["assembly of envelopes"], by_name["sink / bare pyarrow"]
    assert rate.value is not None
    assert rate.value > 0
    assert rate.aim == ">= 30000"
    assert ratio.value is not None
    assert ratio.held == (ratio.value >= 0.7)
    assert by_name["emit, broker down, p99.9"].value is not None
    for figure in results.figures:
        assert figure.name in done.stdout
    assert "figures mean nothing" in done.stdout


def test_json_goes_to_stdout_and_to_the_named_file(tmp_path: Path) -> None:
    target = tmp_path / "there" / "found.json"
    done = tdc("--quick", "--json", "--output", str(target), "sink", home=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == json.loads(target.read_text())


def test_unknown_benchmark_is_named_with_those_there_are(tmp_path: Path) -> None:
    done = tdc("sinks", home=tmp_path)
    assert done.returncode == 2
    assert "no benchmark sinks" in done.stderr
    assert "assemble" in done.stderr


def test_every_plan_is_of_a_benchmark() -> None:
    assert set(PLANS) <= set(benchmarks())


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ('{"a": 1}', {"a": 1}),
        ('starting\n{"a": 1}\n', {"a": 1}),
        ('{"first": 1}\n{"last": {\n  "b": [1]\n}}\n', {"last": {"b": [1]}}),
        ('{\n  "a": {\n    "b": 1\n  }\n}', {"a": {"b": 1}}),
    ],
)
def test_last_document_is_found_behind_other_output(text: str, document: object) -> None:
    assert last_document(text) == document


@pytest.mark.parametrize("text", ["", "done", '{"a": 1}\ndone', '{"a": '])
def test_output_that_does_not_end_with_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="JSON"):
        last_document(text)


def test_figures_hold_their_aims_by_the_median() -> None:
    document = {"ratios": [0.9, 0.71, 0.2], "sink_rows_per_second": {"min": 1, "median": 2, "max": 9}}
    ratio, rate = figures_of("sink", document)
    assert (ratio.min, ratio.value, ratio.max, ratio.held) == (0.2, 0.71, 0.9, True)
    assert (rate.min, rate.value, rate.max, rate.held) == (1, 2, 9, None)
    assert figures_of("sink", {"ratios": [0.69]})[0].held is False
    assert figures_of("patterns", {"counting": 101})[0].held is False
    assert figures_of("patterns", {"counting": 100})[0].held is True


def test_figure_that_is_not_printed_is_shown_as_missing() -> None:
    ratio, rate = figures_of("sink", {"ratios": {"other": 1}})
    assert (ratio.value, ratio.held, ratio.aim) == (None, None, ">= 0.7")
    assert rate.value is None
    assert figures_of("sink", "text")[0].value is None


def test_benchmark_without_a_plan_shows_the_numbers_at_its_root() -> None:
    found = figures_of("newcomer", {"ratio": 2.5, "name": "x", "fine": True, "inner": {"x": 1}, "times": [1, 3]})
    assert [(figure.name, figure.value) for figure in found] == [("ratio", 2.5), ("times", 2)]


def test_benchmark_that_fails_is_in_file_and_table() -> None:
    silent, gone = run_one("_spread", quick=False), run_one("no_such", quick=True)
    assert silent.exit_code == 0
    assert silent.error is not None
    assert gone.exit_code != 0
    results = Results("2026-01-01T00:00:00+00:00", False, this_machine(), [], {"a": silent, "b": gone, "c": good()})
    assert results.failed == ["a", "b"]
    out = io.StringIO()
    Console(file=out, width=160).print(table(results))
    assert "exit code" in out.getvalue()


def test_failure_of_a_benchmark_is_the_exit_code_and_the_file_is_written(tmp_path: Path) -> None:
    target = tmp_path / "found.json"
    command = [sys.executable, "-m", "tests.bench._results", "--output", str(target), "_spread"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "does not end with a JSON document" in done.stdout
    assert msgspec.json.decode(target.read_bytes(), type=Results).failed == ["_spread"]


def good() -> Ran:
    return Ran("python -m x", 1.0, 0, {"ratio": 1})


def test_spread_rounds_and_orders() -> None:
    assert spread([3.26, 1.0, 2.04], 1) == {"min": 1.0, "median": 2.0, "max": 3.3}
    assert spread([1.6]) == {"min": 2, "median": 2, "max": 2}
