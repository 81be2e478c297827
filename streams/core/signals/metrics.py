"""The eight quality metrics of the original description, as weighted means of signals.

Each is 0 to 1, 1 best, over those of its signals that are known; a signal where 0 is best enters as 1 - value. A
metric is None unless one of the signals it rests on (`needs`) is known: an efficiency without anything to compare
with, or an accuracy of which nothing is known but tidy arguments, would be a number without meaning. The weights are
judgements, not measurements; no verdict depends on them.

    success_rate       outcome .7, tool_success .2, decision_success .1
                       needs outcome or decision_success
    efficiency         relative_cost .25, relative_duration .25, relative_output .25, relative_calls .1,
                       repeated_calls .1, call_cycles .05; needs a relative one
    accuracy           human_validated .35, outcome .35, judge_opinion .1, valid_arguments .1, tool_success .1
                       needs human_validated, outcome or judge_opinion
    user_satisfaction  human_validated .4, human_feedback .4, corrected .2; needs any
    appropriateness    valid_arguments .25, unknown_tools .25, tool_success .2, repeated_calls .15, call_cycles .15
                       needs valid_arguments
    reasoning_clarity  reasoning_share .4, reasoning_specific .35, reasoning_agreement .25
                       needs reasoning_share or reasoning_specific
    outcome_alignment  decision_success .5, decision_estimates .5; needs any
    learning_value     novelty .4, recovery_credit .3, reasoning_specific .3; needs novelty or recovery_credit
"""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.records import Signal


@dataclass(frozen=True)
class Metric:
    """One quality metric."""

    name: str
    version: int
    doc: str
    weights: dict[str, float]
    needs: frozenset[str]


FLAWS = frozenset(
    {
        "unrecovered_error",
        "unanswered_calls",
        "repeated_calls",
        "call_cycles",
        "unknown_tools",
        "failed_results",
        "exhausted",
        "no_calls",
        "corrected",
    }
)
"""Signals where 0 is best."""


def _metric(name: str, doc: str, weights: dict[str, float], *needs: str) -> Metric:
    return Metric(name, 1, doc, weights, frozenset(needs or weights))


_COMPARED = {"relative_cost": 0.25, "relative_duration": 0.25, "relative_output": 0.25, "relative_calls": 0.1}

METRICS: tuple[Metric, ...] = (
    _metric(
        "success_rate",
        "share of what was tried that succeeded: the run, its tool calls, its decisions",
        {"outcome": 0.7, "tool_success": 0.2, "decision_success": 0.1},
        *("outcome", "decision_success"),
    ),
    _metric(
        "efficiency",
        "cost and time against the scenario's recent runs, and no rounds for nothing",
        {**_COMPARED, "repeated_calls": 0.1, "call_cycles": 0.05},
        *_COMPARED,
    ),
    _metric(
        "accuracy",
        "how right the result is held to be, and how tidy the way there was",
        {"human_validated": 0.35, "outcome": 0.35, "judge_opinion": 0.1, "valid_arguments": 0.1, "tool_success": 0.1},
        *("human_validated", "outcome", "judge_opinion"),
    ),
    _metric(
        "user_satisfaction",
        "what people said of the run",
        {"human_validated": 0.4, "human_feedback": 0.4, "corrected": 0.2},
    ),
    _metric(
        "appropriateness",
        "tools that exist, called as they ask to be, without going round in circles",
        {"valid_arguments": 0.25, "unknown_tools": 0.25, "tool_success": 0.2, "repeated_calls": 0.15}
        | {"call_cycles": 0.15},
        "valid_arguments",
    ),
    _metric(
        "reasoning_clarity",
        "reasoning that is there, speaks of the matter and argues for what was done",
        {"reasoning_share": 0.4, "reasoning_specific": 0.35, "reasoning_agreement": 0.25},
        *("reasoning_share", "reasoning_specific"),
    ),
    _metric(
        "outcome_alignment",
        "decisions that came out as they were meant to",
        {"decision_success": 0.5, "decision_estimates": 0.5},
    ),
    _metric(
        "learning_value",
        "new, instructive and explained",
        {"novelty": 0.4, "recovery_credit": 0.3, "reasoning_specific": 0.3},
        *("novelty", "recovery_credit"),
    ),
)


def weighted(values: Mapping[str, float | None], weights: Mapping[str, float]) -> float | None:
    """Weighted mean of the signals that are known, flaws turned round; None where none is."""
    total = sum_ = 0.0
    for name, weight in weights.items():
        value = values.get(name)
        if value is not None:
            sum_ += weight * (1 - value if name in FLAWS else value)
            total += weight
    return sum_ / total if total else None


def metrics_of(values: Mapping[str, float | None]) -> tuple[Signal, ...]:
    """The eight metrics from signal values by name, to six decimals."""
    return tuple(_published(metric, values) for metric in METRICS)


def _published(metric: Metric, values: Mapping[str, float | None]) -> Signal:
    rests = any(values.get(name) is not None for name in metric.needs)
    value = weighted(values, metric.weights) if rests else None
    return Signal(name=metric.name, version=metric.version, value=None if value is None else round(value, 6))
