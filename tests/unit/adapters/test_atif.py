"""What is particular to ATIF."""

from pathlib import Path

from schemas.records import Event
from schemas.steps import steps
from tests.unit.adapters.importing import import_document, import_run, kinds


def trajectory(*steps: object, **fields: object) -> dict[str, object]:
    return {"schema_version": "ATIF-v1.6", "session_id": "s", "agent": {"name": "a"}, "steps": list(steps), **fields}


CALL = {"tool_call_id": "c", "function_name": "delegate", "arguments": {}}


def delegating(**ref: object) -> dict[str, object]:
    result = {"source_call_id": "c", "content": "done", "subagent_trajectory_ref": [ref]}
    return {"source": "agent", "message": "go", "tool_calls": [CALL], "observation": {"results": [result]}}


CHILD = trajectory({"source": "agent", "message": "child"}, session_id="child", agent={"name": "b"})


def test_a_sub_agent_runs_inside_the_call_that_delegated_to_it(tmp_path: Path) -> None:
    parent = trajectory(delegating(session_id="child"))
    embedded = trajectory(delegating(trajectory_id="t"), subagent_trajectories=[{**CHILD, "trajectory_id": "t"}])
    for document in ({"parent": parent, "child": CHILD}, {"x": CHILD, "y": parent}, embedded):
        events = import_run("atif", tmp_path, document)
        inner = ["agent_started", "model_called", "agent_ended"]
        assert kinds(events) == ["agent_started", "model_called", "tool_called", *inner, "tool_returned", "agent_ended"]
        assert events[3].parent_span_id == events[2].span_id == events[6].span_id
        assert [event.agent for event in events[2:5]] == ["a", "b", "b"]
        assert [step.thread for step in steps(events)] == [None, events[3].span_id]


def test_an_unknown_sub_agent_is_kept_as_a_reference(tmp_path: Path) -> None:
    events = import_run("atif", tmp_path, trajectory(delegating(trajectory_path="x.json")))
    [changed] = [event.state_changed for event in events if event.state_changed]
    assert "x.json" in (changed.variables_json or "")


def test_agents_that_refer_to_each_other_end(tmp_path: Path) -> None:
    first = trajectory(delegating(session_id="two"), session_id="one")
    second = trajectory(delegating(session_id="one"), session_id="two")
    events = import_run("atif", tmp_path, {"a": first, "b": second})
    assert kinds(events).count("agent_started") == 2


def test_copied_context_and_screens_are_input_of_the_next_call(tmp_path: Path) -> None:
    events = import_run(
        "atif",
        tmp_path,
        trajectory(
            {"source": "user", "message": "old", "is_copied_context": True},
            {"source": "agent", "message": "older", "is_copied_context": True},
            {"source": "agent", "message": "one", "observation": {"results": [{"content": "screen 1"}]}},
            {"source": "agent", "message": "two", "observation": {"results": [{"content": "screen 2"}]}},
            continued_trajectory_ref="next.json",
        ),
    )
    calls = [event.model_called for event in events if event.model_called]
    assert [[(m.role, m.content) for m in call.input_messages] for call in calls] == [
        [("user", "old"), ("assistant", "older")],
        [("user", "screen 1")],
    ]
    ended = events[-1].agent_ended
    assert ended is not None
    assert ended.reason == "continued"
    assert "next.json" in (ended.outputs_json or "")
    assert "screen 2" in (ended.outputs_json or "")


def test_results_without_an_id_answer_in_order(tmp_path: Path) -> None:
    calls = [{"function_name": "f", "arguments": "{}"}, {"function_name": "g", "arguments": None}]
    step = {"source": "agent", "tool_calls": calls, "observation": {"results": [{"content": "1"}, {"content": "2"}]}}
    events = import_run("atif", tmp_path, trajectory(step))
    assert [e.tool_returned.tool for e in events if e.tool_returned] == ["f", "g"]


def test_a_result_may_be_empty_and_a_call_unanswered(tmp_path: Path) -> None:
    calls = [{**CALL, "tool_call_id": str(n)} for n in range(3)]
    results = [{"source_call_id": "0"}, {"source_call_id": "1", "content": "Error: x"}]
    events = import_run(
        "atif", tmp_path, trajectory({"source": "agent", "tool_calls": calls, "observation": {"results": results}})
    )
    assert [(e.tool_returned.success, e.tool_returned.result_json) for e in events if e.tool_returned] == [
        (True, None),
        (False, '"Error: x"'),
    ]
    assert kinds(events).count("tool_called") == 3


def test_what_holds_no_steps_is_reported(tmp_path: Path) -> None:
    for document in ({"a": 1}, [5], {"steps": None}):
        [found] = import_document("atif", tmp_path, document)
        assert not isinstance(found, Event)
