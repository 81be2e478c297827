"""What chat recordings in OpenAI's shape may look like."""

import json
from pathlib import Path

import pytest

from schemas.records import Event, ModelRef, Usage
from tests.unit.adapters.importing import import_document, import_run, kinds


def run(folder: Path, *messages: object, **fields: object) -> list[Event]:
    return import_run("openai-messages", folder, {"messages": list(messages), **fields})


USER = {"role": "user", "content": "hello"}
HI = {"role": "assistant", "content": "hi"}


def test_only_the_first_system_message_is_the_system_prompt(tmp_path: Path) -> None:
    events = run(
        tmp_path,
        {"role": "developer", "content": "A"},
        {"role": "system", "content": "B"},
        USER,
        {"role": "assistant", "content": "x"},
        {"role": "system", "content": "late"},
    )
    assert events[0].agent_started is not None
    assert events[0].agent_started.system_prompt == "A"
    [called] = [event.model_called for event in events if event.model_called]
    assert [message.content for message in called.input_messages] == ["B"]
    assert events[-1].agent_ended is not None
    assert '"late"' in (events[-1].agent_ended.outputs_json or "")


def test_the_older_function_call_joins_by_name(tmp_path: Path) -> None:
    call = {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "not json"}}
    events = run(tmp_path, USER, call, {"role": "function", "name": "f", "content": '{"error": "gone"}'})
    [called] = [event for event in events if event.tool_called]
    [returned] = [event for event in events if event.tool_returned]
    assert called.span_id == returned.span_id
    assert called.tool_called is not None
    assert called.tool_called.parameters_json == '"not json"'
    assert returned.tool_returned is not None
    assert (returned.tool_returned.success, returned.tool_returned.error_message) == (False, "gone")


def test_parts_are_told_apart(tmp_path: Path) -> None:
    answer = {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "Hm."},
            {"type": "text", "text": "Look"},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        ],
    }
    result = {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "t", "content": "no", "is_error": True}],
    }
    image = {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": "data:x"}}, {"type": "text", "text": "?"}],
    }
    events = run(tmp_path, image, answer, result)
    assert kinds(events) == [
        "agent_started",
        "user_message",
        "model_called",
        "tool_called",
        "tool_returned",
        "agent_ended",
    ]
    [called] = [event.model_called for event in events if event.model_called]
    assert called.output is not None
    assert (called.output.content, called.output.reasoning) == ("Look", "Hm.")


def test_refusals_and_reasoning_are_kept(tmp_path: Path) -> None:
    answer = {"role": "assistant", "content": None, "refusal": "I cannot.", "reasoning_content": "Hm."}
    [called] = [event.model_called for event in run(tmp_path, USER, answer) if event.model_called]
    assert called.output is not None
    assert (called.output.content, called.output.reasoning, called.finish_reason) == ("I cannot.", "Hm.", "refusal")


@pytest.mark.parametrize(
    "document",
    [
        {"prompt": "hello", "completion": "hi"},
        {"prompt": [USER], "completion": [HI]},
        {"request": {"messages": [USER]}, "response": {"choices": [{"message": HI}]}},
        [USER, HI],
        [[USER, HI]],
    ],
)  # fmt: skip
def test_other_layouts(tmp_path: Path, document: object) -> None:
    events = import_run("openai-messages", tmp_path, document)
    assert kinds(events) == ["agent_started", "user_message", "model_called", "agent_ended"]


def test_messages_and_tools_as_json_text_are_read_as_what_they_hold(tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a":  1}'}}
    asked = {"role": "assistant", "content": None, "tool_calls": [call]}
    messages = [{"role": "system", "content": "Be kind."}, USER, asked, {"role": "tool", "content": "5"}, HI]
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    for name in ("tools", "functions"):
        row = {"messages": json.dumps(messages), name: json.dumps(tools)}
        events = import_run("openai-messages", tmp_path, row)
        assert kinds(events) == [
            "agent_started", "user_message", "model_called", "tool_called", "tool_returned", "model_called",
            "agent_ended",
        ]  # fmt: skip
        start = events[0].agent_started
        assert start is not None
        assert start.system_prompt == "Be kind."
        assert [(tool.name, tool.parameters_json) for tool in start.tools] == [("f", '{"type":"object"}')]
        assert events[3].tool_called is not None
        assert events[3].tool_called.parameters_json == '{"a":  1}'


def test_words_that_are_json_stay_what_was_said(tmp_path: Path) -> None:
    for words in (json.dumps([USER, HI]), '[{"type": "cat"}, 5]', '{"role": "user", "content": "x"}'):
        events = import_run("openai-messages", tmp_path, {"prompt": words, "completion": words})
        assert kinds(events) == ["agent_started", "user_message", "model_called", "agent_ended"]
        assert events[1].user_message is not None
        assert events[1].user_message.content == words
        assert events[2].model_called is not None
        assert events[2].model_called.output is not None
        assert events[2].model_called.output.content == words


def test_a_line_of_batch_output_has_the_model_time_and_usage_of_its_body(tmp_path: Path) -> None:
    choice = {"index": 0, "message": HI, "finish_reason": "stop"}
    usage = {"prompt_tokens": 22, "completion_tokens": 2}
    body = {"created": 1_711_652_795, "model": "gpt-4o", "choices": [choice], "usage": usage}
    events = import_run("openai-messages", tmp_path, {"custom_id": "r7", "response": {"body": body}, "error": None})
    assert kinds(events) == ["agent_started", "model_called", "agent_ended"]
    assert (events[0].source.record, events[0].model) == ("r7", ModelRef(provider="openai", name="gpt-4o"))
    assert events[0].occurred_at == 1_711_652_795_000_000
    assert events[1].model_called is not None
    assert (events[1].model_called.finish_reason, events[1].model_called.usage) == (
        "stop",
        Usage(input_tokens=22, output_tokens=2),
    )


def test_a_line_of_batch_input_is_a_prompt_without_an_answer(tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    body = {"model": "gpt-4o", "messages": [{"role": "system", "content": "Be kind."}, USER], "tools": tools}
    events = import_run("openai-messages", tmp_path, {"custom_id": "r1", "method": "POST", "body": body})
    assert kinds(events) == ["agent_started", "user_message", "agent_ended"]
    start = events[0].agent_started
    assert start is not None
    assert (start.system_prompt, [tool.name for tool in start.tools]) == ("Be kind.", ["f"])
    assert events[0].model == ModelRef(provider="openai", name="gpt-4o")


BAD = {"role": "assistant", "content": "go away"}
CONTEXT = {"role": "system", "content": "Be kind."}


@pytest.mark.parametrize(
    "row",
    [
        {"input": {"messages": [CONTEXT, USER], "tools": []}, "preferred_output": [HI], "non_preferred_output": [BAD]},
        {"prompt": [CONTEXT, USER], "chosen": [HI], "rejected": [BAD]},
        {"prompt": [CONTEXT, USER], "chosen": "hi", "rejected": "go away"},
        {"prompt": [CONTEXT, USER], "chosen": HI, "rejected": BAD},
        {"prompt": [CONTEXT, USER], "chosen": [USER, HI], "rejected": [USER, BAD]},
        {"prompt": "hello", "chosen": [CONTEXT, USER, HI], "rejected": [CONTEXT, USER, BAD]},
        {"chosen": json.dumps([CONTEXT, USER, HI]), "rejected": json.dumps([CONTEXT, USER, BAD])},
        {"messages": [CONTEXT, USER, HI], "chosen": [CONTEXT, USER, HI], "rejected": [CONTEXT, USER, BAD]},
    ],
)  # fmt: skip
def test_a_preference_row_is_the_prompt_with_the_preferred_answer(tmp_path: Path, row: object) -> None:
    events = import_run("openai-messages", tmp_path, row)
    assert kinds(events) == ["agent_started", "user_message", "model_called", "agent_ended"]
    assert events[0].agent_started is not None
    assert events[0].agent_started.system_prompt == "Be kind."
    assert events[1].user_message is not None
    assert events[1].user_message.content == "hello"
    assert events[2].model_called is not None
    assert events[2].model_called.output is not None
    assert events[2].model_called.output.content == "hi"
    assert "go away" not in repr(events)


def test_metadata_is_used_where_it_is(tmp_path: Path) -> None:
    metadata = {"score": 0.5, "task": "t1", "scenario": "Support", "created": 1_750_000_000}
    events = run(tmp_path, USER, model="claude-sonnet-4-5", metadata=metadata, id="r1")
    assert events[0].occurred_at == 1_750_000_000_000_000
    assert (events[0].scenario, events[0].source.record) == ("Support", "r1")
    assert events[0].model is not None
    assert events[0].model.provider == "anthropic"
    assert events[-1].agent_ended is not None
    assert (events[-1].agent_ended.completion_status, events[-1].agent_ended.reward) == ("partial", 0.5)
    assert run(tmp_path, USER, success=True)[-1].agent_ended == run(tmp_path, USER, resolved=True)[-1].agent_ended


def test_what_holds_no_messages_is_reported(tmp_path: Path) -> None:
    dialogue = {"chosen": "Human: hello\n\nAssistant: hi", "rejected": "Human: hello"}
    documents: list[object] = [{"text": "x"}, 5, {"messages": []}, {"messages": [{"content": "x"}]}, dialogue]
    for document in documents:
        [found] = import_document("openai-messages", tmp_path, [document])
        assert not isinstance(found, Event)


def said(events: list[Event]) -> list[object]:
    """Who said, called and got what, in order."""
    found: list[object] = []
    for event in events:
        if event.user_message:
            found.append(("user", event.user_message.content))
        if event.model_called and event.model_called.output:
            output = event.model_called.output
            calls = [(call.name, call.arguments_json) for call in output.tool_calls]
            found.append(("assistant", output.reasoning, output.content, calls))
        if event.tool_returned:
            found.append(("tool", event.tool_returned.tool, event.tool_returned.result_json))
    return found


def test_turns_of_share_gpt_are_messages(tmp_path: Path) -> None:
    calls = [{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]
    turns = [
        {"from": "human", "value": "both, please"},
        {"from": "function_call", "value": "<think>\nfirst f\n</think>\n\n" + json.dumps(calls)},
        {"from": "observation", "value": "one\n</tool_response>\n<tool_response>\ntwo"},
        {"from": "gpt", "value": "done"},
    ]
    tools = json.dumps([{"name": "f", "parameters": {}}, {"name": "g", "parameters": {}}])
    for conversations in (turns, json.dumps(turns)):
        row = {"conversations": conversations, "system": "Be kind.", "tools": tools}
        events = import_run("openai-messages", tmp_path, row)
        start = events[0].agent_started
        assert start is not None
        assert (start.system_prompt, [tool.name for tool in start.tools]) == ("Be kind.", ["f", "g"])
        assert said(events) == [
            ("user", "both, please"),
            ("assistant", "first f", None, [("f", '{"a":1}'), ("g", "{}")]),
            ("tool", "f", '"one"'),
            ("tool", "g", '"two"'),
            ("assistant", None, "done", []),
        ]


def test_a_call_of_share_gpt_that_is_no_json_is_kept_as_words(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "go"}, {"from": "function_call", "value": "f(1"}]
    assert said(import_run("openai-messages", tmp_path, {"conversations": turns}))[1:] == [
        ("assistant", None, "f(1", [])
    ]


def test_a_speaker_that_is_not_known_is_reported(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "secret"}, {"from": "narrator", "value": "secret"}]
    [found] = import_document("openai-messages", tmp_path, [{"conversations": turns}])
    assert not isinstance(found, Event)
    assert "speaker" in found.reason
    assert "secret" not in found.reason


def test_an_instruction_stands_before_its_input_and_after_earlier_rounds(tmp_path: Path) -> None:
    row = {"instruction": "Translate.", "input": "Haus", "output": "house", "system": "Be brief."}
    events = import_run("openai-messages", tmp_path, row)
    assert said(events) == [("user", "Translate.\nHaus"), ("assistant", None, "house", [])]
    assert events[0].agent_started is not None
    assert events[0].agent_started.system_prompt == "Be brief."
    earlier = {"instruction": "And now?", "input": "", "output": "later", "history": [["hello", "hi"]]}
    assert said(import_run("openai-messages", tmp_path, earlier)) == [
        ("user", "hello"),
        ("assistant", None, "hi", []),
        ("user", "And now?"),
        ("assistant", None, "later", []),
    ]
