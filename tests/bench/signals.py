"""What signals and score are worth, and what they cost.

Worth: recorded runs are scored with their outcome hidden (reward, completion status and feedback taken out); the AUC
of the score, of each signal and of a learned model against the true outcome, across tasks and within tasks, with
bootstrap ranges. `warm` has the scenario's window hold its other runs, as in steady state; `cold` only the runs
recorded before. An AUC of 0.5 is chance. The learned model sees other sources only (leave one source out); the table
of the score is kept by hand, so the comparison says whether learning its weights would pay.

Cost: microseconds to measure all signals of one trace, each signal's share, and the ratio to reading the trace from
Avro, in one run. Prints JSON. `python -m tests.bench.signals [--events N] [--rounds N]`
"""

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from schemas.codec import SchemaId, WriterSchema, decode, encode
from schemas.contracts import parsed_schema
from schemas.records import Trace
from streams.core.score import PROCESS_WEIGHTS, THRIFT_WEIGHTS, quality_score, values_of
from streams.core.signals import CATALOGUE, measure_all
from streams.core.signals.metrics import FLAWS
from streams.core.view import view_of
from streams.core.windows import CONTEXT_HOURS, Window, context_of, merge, observe, pack, unpack
from tests.bench._auc import Case, auc, logistic, pass_rates, summary, within_tasks
from tests.bench._hidden import HiddenRun, recorded_runs
from tests.unit.core.build import good_run

LEARNED = ("relative_output", "relative_reading", "relative_calls", "tool_success")


@dataclass(frozen=True)
class Measured:
    """A run and what was measured of it."""

    run: HiddenRun
    values: dict[str, float | None]
    score: float


def measured(runs: Sequence[HiddenRun], *, warm: bool) -> list[Measured]:
    """All runs of one scenario, each against the other runs of its model or those before it, as the stage does it."""
    views = [view_of(run.trace) for run in runs]
    windows: dict[str | None, Window] = defaultdict(Window)
    for view in views if warm else ():
        windows[view.trace.model] = observe(windows[view.trace.model], view, None)
    found: list[Measured] = []
    for run, view in zip(runs, views, strict=True):
        window = windows[view.trace.model]
        signals = measure_all(view, context_of([window]))
        score = quality_score(signals)
        found.append(Measured(run, values_of(signals), score))
        if not warm:
            windows[view.trace.model] = observe(window, view, score)
    return found


def cases(runs: Sequence[Measured], value: Callable[[Measured], float | None]) -> list[Case]:
    """Cases of the runs that have a value."""
    found = ((run, value(run)) for run in runs)
    return [Case(run.run.task, number, run.run.success) for run, number in found if number is not None]


def worth(runs: Sequence[HiddenRun]) -> dict[str, object]:
    """AUC by scenario and by source."""
    by_scenario: dict[str, list[HiddenRun]] = defaultdict(list)
    for run in runs:
        by_scenario[run.scenario].append(run)
    warm = {name: measured(found, warm=True) for name, found in by_scenario.items()}
    cold = {name: measured(found, warm=False) for name, found in by_scenario.items()}
    return {
        "score": {
            name: {
                "warm": summary(cases(found, _score)),
                "cold": auc(cases(cold[name], _score)),
                "top_and_bottom_30_percent": pass_rates(cases(found, _score)),
            }
            for name, found in warm.items()
        },
        "score_by_source": {name: summary(cases(found, _score)) for name, found in _by_source(warm).items()},
        "learned_on_other_sources": learned(warm),
        "signals": {kind: _component(kind, warm) for kind in _names(warm)},
        "weights": {"process": PROCESS_WEIGHTS, "thrift": THRIFT_WEIGHTS},
    }


def _score(run: Measured) -> float:
    return run.score


def _by_source(scenarios: dict[str, list[Measured]]) -> dict[str, list[Measured]]:
    found: dict[str, list[Measured]] = defaultdict(list)
    for runs in scenarios.values():
        for run in runs:
            found[run.run.source].append(run)
    return found


def _names(scenarios: dict[str, list[Measured]]) -> Iterator[str]:
    for kind in next(iter(scenarios.values()))[0].values:
        if any(run.values[kind] is not None for runs in scenarios.values() for run in runs):
            yield kind


def _component(kind: str, scenarios: dict[str, list[Measured]]) -> dict[str, object]:
    """AUC of one signal, flaws turned round."""

    def value(run: Measured) -> float | None:
        found = run.values[kind]
        return found if found is None or kind not in FLAWS else 1 - found

    known = {name: cases(runs, value) for name, runs in scenarios.items()}
    return {name: summary(found, rounds=100) for name, found in known.items() if auc(found) is not None}


def learned(scenarios: dict[str, list[Measured]]) -> dict[str, object]:
    """AUC on each source of a logistic model of a few signals that learned from the other formats."""
    result: dict[str, object] = {}
    formats = {name: name.split("/")[0] for name in _by_source(scenarios)}
    for format_name in sorted(set(formats.values())):
        rows: list[list[float]] = []
        labels: list[bool] = []
        for source, runs in _by_source(scenarios).items():
            if formats[source] != format_name:
                rows.extend(_centred([_row(run) for run in runs]))
                labels.extend(run.run.success for run in runs)
        if not rows:
            continue
        weights = logistic(rows, labels)
        tested = [run for runs in scenarios.values() for run in runs if run.run.source.startswith(format_name + "/")]
        for scenario in dict.fromkeys(run.run.scenario for run in tested):
            found = [
                Case(run.run.task, sum(a * b for a, b in zip(weights, _row(run), strict=True)), run.run.success)
                for run in tested
                if run.run.scenario == scenario
            ]
            result[scenario] = {
                "across_tasks": round(auc(found) or 0, 3),
                "within_tasks": within_tasks(found),
                "weights": dict(zip(LEARNED, (round(weight, 2) for weight in weights), strict=True)),
            }
    return result


def _row(run: Measured) -> list[float]:
    """The learned signals; what is not known stands in the middle."""
    return [0.5 if (value := run.values[name]) is None else value for name in LEARNED]


def _centred(rows: list[list[float]]) -> list[list[float]]:
    means = [statistics.fmean(column) for column in zip(*rows, strict=True)]
    return [[value - mean for value, mean in zip(row, means, strict=True)] for row in rows]


class _Lookup:
    def writer_schema(self, schema_id: SchemaId) -> WriterSchema:
        return WriterSchema("Trace", parsed_schema("Trace"), True)


def cost(trace: Trace, rounds: int) -> dict[str, object]:
    """Microseconds, best of the rounds."""
    view = view_of(trace)
    window = Window()
    for turns in range(1, 41):
        window = observe(window, view_of(good_run(turns=turns).trace()), turns / 40, 1.0)
    context = context_of([window])
    day = [window] * CONTEXT_HOURS
    before = merge(day[:-1])
    avro = encode(trace, 1)
    signals = measure_all(view, context)
    each = {
        kind.name: _micros(lambda kind=kind: kind.measure(view, context), rounds)  # type: ignore[misc]
        for kind in CATALOGUE
    }
    reading = _micros(lambda: decode(avro, _Lookup(), Trace), rounds)
    whole = _micros(lambda: measure_all(view, context), rounds)
    return {
        "events": len(trace.events),
        "measure_all_micros": round(whole, 1),
        "score_micros": round(_micros(lambda: quality_score(signals), rounds), 1),
        "observe_micros": round(_micros(lambda: observe(window, view, 0.9), rounds), 1),
        "merge_a_day_micros": round(_micros(lambda: context_of(day), rounds), 1),
        "context_micros": round(_micros(lambda: context_of((before, window)), rounds), 1),
        "pack_and_unpack_micros": round(_micros(lambda: unpack(pack(window)), rounds), 1),
        "packed_window_bytes": len(pack(window)),
        "view_micros": round(_micros(lambda: view_of(trace), rounds), 1),
        "read_from_avro_micros": round(reading, 1),
        "measure_all_by_read": round(whole / reading, 3),
        "share_of_each": {
            name: round(micros / sum(each.values()), 3)
            for name, micros in sorted(each.items(), key=lambda item: -item[1])
        },
    }


def recorded_cost(runs: Sequence[HiddenRun]) -> dict[str, object]:
    """Microseconds an event, by scenario: real texts are longer, and runs too."""
    found: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        view = view_of(run.trace)
        began = time.perf_counter()
        measure_all(view)
        found[run.scenario].append((time.perf_counter() - began) * 1e6 / len(run.trace.events))
    return {name: round(statistics.median(micros), 1) for name, micros in found.items()}


def _micros(work: Callable[[], object], rounds: int) -> float:
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter()
        for _ in range(50):
            work()
        best = min(best, (time.perf_counter() - began) / 50)
    return best * 1e6


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20, help="events of the trace whose cost is measured")
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    turns = max(1, (arguments.events - 4) // 3)
    report: dict[str, object] = {"cost": cost(good_run(turns=turns).trace(), arguments.rounds)}
    runs = recorded_runs()
    if runs:
        report["cost_of_recorded_runs"] = recorded_cost(runs)
    report["worth"] = worth(runs) if runs else "the recordings (../shared/data) are not here"
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
