"""Items of the Responses API in chat recordings."""

from pathlib import Path

import pytest

from schemas.records import Usage
from streams.adapters.base import BrokenRecord
from tests.unit.adapters.foreign_files import of_kind
from tests.unit.adapters.importing import import_document, import_run, kinds

USER = {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]}
SAID = {"type": "message", "id": "m1", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]}


def thought(words: str) -> dict[str, object]:
    return {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": words}]}


def call(number: int) -> dict[str, object]:
    arguments = f'{{"n":  {number}}}'
    return {"type": "function_call", "id": f"fc{number}", "call_id": f"c{number}", "name": "f", "arguments": arguments}


def output(number: int, content: object) -> dict[str, object]:
    return {"type": "function_call_output", "call_id": f"c{number}", "output": content}


def test_thoughts_text_and_calls_side_by_side_are_one_answer_and_results_join_their_calls(tmp_path: Path) -> None:
    parts = [{"type": "input_text", "text": "rain"}]
    items = [USER, thought("Hm."), SAID, call(1), call(2), output(2, "sun"), output(1, parts), thought("So."), SAID]
    events = import_run("openai-messages", tmp_path, {"input": items})
    assert kinds(events) == [
        "agent_started", "user_message", "model_called", "tool_called", "tool_called", "tool_returned",
        "tool_returned", "model_called", "agent_ended",
    ]  # fmt: skip
    first, last = (answer.output for answer in of_kind(events, "model_called"))
    assert (first.reasoning, first.content, [asked.call_id for asked in first.tool_calls]) == (
        "Hm.",
        "I look.",
        ["c1", "c2"],
    )
    assert (last.reasoning, last.content, last.tool_calls) == ("So.", "I look.", ())
    assert [asked.parameters_json for asked in of_kind(events, "tool_called")] == ['{"n":  1}', '{"n":  2}']
    spans = {event.tool_called.call_id: event.span_id for event in events if event.tool_called}
    joined = [(event.span_id, event.tool_returned.result_json) for event in events if event.tool_returned]
    assert joined == [(spans["c2"], '"sun"'), (spans["c1"], '"rain"')]


def test_a_thought_after_a_call_begins_the_next_answer(tmp_path: Path) -> None:
    events = import_run("openai-messages", tmp_path, [USER, call(1), thought("And then?"), call(2), SAID, SAID])
    answers = [answer.output for answer in of_kind(events, "model_called")]
    assert [(said.reasoning, said.content, len(said.tool_calls)) for said in answers] == [
        (None, None, 1),
        ("And then?", "I look.", 1),
        (None, "I look.", 0),
    ]


def test_free_text_of_a_custom_tool_and_what_a_hosted_tool_did_are_calls_with_results(tmp_path: Path) -> None:
    items = [
        USER,
        {"type": "custom_tool_call", "call_id": "k", "name": "patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "k", "output": "applied"},
        {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "rain"}},
        {"type": "mcp_call", "id": "mc", "server_label": "s", "name": "roll", "arguments": "{}", "output": "4"},
    ]
    events = import_run("openai-messages", tmp_path, {"messages": items})
    calls = [(asked.call_id, asked.tool, asked.parameters_json) for asked in of_kind(events, "tool_called")]
    assert calls == [
        ("k", "patch", '"*** Begin"'),
        ("ws", "web_search", '{"type":"search","query":"rain"}'),
        ("mc", "roll", "{}"),
    ]
    results = [(told.call_id, told.result_json) for told in of_kind(events, "tool_returned")]
    assert results == [("k", '"applied"'), ("mc", '"4"')]


@pytest.mark.parametrize("logged", [False, True])
def test_a_response_is_a_run_with_its_instructions_time_model_and_usage(tmp_path: Path, *, logged: bool) -> None:
    usage = {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
    }
    response = {"id": "resp", "created_at": 1_750_000_000, "model": "gpt-5", "usage": usage}
    response["output"] = [thought("Hm."), {key: value for key, value in SAID.items() if key != "role"}]
    request = {"instructions": "Be brief.", "input": "Weather?"}
    document = {"request": request, "response": response} if logged else {**response, **request}
    events = import_run("openai-messages", tmp_path, document)
    assert kinds(events) == ["agent_started", "user_message", "model_called", "agent_ended"]
    [start], [asked], [answer] = (of_kind(events, kind) for kind in ("agent_started", "user_message", "model_called"))
    assert (start.system_prompt, asked.content) == ("Be brief.", "Weather?")
    assert (answer.output.reasoning, answer.output.content) == ("Hm.", "I look.")
    assert answer.usage == Usage(input_tokens=9, output_tokens=5, cache_read_tokens=4, reasoning_tokens=2)
    assert events[0].occurred_at == 1_750_000_000_000_000
    assert events[0].model is not None
    assert events[0].model.name == "gpt-5"


def test_a_system_prompt_beside_the_messages_leaves_those_among_them_as_input(tmp_path: Path) -> None:
    system = [{"type": "text", "text": "Be kind."}]
    developer = {"role": "developer", "content": "Be quick."}
    events = import_run("openai-messages", tmp_path, {"system": system, "messages": [developer, USER, SAID]})
    assert of_kind(events, "agent_started")[0].system_prompt == "Be kind."
    assert [message.content for message in of_kind(events, "model_called")[0].input_messages] == ["Be quick."]
    events = import_run("openai-messages", tmp_path, {"system": "Be quick.", "messages": [developer, USER, SAID]})
    assert of_kind(events, "agent_started")[0].system_prompt == "Be quick."
    assert of_kind(events, "model_called")[0].input_messages == ()


def test_a_record_with_an_item_of_an_unknown_type_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    records = [{"input": [USER, {"type": "item_reference", "id": "x"}]}, {"input": [USER, SAID]}]
    broken, *events = import_document("openai-messages", tmp_path, records)
    assert isinstance(broken, BrokenRecord)
    assert broken.reason == "the record holds an item without a role whose type is not known"
    assert broken.record == 1
    assert [event.kind for event in events if not isinstance(event, BrokenRecord)][1:3] == [
        "user_message",
        "model_called",
    ]
