"""One number for a trace, 0 to 1, from its signals. Outcome dominates.

Where the outcome is known:

    score = 0.7 * outcome + 0.3 * process - 0.02 * (1 - thrift)

`outcome` is what a person said of the run where one did (vouched 1, rejected 0); otherwise the claimed outcome,
averaged with people's rating where there is one. `process` is the weighted mean of the deterministic signals that
apply, see `PROCESS_WEIGHTS`; 1 where none does. `thrift` is the weighted mean of what the run wrote, read and called
against the scenario's recent runs, see `THRIFT_WEIGHTS`; where it is not known its term is nought. Process and thrift
break ties between runs of the same outcome and never outweigh it: measured on recorded runs they tell good runs of
*one* task from bad ones hardly better than chance.

Where nobody claims an outcome the score is a triage estimate, which runs to look at first, never a word on
correctness:

    score = 0.5 + 0.3 * process + 0.2 * (thrift - 0.5) + 0.05 * (judge - 0.5)

So it is more than a failure's, a flawless run in the middle of its scenario has 0.8, and none has more than 0.925.
`judge` is the opinion of a language model where one was asked (by default none is).

Where the weights come from: `python -m tests.bench.signals` hides the outcome of recorded runs and measures how well
each signal and the score tell the successful from the others. AUC of this score across tasks: tau-bench airline .75,
tau2-bench airline .64 and retail .66 (.55 to .79 agent by agent), mini-SWE-agent .70, and .68 on HotpotQA runs that
had no part in choosing the weights. Signals that only say "nothing is broken" stay near chance on sound recordings:
their weights say how bad the thing is that they find. Few things carry over from source to source: tool results
without errors, little said, little read, few calls. Weights learned from the other sources do worse nearly everywhere
(.67, .57, .65, .71, .66), and a logistic model of thirteen signals has .74 on the tau-bench runs it learned from but
.52 on tasks it has not seen. So the table is kept by hand: few signals, round weights.

A run that claims success while every one of its tool results is an error contradicts itself: it is capped at
`CONTRADICTED_CAP` unless a person vouches for it. Recorded benchmarks hold such runs.
"""

from collections.abc import Mapping, Sequence

from schemas.records import Signal
from streams.core.signals.metrics import FLAWS, weighted

SCORE_VERSION = 2
OUTCOME_WEIGHT = 0.7
UNKNOWN_OUTCOME_POINTS = 0.5
THRIFT_TIE_BREAK = 0.02
THRIFT_TRIAGE = 0.2
JUDGE_TRIAGE = 0.05
CONTRADICTED_CAP = 0.5
POSITIVE = 0.5
"""An outcome above this claims success."""

PROCESS_WEIGHTS: dict[str, float] = {
    "tool_success": 0.35,
    "valid_arguments": 0.15,
    "no_calls": 0.15,
    "exhausted": 0.1,
    "unrecovered_error": 0.05,
    "unanswered_calls": 0.05,
    "repeated_calls": 0.05,
    "call_cycles": 0.05,
    "unknown_tools": 0.05,
}
THRIFT_WEIGHTS: dict[str, float] = {"relative_output": 0.5, "relative_reading": 0.25, "relative_calls": 0.25}

__all__ = [
    "FLAWS",
    "PROCESS_WEIGHTS",
    "SCORE_VERSION",
    "THRIFT_WEIGHTS",
    "contradicted",
    "judged_outcome",
    "quality_score",
    "values_of",
]


def values_of(signals: Sequence[Signal]) -> dict[str, float | None]:
    """Signals by name."""
    return {signal.name: signal.value for signal in signals}


def judged_outcome(signals: Sequence[Signal]) -> float | None:
    """Outcome after people had their say, 0 to 1; None where neither source nor person claims one."""
    return _outcome(values_of(signals))


def _outcome(values: Mapping[str, float | None]) -> float | None:
    validated = values.get("human_validated")
    if validated is not None:
        return validated
    known = [value for value in (values.get("outcome"), values.get("human_feedback")) if value is not None]
    return sum(known) / len(known) if known else None


def contradicted(signals: Sequence[Signal]) -> bool:
    """Whether the run claims success although all its tool results are errors, and nobody vouches for it.

    All results of the agent count, and all results of anybody: a run where only the user called tools can lie too.
    """
    return _contradicted(values_of(signals))


def _contradicted(values: Mapping[str, float | None]) -> bool:
    if values.get("human_validated") == 1:
        return False
    claimed = values.get("outcome")
    all_failed = values.get("tool_success") == 0 or values.get("failed_results") == 1
    return all_failed and claimed is not None and claimed > POSITIVE


def quality_score(signals: Sequence[Signal]) -> float:
    """Score of a trace, 0 to 1, to six decimals."""
    values = values_of(signals)
    process = weighted(values, PROCESS_WEIGHTS)
    thrift = weighted(values, THRIFT_WEIGHTS)
    outcome = _outcome(values)
    score = (1 - OUTCOME_WEIGHT) * (1.0 if process is None else process)
    if outcome is None:
        judge = values.get("judge_opinion")
        score += UNKNOWN_OUTCOME_POINTS
        score += 0.0 if thrift is None else THRIFT_TRIAGE * (thrift - 0.5)
        score += 0.0 if judge is None else JUDGE_TRIAGE * (judge - 0.5)
    else:
        score += OUTCOME_WEIGHT * outcome
        score -= 0.0 if thrift is None else THRIFT_TIE_BREAK * (1 - thrift)
    if _contradicted(values):
        score = min(score, CONTRADICTED_CAP)
    return round(max(0.0, score), 6)
