"""What is particular to tau2."""

from pathlib import Path

from schemas.records import ModelRef
from tests.unit.adapters.importing import import_document, import_run, kinds

INFO = {"agent_info": {"llm": "gpt-4.1", "implementation": "llm_agent"}, "environment_info": {"domain_name": "retail"}}


def results(**simulation: object) -> dict[str, object]:
    return {"info": INFO, "tasks": [], "simulations": [{"id": "s", "task_id": "7", **simulation}]}


def test_the_user_may_call_tools_with_ids_of_the_agents_calls(tmp_path: Path) -> None:
    call = {"id": "1", "name": "f", "arguments": {}}
    messages = [
        {"role": "assistant", "tool_calls": [{**call, "requestor": "assistant"}]},
        {"role": "user", "tool_calls": [{**call, "requestor": "user"}]},
        {"role": "tool", "id": "1", "requestor": "assistant", "content": "a", "error": False},
        {"role": "tool", "id": "1", "requestor": "user", "content": "u", "error": True},
    ]
    events = import_run("tau2", tmp_path, results(messages=messages))
    calls = {e.span_id: e.tool_called.requested_by for e in events if e.tool_called}
    answers = {calls[e.span_id]: e.tool_returned.result_json for e in events if e.tool_returned}
    assert answers == {"agent": '"a"', "user": '"u"'}
    assert "user_message" not in kinds(events)


def test_nested_results_and_ticks_are_unfolded(tmp_path: Path) -> None:
    calls = [{"id": "1", "name": "f", "arguments": {}}, {"id": "2", "name": "g", "arguments": {}}]
    tools = [{"role": "tool", "id": i, "content": i, "error": False} for i in ("1", "2")]
    nested = [{"role": "assistant", "tool_calls": calls}, {"role": "tool", "tool_messages": tools}]
    ticks = [{"agent_tool_calls": calls, "agent_tool_results": tools}, {"user_chunk": {"content": "Hm"}}]
    for simulation in ({"messages": nested}, {"messages": None, "ticks": ticks}):
        events = import_run("tau2", tmp_path, results(**simulation))
        assert kinds(events).count("tool_returned") == 2
        assert len({e.span_id for e in events if e.tool_called} & {e.span_id for e in events if e.tool_returned}) == 2


def test_missing_times_are_marked_and_never_pass_the_next_one(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "a", "timestamp": "2025-01-01T00:00:00.100000"},
        {"role": "assistant", "content": "b", "timestamp": None},
        {"role": "user", "content": "c", "timestamp": "2025-01-01T00:00:00.200000"},
    ]
    events = import_run("tau2", tmp_path, results(messages=messages))
    assert [event.occurred_at_synthetic for event in events] == [True, False, True, False, True]
    times = [event.occurred_at for event in events]
    assert times == sorted(times)
    assert times[-1] - times[0] == 100_000


def test_model_of_the_answers_and_thoughts_are_kept(tmp_path: Path) -> None:
    raw = {"model": "gpt-4.1-2025-04-14", "thinking_blocks": [{"type": "thinking", "thinking": "Hm."}]}
    events = import_run("tau2", tmp_path, results(messages=[{"role": "assistant", "content": "b", "raw_data": raw}]))
    assert {event.model for event in events} == {ModelRef(provider="openai", name="gpt-4.1-2025-04-14")}
    [called] = [event.model_called for event in events if event.model_called]
    assert called.output is not None
    assert called.output.reasoning == "Hm."


def test_a_simulation_of_its_own_file_takes_the_head_from_the_file_above(tmp_path: Path) -> None:
    simulations = tmp_path / "simulations"
    simulations.mkdir()
    head = {"info": INFO, "tasks": [], "simulation_index": []}
    assert import_document("tau2", tmp_path, head, "results.json") == []
    simulation = {"id": "s", "messages": [{"role": "user", "content": "x"}]}
    [first, *_] = import_run("tau2", simulations, simulation, "s.json")
    assert first.scenario == "tau2-retail"


def test_a_simulation_that_failed_has_an_error(tmp_path: Path) -> None:
    info = {"error": "no answer", "error_type": "Timeout"}
    events = import_run("tau2", tmp_path, results(messages=[], info=info, termination_reason="infrastructure_error"))
    assert kinds(events) == ["agent_started", "error_raised", "agent_ended"]
    assert events[-1].agent_ended is not None
    assert events[-1].agent_ended.completion_status == "unknown"
