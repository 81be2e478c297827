"""OpenTelemetry spans in the shapes of particular exporters and platforms."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import Event
from streams.adapters.base import BrokenRecord
from streams.adapters.otlp import read
from tests.unit.adapters.foreign_files import check_runs, damaged_texts, import_text, kinds, lines, of_kind
from tests.unit.adapters.otlp_documents import (
    NOON,
    SECOND,
    TRACE_ID,
    Record,
    imported,
    spans_document,
    wire_span,
)

# Span trees (TRAIL)


def tree_span(number: int, name: str, attributes: Record, *inner: Record, **more: Any) -> Record:
    return {
        "timestamp": "2025-03-19T12:00:00.000000Z",
        "trace_id": TRACE_ID,
        "span_id": f"{number:016x}",
        "span_name": name,
        "span_kind": "Internal",
        "resource_attributes": {},
        "span_attributes": attributes,
        "duration": "PT1M2.5S",
        "status_code": "Ok",
        "status_message": "",
        "events": [],
        "child_spans": list(inner),
        **more,
    }


def span_tree() -> Record:
    asked = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "o3-mini",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.content": "Which river?",
        "llm.output_messages.0.message.role": "assistant",
        "llm.output_messages.0.message.content": "I ask the map.",
        "llm.output_messages.0.message.tool_calls.0.tool_call.id": "c1",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.name": "map",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": '{"q": "river"}',
    }
    used = {"openinference.span.kind": "TOOL", "tool.name": "map", "input.value": '{"q": "river"}'}
    raised = {"Name": "exception", "Timestamp": "2025-03-19T12:00:03Z",
              "Attributes": {"exception.type": "MapError", "exception.message": "torn"}}  # fmt: skip
    model = tree_span(3, "model", asked, duration="PT2S")
    tool = tree_span(4, "map", used, timestamp="2025-03-19T12:00:02Z", duration="PT1S", status_code="Error",
                     status_message="it tore", events=[raised])  # fmt: skip
    agent = tree_span(2, "Agent.run", {"openinference.span.kind": "AGENT"}, model, tool)
    return {"trace_id": TRACE_ID, "spans": [tree_span(1, "main", {}, agent)]}


def test_spans_nested_in_spans_are_read_whole(tmp_path: Path) -> None:
    events = imported(tmp_path, json.dumps(span_tree()))
    assert kinds(events) == ["agent_started", "user_message", "model_called", "tool_called", "tool_returned",
                             "error_raised", "agent_ended"]  # fmt: skip
    assert {event.agent for event in events} == {"Agent.run"}
    assert [event.occurred_at - NOON for event in events] == [0, 0, 0, 2 * SECOND, 3 * SECOND, 3 * SECOND, 62_500_000]
    assert of_kind(events, "user_message")[0].content == "Which river?"
    called = of_kind(events, "model_called")[0]
    assert (called.output.content, called.latency_seconds) == ("I ask the map.", 2)
    assert [event.parent_span_id for event in events[3:5]] == [f"{3:016x}"] * 2
    assert of_kind(events, "tool_called")[0].parameters_json == '{"q": "river"}'
    result = of_kind(events, "tool_returned")[0]
    assert (result.call_id, result.success, result.error_kind, result.error_message) == (
        "c1",
        False,
        "MapError",
        "torn",
    )


def test_a_nested_span_that_names_no_trace_and_parent_lies_in_the_one_around_it(tmp_path: Path) -> None:
    def bare(record: Record) -> Record:
        inner = [bare(one) for one in record["child_spans"]]
        return {key: value for key, value in record.items() if key not in ("trace_id", "child_spans")} | {
            "children": inner
        }

    tree = span_tree()
    plain = {"traceId": TRACE_ID, "spans": [bare(one) for one in tree["spans"]]}
    assert imported(tmp_path, json.dumps(plain)) == imported(tmp_path, json.dumps(tree))


def test_a_nested_record_without_an_id_is_reported(tmp_path: Path) -> None:
    tree = span_tree()
    tree["spans"][0]["child_spans"].append({"note": "no span"})
    found = import_text(read, tmp_path / "spans.json", json.dumps(tree))
    assert [item.line for item in found if isinstance(item, BrokenRecord)] == [1]
    assert [item for item in found if isinstance(item, Event)] == imported(tmp_path, json.dumps(span_tree()))


def test_deeply_nested_spans_are_all_read(tmp_path: Path) -> None:
    tree = tree_span(900, "inmost", {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "dig"})
    for number in range(450, 1, -1):
        tree = {"span_id": f"{number:016x}", "span_name": "step", "child_spans": [tree]}
    events = imported(tmp_path, json.dumps({"trace_id": TRACE_ID, "spans": [tree]}))
    assert [called.tool for called in of_kind(events, "tool_called")] == ["dig"]


# Ids


def test_ids_in_base64_are_those_in_hex(tmp_path: Path) -> None:
    outer = wire_span(1, 0, 0, gen_ai__operation__name="invoke_agent", gen_ai__agent__name="helper")
    inner = wire_span(2, 1, 1, gen_ai__operation__name="execute_tool", gen_ai__tool__name="find")
    hexed = imported(tmp_path, json.dumps(spans_document(outer, inner)))
    for span in (outer, inner):
        for key in ("traceId", "spanId", "parentSpanId"):
            span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    assert outer["traceId"] == "W47/95gDgQPSabYzgT/GDA=="
    assert imported(tmp_path, json.dumps(spans_document(outer, inner))) == hexed
    assert {event.trace_id for event in hexed} == {TRACE_ID}
    assert [event.parent_span_id for event in hexed][1:3] == [f"{1:016x}"] * 2


@pytest.mark.parametrize(
    "given", ["abcdef012345", "0123456789abcdef01234567", "my-trace-007", "agentspan123", "AAAAAAAA===="]
)
def test_ids_that_only_look_like_base64_stay_as_they_are(tmp_path: Path, given: str) -> None:
    span = wire_span(1, 0, 0, gen_ai__operation__name="invoke_agent") | {"traceId": given}
    assert {event.trace_id for event in imported(tmp_path, json.dumps(spans_document(span)))} == {given}


# Tables and nested attributes (Phoenix)


CALLED = [
    {"message.role": "user", "message.contents": [{"message_content.type": "text", "message_content.text": "Which?"}]}
]
ANSWERED = [
    {
        "message.role": "assistant",
        "message.content": "I look.",
        "message.tool_calls": [
            {"tool_call.id": "c1", "tool_call.function.name": "map", "tool_call.function.arguments": {"tool.x": 1}}
        ],
    }
]
DECLARED = [{"tool.json_schema": json.dumps({"type": "function", "function": {"name": "map"}})}]
MODEL_CALL = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "gpt-4o",
    "llm.token_count.prompt": 7,
    "llm.input_messages": CALLED,
    "llm.output_messages": ANSWERED,
    "llm.tools": DECLARED,
}


def without_dots(found: Any) -> Any:
    """Objects in objects for dotted keys."""
    if isinstance(found, list):
        return [without_dots(item) for item in found]
    if not isinstance(found, dict):
        return found
    tree: Record = {}
    for key, value in found.items():
        node = tree
        *path, last = key.split(".")
        for name in path:
            node = node.setdefault(name, {})
        node[last] = value if last in ("arguments", "parameters", "value") else without_dots(value)
    return tree


def phoenix_span(attributes: Record, **more: Any) -> Record:
    return {
        "name": "ChatCompletion",
        "span_kind": "LLM",
        "parent_id": None,
        "start_time": "2025-03-19T12:00:00+00:00",
        "end_time": "2025-03-19T12:00:02+00:00",
        "status_code": "ERROR",
        "status_message": "out of quota",
        "events": [],
        "context": {"span_id": "a" * 16, "trace_id": TRACE_ID},
        "attributes": attributes,
        **more,
    }


def as_row(span: Record) -> Record:
    """A span as a row of a data frame, which has columns for every attribute of any span."""
    fields = {key: value for key, value in span.items() if key not in ("context", "attributes")}
    fields |= {f"context.{key}": value for key, value in span["context"].items()}
    fields |= {f"attributes.{key}": value for key, value in span["attributes"].items()}
    return fields | {"attributes.gen_ai.operation.name": None, "attributes.tool.parameters": None}


@pytest.mark.parametrize(
    "span",
    [
        phoenix_span(MODEL_CALL),
        phoenix_span(without_dots(MODEL_CALL)),
        phoenix_span({**MODEL_CALL, "llm.input_messages": json.dumps(CALLED)}),
        as_row(phoenix_span(MODEL_CALL)),
    ],
    ids=["dots in lists", "nested", "text", "row"],
)
def test_messages_of_a_platform_export_are_read(tmp_path: Path, span: Record) -> None:
    events = imported(tmp_path, lines(span))
    assert kinds(events) == ["agent_started", "user_message", "model_called", "tool_called", "error_raised",
                             "agent_ended"]  # fmt: skip
    assert of_kind(events, "user_message")[0].content == "Which?"
    called = of_kind(events, "model_called")[0]
    assert (called.output.content, called.usage.input_tokens, called.latency_seconds) == ("I look.", 7, 2)
    assert [call.name for call in called.output.tool_calls] == ["map"]
    asked = of_kind(events, "tool_called")[0]
    assert (asked.call_id, asked.tool, json.loads(asked.parameters_json)) == ("c1", "map", {"tool.x": 1})
    assert events[3].parent_span_id == "a" * 16
    assert [tool.name for tool in of_kind(events, "agent_started")[0].tools] == ["map"]
    assert events[0].occurred_at == NOON


def test_a_status_beside_the_span_fields_is_its_status(tmp_path: Path) -> None:
    events = imported(tmp_path, lines(phoenix_span(MODEL_CALL)))
    assert [(error.error_kind, error.message) for error in of_kind(events, "error_raised")] == [
        ("error", "out of quota")
    ]
    ended = of_kind(events, "agent_ended")[0]
    assert (ended.completion_status, ended.reason) == ("failed", "out of quota")
    fine = imported(tmp_path, lines(phoenix_span(MODEL_CALL, status={"status_code": "OK"})))
    assert not of_kind(fine, "error_raised")


def test_nested_attributes_that_are_content_stay_whole(tmp_path: Path) -> None:
    attributes: Record = {
        "openinference": {"span": {"kind": "TOOL"}},
        "tool": {"name": "map", "parameters": {"place.name": "Ulm", "near": {"river": "Danube"}}},
        "output": {"value": {"found.at": [1, 2]}},
    }
    events = imported(tmp_path, lines(phoenix_span(attributes, status_code="OK")))
    called = of_kind(events, "tool_called")[0]
    assert (called.tool, json.loads(called.parameters_json)) == (
        "map",
        {"place.name": "Ulm", "near": {"river": "Danube"}},
    )
    assert json.loads(of_kind(events, "tool_returned")[0].result_json) == {"found.at": [1, 2]}


def test_attributes_nested_too_deep_do_no_harm(tmp_path: Path) -> None:
    deep: Any = "bottom"
    for _ in range(300):
        deep = {"message.content": [deep]}
    span = phoenix_span({**MODEL_CALL, "llm": {"input": deep}, "llm.input_messages": [deep]})
    assert of_kind(imported(tmp_path, lines(span)), "model_called")[0].output.content == "I look."


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_damaged_exports_never_raise(tmp_path: Path, seed: int) -> None:
    documents = (
        span_tree(),
        [phoenix_span(without_dots(MODEL_CALL)), phoenix_span(MODEL_CALL)],
        [as_row(phoenix_span(MODEL_CALL))],
    )
    for content in damaged_texts(documents[seed % 3], json.dumps, seed):
        check_runs(import_text(read, tmp_path / "spans.json", content))
