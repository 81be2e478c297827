"""How well a number tells successes from failures: areas under the ROC curve, with bootstrap ranges."""

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One run: what a scorer said, and what is true."""

    task: str
    value: float
    success: bool


def auc(cases: Sequence[Case]) -> float | None:
    """Chance that a success has the higher value than a failure, ties half; None unless both occur."""
    wins, pairs = _wins(cases)
    return wins / pairs if pairs else None


def _wins(cases: Sequence[Case]) -> tuple[float, int]:
    """Pairs won by the success, and all pairs of a success and a failure; O(n log n)."""
    by_value: dict[float, list[int]] = defaultdict(lambda: [0, 0])
    for case in cases:
        by_value[case.value][case.success] += 1
    wins, failures = 0.0, 0
    for value in sorted(by_value):
        failed, succeeded = by_value[value]
        wins += succeeded * (failures + failed / 2)
        failures += failed
    return wins, failures * (len(cases) - failures)


def within_tasks(cases: Sequence[Case]) -> float | None:
    """The same over pairs of runs of one task only; None where no task has both."""
    by_task: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_task[case.task].append(case)
    found = [_wins(runs) for runs in by_task.values()]
    pairs = sum(count for _, count in found)
    return sum(wins for wins, _ in found) / pairs if pairs else None


def summary(cases: Sequence[Case], *, rounds: int = 300) -> dict[str, object]:
    """Both areas with 95 % ranges; tasks are drawn, not runs, because runs of a task are alike."""
    by_task: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_task[case.task].append(case)
    tasks = sorted(by_task)
    draws = random.Random(0)
    across: list[float] = []
    within: list[float] = []
    for _ in range(rounds):
        drawn: list[Case] = []
        for number in range(len(tasks)):
            copies = by_task[draws.choice(tasks)]
            drawn.extend(Case(str(number), case.value, case.success) for case in copies)
        across.extend(_known(auc(drawn)))
        within.extend(_known(within_tasks(drawn)))
    return {
        "runs": len(cases),
        "succeeded": sum(case.success for case in cases),
        "across_tasks": _rounded(auc(cases)),
        "across_tasks_range": _range(across),
        "within_tasks": _rounded(within_tasks(cases)),
        "within_tasks_range": _range(within),
    }


def pass_rates(cases: Sequence[Case], part: float = 0.3) -> dict[str, float | None]:
    """Share of successes among the highest and the lowest part of the runs."""
    ordered = sorted(cases, key=lambda case: case.value)
    size = max(1, round(part * len(ordered)))
    rate = {"top": ordered[-size:], "bottom": ordered[:size]}
    return {name: _rounded(sum(case.success for case in runs) / size) for name, runs in rate.items()}


def _known(value: float | None) -> list[float]:
    return [] if value is None else [value]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _range(values: list[float]) -> list[float] | None:
    if not values:
        return None
    ordered = sorted(values)
    return [round(ordered[int(at * (len(ordered) - 1))], 3) for at in (0.025, 0.975)]


def logistic(rows: Sequence[Sequence[float]], labels: Sequence[bool], *, ridge: float = 3.0) -> list[float]:
    """Weights of a logistic model without an intercept on centred rows, by gradient descent."""
    width = len(rows[0])
    weights = [0.0] * width
    bias = 0.0
    rate = 4.0 / len(rows)
    for _ in range(400):
        slopes = [-ridge * weight for weight in weights]
        slip = 0.0
        for row, label in zip(rows, labels, strict=True):
            said = 1 / (1 + math.exp(-bias - sum(a * b for a, b in zip(weights, row, strict=True))))
            slip += label - said
            for at in range(width):
                slopes[at] += (label - said) * row[at]
        weights = [weight + rate * slope for weight, slope in zip(weights, slopes, strict=True)]
        bias += rate * slip
    return weights
