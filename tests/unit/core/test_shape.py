import json
from typing import Any

from schemas.records import (
    AgentStarted,
    Example,
    FeedbackGiven,
    Message,
    ModelCalled,
    StateChanged,
    StepStarted,
    ToolCalled,
    ToolReturned,
    Trace,
)
from schemas.render import conversation_example, training_example
from streams.core.curate import curate
from streams.core.policy import ExampleRules, Gates, Policy
from tests.unit.core.build import Run, call, good_run


def examples(trace: Trace, policy: Policy | None = None, **rules: Any) -> tuple[Example, ...]:
    return curate(trace, policy or Policy(examples=ExampleRules(**rules))).examples


def executions(trace: Trace, **rules: Any) -> tuple[Example, ...]:
    return examples(trace, types=("agent_execution",), **rules)


def messages(example: Example) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(example.messages)
    return found


def test_one_example_for_each_acting_turn_and_one_for_the_chat() -> None:
    found = examples(good_run(turns=2).trace())
    assert [example.type for example in found] == ["conversation", "agent_execution", "agent_execution"]
    assert len({example.example_id for example in found}) == 3


def test_an_execution_shows_what_the_agent_knew_and_what_it_did() -> None:
    second = executions(good_run(turns=2).trace())[1]
    assert [message["role"] for message in messages(second)] == ["system", "user", "assistant", "tool", "assistant"]
    assert messages(second)[-1]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "Search", "arguments": '{"q": "price 1"}'}}
    ]
    assert json.loads(second.expected_output) == {
        "action": "tool_request",
        "tool": "Search",
        "parameters": {"q": "price 1"},
        "reasoning": "I search.",
    }
    assert json.loads(second.context) == {
        "scenario": "MarketResearchAnalysis",
        "goal": "Find prices",
        "current_state": {"step": "step_002", "available_data": [], "constraints": []},
        "available_tools": ["Search"],
    }
    assert json.loads(second.tools)[0]["function"]["name"] == "Search"
    assert second.event_ids == ("trace-1-5", "trace-1-6", "trace-1-7")
    assert (second.provider, second.model, second.consent_basis) == ("acme", "acme-1", "contract")
    assert training_example(second)
    assert conversation_example(second)


def test_the_context_never_gives_away_the_tool_that_is_asked_for() -> None:
    run = Run().says("x").calls("SecretTool").returns().ends()
    (example,) = executions(run.trace())
    assert "SecretTool" not in example.context
    assert "SecretTool" not in json.dumps(messages(example)[:-1])


def test_the_state_before_the_turn_is_shown_not_the_state_after() -> None:
    run = Run().starts(tools=("A",), constraints=("budget_limit: $5",))
    for number, step in enumerate(("collect", "compare")):
        run.says("x").calls("A", {"n": number}).returns()
        run.add(StateChanged(current_step=step, progress_percentage=50.0, variables_json=json.dumps({step: 1})))
    first, second = executions(run.ends().trace())
    assert json.loads(first.context)["current_state"] == {
        "step": "step_001",
        "available_data": [],
        "constraints": ["budget_limit: $5"],
    }
    assert json.loads(second.context)["current_state"]["step"] == "collect"
    assert json.loads(second.context)["current_state"]["available_data"] == ["collect"]


def test_where_no_user_speaks_the_state_speaks() -> None:
    run = Run().starts(tools=("A",), system="Go.", goal="Win")
    run.add(StateChanged(current_step="start", progress_percentage=25.0)).says("x").calls("A").returns().ends()
    # the state change lies before the first turn and leads into it
    (example,) = executions(run.trace())
    assert [message["role"] for message in messages(example)] == ["system", "user", "assistant"]
    text = messages(example)[1]["content"]
    assert text.startswith("Current state: {")
    assert json.loads(text.removeprefix("Current state: "))["goal"] == "Win"


def test_an_explicit_step_names_the_state() -> None:
    run = Run().starts(tools=("A",)).add(StepStarted(step_name="gather", inputs_json='{"topic": 1}'), span="s")
    run.add(ToolCalled(tool="A", parameters_json="{}"), span="c", parent="s")
    run.add(ToolReturned(success=True), span="c", parent="s").ends()
    (example,) = executions(run.trace())
    assert json.loads(example.context)["current_state"] == {
        "step": "gather",
        "available_data": ["topic"],
        "constraints": [],
    }


def test_history_is_bounded_and_stays_a_valid_chat() -> None:
    run = Run().starts(system="S", tools=("A",)).hears("Go")
    for number in range(60):
        run.says("x" * 50, call("A", "{}", f"c{number}")).calls("A", {"n": number}, call_id=f"c{number}").returns(
            "y" * 50
        )
    found = executions(run.ends().trace(), max_context_chars=1000)
    assert len(found) == 60
    for example in found:
        chat = messages(example)
        assert chat[0]["role"] == "system"
        assert len(example.messages) < 2000
        asked = [tool_call["id"] for message in chat for tool_call in message.get("tool_calls", [])]
        assert [message["tool_call_id"] for message in chat if message["role"] == "tool"] == asked[:-1]
        assert any(message["role"] == "user" for message in chat)


def test_a_huge_latest_result_keeps_its_beginning_and_end() -> None:
    run = Run().starts(tools=("A",)).says("x", call("A", "{}", "1")).calls("A", call_id="1")
    run.returns("start" + "." * 100_000 + "end").says("y").calls("A", {"n": 1}).returns().ends()
    second = executions(run.trace(), max_context_chars=2000)[1]
    result = next(message for message in messages(second) if message["role"] == "tool")["content"]
    assert result.startswith("start")
    assert result.endswith("end")
    assert "characters omitted" in result
    assert len(second.messages) < 4000


def test_arguments_are_the_text_of_the_source_also_where_they_are_not_json() -> None:
    odd = '{"b":1,  "a": 1.10, "b": 2}'
    for arguments, parameters in ((odd, odd), ("rm -rf {", '"rm -rf {"')):
        run = Run().says("x", call("A", arguments, "1")).calls("A", arguments, call_id="1").returns().ends()
        (example,) = executions(run.trace())
        assert messages(example)[-1]["tool_calls"][0]["function"]["arguments"] == arguments
        assert f'"parameters":{parameters},' in example.expected_output


def test_calls_of_the_user_give_no_example() -> None:
    run = Run().hears("Hi").says("Restart.").calls("restart", by="user").returns().says("Good.").ends()
    assert executions(run.trace()) == ()


def test_a_failed_call_in_a_good_run_weighs_less_and_the_answer_to_it_is_error_handling() -> None:
    run = Run().starts(tools=("A",)).hears("Go").says("x").calls("A").returns(success=False)
    run.says("y").calls("A", {"n": 1}).returns().ends(reward=1.0)
    first, second = executions(run.trace())
    assert (first.execution_successful, second.execution_successful) == (False, True)
    assert first.training_weight == round(second.training_weight / 2, 6)
    assert "error_handling" in second.packages
    assert "error_handling" not in first.packages


def test_a_turn_that_a_person_rejected_gives_no_example_and_one_vouched_for_says_so() -> None:
    run = (
        Run()
        .starts(tools=("A",))
        .says("x")
        .calls("A", span="bad")
        .returns()
        .says("y")
        .calls("A", {"n": 1}, span="good")
    )
    run.returns().add(FeedbackGiven(human_validated=False, target_span_id="bad"))
    run.add(FeedbackGiven(human_validated=True, target_span_id="good")).ends()
    (example,) = executions(run.trace())
    assert example.human_validated
    assert example.training_weight == 1


def test_a_sub_agent_acts_in_its_own_chat() -> None:
    run = Run().starts(tools=("Task",), system="Boss").hears("Go")
    run.says(None, call("Task", "{}", "t")).calls("Task", call_id="t", span="task")
    run.add(AgentStarted(root=False, system_prompt="Help", goal="Read it"), span="sub", parent="task", agent="Helper")
    run.add(ModelCalled(output=Message(role="assistant", content="r")), span="m", parent="sub", agent="Helper")
    run.add(ToolCalled(tool="Read", parameters_json="{}"), span="r", parent="m", agent="Helper")
    run.add(ToolReturned(success=True), span="r", parent="m", agent="Helper").returns().ends()
    found = {json.loads(example.expected_output)["tool"]: example for example in executions(run.trace())}
    assert messages(found["Read"])[0] == {"role": "system", "content": "Help"}
    assert json.loads(found["Read"].context)["goal"] == "Read it"
    assert "multi_agent_coordination" in found["Task"].packages
    assert "multi_agent_coordination" not in found["Read"].packages


def test_ids_depend_on_trace_revision_type_and_position_only() -> None:
    trace = good_run().trace()
    ids = [example.example_id for example in examples(trace)]
    assert [e.example_id for e in examples(trace, Policy(gates=Gates(min_quality_score=0.5)))] == ids
    assert [e.example_id for e in examples(trace, types=("agent_execution",))] == ids[1:]
    assert not {e.example_id for e in examples(good_run().trace(revision=2))} & set(ids)
    assert not {e.example_id for e in examples(good_run("trace-2").trace())} & set(ids)


def test_long_runs_are_thinned_out_evenly() -> None:
    found = executions(good_run(turns=100).trace(), max_step_examples=10)
    assert [json.loads(example.expected_output)["parameters"]["q"] for example in found] == [
        f"price {number}" for number in range(0, 100, 10)
    ]


def test_all_examples_of_a_trace_stay_within_the_bound() -> None:
    found = examples(good_run(turns=50).trace(), max_trace_bytes=20_000)
    total = sum(len(e.messages) + len(e.tools) + len(e.context) + len(e.expected_output) for e in found)
    assert 10_000 < total <= 20_000
