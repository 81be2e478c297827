"""What trainers say they need of a row, written from their documentation. Each check raises AssertionError."""

import json
import re
from typing import Any

Row = dict[str, Any]


def _trl_messages(messages: Any) -> None:
    assert isinstance(messages, list)
    assert messages
    for message in messages:
        assert message["role"] in {"system", "user", "assistant", "tool"}
        assert None not in message.values(), "a chat template asks whether a key is there"
        assert isinstance(message.get("content", ""), str)
        for call in message.get("tool_calls", []):
            assert call["type"] == "function"
            assert isinstance(call["function"]["name"], str)
            assert isinstance(call["function"]["arguments"], dict)
        assert message.get("tool_calls") != []


def _trl_tools(tools: Any) -> None:
    for tool in tools or []:
        assert tool["type"] == "function"
        assert isinstance(tool["function"]["name"], str)
        assert isinstance(tool["function"].get("parameters", {}), dict)


def trl(row: Row) -> None:
    """TRL, "Dataset formats and types": conversational language modelling, tool calling."""
    assert set(row) <= {"messages", "tools"}
    _trl_messages(row["messages"])
    _trl_tools(row.get("tools"))


def trl_preference(row: Row) -> None:
    """TRL: conversational preference with an explicit prompt."""
    assert set(row) <= {"prompt", "chosen", "rejected", "tools"}
    for key in ("prompt", "chosen", "rejected"):
        _trl_messages(row[key])
    assert row["prompt"][-1]["role"] in {"user", "tool", "assistant"}, "`apply_chat_template` refuses any other"
    assert row["chosen"][0] != row["rejected"][0], "the prompt is all that both sides share"
    assert row["chosen"][-1]["role"] == row["rejected"][-1]["role"] == "assistant"
    _trl_tools(row.get("tools"))


def trl_reward(row: Row) -> None:
    """TRL: conversational preference with an implicit prompt, as `extract_prompt` takes it from both chats."""
    assert set(row) <= {"chosen", "rejected", "tools"}
    for key in ("chosen", "rejected"):
        _trl_messages(row[key])
        assert row[key][-1]["role"] == "assistant"
    pairs = zip(row["chosen"], row["rejected"], strict=False)
    shared = next((number for number, (one, other) in enumerate(pairs) if one != other), 0)
    assert shared, "no prompt is left"
    _trl_tools(row.get("tools"))


def kto(row: Row) -> None:
    """TRL: conversational unpaired preference."""
    assert set(row) <= {"prompt", "completion", "label", "tools"}
    _trl_messages(row["prompt"])
    _trl_messages(row["completion"])
    assert row["prompt"][-1]["role"] in {"user", "tool", "assistant"}, "`apply_chat_template` refuses any other"
    assert row["completion"][0]["role"] == "assistant"
    assert isinstance(row["label"], bool)
    _trl_tools(row.get("tools"))


_ALLOWED = {
    "system": {"role", "content", "name"},
    "developer": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name", "tool_calls", "weight"},
    "tool": {"role", "content", "tool_call_id"},
}


def openai(row: Row) -> None:
    """OpenAI API reference, chat fine-tuning input; keys it does not know make it refuse the file."""
    assert set(row) <= {"messages", "tools", "parallel_tool_calls"}
    assert row["messages"][-1]["role"] == "assistant"
    known: set[str] = set()
    for message in row["messages"]:
        assert set(message) <= _ALLOWED[message["role"]]
        if message["role"] == "tool":
            assert isinstance(message["content"], str)
            assert isinstance(message["tool_call_id"], str)
            continue
        assert isinstance(message["content"], str) or message["tool_calls"]
        for call in message.get("tool_calls", []):
            assert set(call) == {"id", "type", "function"}
            assert set(call["function"]) == {"name", "arguments"}
            assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", call["function"]["name"])
            assert isinstance(call["function"]["arguments"], str)
            known.add(call["id"])
    if "tools" in row:
        assert row["tools"], "an empty list is refused"
        for tool in row["tools"]:
            assert set(tool) == {"type", "function"}
            assert set(tool["function"]) <= {"name", "description", "parameters", "strict"}
        assert isinstance(row["parallel_tool_calls"], bool)
    else:
        assert "parallel_tool_calls" not in row


def axolotl(row: Row) -> None:
    """Axolotl, `chat_template`: arguments and parameters may be JSON strings, which it decodes (#3136, #3238)."""
    assert set(row) <= {"messages", "tools"}
    for message in row["messages"]:
        assert isinstance(message["role"], str)
        assert isinstance(message["content"], str)
        for call in message.get("tool_calls", []):
            assert isinstance(json.loads(call["function"]["arguments"]), dict)
    for tool in row.get("tools", []):
        assert isinstance(json.loads(tool["function"]["parameters"]), dict)


def llamafactory(row: Row) -> None:
    """LLaMA-Factory, `data/converter.py` (ShareGPT) and `data/formatter.py` (functions and tools)."""
    assert set(row) == {"conversations", "system", "tools"}
    assert len(row["conversations"]) % 2 == 0
    for number, turn in enumerate(row["conversations"]):
        assert set(turn) == {"from", "value"}
        assert turn["from"] in (("human", "observation"), ("gpt", "function_call"))[number % 2]
        if turn["from"] == "function_call":
            for function in llamafactory_functions(turn["value"]):
                assert isinstance(function["name"], str)
                assert isinstance(function["arguments"], dict)
    if row["tools"]:
        for tool in json.loads(row["tools"]):
            assert isinstance(tool["name"], str)


def llamafactory_functions(value: str) -> list[Any]:
    """Functions of a turn as `FunctionFormatter` finds them: it cuts a thought out first, wherever it stands."""
    thought = re.search(r"<think>(.*?)</think>", value, re.DOTALL)
    found = json.loads(value.replace(thought.group(0), "") if thought else value)
    return found if isinstance(found, list) else [found]


def atif(row: Row) -> None:
    """Harbor, RFC 0001 (1.5)."""
    assert row["schema_version"] == "ATIF-v1.5"
    assert isinstance(row["session_id"], str)
    assert {"name", "version"} <= set(row["agent"]) <= {"name", "version", "model_name", "tool_definitions", "extra"}
    assert [step["step_id"] for step in row["steps"]] == list(range(1, len(row["steps"]) + 1))
    for step in row["steps"]:
        assert step["source"] in {"system", "user", "agent"}
        assert isinstance(step["message"], str)
        if step["source"] != "agent":
            assert not {"reasoning_content", "tool_calls", "model_name", "metrics"} & set(step)
        ids = {call["tool_call_id"] for call in step.get("tool_calls", [])}
        assert all(isinstance(call["arguments"], dict) for call in step.get("tool_calls", []))
        assert {found["source_call_id"] for found in step.get("observation", {"results": []})["results"]} <= ids


CHECKS = {
    "jsonl/trl": trl,
    "jsonl/trl-preference": trl_preference,
    "jsonl/trl-reward": trl_reward,
    "jsonl/kto": kto,
    "jsonl/openai": openai,
    "jsonl/axolotl": axolotl,
    "jsonl/llamafactory": llamafactory,
    "jsonl/atif": atif,
}
