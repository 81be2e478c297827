"""Examples of each kind beyond whole turns and whole chats: what is asked, what is the answer, what else is told."""

import json
from typing import Any

from schemas.records import (
    AgentEnded,
    AgentStarted,
    DecisionMade,
    DecisionOption,
    DecisionOutcome,
    ErrorRaised,
    Example,
    FeedbackGiven,
    Message,
    ModelCalled,
    RecoveryAttempted,
    StateChanged,
    ToolCalled,
    ToolReturned,
    Trace,
    UserMessage,
)
from streams.core.policy import ExampleRules, Policy
from streams.core.shape import Judgement, Twin, shape
from streams.core.view import view_of
from tests.unit.core.build import Run, call, good_run
from tests.unit.core.chat_rules import problems


def made(trace: Trace, kind: Any, *, rules: dict[str, Any] | None = None, **judged: Any) -> tuple[Example, ...]:
    """Examples of one kind of a run that reached its aim, checked against what trainers demand."""
    judgement = Judgement(**({"quality_score": 0.9, "human_validated": False, "successful": True} | judged))
    found = shape(view_of(trace), Policy(examples=ExampleRules(types=(kind,), **(rules or {}))), judgement).examples
    for example in found:
        assert problems(example) == []
        assert kind in (*example.packages, "agent_execution", "conversation")
    return found


def chat(example: Example) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(example.messages)
    return found


def notes(example: Example) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(example.enrichment or "")
    return found


def state(message: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message["content"].removeprefix("Current state: "))
    return found


SCRAPE = DecisionOption(
    option="scrape", pros=("fresh",), cons=("slow",), estimated_cost_usd=0.15, estimated_time_seconds=45
)
CACHE = DecisionOption(option="cache", pros=("fast",), cons=("old",), estimated_cost_usd=0.05, estimated_time_seconds=5)
DECIDED = DecisionMade(
    decision_id="d1",
    context="Where from?",
    options=(SCRAPE, CACHE),
    choice="scrape",
    reasoning="Price 4711 must be fresh",
    confidence=0.85,
)


def deciding(outcome: DecisionOutcome | None = None, decided: DecisionMade = DECIDED) -> Run:
    run = Run().starts(system="You decide.", goal="Prices", tools=("A",)).hears("Check price 4711")
    run.says("x").calls("A").returns("found").add(decided, span="d")
    return (run.add(outcome) if outcome else run).says("y").ends()


def test_a_decision_asks_with_its_options_and_answers_with_choice_reasoning_and_confidence() -> None:
    outcome = DecisionOutcome(
        decision_id="d1", success=True, actual_cost_usd=0.18, actual_time_seconds=52.0, quality=0.92
    )
    (example,) = made(deciding(outcome).trace(), "decision_making")
    system, question, answer = chat(example)
    assert system["content"] == "You decide."
    assert state(question)["context"] == "Where from?"
    assert [option["option"] for option in state(question)["available_options"]] == ["scrape", "cache"]
    assert json.loads(answer["content"]) == {
        "decision": "scrape",
        "reasoning": "Price 4711 must be fresh",
        "confidence": 0.85,
    }
    assert "0.18" not in example.messages  # what came of it is no part of the answer
    expected = json.loads(example.expected_output)
    assert expected["outcome"] == {"actual_cost": "$0.18", "actual_time": "52s", "success": True, "quality": 0.92}
    assert json.loads(example.context)["available_options"][0]["estimated_cost"] == "$0.15"
    told = notes(example)
    assert told["reasoning"]["chosen"] == "scrape"
    assert told["reasoning"]["rejected"] == [
        {"option": "cache", "pros": ["fast"], "cons": ["old"], "estimated_cost": "$0.05", "estimated_time": "5s"}
    ]
    assert told["reasoning"]["evidence"] == [{"event_id": "trace-1-1", "kind": "user_message", "values": ["4711"]}]
    assert told["outcome"]["estimated"] == {"cost_usd": 0.15, "time_seconds": 45.0}
    assert told["outcome"]["actual"] == {"cost_usd": 0.18, "time_seconds": 52.0, "quality": 0.92}
    assert (example.outcome, told["outcome"]["why"]) == ("success", "decision_outcome")
    assert example.event_ids == ("trace-1-5", "trace-1-6")


def test_a_decision_that_did_not_work_fails_in_a_good_run_too_and_one_without_a_word_goes_with_its_run() -> None:
    (failed,) = made(deciding(DecisionOutcome(decision_id="d1", success=False)).trace(), "decision_making")
    assert (failed.outcome, failed.execution_successful, failed.training_weight) == ("failure", False, 0.45)
    (silent,) = made(deciding().trace(), "decision_making")
    assert (silent.outcome, silent.execution_successful) == ("success", True)
    (lost,) = made(deciding().trace(), "decision_making", successful=False)
    assert (lost.outcome, lost.execution_successful) == ("unknown", False)


def test_where_the_choice_is_none_of_the_options_none_counts_as_rejected() -> None:
    decided = DecisionMade(decision_id="d1", options=(SCRAPE, CACHE), choice="let us scrape")
    (example,) = made(deciding(decided=decided).trace(), "decision_making")
    assert "rejected" not in notes(example)["reasoning"]


def test_a_decision_rejected_by_a_person_gives_no_example() -> None:
    run = deciding().add(FeedbackGiven(human_validated=False, target_span_id="d"))
    assert made(run.trace(), "decision_making") == ()


def choosing(*tools: str, declared: tuple[str, ...] = ("A", "B")) -> Run:
    run = Run().starts(tools=declared, system="Long rules.", goal="Win").hears("Go on")
    for number, tool in enumerate(tools):
        arguments = json.dumps({"n": number})
        run.says(f"I take {tool}.", call(tool, arguments)).calls(tool, arguments).returns({"of": number})
    return run.ends()


def test_a_choice_of_tools_is_asked_with_the_state_alone_and_answered_with_the_call_alone() -> None:
    first, second = made(choosing("A", "B").trace(), "tool_selection")
    question, answer = chat(second)
    assert state(question) == {
        "goal": "Win",
        "step": "step_002",
        "available_tools": ["A", "B"],
        "request": "Go on",
        "last_results": [{"tool": "A", "success": True, "result": '{"of": 0}'}],
    }
    assert answer["content"] is None
    assert answer["tool_calls"][0]["function"] == {"name": "B", "arguments": '{"n": 1}'}
    assert "I take" not in second.messages
    assert json.loads(second.expected_output)["tool"] == "B"
    assert notes(second)["reasoning"]["words"] == "I take B."
    assert notes(second)["context"]["system_prompt"] == "left_out"
    assert "last_results" not in first.messages


def test_one_tool_is_no_choice_and_where_none_is_declared_those_of_the_run_are() -> None:
    assert made(choosing("A", "A", declared=("A",)).trace(), "tool_selection") == ()
    assert made(choosing("A", "A", declared=()).trace(), "tool_selection") == ()
    example = made(choosing("B", "A", declared=()).trace(), "tool_selection")[0]
    assert json.loads(example.context)["available_tools"] == ["A", "B"]
    assert (notes(example)["context"]["tools_from"], notes(example)["context"]["tools"]) == ("seen", 2)


def test_going_on_with_the_same_tool_weighs_less_and_is_left_out_first() -> None:
    trace = choosing(*"AAAAAABAAAAA").trace()
    found = made(trace, "tool_selection")
    weights = [example.training_weight for example in found]
    assert [round(weight, 2) for weight in weights] == [0.9] + [0.45] * 5 + [0.9, 0.9] + [0.45] * 4
    assert notes(found[1])["weight"] == {"quality_score": 0.9, "trivial_choice": 0.5}
    few = made(trace, "tool_selection", rules={"max_kind_examples": 4})
    assert sum(example.training_weight == 0.9 for example in few) == 3
    assert len(few) == 4


def test_the_same_choice_in_the_same_state_comes_once() -> None:
    run = Run().starts(tools=("A", "B")).hears("Go")
    for _ in range(6):
        run.says("x").calls("A").returns("same")
    # alone at first, then after one result, and again and again after the same one
    assert len(made(run.ends().trace(), "tool_selection")) == 2


def failing(*, again: bool = True, status: Any = "successful") -> Run:
    run = Run().starts(tools=("A", "B"), system="Rules.").hears("Go")
    run.says("first").calls("A", {"n": 0}).returns("ok")
    run.says("second").calls("A", {"n": 1}).returns("boom 7777", success=False, error_kind="timeout")
    run.says("look").calls("B", {"n": 2}).returns("hint")
    run.says("retry").calls("A", {"n": 3}).returns("ok" if again else "boom", success=again)
    return run.says("Done.").ends(status)


def test_an_error_leads_up_to_the_call_that_made_it_good() -> None:
    (example,) = made(failing().trace(), "error_handling")
    contents = [message["content"] for message in chat(example)]
    assert contents == ["Rules.", "Go", "first", "ok", "second", "boom 7777", "look", "hint", "retry"]
    expected = json.loads(example.expected_output)
    assert (expected["tool"], expected["parameters"]) == ("A", {"n": 3})
    assert [one["calls"][0]["tool"] for one in expected["recovery"]["attempts"]] == ["B", "A"]
    assert json.loads(example.context)["errors"] == [{"tool": "A", "error_kind": "timeout"}]
    assert (example.outcome, example.execution_successful, example.training_weight) == ("recovered", True, 0.9)
    assert notes(example)["outcome"] == {
        "step": "recovered",
        "run": "success",
        "why": "same_tool_worked",
        "chain": ["trace-1-7", "trace-1-13"],
    }


def test_where_the_way_to_the_recovery_is_too_long_the_first_answer_is_shown() -> None:
    run = Run().starts(tools=("A", "B")).hears("Go").says("try").calls("A").returns("boom", success=False)
    run.says("look").calls("B").returns("." * 5000).says("retry").calls("A").returns().ends()
    (example,) = made(run.trace(), "error_handling", rules={"short_context_chars": 2000})
    assert [message["content"] for message in chat(example)] == ["Go", "try", "boom", "look"]
    assert json.loads(example.expected_output)["tool"] == "B"
    assert example.outcome == "recovered"


def test_an_error_never_made_good_is_a_failure_and_weighs_less() -> None:
    (example,) = made(failing(again=False, status="failed").trace(), "error_handling", successful=False)
    assert chat(example)[-1]["content"] == "look"
    assert (example.outcome, example.execution_successful, example.training_weight) == ("failure", False, 0.45)
    assert notes(example)["weight"] == {"quality_score": 0.9, "never_made_good": 0.5}
    # the failed retry belongs to the error before it: it is no error of its own
    assert json.loads(example.expected_output)["recovery"]["attempts"][1]["calls"][0]["success"] is False


def test_an_agent_that_found_another_way_to_its_aim_recovered() -> None:
    (example,) = made(failing(again=False).trace(), "error_handling", successful=True)
    assert (example.outcome, notes(example)["outcome"]["why"]) == ("recovered", "run_reached_its_aim")
    assert chat(example)[-1]["content"] == "look"


def test_an_error_that_nobody_answered_gives_no_example() -> None:
    run = Run().starts(tools=("A",)).hears("Go").says("x").calls("A").returns(success=False).ends("failed")
    assert made(run.trace(), "error_handling", successful=False) == ()


def test_an_error_that_no_result_shows_is_told() -> None:
    run = Run().starts(tools=("A",)).hears("Go").says("x").calls("A").returns("ok")
    run.add(ErrorRaised(error_id="e", error_kind="rate_limit", message="Slow down"))
    run.add(RecoveryAttempted(error_id="e", action="wait 5s", worked=True)).says("again").calls("A").returns().ends()
    (example,) = made(run.trace(), "error_handling")
    told = chat(example)[-2]
    assert (told["role"], told["content"]) == (
        "user",
        'Error raised: {"error_kind":"rate_limit","message":"Slow down"}',
    )
    assert chat(example)[-1]["content"] == "again"
    assert json.loads(example.expected_output)["recovery"]["actions"] == [{"action": "wait 5s", "worked": True}]
    assert notes(example)["outcome"]["why"] == "recovery_recorded"


def test_a_run_accepted_for_its_errors_gives_nothing_else() -> None:
    trace = failing(again=False, status="failed").trace()
    judgement = Judgement(quality_score=0.3, human_validated=False, successful=False, error_training_only=True)
    assert [example.type for example in shape(view_of(trace), Policy(), judgement).examples] == ["error_handling"]


def fast_run() -> Trace:
    return choosing("A", "B").trace(cost_usd=0.5, input_tokens=100, output_tokens=20, duration_seconds=30.0)


def test_a_run_clearly_better_than_its_twin_shows_both_ways() -> None:
    twin = Twin("slow", duration_seconds=60.0, cost_usd=1.0, total_tokens=240, tool_names=("A", "A", "A", "B"))
    (example,) = made(fast_run(), "workflow_optimization", twin=twin)
    assert state(chat(example)[1])["current_way"] == {
        "tools": ["A", "A", "A", "B"],
        "tool_calls": 4,
        "duration_seconds": 60.0,
        "cost_usd": 1.0,
        "total_tokens": 240,
    }
    assert json.loads(chat(example)[2]["content"])["better_way"]["tools"] == ["A", "B"]
    assert json.loads(example.expected_output)["saved"] == {"time": 0.5, "cost": 0.5, "tokens": 0.5, "tool_calls": 0.5}
    assert "performance_optimization" in example.packages
    assert notes(example)["performance"]["slower"]["trace_id"] == "slow"


def test_a_run_that_is_hardly_better_or_worse_in_one_thing_shows_nothing() -> None:
    for twin in (
        Twin("t", duration_seconds=31.0, cost_usd=0.55),
        Twin("t", duration_seconds=60.0, cost_usd=0.4),
        Twin("t"),
    ):
        assert made(fast_run(), "workflow_optimization", twin=twin) == ()
    better = Twin("t", duration_seconds=60.0)
    assert made(fast_run(), "workflow_optimization", twin=better, successful=None) == ()
    shorter = Twin("t", tool_names=("A",) * 4)
    assert made(fast_run(), "workflow_optimization", twin=shorter)[0].packages == ("workflow_optimization",)


def helping(*, returned: bool = True, status: Any = "successful") -> Run:
    run = Run().starts(tools=("Task",), system="Boss").hears("Go")
    run.says("I delegate.", call("Task", "{}", "t")).calls("Task", call_id="t", span="task")
    sub = AgentStarted(root=False, goal="Read it", inputs_json='{"file":"a.txt"}', system_prompt="Help")
    run.add(sub, span="sub", parent="task", agent="Helper")
    run.add(ModelCalled(output=Message(role="assistant", content="It says 42")), span="m", parent="sub", agent="Helper")
    run.add(AgentEnded(root=False, completion_status=status), span="sub", parent="task", agent="Helper")
    if returned:
        run.returns("42")
    return run.says("The answer is 42.").ends()


def test_a_hand_off_shows_what_was_given_what_came_back_and_what_the_caller_made_of_it() -> None:
    (example,) = made(helping().trace(), "multi_agent_coordination")
    assert [message["role"] for message in chat(example)] == ["system", "user", "assistant", "tool", "assistant"]
    assert chat(example)[-1]["content"] == "The answer is 42."
    expected = json.loads(example.expected_output)
    assert (expected["action"], expected["tool"]) == ("hand_off", "Task")
    assert expected["hand_offs"] == [
        {
            "agent": "Helper",
            "goal": "Read it",
            "inputs": {"file": "a.txt"},
            "status": "successful",
            "result": "It says 42",
        }
    ]
    assert expected["next"] == {"said": "The answer is 42."}
    assert example.outcome == "success"


def test_a_result_that_no_tool_brought_is_told_and_a_failed_sub_agent_is_a_failure() -> None:
    (example,) = made(helping(returned=False, status="failed").trace(), "multi_agent_coordination")
    assert chat(example)[-2]["content"] == (
        'Hand-off results: [{"agent":"Helper","status":"failed","result":"It says 42"}]'
    )
    assert (example.outcome, example.execution_successful) == ("failure", False)


def test_a_correction_is_preferred_and_what_was_said_is_rejected() -> None:
    run = (
        Run()
        .starts(system="Be kind")
        .hears("Hello")
        .add(ModelCalled(output=Message(role="assistant", content="What?")), span="m")
    )
    run.hears("Rude").says("Sorry.")
    run.add(FeedbackGiven(correction="Hello, how can I help?", comment="be polite", target_span_id="m")).ends()
    (example,) = made(run.trace(), "user_interaction")
    assert chat(example)[1:] == [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello, how can I help?"},
    ]
    assert json.loads(example.rejected or "") == [{"role": "assistant", "content": "What?"}]
    assert (example.human_validated, example.training_weight, example.outcome) == (True, 1.0, "unknown")
    assert example.packages == ("user_interaction", "quality_improvement")
    assert notes(example)["reasoning"]["words"] == "be polite"


def test_a_correction_of_the_run_is_of_its_last_words() -> None:
    run = good_run().add(FeedbackGiven(correction="Done, at last."))
    (example,) = made(run.trace(), "user_interaction")
    assert json.loads(example.rejected or "")[0]["content"] == "Done."


def test_answers_are_examples_only_where_a_person_vouches_for_them() -> None:
    run = Run().hears("One?").add(ModelCalled(output=Message(role="assistant", content="1")), span="m")
    run.hears("Two?").says("2").ends()
    assert made(run.trace(), "user_interaction") == ()
    assert [chat(e)[-1]["content"] for e in made(run.trace(), "user_interaction", human_validated=True)] == ["1", "2"]
    run.add(FeedbackGiven(human_validated=True, target_span_id="m"))
    (example,) = made(run.trace(), "user_interaction")
    assert (chat(example)[-1]["content"], example.rejected) == ("1", None)


def test_kinds_that_are_off_are_not_made_and_each_is_bounded() -> None:
    run = Run().starts(tools=("A", "B")).hears("Go")
    for number in range(30):
        run.says("x").calls("A", {"n": number}).returns(success=False).says("y").calls("B", {"n": number}).returns()
        run.add(DecisionMade(decision_id=str(number), choice="B"))
    trace = run.ends().trace()
    for kind in ("decision_making", "tool_selection", "error_handling"):
        assert len(made(trace, kind, rules={"max_kind_examples": 5})) == 5
    judgement = Judgement(quality_score=0.9, human_validated=False, successful=True)
    rules = ExampleRules(max_kind_examples=7)
    assert shape(view_of(trace), Policy(examples=rules), judgement).thinned
    assert len(shape(view_of(trace), Policy(examples=ExampleRules(types=())), judgement).examples) == 0


def test_a_user_message_and_a_state_change_are_seen_before_the_turn_that_follows() -> None:
    run = Run().starts(tools=("A", "B")).hears("Go").says("x").calls("A").returns()
    run.add(
        StateChanged(current_step="compare", progress_percentage=50.0, variables_json='{"big": "%s"}' % ("z" * 999))
    )
    run.add(UserMessage(content="Faster")).says("y").calls("B").returns().ends()
    second = made(run.trace(), "tool_selection")[1]
    assert state(chat(second)[0])["request"] == "Faster"
    assert (state(chat(second)[0])["step"], state(chat(second)[0])["progress"]) == ("compare", "50%")
    assert json.loads(second.context)["current_state"]["available_data"] == ["big"]
    assert "variables" not in notes(second)["context"]  # too large to repeat


def test_examples_of_parallel_calls_hold_all_of_them() -> None:
    run = Run().starts(tools=("A", "B")).hears("Go").says("both", call("A", "{}", "1"), call("B", "{}", "2"))
    for name, number in (("A", "1"), ("B", "2")):
        body = ToolCalled(tool=name, parameters_json="{}", call_id=number)
        run.add(body, span=f"s{number}").add(ToolReturned(success=True, call_id=number), span=f"s{number}")
    (example,) = made(run.ends().trace(), "tool_selection")
    assert [one["function"]["name"] for one in chat(example)[-1]["tool_calls"]] == ["A", "B"]


def test_an_error_is_told_where_it_came_up() -> None:
    run = Run().starts(tools=("A",)).hears("Go")
    for number in range(3):
        run.says(f"turn {number}").calls("A", {"n": number}).returns(f"result {number}")
    run.add(ErrorRaised(error_kind="overload")).says("answer").calls("A", {"n": 3}).returns("fine").says("Done.").ends()
    (example,) = made(run.trace(), "error_handling")
    contents = [message["content"] for message in chat(example)][-4:]
    assert contents == ["turn 2", "result 2", 'Error raised: {"error_kind":"overload"}', "answer"]


def test_an_answer_whose_error_does_not_fit_gives_no_example() -> None:
    run = Run().starts(tools=("A",)).hears("Go").says("try").calls("A", {"long": "x" * 9000}).returns(success=False)
    run.says("again").calls("A", {"n": 1}).returns().ends()
    assert made(run.trace(), "error_handling", rules={"short_context_chars": 2000}) == ()
    assert len(made(run.trace(), "error_handling", rules={"short_context_chars": 20_000})) == 1


def test_where_what_came_back_is_too_long_the_chat_ends_with_the_hand_off() -> None:
    run = helping()
    run.events = run.events[:-2]  # without the caller's answer and the end
    run.hears("x" * 1500).hears("y" * 1500).says("Yes.").ends()
    (example,) = made(run.trace(), "multi_agent_coordination", rules={"short_context_chars": 2000})
    assert chat(example)[-1]["content"] == "I delegate."
    assert json.loads(example.expected_output)["next"] is None


def test_an_agent_that_starts_anew_is_no_sub_agent() -> None:
    run = Run().starts(tools=("A",)).hears("Go").says("x").calls("A", span="c").returns()
    run.add(AgentStarted(root=True), span="anew", parent="c").says("y").ends()
    assert made(run.trace(), "multi_agent_coordination") == ()


def test_a_person_vouches_for_a_run_but_not_for_what_they_corrected_or_rejected_in_it() -> None:
    run = Run()
    for span in ("good", "bad", "corrected"):
        run.hears(f"{span}?").add(ModelCalled(output=Message(role="assistant", content=span)), span=span)
    run.add(FeedbackGiven(human_validated=False, target_span_id="bad"))
    run.add(FeedbackGiven(correction="better", target_span_id="corrected")).ends()
    found = made(run.trace(), "user_interaction", human_validated=True)
    assert [chat(example)[-1]["content"] for example in found] == ["better", "good"]


def test_a_chat_that_is_cut_begins_with_what_the_user_said_last_before_it() -> None:
    run = Run().starts(tools=("A",)).hears("Find flights").says("a" * 600).hears("To Rome").says("b" * 600)
    run.hears("z" * 600).says("x").calls("A").returns().ends()
    (example,) = made(run.trace(), "agent_execution", rules={"max_context_chars": 1290})
    assert state(chat(example)[0]) == {
        "step": "step_003",
        "available_tools": ["A"],
        "request": "To Rome",
    }
    assert [message["content"][:1] for message in chat(example)[1:]] == ["b", "z", "x"]


def test_a_result_that_nobody_asked_for_is_left_out_of_the_chat() -> None:
    stray = Message(role="tool", content="stray", tool_call_id="gone")
    said = ModelCalled(input_messages=(stray,), output=Message(role="assistant", content="Hi"))
    (example,) = made(Run().hears("Hello").add(said).says(None).ends().trace(), "conversation")
    assert [message["content"] for message in chat(example)] == ["Hello", "Hi"]
