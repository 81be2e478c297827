"""What is particular to tau-bench."""

from pathlib import Path

from schemas.records import ModelRef
from streams.adapters.base import BrokenRecord
from tests.unit.adapters.importing import import_document, import_run, kinds

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def record(*messages: object, **fields: object) -> list[object]:
    return [{"task_id": 3, "reward": 0.0, "info": {}, "traj": list(messages), "trial": 1, **fields}]


def test_a_result_joins_the_nearest_unanswered_call_of_its_id(tmp_path: Path) -> None:
    again = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "c", "name": "f", "content": "1.0"}
    events = import_run("tau-bench", tmp_path, record(again, again, result, result))
    calls = [event.span_id for event in events if event.tool_called]
    results = [event.span_id for event in events if event.tool_returned]
    assert results == [calls[1], calls[0]]


def test_domain_and_model_come_from_policy_and_file_name(tmp_path: Path) -> None:
    policy = {"role": "system", "content": "# Retail agent policy\n\nHelp."}
    [first, *_] = import_run("tau-bench", tmp_path, record(policy), "sonnet-35-new-retail.json")
    assert (first.scenario, first.model) == ("tau-bench-retail", ModelRef(name="sonnet-35-new"))
    name = "tool-calling-gpt-4o-mini-0.0_range_0--1_user-gpt-4o-llm_0612.json"
    [first, *_] = import_run("tau-bench", tmp_path, record({"role": "user", "content": "x"}), name)
    assert (first.scenario, first.model) == ("tau-bench", ModelRef(provider="openai", name="gpt-4o-mini"))


def test_a_run_that_failed_before_it_began_is_an_error(tmp_path: Path) -> None:
    events = import_run("tau-bench", tmp_path, record(info={"error": "boom", "traceback": "Traceback: boom"}))
    assert kinds(events) == ["agent_started", "error_raised", "agent_ended"]
    assert events[1].error_raised is not None
    assert events[1].error_raised.message == "Traceback: boom"
    assert events[2].agent_ended is not None
    assert (events[2].agent_ended.completion_status, events[2].agent_ended.reason) == ("failed", "error")


def test_times_are_synthetic(tmp_path: Path) -> None:
    events = import_run("tau-bench", tmp_path, record({"role": "user", "content": "x"}))
    assert all(event.occurred_at_synthetic for event in events)


def test_what_is_no_run_is_reported(tmp_path: Path) -> None:
    found = import_document("tau-bench", tmp_path, [{"task_id": 1}, 5, {"traj": []}])
    assert [type(item) for item in found] == [BrokenRecord] * 3
