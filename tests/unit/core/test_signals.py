"""Each signal where it is high, low and None."""

import json
from typing import Any

import msgspec
import pytest

from schemas.records import (
    AgentStarted,
    DecisionMade,
    DecisionOption,
    DecisionOutcome,
    ErrorRaised,
    FeedbackGiven,
    Message,
    ModelCalled,
    RecoveryAttempted,
    StepStarted,
    ToolCalled,
    ToolDefinition,
    Trace,
)
from streams.core.score import values_of
from streams.core.signals import CATALOGUE, DOCS, measure_all
from streams.core.signals.base import NOTHING_KNOWN, Context
from streams.core.signals.relative import MIN_RUNS
from streams.core.view import view_of
from streams.core.windows import Window, context_of, observe
from tests.unit.core.build import Run, good_run


def measured(trace: Trace, context: Context = NOTHING_KNOWN) -> dict[str, float | None]:
    return values_of(measure_all(view_of(trace), context))


def against(*others: Trace) -> Context:
    """The context of a scenario that saw these runs, each as often as makes a distribution."""
    window = Window()
    for trace in others * MIN_RUNS:
        window = observe(window, view_of(trace), 0.5)
    return context_of([window])


def test_the_catalogue_names_each_signal_once_and_says_what_it_means() -> None:
    assert len({kind.name for kind in CATALOGUE}) == len(CATALOGUE)
    assert all(kind.doc and kind.version >= 1 for kind in CATALOGUE)
    assert len(set(DOCS.values())) == len(DOCS)


def test_a_good_run_has_no_flaw() -> None:
    values = measured(good_run().trace())
    assert {name: value for name, value in values.items() if value is not None} == {
        "outcome": 1,
        "complete": 1,
        "tool_success": 1,
        "failed_results": 0,
        "valid_arguments": 1,
        "unknown_tools": 0,
        "unanswered_calls": 0,
        "unrecovered_error": 0,
        "repeated_calls": 0,
        "call_cycles": 0,
        "exhausted": 0,
        "reasoning_share": 1,
        "reasoning_specific": 0,
        "reasoning_clarity": round(0.4 / 0.75, 6),
        "success_rate": 1,
        "accuracy": 1,
        "appropriateness": 1,
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


def test_the_last_word_of_a_person_on_the_whole_run_counts() -> None:
    assert measured(good_run().trace())["human_validated"] is None
    run = good_run().add(FeedbackGiven(human_validated=True, rating=0.5))
    assert measured(run.trace())["human_validated"] == 1
    run.add(FeedbackGiven(human_validated=False, rating=1.0)).add(
        FeedbackGiven(human_validated=True, target_span_id="x")
    )
    found = measured(run.trace())
    assert (found["human_validated"], found["human_feedback"]) == (0, 0.75)


def test_human_feedback_is_the_mean_rating_held_to_0_and_1() -> None:
    assert measured(good_run().add(FeedbackGiven(comment="hm")).trace())["human_feedback"] is None
    assert measured(good_run().add(FeedbackGiven(rating=-3)).trace())["human_feedback"] == 0
    assert measured(good_run().add(FeedbackGiven(rating=float("inf"))).trace())["human_feedback"] == 1


def test_a_correction_of_any_part_counts_as_one() -> None:
    assert measured(good_run().trace())["corrected"] is None
    assert measured(good_run().add(FeedbackGiven(rating=1, correction=" ")).trace())["corrected"] == 0
    part = FeedbackGiven(correction="Ask first.", target_span_id="x")
    assert measured(good_run().add(part).trace())["corrected"] == 1


def test_tool_success_leaves_out_calls_without_result_and_calls_of_users() -> None:
    run = Run().says("x").calls("A").returns().calls("B").returns(success=False)
    run.calls("U", by="user").returns(success=False).add(ToolCalled(tool="C", parameters_json="{}"), span="open")
    found = measured(run.trace())
    assert (found["tool_success"], found["failed_results"]) == (0.5, round(2 / 3, 6))
    none = measured(Run().says("x").trace())
    assert (none["tool_success"], none["failed_results"]) == (None, None)
    assert measured(Run().calls("A").returns(success=False).trace())["tool_success"] == 0


def test_unanswered_calls_leave_out_the_last_turn() -> None:
    ended = good_run().says("x").add(ToolCalled(tool="submit", parameters_json="{}"), span="open")
    assert measured(ended.trace())["unanswered_calls"] == 0
    ended.says("y").calls("Search").returns()
    assert measured(ended.trace())["unanswered_calls"] == round(1 / 3, 6)
    assert measured(Run().says("x").trace())["unanswered_calls"] is None


def test_an_error_is_recovered_by_a_later_success_or_a_recovery_that_worked() -> None:
    run = Run().says("x").calls("A").returns(success=False)
    assert measured(run.trace())["unrecovered_error"] == 1
    assert measured(run.calls("A").returns().trace())["unrecovered_error"] == 0
    assert measured(run.add(ErrorRaised(error_kind="e")).trace())["unrecovered_error"] == 1
    assert measured(run.add(RecoveryAttempted(action="a", worked=False)).trace())["unrecovered_error"] == 1
    assert measured(run.add(RecoveryAttempted(action="b", worked=True)).trace())["unrecovered_error"] == 0


def test_an_error_of_a_tool_that_the_user_called_is_not_the_agents() -> None:
    run = Run().says("Restart.").calls("restart", by="user").returns(success=False)
    found = measured(run.trace())
    assert (found["unrecovered_error"], found["recovery_credit"]) == (0, None)


def test_recovery_credit_asks_for_a_later_success_of_the_same_tool() -> None:
    assert measured(good_run().trace())["recovery_credit"] is None
    run = Run().says("x").calls("A").returns(success=False).calls("B").returns()
    assert measured(run.trace())["recovery_credit"] == 0
    assert measured(run.calls("A").returns().trace())["recovery_credit"] == 1
    assert measured(run.calls("A").returns(success=False).trace())["recovery_credit"] == 0.5


def test_recovery_credit_of_a_raised_error_asks_for_a_recovery_of_it_or_any_success() -> None:
    run = Run().says("x").add(ErrorRaised(error_kind="e", error_id="1"))
    assert measured(run.add(RecoveryAttempted(action="a", error_id="2", worked=True)).trace())["recovery_credit"] == 0
    assert measured(run.add(RecoveryAttempted(action="a", error_id="1", worked=True)).trace())["recovery_credit"] == 1
    run = Run().says("x").calls("A").returns(success=False)
    assert measured(run.add(RecoveryAttempted(action="a", worked=True)).trace())["recovery_credit"] == 1
    run = Run().says("x").add(ErrorRaised(error_kind="e")).calls("A").returns()
    assert measured(run.trace())["recovery_credit"] == 1


def called(*names: str) -> Trace:
    run = Run()
    for name in names:
        run.calls("T", {"n": name}).returns()
    return run.trace()


def test_repeated_calls_are_those_with_the_same_arguments() -> None:
    assert measured(called(*"11222"))["repeated_calls"] == 0.6
    assert measured(called(*"123"))["repeated_calls"] == 0
    assert measured(Run().says("x").trace())["repeated_calls"] is None


@pytest.mark.parametrize(
    ("names", "value"),
    [
        ("abab", 0.5),
        ("abcabc", 0.5),
        ("ababababab", 0.8),
        ("xabab", 0.4),
        ("aabb", 0),
        ("aaaa", 0),
        ("abcdabcd", 0),
        ("aba", 0),
        ("a", 0),
    ],
)
def test_call_cycles_are_rounds_of_two_or_three_calls_after_the_first(names: str, value: float) -> None:
    assert measured(called(*names))["call_cycles"] == value


def test_a_run_without_calls_has_no_cycles() -> None:
    assert measured(Run().says("x").trace())["call_cycles"] is None


@pytest.mark.parametrize("reason", ["max_steps", "LimitsExceeded", "timeout", "too_many_errors", "budget reached"])
def test_a_run_that_a_limit_ended_is_exhausted(reason: str) -> None:
    assert measured(good_run().ends("unknown", reason=reason).trace())["exhausted"] == 1


@pytest.mark.parametrize("reason", [None, "user_stop", "Submitted", "agent_stop", "the task is done"])
def test_a_run_that_ended_by_itself_is_not_exhausted(reason: str | None) -> None:
    assert measured(good_run().ends("unknown", reason=reason).trace())["exhausted"] == 0


def test_a_run_that_was_cut_off_is_exhausted() -> None:
    cut = ModelCalled(output=Message(role="assistant", content="and th"), finish_reason="length")
    assert measured(good_run().trace(close_reason="max_size"))["exhausted"] == 1
    assert measured(Run().says("x").add(cut).ends().trace())["exhausted"] == 1
    assert measured(Run().add(cut).says("x").ends().trace())["exhausted"] == 0
    waiting = Run().says("x").add(ToolCalled(tool="A", parameters_json="{}"), span="open")
    assert measured(waiting.trace())["exhausted"] == 1
    assert measured(waiting.ends().trace())["exhausted"] == 0
    assert measured(Run().hears("hello").trace())["exhausted"] is None


def test_unknown_tools_need_declared_tools() -> None:
    assert measured(Run().calls("X").returns().trace())["unknown_tools"] is None
    run = Run().starts(tools=("A",)).calls("A").returns()
    assert measured(run.trace())["unknown_tools"] == 0
    assert measured(run.calls("X").returns().trace())["unknown_tools"] == 0.5


def test_no_calls_is_a_flaw_where_most_runs_of_the_scenario_call_tools() -> None:
    silent = Run().says("I am sorry.").ends().trace()
    callers = against(good_run().trace(), good_run(turns=4).trace(), silent)
    assert measured(silent, callers)["no_calls"] == 1
    assert measured(good_run().trace(), callers)["no_calls"] == 0
    assert measured(silent)["no_calls"] is None
    assert measured(silent, against(silent, silent, good_run().trace()))["no_calls"] is None


def test_reasoning_share_counts_acting_turns_that_say_why() -> None:
    run = Run().says(None).calls("A").returns()
    assert measured(run.trace())["reasoning_share"] == 0
    assert measured(run.says("I look.").calls("A").returns().trace())["reasoning_share"] == 0.5
    assert measured(Run().says("Hello.").trace())["reasoning_share"] is None
    stepped = Run().add(StepStarted(step_name="s", reasoning="Because."), span="s")
    assert measured(stepped.calls("A", span="c").returns().trace())["reasoning_share"] == 1


def reasoned(reasoning: str | None, tool: str = "web_search", arguments: object = None) -> Trace:
    run = Run().starts(tools=("web_search", "Write"))
    run.says(reasoning).calls(tool, {"city": "Ulm"} if arguments is None else arguments)
    return run.returns().ends().trace()


@pytest.mark.parametrize(
    ("reasoning", "value"),
    [
        ("I need the weather, so web_search it is.", 1),
        ("A quick search on the web should tell.", 1),
        ("Which CITY do they mean, and when?", 1),
        ("Let me take care of this for you.", 0),
        ("I search.", 0),
        (None, None),
    ],
)
def test_specific_reasoning_names_the_tool_or_an_argument(reasoning: str | None, value: float | None) -> None:
    assert measured(reasoned(reasoning))["reasoning_specific"] == value


def test_specific_reasoning_in_a_script_without_spaces() -> None:
    assert measured(reasoned("我需要查询乌尔姆的天气", arguments={"q": "乌尔姆"}))["reasoning_specific"] == 0
    text = json.dumps({"q": "天气"}, ensure_ascii=False)
    assert measured(reasoned("我需要查询乌尔姆的天气", arguments=text))["reasoning_specific"] == 1


@pytest.mark.parametrize(
    ("reasoning", "value"),
    [
        ("I use web_search for that.", 1),
        ("Rather than Write I take web_search.", 1),
        ("I will not use web_search here.", 0),
        ("I cannot know. web_search will tell.", 1),
        ("Write is the tool for this.", 0),
        ("I do not want Write.", None),
        ("I should write it down.", None),
        ("Let me see.", None),
        (None, None),
    ],
)
def test_reasoning_agrees_with_the_tool_that_it_names(reasoning: str | None, value: float | None) -> None:
    assert measured(reasoned(reasoning))["reasoning_agreement"] == value


def test_of_long_reasoning_the_beginning_and_the_end_are_read() -> None:
    filling = "word " * 100_000
    for text in (f"Now web_search it is. {filling}", f"{filling} so web_search it is."):
        found = measured(reasoned(text))
        assert (found["reasoning_specific"], found["reasoning_agreement"]) == (1, 1)
    buried = measured(reasoned(f"{filling} web_search {filling}"))
    assert (buried["reasoning_specific"], buried["reasoning_agreement"]) == (0, None)


def decided(
    reasoning: str | None = None,
    *,
    estimates: tuple[float | None, float | None] = (None, None),
    outcome: DecisionOutcome | None = None,
) -> Trace:
    options = (
        DecisionOption(option="web_scraping", pros=("current prices",), estimated_cost_usd=estimates[0])
        if estimates[1] is None
        else DecisionOption(
            option="web_scraping", estimated_cost_usd=estimates[0], estimated_time_seconds=estimates[1]
        ),
        DecisionOption(option="cached_reports", cons=("may be outdated",), estimated_cost_usd=5),
    )
    body = DecisionMade(decision_id="d", options=options, choice="Web_Scraping", reasoning=reasoning)
    run = Run().says("x").add(body)
    return (run.add(outcome) if outcome else run).trace()


@pytest.mark.parametrize(
    ("reasoning", "agrees", "specific"),
    [
        ("Web scraping costs more but is current.", 1, 1),
        ("Cached reports are cheaper and enough.", 0, 1),
        ("Web scraping is never worth it, and web-scraping: avoid.", 1, 1),
        ("We should avoid web scraping.", 0, 1),
        ("Current prices matter most here.", None, 1),
        ("It just feels right to me.", None, 0),
    ],
)
def test_reasoning_of_a_decision_is_held_against_its_options(
    reasoning: str, agrees: float | None, specific: float
) -> None:
    found = measured(decided(reasoning))
    assert (found["reasoning_agreement"], found["reasoning_specific"]) == (agrees, specific)


@pytest.mark.parametrize(
    ("outcome", "value"),
    [
        (None, None),
        (DecisionOutcome(decision_id="d"), None),
        (DecisionOutcome(decision_id="other", success=True), None),
        (DecisionOutcome(decision_id="d", success=True, quality=0.1), 1),
        (DecisionOutcome(decision_id="d", success=False), 0),
        (DecisionOutcome(decision_id="d", quality=0.25), 0.25),
        (DecisionOutcome(decision_id="d", quality=float("nan")), None),
    ],
)
def test_decision_success_is_what_came_of_it_else_its_quality(
    outcome: DecisionOutcome | None, value: float | None
) -> None:
    assert measured(decided(outcome=outcome))["decision_success"] == value


@pytest.mark.parametrize(
    ("estimates", "actual", "value"),
    [
        ((0.1, 45.0), (0.1, 45.0), 1),
        ((0.1, 50.0), (0.2, 100.0), 0.5),
        ((0.2, 100.0), (0.1, None), 0.5),
        ((0.0, 10.0), (0.0, 10.0), 1),
        ((0.0, None), (5.0, None), 0),
        ((0.1, 45.0), (None, None), None),
        ((float("nan"), -1.0), (0.1, 45.0), None),
        ((float("inf"), 1.0), (0.1, 1.0), 1),
    ],
)
def test_decision_estimates_compare_the_chosen_option_with_what_it_took(
    estimates: tuple[float | None, float | None], actual: tuple[float | None, float | None], value: float | None
) -> None:
    outcome = DecisionOutcome(decision_id="d", actual_cost_usd=actual[0], actual_time_seconds=actual[1])
    assert measured(decided(estimates=estimates, outcome=outcome))["decision_estimates"] == value


SMALL: dict[str, Any] = {"cost_usd": 0.01, "duration_seconds": 1.0, "output_tokens": 10}
LARGE: dict[str, Any] = {"cost_usd": 1.0, "duration_seconds": 100.0, "output_tokens": 1000}


def with_latency(seconds: float | None, result: str = "ok", turns: int = 1) -> Run:
    run = Run()
    for _ in range(turns):
        run.says("x").calls("A").returns(result, latency_seconds=seconds)
    return run


@pytest.mark.parametrize(
    "name",
    ["relative_cost", "relative_duration", "relative_output", "relative_reading", "relative_latency", "relative_calls"],
)
def test_relative_signals_are_high_for_little_low_for_much_and_none_without_a_window(name: str) -> None:
    small = with_latency(0.1).trace(**SMALL)
    large = with_latency(9.0, "x" * 500, turns=5).trace(**LARGE)
    both = against(small, large)
    assert (measured(small, both)[name], measured(large, both)[name]) == (0.75, 0.25)
    assert measured(small, against(large))[name] == 1
    assert measured(large, against(small))[name] == 0
    assert measured(small)[name] is None


@pytest.mark.parametrize("name", ["relative_cost", "relative_latency"])
def test_an_amount_that_was_not_recorded_is_compared_with_nothing(name: str) -> None:
    recorded, silent = with_latency(0.1).trace(**SMALL), with_latency(None).trace()
    assert measured(silent, against(recorded))[name] is None
    assert measured(recorded, against(silent))[name] is None


def test_an_amount_that_few_runs_recorded_is_no_distribution() -> None:
    window = Window()
    for number in range(3 * MIN_RUNS):
        recorded = number < MIN_RUNS - 1
        window = observe(window, view_of(with_latency(0.1 if recorded else None).trace()), 0.5)
    run = with_latency(0.1).trace()
    assert measured(run, context_of([window]))["relative_latency"] is None
    assert measured(run, context_of([window]))["relative_calls"] == 0.5
    window = observe(window, view_of(run), 0.5)
    assert measured(run, context_of([window]))["relative_latency"] == 0.5


def test_output_that_was_not_counted_is_estimated_from_its_length() -> None:
    short, long = (Run().says("x" * length).ends().trace() for length in (40, 400))
    assert measured(short, against(short, long))["relative_output"] == 0.75
    assert measured(Run().hears("x").trace(), against(short))["relative_output"] is None


@pytest.mark.parametrize("name", ["novelty", "judge_opinion"])
@pytest.mark.parametrize(
    ("given", "value"), [(None, None), (0.25, 0.25), (7.0, 1), (-1.0, 0), (float("nan"), None), (float("inf"), 1)]
)
def test_numbers_from_outside_are_published_within_0_and_1(name: str, given: float | None, value: float | None) -> None:
    context = Context(novelty=given) if name == "novelty" else Context(judge=given)
    assert measured(good_run().trace(), context)[name] == value


def test_valid_arguments_need_a_call() -> None:
    assert measured(Run().says("x").trace())["valid_arguments"] is None


def declared(schema: object) -> AgentStarted:
    text = schema if isinstance(schema, str) else json.dumps(schema)
    return AgentStarted(root=True, tools=(ToolDefinition(name="T", parameters_json=text),))


@pytest.mark.parametrize(
    ("arguments", "value"),
    [('{"q": 1}', 1), ("{}", 0), ("[1]", 0), ("{'q': 1}", 0), ("", 0), ('{"q":' * 100_000, 0)],
)
def test_valid_arguments_are_objects_with_every_required_key(arguments: str, value: float) -> None:
    run = Run().add(declared({"type": "object", "required": ["q"]})).calls("T", arguments)
    assert measured(run.trace())["valid_arguments"] == value


def test_arguments_of_a_tool_that_is_not_declared_need_only_be_an_object() -> None:
    run = Run().add(declared({"type": "object", "required": ["q"]})).calls("U", {})
    assert measured(run.trace())["valid_arguments"] == 1


def test_a_sub_agent_is_not_held_against_the_tools_of_the_owner() -> None:
    run = Run().add(declared({"required": ["q"]})).says("x")
    run.add(AgentStarted(root=False), span="sub").calls("T", {}, span="inner")
    run.events[-1] = msgspec.structs.replace(run.events[-1], parent_span_id="sub")
    assert measured(run.trace())["valid_arguments"] == 1
