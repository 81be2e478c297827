from schemas.records import (
    AgentStarted,
    DecisionMade,
    DecisionOutcome,
    ErrorRaised,
    Message,
    ModelCalled,
    RecoveryAttempted,
    StateChanged,
    StepEnded,
    StepStarted,
    ToolCalled,
    ToolDefinition,
    ToolReturned,
)
from schemas.steps import decisions, steps, tool_definitions
from tests.unit.core.build import Run, call, good_run


def test_a_turn_is_a_model_call_and_the_tool_calls_after_it() -> None:
    found = steps(good_run(turns=2).events)
    assert [(step.step_id, step.step_name, len(step.actions)) for step in found] == [
        ("step_001", "Search", 1),
        ("step_002", "Search", 1),
        ("step_003", "respond", 0),
    ]
    assert all(step.actions[0].success for step in found[:2])
    assert [len(step.user_messages) for step in found] == [1, 0, 0]
    assert found[0].reasoning == "I search."
    assert not found[0].explicit


def test_a_tool_call_without_a_model_call_is_a_step_of_its_own() -> None:
    found = steps(Run().calls("A").returns().calls("B").returns().events)
    assert [step.step_name for step in found] == ["A", "B"]
    assert [step.model_call for step in found] == [None, None]


def test_an_explicit_step_holds_its_model_calls_and_their_actions() -> None:
    run = Run().add(StepStarted(step_name="gather", inputs_json='{"a":1}', reasoning="first"), span="s")
    for number in range(2):
        run.add(ModelCalled(output=Message(role="assistant", content=f"m{number}")), span=f"m{number}", parent="s")
        run.add(ToolCalled(tool="T", parameters_json="{}"), span=f"c{number}", parent=f"m{number}")
        run.add(ToolReturned(success=True), span=f"c{number}", parent=f"m{number}")
    run.add(StepEnded(step_name="gather", outputs_json='{"b":2}', success=True), span="s")
    run.says("Outside.")
    (gather, outside) = steps(run.events)
    assert (gather.step_name, gather.explicit, len(gather.turns), len(gather.actions)) == ("gather", True, 2, 2)
    assert (gather.inputs_json, gather.outputs_json, gather.reasoning) == ('{"a":1}', '{"b":2}', "first")
    assert gather.success is True
    assert gather.ended_at == run.events[7].occurred_at
    assert (outside.step_name, outside.explicit) == ("respond", False)


def test_an_explicit_step_without_spans_of_its_own_holds_what_lies_between_start_and_end() -> None:
    run = Run().starts().add(StepStarted(step_name="one")).calls("A").returns().add(StepEnded(step_name="one"))
    run.add(StepStarted(step_name="two")).calls("B").returns().add(StepEnded(step_name="two")).calls("C").returns()
    assert [(step.step_name, [action.tool for action in step.actions]) for step in steps(run.events)] == [
        ("one", ["A"]),
        ("two", ["B"]),
        ("C", ["C"]),
    ]


def test_nested_steps_keep_their_own_actions() -> None:
    run = Run().add(StepStarted(step_name="outer"), span="o").add(StepStarted(step_name="inner"), span="i", parent="o")
    run.add(ToolCalled(tool="In", parameters_json="{}"), span="c1", parent="i")
    run.add(StepEnded(step_name="inner"), span="i", parent="o")
    run.add(ToolCalled(tool="Out", parameters_json="{}"), span="c2", parent="o")
    run.add(StepEnded(step_name="outer"), span="o")
    assert [(step.step_name, [action.tool for action in step.actions]) for step in steps(run.events)] == [
        ("outer", ["Out"]),
        ("inner", ["In"]),
    ]


def test_a_sub_agent_has_steps_of_its_own_even_while_its_caller_is_in_one() -> None:
    run = Run().add(StepStarted(step_name="delegate"), span="s")
    run.add(ToolCalled(tool="Task", parameters_json="{}"), span="task", parent="s")
    run.add(AgentStarted(root=False), span="sub", parent="task", agent="Helper")
    run.add(ModelCalled(output=Message(role="assistant", content="x")), span="m", parent="sub", agent="Helper")
    run.add(ToolCalled(tool="Read", parameters_json="{}"), span="r", parent="m", agent="Helper")
    run.add(ToolReturned(success=True), span="task", parent="s")
    found = steps(run.events)
    assert [(step.step_name, step.thread, step.agent) for step in found] == [
        ("delegate", None, "Agent"),
        ("Read", "sub", "Helper"),
    ]
    assert found[0].actions[0].success is True


def test_agents_that_take_turns_keep_their_tool_calls_apart() -> None:
    run = Run().says("a", agent="A").says("b", agent="B")
    run.add(ToolCalled(tool="OfA", parameters_json="{}"), span="1", agent="A")
    run.add(ToolCalled(tool="OfB", parameters_json="{}"), span="2", agent="B")
    assert [(step.agent, step.step_name) for step in steps(run.events)] == [("A", "OfA"), ("B", "OfB")]


def test_results_join_by_span_although_call_ids_repeat() -> None:
    run = Run()
    for number in range(3):
        run.add(ToolCalled(call_id="same", tool=f"T{number}", parameters_json="{}"), span=f"s{number}")
    for number in (2, 0):
        body = ToolReturned(call_id="same", success=True, result_json=str(number))
        run.add(body, span=f"s{number}")
    actions = [step.actions[0] for step in steps(run.events)]
    results = [
        a.returned.tool_returned.result_json if a.returned and a.returned.tool_returned else None for a in actions
    ]
    assert results == ["0", None, "2"]


def test_calls_of_one_span_are_told_apart_by_call_id_then_by_order() -> None:
    run = Run()
    for call_id in ("a", "b", None, None):
        run.add(ToolCalled(call_id=call_id, tool=call_id or "nameless", parameters_json="{}"), span="s")
    for call_id, result in (("b", "1"), ("a", "2"), (None, "3"), ("other", "4")):
        run.add(ToolReturned(call_id=call_id, success=True, result_json=result), span="s")
    found = [
        action.returned.tool_returned.result_json
        for step in steps(run.events)
        for action in step.actions
        if action.returned and action.returned.tool_returned
    ]
    assert found == ["2", "1", "3", "4"]


def test_a_result_that_overtook_its_call_still_joins() -> None:
    run = Run().add(ToolReturned(success=True), span="s").add(ToolCalled(tool="T", parameters_json="{}"), span="s")
    (step,) = steps(run.events)
    assert step.actions[0].returned is run.events[0]


def test_a_result_without_a_call_is_kept() -> None:
    (step,) = steps(Run().says("x").add(ToolReturned(success=True), span="lost").events)
    assert len(step.unmatched_returns) == 1


def test_what_happens_during_a_turn_belongs_to_it() -> None:
    run = Run().add(StateChanged(current_step="early")).says("x").add(DecisionMade(decision_id="d", choice="c"))
    run.add(ErrorRaised(error_kind="oops")).add(RecoveryAttempted(action="retry", worked=True))
    run.add(DecisionOutcome(decision_id="d", success=True))
    (step,) = steps(run.events)
    assert [len(x) for x in (step.state_changes, step.decisions, step.errors, step.recoveries, step.outcomes)] == [
        1
    ] * 5


def test_events_that_no_turn_takes_form_a_step() -> None:
    (step,) = steps(Run().add(StateChanged(current_step="x")).add(DecisionMade(decision_id="d", choice="c")).events)
    assert step.step_name == "decide"
    assert step.turns == ()


def test_calls_of_the_user_are_no_actions_of_the_agent() -> None:
    run = Run().says("Please restart.").calls("restart", by="user").returns().says("Good.")
    (first, second) = steps(run.events)
    assert [action.by_agent for action in first.actions] == [False]
    assert first.turns[0].agent_actions == ()
    assert first.step_name == "respond"
    assert second.actions == ()


def test_a_call_of_the_user_belongs_to_the_turn_that_asked_for_it() -> None:
    run = Run().says("Please restart.")
    run.add(ToolCalled(tool="restart", parameters_json="{}", requested_by="user"), span="u", agent="Customer")
    (step,) = steps(run.events)
    assert step.actions[0].tool == "restart"


def test_parents_that_form_a_circle_do_no_harm() -> None:
    run = Run().add(ToolCalled(tool="T", parameters_json="{}"), span="a", parent="b")
    run.add(ToolCalled(tool="U", parameters_json="{}"), span="b", parent="a")
    assert len(steps(run.events)) == 2


def test_times_that_go_backwards_give_no_negative_duration() -> None:
    run = Run().says("x").add(ToolCalled(tool="T", parameters_json="{}"), span="c", at=5)
    (step,) = steps(run.events)
    assert step.ended_at == step.started_at == run.events[0].occurred_at


def test_a_trace_without_events_has_no_steps() -> None:
    assert steps(()) == ()


def test_decisions_join_their_outcome_by_id() -> None:
    run = Run().add(DecisionMade(decision_id="1", choice="a")).add(DecisionMade(decision_id="2", choice="b"))
    run.add(DecisionOutcome(decision_id="2", success=True))
    assert decisions(run.events) == ((run.events[0], None), (run.events[1], run.events[2]))


def test_tools_of_sub_agents_are_not_those_of_the_owner() -> None:
    run = Run().starts(tools=("A", "B"))
    run.add(AgentStarted(root=False, tools=(ToolDefinition(name="C"),)), span="sub")
    assert [tool.name for tool in tool_definitions(run.events)] == ["A", "B"]


def test_reasoning_is_what_the_model_thought_or_said_before_it_acted() -> None:
    spoken, thought, silent = steps(
        Run().says("Said.", call("T")).says("Said.", call("T"), reasoning="Thought.").says("Hello.").events
    )
    assert (spoken.reasoning, thought.reasoning, silent.reasoning) == ("Said.", "Thought.", None)
