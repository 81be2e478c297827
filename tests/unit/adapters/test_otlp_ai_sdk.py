"""Spans of Vercel's AI SDK."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streams.adapters.otlp import read
from tests.unit.adapters.foreign_files import check_runs, damaged_texts, import_text, kinds, lines, of_kind
from tests.unit.adapters.otlp_documents import (
    NOON,
    SECOND,
    Record,
    imported,
    spans_document,
    wire_span,
)


def ai_call(number: int, seconds: int, messages: list[Record], **more: object) -> Record:
    """A call of the model in `ai.generateText`."""
    declared = json.dumps({"type": "function", "name": "map", "inputSchema": {"type": "object"}})
    attributes = {
        "ai__operationId": "ai.generateText.doGenerate",
        "ai__model__id": "gpt-4o",
        "ai__prompt__messages": json.dumps(messages),
        "ai__prompt__tools": [declared],
        "ai__usage__promptTokens": 7,
    }
    return wire_span(number, 1, seconds, **attributes, **more)


def ai_tool(name: str = "args") -> Record:
    return {"toolCallId": "c1", "toolName": "map", name: {"q": "river"}}


def ai_spans(part: str = "args", **result: object) -> list[Record]:
    """A run of two calls of the model with a tool call between them."""
    asked: list[Record] = [
        {"role": "system", "content": "Be brief"},
        {"role": "user", "content": [{"type": "text", "text": "Which river?"}]},
    ]
    thought = {"type": "reasoning", "text": "A map helps."}
    told = {"type": "tool-result", "toolCallId": "c1", "toolName": "map", **(result or {"result": "Danube"})}
    later: list[Record] = [
        *asked,
        {"role": "assistant", "content": [thought, {"type": "tool-call", **ai_tool(part)}]},
        {"role": "tool", "content": [told]},
    ]
    call = {**ai_tool(part), part: json.dumps({"q": "river"})}
    run = wire_span(1, 0, 0, ai__operationId="ai.generateText", ai__model__id="gpt-4o",
                    ai__telemetry__functionId="guide", ai__response__text="The Danube.",
                    ai__prompt=json.dumps({"system": "Be brief", "prompt": "Which river?"}))  # fmt: skip
    run["endTimeUnixNano"] = str((NOON + 9 * SECOND) * 1000)
    tool = wire_span(3, 1, 2, ai__operationId="ai.toolCall", ai__toolCall__name="map", ai__toolCall__id="c1",
                     ai__toolCall__args='{"q": "river"}', ai__toolCall__result='{"name": "Danube"}')  # fmt: skip
    return [
        run,
        ai_call(
            2,
            1,
            asked,
            ai__response__toolCalls=json.dumps([call]),
            ai__response__reasoning="A map helps.",
            ai__response__finishReason="tool-calls",
        ),
        tool,
        ai_call(4, 3, later, ai__response__text="The Danube.", ai__response__finishReason="stop"),
    ]


@pytest.mark.parametrize("part", ["args", "input"])
def test_a_run_of_the_ai_sdk_is_read_whole(tmp_path: Path, part: str) -> None:
    events = imported(tmp_path, lines(spans_document(*ai_spans(part))))
    assert kinds(events) == ["agent_started", "user_message", "model_called", "tool_called", "tool_returned",
                             "model_called", "agent_ended"]  # fmt: skip
    assert {event.agent for event in events} == {"guide"}
    start = of_kind(events, "agent_started")[0]
    assert (start.goal, start.system_prompt, [tool.name for tool in start.tools]) == (
        "Which river?",
        "Be brief",
        ["map"],
    )
    first, second = of_kind(events, "model_called")
    assert (first.output.content, first.output.reasoning, first.finish_reason) == (None, "A map helps.", "tool-calls")
    assert [(c.call_id, c.name, json.loads(c.arguments_json)) for c in first.output.tool_calls] == [
        ("c1", "map", {"q": "river"})
    ]
    assert (second.output.content, second.input_messages, second.finish_reason) == ("The Danube.", (), "stop")
    assert (second.usage.input_tokens, events[2].model and events[2].model.name) == (7, "gpt-4o")
    assert [event.parent_span_id for event in events[3:5]] == [f"{2:016x}"] * 2
    assert json.loads(of_kind(events, "tool_returned")[0].result_json) == {"name": "Danube"}
    assert of_kind(events, "agent_ended")[0].outputs_json == '"The Danube."'


@pytest.mark.parametrize(
    ("told", "success", "content"),
    [
        ({"result": {"name": "Danube"}}, True, {"name": "Danube"}),
        ({"result": "torn", "isError": True}, False, "torn"),
        ({"output": {"type": "text", "value": "Danube"}}, True, "Danube"),
        ({"output": {"type": "error-text", "value": "torn"}}, False, "torn"),
    ],
)
def test_a_tool_of_the_ai_sdk_without_a_span_is_read_from_the_next_prompt(
    tmp_path: Path, told: Record, success: bool, content: object
) -> None:
    spans = [span for span in ai_spans("input", **told) if span["name"] != "span 3"]
    events = imported(tmp_path, lines(spans_document(*spans)))
    assert kinds(events)[3:5] == ["tool_called", "tool_returned"]
    result = of_kind(events, "tool_returned")[0]
    assert (result.call_id, result.tool, result.success, json.loads(result.result_json)) == (
        "c1",
        "map",
        success,
        content,
    )


@pytest.mark.parametrize(
    ("stated", "content"),
    [
        (json.dumps('The "Danube"'), 'The "Danube"'),
        ('{"name": "Danube"}', {"name": "Danube"}),
        ("7", "7"),
        ('"Danube', '"Danube'),
    ],
)
def test_the_quotes_of_a_result_in_json_are_no_part_of_it(tmp_path: Path, stated: str, content: object) -> None:
    span = wire_span(1, 0, 0, ai__operationId="ai.toolCall", ai__toolCall__name="map", ai__toolCall__result=stated)
    events = imported(tmp_path, lines(spans_document(span)))
    assert [json.loads(result.result_json) for result in of_kind(events, "tool_returned")] == [content]


def test_an_object_of_the_ai_sdk_is_one_model_call(tmp_path: Path) -> None:
    prompt = [{"role": "user", "content": [{"type": "text", "text": "Name rivers"}]}]
    spans = [
        wire_span(1, 0, 0, ai__operationId="ai.generateObject", ai__prompt=json.dumps({"messages": prompt}),
                  ai__response__object='["Danube"]'),
        wire_span(2, 1, 0, ai__operationId="ai.generateObject.doGenerate", gen_ai__request__model="gpt-4o",
                  ai__prompt__messages=json.dumps(prompt), ai__response__object='["Danube"]'),
    ]  # fmt: skip
    events = imported(tmp_path, lines(spans_document(*spans)))
    assert kinds(events) == ["agent_started", "user_message", "model_called", "agent_ended"]
    called = of_kind(events, "model_called")[0]
    assert called.output.content == '["Danube"]'
    assert of_kind(events, "user_message")[0].content == "Name rivers"
    assert events[2].model is not None


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_damaged_runs_never_raise(tmp_path: Path, seed: int) -> None:
    for content in damaged_texts(spans_document(*ai_spans()), json.dumps, seed):
        check_runs(import_text(read, tmp_path / "spans.json", content))
