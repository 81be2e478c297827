"""What is particular to tau-bench."""

from pathlib import Path

import pytest

from schemas.records import ModelRef
from streams.adapters.base import BrokenRecord
from tests.unit.adapters.foreign_files import of_kind
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


def said(content: str, **fields: object) -> dict[str, object]:
    return {"role": "assistant", "content": content, **fields}


def heard(content: str) -> dict[str, object]:
    return {"role": "user", "content": content}


def test_actions_written_as_text_are_calls_that_join_their_results_and_speech(tmp_path: Path) -> None:
    events = import_run(
        "tau-bench",
        tmp_path,
        record(
            heard("My order?"),
            said('Thought:\nI look it up.\nAction:\n{"name": "get_order", "arguments": {"id":  "#W1", "n": 1.50}}'),
            heard("API output: Error: order not found"),
            said('Action:\n{"name": "list_orders", "arguments": {}}', reasoning_content="Hm."),
            heard('API output: {"orders": []}'),
            said('Thought: None.\nAction: {"name": "respond", "arguments": {"content": "You have none."}}'),
            heard("API output: is what I saw"),
        ),
    )
    assert kinds(events) == [
        "agent_started", "user_message", "model_called", "tool_called", "tool_returned", "model_called", "tool_called",
        "tool_returned", "model_called", "user_message", "agent_ended",
    ]  # fmt: skip
    answers = [answer.output for answer in of_kind(events, "model_called")]
    assert [(answer.reasoning, answer.content) for answer in answers] == [
        ("I look it up.", None),
        ("Hm.", None),
        ("None.", "You have none."),
    ]
    calls = [(call.tool, call.parameters_json) for call in of_kind(events, "tool_called")]
    assert calls == [("get_order", '{"id":  "#W1", "n": 1.50}'), ("list_orders", "{}")]
    assert [events[4].span_id, events[7].span_id] == [events[3].span_id, events[6].span_id]
    results = [(told.tool, told.success, told.result_json) for told in of_kind(events, "tool_returned")]
    assert results == [
        ("get_order", False, '"Error: order not found"'),
        ("list_orders", True, '{"orders": []}'),
    ]
    assert [message.content for message in of_kind(events, "user_message")] == [
        "My order?",
        "API output: is what I saw",
    ]


@pytest.mark.parametrize(
    "words",
    ["Action: I will look.", 'Action:\n{"name": "f"}', 'Action:\n{"name": "f", "arguments": "x"}', "Action:\n{"],
)
def test_words_that_are_no_action_stay_what_was_said(tmp_path: Path, words: str) -> None:
    events = import_run("tau-bench", tmp_path, record(said(words), heard("API output: x")))
    assert kinds(events) == ["agent_started", "model_called", "user_message", "agent_ended"]
    assert of_kind(events, "model_called")[0].output.content == words
    assert of_kind(events, "user_message")[0].content == "API output: x"


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
