"""OpenTelemetry spans: the envelope, the conventions, and what is counted once."""

import json
import random
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import Event
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile
from streams.adapters.otlp import read
from tests.unit.adapters.foreign_files import (
    RECORDINGS,
    check_runs,
    damaged_texts,
    import_events,
    import_text,
    kinds,
    lines,
    of_kind,
)

Span = dict[str, Any]
SECOND = 1_000_000_000
START = 1_700_000_000 * SECOND


def span(ident: str, parent: str | None, start: float, end: float, name: str = "span", **more: Any) -> Span:
    attributes = more.pop("attributes", {})
    return {
        "trace_id": "ab" * 16,
        "span_id": ident,
        "parent_span_id": parent,
        "name": name,
        "start_time": START + int(start * SECOND),
        "end_time": START + int(end * SECOND),
        "attributes": attributes,
        "status": {"code": "OK"},
        "span_events": [],
        **more,
    }


def said(role: str, *parts: Any) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": p} if isinstance(p, str) else p for p in parts]}


def call(ident: str | None, name: str = "find", **given: Any) -> dict[str, Any]:
    return {"type": "tool_call", "id": ident, "name": name, "arguments": given or {"q": 1}}


def response(ident: str | None, content: object, key: str = "response", name: str = "find") -> dict[str, Any]:
    return {"type": "tool_call_response", "id": ident, "name": name, key: content}


def chat(ident: str, parent: str | None, start: float, inputs: list[Any], outputs: list[Any], **more: Any) -> Span:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.input.messages": json.dumps(inputs),
        "gen_ai.output.messages": outputs,
    }
    return span(ident, parent, start, start + 0.5, "chat gpt-4o", attributes=attributes, **more)


def agent(ident: str, parent: str | None, start: float, end: float, name: str) -> Span:
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
    return span(ident, parent, start, end, f"invoke_agent {name}", attributes=attributes)


def tool(ident: str, parent: str, start: float, call_id: str | None, result: object = "found", **more: Any) -> Span:
    attributes: dict[str, Any] = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find"}
    attributes |= {"gen_ai.tool.call.arguments": '{"q": 1}'}
    attributes |= {"gen_ai.tool.call.id": call_id} if call_id else {}
    attributes |= {"gen_ai.tool.call.result": result} if result is not None else {}
    return span(ident, parent, start, start + 0.5, "execute_tool find", attributes=attributes, **more)


HISTORY = [said("system", "Be kind"), said("user", "Hello")]
ASKED = said("assistant", "Let me look", call("c1"))
TRACE = [
    agent("a", None, 0, 9, "helper"),
    chat("l1", "a", 1, HISTORY, [ASKED]),
    tool("t1", "a", 2, "c1"),
    chat("l2", "a", 3, [*HISTORY, ASKED, said("tool", response("c1", "found"))], [said("assistant", "Here")]),
]
WHOLE = ["agent_started", "user_message", "model_called", "tool_called", "tool_returned", "model_called", "agent_ended"]


def imported(tmp_path: Path, spans: object) -> list[Event]:
    events = import_events(read, tmp_path / "spans.json", json.dumps(spans))
    check_runs(events)
    return events


def test_only_what_is_new_in_a_prompt_counts(tmp_path: Path) -> None:
    events = imported(tmp_path, TRACE)
    assert kinds(events) == WHOLE
    assert {event.trace_id for event in events} == {"ab" * 16}
    start = of_kind(events, "agent_started")[0]
    assert (start.goal, start.system_prompt) == ("Hello", "Be kind")
    assert [called.input_messages for called in of_kind(events, "model_called")] == [(), ()]
    assert [event.span_id for event in events] == ["a", "a", "l1", "t1", "t1", "l2", "a"]
    assert [event.parent_span_id for event in events] == [None, None, "a", "l1", "l1", "a", None]
    assert events[2].occurred_at == START // 1000 + 1_000_000


def test_the_order_of_the_spans_in_the_file_changes_nothing(tmp_path: Path) -> None:
    events = imported(tmp_path, TRACE)
    for seed in range(5):
        shuffled = random.Random(seed).sample([*TRACE, TRACE[1]], 5)
        assert imported(tmp_path, shuffled) == events


def envelope(spans: list[Span]) -> dict[str, Any]:
    def value(found: object) -> dict[str, Any]:
        if isinstance(found, bool):
            return {"boolValue": found}
        if isinstance(found, int):
            return {"intValue": str(found)}
        if isinstance(found, list):
            return {"arrayValue": {"values": [value(item) for item in found]}}
        if isinstance(found, dict):
            return {"kvlistValue": {"values": [{"key": k, "value": value(v)} for k, v in found.items()]}}
        return {"stringValue": found}

    wire = [
        {
            "traceId": one["trace_id"].upper(),
            "spanId": one["span_id"],
            "parentSpanId": one["parent_span_id"] or "",
            "name": one["name"],
            "startTimeUnixNano": str(one["start_time"]),
            "endTimeUnixNano": str(one["end_time"]),
            "attributes": [{"key": key, "value": value(found)} for key, found in one["attributes"].items()],
            "status": {"code": 1},
        }
        for one in spans
    ]
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [{"scope": {}, "spans": wire}]}]}


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(envelope(TRACE)),
        json.dumps(envelope(TRACE), indent=1),
        lines(*(envelope([one]) for one in TRACE)),
        lines(*TRACE),
        json.dumps({"spans": TRACE}),
        lines(TRACE[:2], TRACE[2:]),
    ],
    ids=["envelope", "indented", "envelope lines", "span lines", "spans field", "lists"],
)
def test_every_framing_gives_the_same_events(tmp_path: Path, content: str) -> None:
    assert import_events(read, tmp_path / "spans.json", content) == imported(tmp_path, TRACE)


def test_a_call_in_messages_only_is_a_call(tmp_path: Path) -> None:
    spans = [one for one in TRACE if one["span_id"] != "t1"]
    for key in ("response", "result"):
        spans[2] = chat("l2", "a", 3, [*HISTORY, ASKED, said("user", response("c1", "Error: no", key))], [])
        events = imported(tmp_path, spans)
        assert kinds(events) == WHOLE
        asked, returned = events[3], events[4]
        assert asked.span_id == returned.span_id
        assert asked.parent_span_id == "l1"
        assert asked.occurred_at_synthetic
        assert returned.tool_returned is not None
        assert (returned.tool_returned.success, returned.tool_returned.tool) == (False, "find")


def test_calls_without_ids_join_by_name_and_arguments(tmp_path: Path) -> None:
    asked = said("assistant", call(None, q=1), call(None, q=2))
    prompt = [*HISTORY, asked, said("tool", response(None, "found")), said("tool", response(None, "two"))]
    spans = [agent("a", None, 0, 9, "helper"), chat("l1", "a", 1, HISTORY, [asked]), tool("t1", "a", 2, None),
             chat("l2", "a", 3, prompt, [said("assistant", "Here")])]  # fmt: skip
    events = imported(tmp_path, spans)
    assert Counter(kinds(events))["tool_called"] == 2
    assert [json.loads(result.result_json) for result in of_kind(events, "tool_returned")] == ["found", "two"]
    assert next(event for event in events if event.span_id == "t1").parent_span_id == "l1"


def test_an_answer_that_a_prompt_repeats_in_pieces_is_no_new_message(tmp_path: Path) -> None:
    asked = said("assistant", call("c1"), call("c2", q=2))
    pieces = [said("assistant", call("c1")), said("assistant", call("c2", q=2))]
    results = [said("tool", response("c1", "one")), said("tool", response("c2", "two"))]
    spans = [TRACE[0], chat("l1", "a", 1, HISTORY, [asked]), chat("l2", "a", 3, [*HISTORY, *pieces, *results], [])]
    events = imported(tmp_path, spans)
    assert [called.input_messages for called in of_kind(events, "model_called")] == [(), ()]
    assert Counter(kinds(events))["tool_called"] == Counter(kinds(events))["tool_returned"] == 2


def test_a_failed_tool_is_a_failed_result_and_one_error(tmp_path: Path) -> None:
    raised = {"name": "exception", "attributes": {"exception.type": "OSError", "exception.message": "gone"}}
    failed = {"status": {"code": "ERROR", "message": "bad"}, "span_events": [raised]}
    spans = [
        {**TRACE[0], **failed},
        TRACE[1],
        tool("t1", "a", 2, "c1", None, **failed),
        chat("l2", "a", 3, [*HISTORY, ASKED, said("tool", response("c1", "told later"))], []),
    ]
    events = imported(tmp_path, spans)
    result = of_kind(events, "tool_returned")[0]
    assert (result.success, result.error_kind, result.error_message) == (False, "OSError", "gone")
    assert result.result_json == '"told later"'
    assert [(error.error_kind, error.tool_call_id) for error in of_kind(events, "error_raised")] == [("OSError", "c1")]
    assert of_kind(events, "agent_ended")[0].completion_status == "failed"


def test_a_tool_that_was_still_running_has_no_result(tmp_path: Path) -> None:
    open_tool = {**tool("t1", "a", 2, "c1", None), "end_time": None}
    events = imported(tmp_path, [TRACE[0], TRACE[1], open_tool])
    assert Counter(kinds(events)) == {"agent_started": 1, "user_message": 1, "model_called": 1, "tool_called": 1,
                                      "agent_ended": 1}  # fmt: skip


def test_sub_agents_speak_with_their_caller(tmp_path: Path) -> None:
    spans = [
        agent("a", None, 0, 9, "boss"),
        chat("l1", "a", 1, HISTORY, [said("assistant", call("c1"))]),
        tool("t1", "a", 2, "c1", "done"),
        agent("b", "t1", 2.1, 2.4, "worker"),
        chat("l2", "b", 2.2, [said("user", "Do this")], [said("assistant", "Done")]),
    ]
    events = imported(tmp_path, spans)
    assert [message.content for message in of_kind(events, "user_message")] == ["Hello"]
    inner = [event for event in events if event.agent == "worker"]
    assert kinds(inner) == ["agent_started", "model_called", "agent_ended"]
    assert inner[0].parent_span_id == "t1"
    assert inner[0].agent_started is not None
    assert inner[0].agent_started.goal == "Do this"


def test_nested_model_call_spans_are_one_call(tmp_path: Path) -> None:
    usage = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.output_tokens": 77}
    inner = span("l1x", "l1", 1.1, 1.2, attributes=usage)
    spans = [TRACE[0], TRACE[1], inner, {**TRACE[2], "parent_span_id": "l1x"}]
    events = imported(tmp_path, spans)
    assert Counter(kinds(events))["model_called"] == 1
    assert next(event for event in events if event.kind == "tool_called").parent_span_id == "l1"


def test_older_message_events_are_read(tmp_path: Path) -> None:
    def event(name: str, **attributes: Any) -> dict[str, Any]:
        return {"name": name, "timestamp": START, "attributes": attributes}

    asked = json.dumps([{"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"q": 1}'}}])
    choice = json.dumps({"tool_calls": json.loads(asked)})
    first = [
        event("gen_ai.user.message", content="Hello"),
        event("gen_ai.choice", finish_reason="tool_calls", message=choice),
    ]
    second = [*first[:1], event("gen_ai.assistant.message", tool_calls=asked),
              event("gen_ai.tool.message", id="c1", content="found"),
              event("gen_ai.choice", message=json.dumps({"content": "Here"}))]  # fmt: skip
    plain = {"gen_ai.system": "openai", "gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt"}
    spans = [
        TRACE[0],
        span("l1", "a", 1, 1.5, attributes=plain, events=first, span_events=None),
        span("l2", "a", 3, 3.5, attributes=plain, events=second, span_events=None),
    ]
    events = imported(tmp_path, spans)
    assert kinds(events) == WHOLE
    assert [called.output.content for called in of_kind(events, "model_called")] == [None, "Here"]
    assert of_kind(events, "model_called")[0].finish_reason == "tool_calls"


def test_openinference_and_openllmetry_keys_are_read(tmp_path: Path) -> None:
    for style in ("llm.{}_messages.{}.message.", "gen_ai.{}.{}."):
        sides = ("input", "output") if style.startswith("llm") else ("prompt", "completion")
        attributes: dict[str, Any] = {
            style.format(sides[0], n) + "role": role for n, role in ((0, "system"), (1, "user"))
        }
        attributes |= {style.format(sides[0], n) + "content": text for n, text in ((0, "Be kind"), (1, "Hello"))}
        attributes |= {style.format(sides[1], 0) + "role": "assistant", style.format(sides[1], 0) + "content": "Hi"}
        attributes |= {"openinference.span.kind": "LLM", "llm.token_count.prompt": 3, "llm.model_name": "m"}
        events = imported(tmp_path, [span("l1", None, 0, 1, attributes=attributes)])
        assert kinds(events) == ["agent_started", "user_message", "model_called", "agent_ended"]
        called = of_kind(events, "model_called")[0]
        assert (called.output.content, called.usage.input_tokens) == ("Hi", 3)
        assert of_kind(events, "agent_started")[0].system_prompt == "Be kind"


def test_an_evaluation_is_the_reward(tmp_path: Path) -> None:
    verdict = {"name": "gen_ai.evaluation.result", "attributes": {"gen_ai.evaluation.score.value": 0.5}}
    events = imported(tmp_path, [{**TRACE[0], "span_events": [verdict]}, *TRACE[1:]])
    assert of_kind(events, "agent_ended")[0].reward == 0.5


def test_broken_spans_are_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    content = lines(TRACE[0], {"no": "span"}) + '{"trace_id": \n' + lines(*TRACE[1:])
    found = import_text(read, tmp_path / "spans.jsonl", content)
    assert [item.line for item in found if isinstance(item, BrokenRecord)] == [2, 3]
    assert [item for item in found if isinstance(item, Event)] == imported(tmp_path, TRACE)


def test_parents_in_a_circle_and_infrastructure_do_no_harm(tmp_path: Path) -> None:
    spans = [span("x", "y", 0, 1), span("y", "x", 0, 1), *TRACE, span("http", "l1", 1, 1.1, "POST /v1")]
    assert Counter(kinds(imported(tmp_path, spans)))["model_called"] == 2


def test_memory_does_not_hold_all_traces(tmp_path: Path) -> None:
    def peak(traces: int) -> int:
        # The spans of a trace stand far apart: all first spans, then all second ones.
        spans = [{**one, "trace_id": f"{n + 1:032x}"} for one in TRACE for n in range(traces)]
        (tmp_path / "spans.jsonl").write_text(lines(*spans))
        tracemalloc.start()
        try:
            counted = sum(1 for _ in read(RecordingFile(tmp_path / "spans.jsonl"), ImportOptions()))
            assert counted == traces * len(WHOLE)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(5)
    assert peak(1200) < peak(300) + 200 * 1024


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_damaged_spans_never_raise(tmp_path: Path, seed: int) -> None:
    document = [TRACE, envelope(TRACE)][seed % 2]
    for content in damaged_texts(document, json.dumps, seed):
        check_runs(import_text(read, tmp_path / "spans.json", content))


COUNTS = {  # agents, model calls, tool calls, results, errors, user messages: by hand from the files
    "adk_live_spans.json": (1, 2, 1, 1, 0, 1),
    "claude_live_spans.json": (4, 6, 6, 6, 0, 1),
    "openai_agents_openinference_live_spans.json": (2, 5, 4, 4, 0, 1),
    "openinference_live_spans.json": (2, 2, 2, 1, 0, 2),
    "otel_genai_convention_spans.json": (1, 2, 2, 2, 1, 1),
    "pydantic_ai_live_spans.json": (1, 2, 1, 1, 0, 1),
}


def recording(name: str) -> Path:
    path = RECORDINGS / "otel-genai-strands-evals" / name
    if not path.exists():
        pytest.skip("the recordings of ../shared/data are not here")
    return path


@pytest.mark.recordings
@pytest.mark.parametrize("name", sorted(COUNTS))
def test_recordings_are_counted_right(name: str) -> None:
    events = import_events(read, recording(name))
    assert len(check_runs(events)) == 1
    counted = Counter(kinds(events))
    wanted = ("agent_started", "model_called", "tool_called", "tool_returned", "error_raised", "user_message")
    assert tuple(counted[kind] for kind in wanted) == COUNTS[name]
    assert not [message for called in of_kind(events, "model_called") for message in called.input_messages
                if message.role == "assistant"]  # fmt: skip


@pytest.mark.recordings
@pytest.mark.parametrize("name", sorted(COUNTS))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_damaged_recordings_never_raise(tmp_path: Path, name: str, seed: int) -> None:
    document = json.loads(recording(name).read_text(encoding="utf-8"))
    for content in damaged_texts(document, json.dumps, seed):
        check_runs(import_text(read, tmp_path / "spans.json", content))
