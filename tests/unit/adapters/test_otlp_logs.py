"""What model calls said where their span does not hold it: in log records, and in the older span events."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import Event
from streams.adapters.base import BrokenRecord
from streams.adapters.otlp import read
from tests.unit.adapters.foreign_files import check_runs, damaged_texts, import_text, kinds, lines, of_kind
from tests.unit.adapters.otlp_documents import (
    NOON,
    TRACE_ID,
    Record,
    imported,
    pairs,
    spans_document,
    wire,
    wire_span,
)


def log(number: int, name: str, body: Record, **attributes: object) -> Record:
    return {
        "timeUnixNano": str(NOON * 1000),
        "traceId": TRACE_ID,
        "spanId": f"{number:016x}",
        "eventName": name,
        "body": wire(body),
        "attributes": pairs({"gen_ai.system": "openai", **attributes}),
    }


def logs_document(*records: Record) -> Record:
    return {"resourceLogs": [{"resource": {}, "scopeLogs": [{"scope": {}, "logRecords": list(records)}]}]}


def logged() -> tuple[Record, Record]:
    """Two model calls and a tool call between them, and what the calls said as log records."""
    call = {"gen_ai__operation__name": "chat", "gen_ai__system": "openai", "gen_ai__request__model": "gpt-4o"}
    tool = {"gen_ai__operation__name": "execute_tool", "gen_ai__tool__name": "map", "gen_ai__tool__call__id": "c1"}
    spans = spans_document(
        wire_span(1, 0, 0, gen_ai__operation__name="invoke_agent", gen_ai__agent__name="helper"),
        wire_span(2, 1, 1, **call),
        wire_span(3, 1, 2, **tool, gen_ai__tool__call__result="Danube"),
        wire_span(4, 1, 3, **call),
    )
    asked = {"role": "assistant", "tool_calls": [{"id": "c1", "function": {"name": "map", "arguments": "{}"}}]}
    logs = logs_document(
        log(2, "gen_ai.system.message", {"content": "Be brief"}),
        log(2, "gen_ai.user.message", {"content": "Which river?"}),
        log(2, "gen_ai.choice", {"index": 0, "finish_reason": "tool_calls", "message": asked}),
        log(2, "http.request", {"content": "secret header"}),
        log(4, "gen_ai.system.message", {"content": "Be brief"}),
        log(4, "gen_ai.user.message", {"content": "Which river?"}),
        log(4, "gen_ai.assistant.message", asked),
        log(4, "gen_ai.tool.message", {"id": "c1", "content": "Danube"}),
        log(4, "gen_ai.choice", {"index": 0, "finish_reason": "stop", "message": {"content": "The Danube."}}),
    )
    return spans, logs


def snake(document: Record) -> Record:
    """As Python's protobuf writes it with the field names of the `.proto` files."""
    names = {"resourceSpans": "resource_spans", "scopeSpans": "scope_spans", "resourceLogs": "resource_logs",
             "scopeLogs": "scope_logs", "logRecords": "log_records", "eventName": "event_name",
             "traceId": "trace_id", "spanId": "span_id", "parentSpanId": "parent_span_id",
             "timeUnixNano": "time_unix_nano", "startTimeUnixNano": "start_time_unix_nano",
             "endTimeUnixNano": "end_time_unix_nano"}  # fmt: skip
    content = json.dumps(document)
    for name, other in names.items():
        content = content.replace(f'"{name}"', f'"{other}"')
    found: Record = json.loads(content)
    return found


SPANS, LOGS = logged()
METRICS: Record = {"resourceMetrics": [{"scopeMetrics": []}]}


@pytest.mark.parametrize(
    "content",
    [
        lines(SPANS, METRICS, LOGS),
        lines(LOGS, SPANS),
        lines(SPANS | LOGS),
        json.dumps(LOGS | SPANS, indent=1),
        lines(snake(SPANS), {"resource_metrics": [{"scope_metrics": []}]}, snake(LOGS)),
        lines([SPANS, LOGS]),
    ],
    ids=["lines", "logs first", "one line", "one document", "snake case", "a list"],
)
def test_messages_in_log_records_belong_to_their_span(tmp_path: Path, content: str) -> None:
    events = imported(tmp_path, content)
    assert kinds(events) == ["agent_started", "user_message", "model_called", "tool_called", "tool_returned",
                             "model_called", "agent_ended"]  # fmt: skip
    assert of_kind(events, "agent_started")[0].system_prompt == "Be brief"
    assert of_kind(events, "user_message")[0].content == "Which river?"
    first, second = of_kind(events, "model_called")
    assert [(call.call_id, call.name) for call in first.output.tool_calls] == [("c1", "map")]
    assert (second.output.content, second.input_messages) == ("The Danube.", ())
    assert (first.finish_reason, second.finish_reason) == ("tool_calls", "stop")
    assert [(event.span_id, event.parent_span_id) for event in events[3:5]] == [(f"{3:016x}", f"{2:016x}")] * 2
    assert "secret header" not in repr(events)


def test_log_records_without_their_span_are_reported(tmp_path: Path) -> None:
    adrift = {**log(9, "gen_ai.user.message", {"content": "Lost"}), "spanId": ""}
    unknown = [log(8, "gen_ai.user.message", {"content": "Lost"}), log(7, "gen_ai.choice", {"message": "Lost"})]
    found = import_text(read, tmp_path / "spans.jsonl", lines(SPANS, LOGS, logs_document(adrift, *unknown)))
    broken = [(item.line, item.reason) for item in found if isinstance(item, BrokenRecord)]
    assert broken == [
        (3, "the log record of a model call belongs to no span"),
        (
            None,
            "2 log records of model calls belong to spans that the file does not hold; where logs and spans were "
            "exported apart, append one file to the other and import that",
        ),
    ]
    assert [item for item in found if isinstance(item, Event)] == imported(tmp_path, lines(SPANS, LOGS))


def test_an_evaluation_in_a_log_record_is_the_reward(tmp_path: Path) -> None:
    verdict = log(1, "gen_ai.evaluation.result", {}, **{"gen_ai.evaluation.score.value": 1})
    events = imported(tmp_path, lines(SPANS, logs_document(verdict)))
    assert of_kind(events, "agent_ended")[0].reward == 1


def test_prompt_and_answer_in_one_event_each_are_read(tmp_path: Path) -> None:
    prompt = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Which river?"}]
    answer = [{"role": "assistant", "content": "The Danube."}]
    span = wire_span(1, 0, 0, gen_ai__operation__name="chat", gen_ai__request__model="gpt-4o")
    span["events"] = [
        {"name": "gen_ai.content.prompt", "attributes": pairs({"gen_ai.prompt": json.dumps(prompt)})},
        {"name": "gen_ai.content.completion", "attributes": pairs({"gen_ai.completion": json.dumps(answer)})},
    ]
    events = imported(tmp_path, lines(spans_document(span)))
    assert kinds(events) == ["agent_started", "user_message", "model_called", "agent_ended"]
    assert of_kind(events, "agent_started")[0].system_prompt == "Be brief"
    assert of_kind(events, "user_message")[0].content == "Which river?"
    assert of_kind(events, "model_called")[0].output.content == "The Danube."


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_damaged_log_records_never_raise(tmp_path: Path, seed: int) -> None:
    for content in damaged_texts(SPANS | LOGS, json.dumps, seed):
        check_runs(import_text(read, tmp_path / "spans.json", content))
