from typing import Any

import pytest

from schemas.records import (
    AgentStarted,
    ErrorRaised,
    FeedbackGiven,
    RecoveryAttempted,
    Signal,
    ToolCalled,
    ToolDefinition,
    Trace,
)
from streams.core.score import PROCESS_WEIGHTS, contradicted, judged_outcome, quality_score, values_of
from streams.core.signals import CATALOGUE, measure_all
from streams.core.view import view_of
from tests.unit.core.build import Run, good_run


def measured(trace: Trace) -> dict[str, float | None]:
    return values_of(measure_all(view_of(trace)))


def signals(**values: float | None) -> tuple[Signal, ...]:
    return tuple(Signal(name=name, version=1, value=value) for name, value in values.items())


def test_the_catalogue_names_each_signal_once_and_says_what_it_means() -> None:
    assert len({kind.name for kind in CATALOGUE}) == len(CATALOGUE)
    assert all(kind.doc and kind.version >= 1 for kind in CATALOGUE)
    assert set(PROCESS_WEIGHTS) <= {kind.name for kind in CATALOGUE}


def test_a_good_run_has_no_flaw() -> None:
    assert measured(good_run().trace()) == {
        "outcome": 1,
        "complete": 1,
        "human_validated": None,
        "human_feedback": None,
        "tool_success": 1,
        "failed_results": 0,
        "valid_arguments": 1,
        "unknown_tools": 0,
        "unanswered_calls": 0,
        "unrecovered_error": 0,
        "repeated_calls": 0,
        "reasoning_share": 1,
    }


@pytest.mark.parametrize(
    ("status", "reward", "value"),
    [
        ("successful", None, 1),
        ("partial", None, 0.5),
        ("failed", None, 0),
        ("unknown", None, None),
        ("successful", 0.0, 0),
        ("failed", 1.0, 1),
        ("unknown", 7.0, 1),
        ("unknown", -3.0, 0),
        ("successful", float("nan"), 1),
    ],
)
def test_outcome_is_the_reward_else_the_status(status: Any, reward: float | None, value: float | None) -> None:
    assert measured(Run().says("x").ends(status, reward=reward).trace())["outcome"] == value


@pytest.mark.parametrize(
    ("fields", "value"),
    [({}, 1), ({"close_reason": "max_size"}, 0), ({"completion_status": "interrupted"}, 0)],
)
def test_complete(fields: dict[str, Any], value: float) -> None:
    assert measured(good_run().trace(**fields))["complete"] == value


def test_a_run_without_an_end_is_not_complete() -> None:
    assert measured(Run().says("x").trace(close_reason="ended"))["complete"] == 0


def test_tool_success_leaves_out_calls_without_result_and_calls_of_users() -> None:
    run = Run().says("x").calls("A").returns().calls("B").returns(success=False)
    run.calls("U", by="user").returns(success=False).add(ToolCalled(tool="C", parameters_json="{}"), span="open")
    assert measured(run.trace())["tool_success"] == 0.5
    assert measured(Run().says("x").trace())["tool_success"] is None


def test_unanswered_calls_leave_out_the_last_turn() -> None:
    ended = good_run().says("x").add(ToolCalled(tool="submit", parameters_json="{}"), span="open")
    assert measured(ended.trace())["unanswered_calls"] == 0
    ended.says("y").calls("Search").returns()
    assert measured(ended.trace())["unanswered_calls"] == round(1 / 3, 6)


def test_an_error_is_recovered_by_a_later_success_or_a_recovery_that_worked() -> None:
    run = Run().says("x").calls("A").returns(success=False)
    assert measured(run.trace())["unrecovered_error"] == 1
    assert measured(run.calls("A").returns().trace())["unrecovered_error"] == 0
    assert measured(run.add(ErrorRaised(error_kind="e")).trace())["unrecovered_error"] == 1
    assert measured(run.add(RecoveryAttempted(action="a", worked=False)).trace())["unrecovered_error"] == 1
    assert measured(run.add(RecoveryAttempted(action="b", worked=True)).trace())["unrecovered_error"] == 0


def test_an_error_of_a_tool_that_the_user_called_is_not_the_agents() -> None:
    run = Run().says("Restart.").calls("restart", by="user").returns(success=False)
    assert measured(run.trace())["unrecovered_error"] == 0


def test_repeated_calls_are_those_with_the_same_arguments() -> None:
    run = Run()
    for parameters in ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}, {"a": 2}):
        run.calls("T", parameters).returns()
    assert measured(run.trace())["repeated_calls"] == 0.6


def test_unknown_tools_need_declared_tools() -> None:
    assert measured(Run().calls("X").returns().trace())["unknown_tools"] is None
    assert (
        measured(Run().starts(tools=("A",)).calls("A").returns().calls("X").returns().trace())["unknown_tools"] == 0.5
    )


@pytest.mark.parametrize(
    ("arguments", "value"),
    [('{"q": 1}', 1), ("{}", 0), ("[1]", 0), ("{'q': 1}", 0), ("", 0), ('{"q":' * 100_000, 0)],
)
def test_valid_arguments_are_objects_with_every_required_key(arguments: str, value: float) -> None:
    tool = ToolDefinition(name="T", parameters_json='{"type":"object","required":["q"]}')
    run = Run().add(AgentStarted(root=True, tools=(tool,))).calls("T", arguments)
    assert measured(run.trace())["valid_arguments"] == value


def test_a_broken_tool_definition_asks_for_nothing() -> None:
    tools = tuple(ToolDefinition(name="T", parameters_json=text) for text in ("nope",))
    run = Run().add(AgentStarted(root=True, tools=tools)).calls("T")
    assert measured(run.trace())["valid_arguments"] == 1


def test_the_last_word_of_a_person_on_the_whole_run_counts() -> None:
    run = good_run().add(FeedbackGiven(human_validated=True, rating=0.5))
    run.add(FeedbackGiven(human_validated=False, rating=1.0)).add(
        FeedbackGiven(human_validated=True, target_span_id="x")
    )
    found = measured(run.trace())
    assert (found["human_validated"], found["human_feedback"]) == (0, 0.75)


def test_outcome_dominates_the_score() -> None:
    flawed = {"tool_success": 0.1, "valid_arguments": 0.0, "unrecovered_error": 1.0, "repeated_calls": 1.0}
    flawless = {"tool_success": 1.0, "valid_arguments": 1.0, "unrecovered_error": 0.0, "repeated_calls": 0.0}
    assert quality_score(signals(outcome=1.0, **flawed)) > quality_score(signals(outcome=0.0, **flawless))
    assert quality_score(signals(outcome=1.0, **flawless)) == 1
    assert quality_score(signals(outcome=0.0, **flawless)) == 0.3
    assert quality_score(signals(outcome=None, **flawless)) == 0.8
    assert quality_score(()) == 0.8


def test_success_that_every_tool_result_contradicts_is_capped() -> None:
    lying = signals(outcome=1.0, tool_success=0.0, valid_arguments=1.0, unrecovered_error=0.0)
    assert contradicted(lying)
    assert quality_score(lying) == 0.5
    vouched = (*lying, *signals(human_validated=1.0))
    assert not contradicted(vouched)
    assert quality_score(vouched) > 0.8
    assert not contradicted(signals(outcome=0.0, tool_success=0.0))
    assert not contradicted(signals(outcome=1.0, tool_success=None))


def test_a_run_where_only_the_user_called_tools_can_contradict_itself_too() -> None:
    run = Run().says("Restart.").calls("restart", by="user").returns(success=False).ends()
    found = measure_all(view_of(run.trace()))
    assert (values_of(found)["tool_success"], values_of(found)["failed_results"]) == (None, 1)
    assert contradicted(found)
    assert not contradicted(measure_all(view_of(run.says("x").calls("A").returns().trace())))


def test_a_person_outranks_the_claimed_outcome() -> None:
    assert judged_outcome(signals(outcome=1.0, human_validated=0.0)) == 0
    assert judged_outcome(signals(outcome=1.0, human_feedback=0.5)) == 0.75
    assert judged_outcome(signals(outcome=None, human_feedback=0.5)) == 0.5
    assert judged_outcome(signals(outcome=None)) is None
