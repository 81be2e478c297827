from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Signal
from streams.core.score import (
    CONTRADICTED_CAP,
    PROCESS_WEIGHTS,
    THRIFT_WEIGHTS,
    contradicted,
    judged_outcome,
    quality_score,
)
from streams.core.signals import CATALOGUE, DOCS, measure_all
from streams.core.signals.metrics import FLAWS, METRICS, metrics_of
from streams.core.view import view_of
from streams.core.windows import Window, context_of, observe
from tests.bench._auc import Case, auc
from tests.bench._hidden import recorded_runs
from tests.unit.core.build import Run

FLAWLESS: dict[str, float | None] = {name: 0.0 if name in FLAWS else 1.0 for name in PROCESS_WEIGHTS}
FLAWED: dict[str, float | None] = {name: 1.0 if name in FLAWS else 0.0 for name in PROCESS_WEIGHTS}


def signals(values: dict[str, float | None] | None = None, **more: float | None) -> tuple[Signal, ...]:
    return tuple(Signal(name=name, version=1, value=value) for name, value in ((values or {}) | more).items())


def thrift(value: float) -> dict[str, float | None]:
    return dict.fromkeys(THRIFT_WEIGHTS, value)


def test_every_weight_is_that_of_a_signal_and_each_table_adds_up_to_one() -> None:
    known = {kind.name for kind in CATALOGUE}
    tables = [PROCESS_WEIGHTS, THRIFT_WEIGHTS, *(metric.weights for metric in METRICS)]
    for table in tables:
        assert set(table) <= known
        assert abs(sum(table.values()) - 1) < 1e-9
    assert known >= FLAWS


def test_outcome_dominates_the_score() -> None:
    assert quality_score(signals(FLAWED, outcome=1.0) + signals(thrift(0))) > quality_score(
        signals(FLAWLESS, outcome=0.0) + signals(thrift(1))
    )
    assert quality_score(signals(FLAWLESS, outcome=1.0)) == 1
    assert quality_score(signals(FLAWLESS, outcome=0.0)) == 0.3
    assert quality_score(()) == 0.8


def test_each_process_signal_moves_the_score_in_its_direction() -> None:
    for outcome in (None, 0.0, 1.0):
        best = quality_score(signals(FLAWLESS, outcome=outcome))
        for name in PROCESS_WEIGHTS:
            worse = FLAWLESS | {name: FLAWED[name]}
            loss = best - quality_score(signals(worse, outcome=outcome, failed_results=0.0))
            assert abs(loss - 0.3 * PROCESS_WEIGHTS[name]) < 1e-5 or outcome == 1.0
            assert loss > 0, name


def test_thrift_breaks_ties_where_the_outcome_is_known_and_triages_where_it_is_not() -> None:
    for outcome, spread in ((1.0, 0.02), (0.0, 0.02), (None, 0.2)):
        most, least = (quality_score(signals(FLAWLESS | thrift(at), outcome=outcome)) for at in (1.0, 0.0))
        assert abs(most - least - spread) < 1e-6
    assert quality_score(signals(FLAWLESS | thrift(0.5))) == 0.8


def test_an_unknown_outcome_ranks_above_a_failure_and_below_a_success_of_the_same_process() -> None:
    for process, at in product((FLAWLESS, FLAWED), (0.0, 0.5, 1.0)):
        failed, unknown, succeeded = (
            quality_score(signals(process | thrift(at), outcome=outcome)) for outcome in (0.0, None, 1.0)
        )
        assert failed < unknown
        if process is FLAWLESS:
            assert unknown < succeeded


def test_a_judge_moves_the_estimate_a_little_and_a_known_outcome_not_at_all() -> None:
    for outcome, spread in ((None, 0.05), (1.0, 0.0), (0.0, 0.0)):
        kind, harsh = (quality_score(signals(FLAWLESS, outcome=outcome, judge_opinion=says)) for says in (1.0, 0.0))
        assert abs(kind - harsh - spread) < 1e-6


def test_success_that_every_tool_result_contradicts_is_capped() -> None:
    lying = signals(outcome=1.0, tool_success=0.0, valid_arguments=1.0, unrecovered_error=0.0)
    assert contradicted(lying)
    assert quality_score(lying) == CONTRADICTED_CAP
    vouched = (*lying, *signals(human_validated=1.0))
    assert not contradicted(vouched)
    assert quality_score(vouched) > 0.8
    assert not contradicted(signals(outcome=0.0, tool_success=0.0))
    assert not contradicted(signals(outcome=1.0, tool_success=None))


def test_a_run_where_only_the_user_called_tools_can_contradict_itself_too() -> None:
    run = Run().says("Restart.").calls("restart", by="user").returns(success=False).ends()
    assert contradicted(measure_all(view_of(run.trace())))
    assert not contradicted(measure_all(view_of(run.says("x").calls("A").returns().trace())))


def test_a_person_outranks_the_claimed_outcome() -> None:
    assert judged_outcome(signals(outcome=1.0, human_validated=0.0)) == 0
    assert judged_outcome(signals(outcome=1.0, human_feedback=0.5)) == 0.75
    assert judged_outcome(signals(outcome=None, human_feedback=0.5)) == 0.5
    assert judged_outcome(signals(outcome=None)) is None


values = st.one_of(st.none(), st.floats(0, 1))


@given(st.fixed_dictionaries({kind.name: values for kind in CATALOGUE}))
def test_scores_and_metrics_are_0_to_1_whatever_the_signals(measured: dict[str, float | None]) -> None:
    assert 0 <= quality_score(signals(measured)) <= 1
    for metric in metrics_of(measured):
        assert metric.value is None or 0 <= metric.value <= 1


def metric(name: str, **measured: float | None) -> float | None:
    return next(signal.value for signal in metrics_of(measured) if signal.name == name)


def test_the_metrics_are_those_of_the_original_description() -> None:
    names = "success_rate efficiency accuracy user_satisfaction appropriateness reasoning_clarity outcome_alignment "
    assert [found.name for found in METRICS] == (names + "learning_value").split()
    assert all(DOCS[found.name] for found in METRICS)


def test_each_metric_is_1_at_best_0_at_worst_and_none_without_what_it_rests_on() -> None:
    for found in METRICS:
        best: dict[str, float | None] = {name: 0.0 if name in FLAWS else 1.0 for name in found.weights}
        worst: dict[str, float | None] = {name: 1.0 if name in FLAWS else 0.0 for name in found.weights}
        assert metric(found.name, **best) == 1
        assert metric(found.name, **worst) == 0
        assert metric(found.name) is None
        assert metric(found.name, **{name: None if name in found.needs else best[name] for name in best}) is None
        for name in found.needs:
            assert metric(found.name, **{name: best[name]}) == 1


def test_a_metric_is_the_weighted_mean_of_what_is_known() -> None:
    assert metric("success_rate", outcome=1.0, tool_success=0.5) == round(0.8 / 0.9, 6)
    assert metric("user_satisfaction", human_feedback=1.0, corrected=1.0) == round(0.4 / 0.6, 6)


def test_the_metrics_stand_behind_the_signals_that_are_published() -> None:
    published = [signal.name for signal in measure_all(view_of(Run().says("x").trace()))]
    assert published == [kind.name for kind in CATALOGUE] + [found.name for found in METRICS]
    assert set(published) == set(DOCS)


@pytest.mark.recordings
def test_the_score_of_recorded_runs_whose_outcome_is_hidden_tells_successes_from_failures() -> None:
    runs = recorded_runs(("tau-bench",))
    if not runs:
        pytest.skip("the recordings (../shared/data) are not here")
    window = Window()
    for run in runs:
        window = observe(window, view_of(run.trace), None)
    cases: list[Case] = []
    for run in runs:
        measured = measure_all(view_of(run.trace), context_of([window]))
        assert judged_outcome(measured) is None
        cases.append(Case(run.task, quality_score(measured), run.success))
    area = auc(cases)
    assert area is not None
    assert area > 0.65
