"""One number for a trace, 0 to 1, from its signals. Outcome dominates.

    score = 0.7 * outcome + 0.3 * process

`outcome` is what a person said of the run where one did (vouched 1, rejected 0); otherwise the claimed outcome,
averaged with people's rating where there is one. An unknown outcome gives 0.5 instead of 0.7 * outcome: more than a
failure, and even a flawless process reaches no more than 0.8.

`process` is the weighted mean of the deterministic signals that apply, see `PROCESS_WEIGHTS`; 1 where none does. It
breaks ties and triages. Measured on recorded runs such signals tell good runs of *one* task from bad ones hardly
better than chance, so they never outweigh the outcome.

A run that claims success while every one of its tool results is an error contradicts itself: it is capped at
`CONTRADICTED_CAP` unless a person vouches for it. Recorded benchmarks hold such runs.
"""

from collections.abc import Sequence

from schemas.records import Signal

SCORE_VERSION = 1
OUTCOME_WEIGHT = 0.7
UNKNOWN_OUTCOME_POINTS = 0.5
CONTRADICTED_CAP = 0.5
POSITIVE = 0.5
"""An outcome above this claims success."""

PROCESS_WEIGHTS: dict[str, float] = {
    "tool_success": 0.35,
    "valid_arguments": 0.2,
    "unrecovered_error": 0.2,
    "unanswered_calls": 0.1,
    "repeated_calls": 0.1,
    "unknown_tools": 0.05,
}
FLAWS = frozenset({"unrecovered_error", "unanswered_calls", "repeated_calls", "unknown_tools"})
"""Signals where 0 is best."""


def values_of(signals: Sequence[Signal]) -> dict[str, float | None]:
    """Signals by name."""
    return {signal.name: signal.value for signal in signals}


def judged_outcome(signals: Sequence[Signal]) -> float | None:
    """Outcome after people had their say, 0 to 1; None where neither source nor person claims one."""
    values = values_of(signals)
    validated = values.get("human_validated")
    if validated is not None:
        return validated
    known = [value for value in (values.get("outcome"), values.get("human_feedback")) if value is not None]
    return sum(known) / len(known) if known else None


def contradicted(signals: Sequence[Signal]) -> bool:
    """Whether the run claims success although all its tool results are errors, and nobody vouches for it.

    All results of the agent count, and all results of anybody: a run where only the user called tools can lie too.
    """
    values = values_of(signals)
    if values.get("human_validated") == 1:
        return False
    claimed = values.get("outcome")
    all_failed = values.get("tool_success") == 0 or values.get("failed_results") == 1
    return all_failed and claimed is not None and claimed > POSITIVE


def quality_score(signals: Sequence[Signal]) -> float:
    """Score of a trace, 0 to 1, to six decimals."""
    values = values_of(signals)
    total = weights = 0.0
    for name, weight in PROCESS_WEIGHTS.items():
        value = values.get(name)
        if value is not None:
            total += weight * (1 - value if name in FLAWS else value)
            weights += weight
    process = total / weights if weights else 1.0
    outcome = judged_outcome(signals)
    points = UNKNOWN_OUTCOME_POINTS if outcome is None else OUTCOME_WEIGHT * outcome
    score = points + (1 - OUTCOME_WEIGHT) * process
    if contradicted(signals):
        score = min(score, CONTRADICTED_CAP)
    return round(score, 6)
