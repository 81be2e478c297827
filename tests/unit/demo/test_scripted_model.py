"""The scripted model's figures follow from its texts."""

import json
from typing import Any

from ops.demo.scripted_model import Move, ScriptedModel, tokens


def test_usage_grows_with_what_was_said_and_seen() -> None:
    model = ScriptedModel()
    model.read("x" * 400)
    first = model.reply(Move(reasoning="r" * 40, tool="fetch", arguments={"url": "/a"}))
    second = model.reply(Move(reasoning="r" * 40, text="done"))
    assert first.usage["input_tokens"] == 100
    assert second.usage["input_tokens"] > first.usage["input_tokens"]
    assert model.spent_usd == first.cost_usd + second.cost_usd > 0


def test_a_tool_call_is_in_the_message_with_its_arguments() -> None:
    reply = ScriptedModel("analyst").reply(Move(reasoning="why", tool="sql", arguments={"query": "SELECT 1"}))
    calls: Any = reply.message["tool_calls"]
    [call] = calls
    assert call["id"] == reply.call_id == "analyst_1"
    assert json.loads(call["function"]["arguments"]) == {"query": "SELECT 1"}
    assert reply.finish_reason == "tool_calls"


def test_latency_is_real_and_small() -> None:
    reply = ScriptedModel().reply(Move(reasoning="r" * 5_000, text="t"))
    assert 0.01 <= reply.latency_seconds < 0.5


def test_tokens_are_rounded_up() -> None:
    assert [tokens(chars) for chars in (0, 1, 4, 5)] == [0, 1, 1, 2]
