"""Session rollouts of the Codex CLI, of all three shapes."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import Event, ModelRef
from streams.adapters.base import BrokenRecord
from streams.adapters.codex import read
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

Record = dict[str, Any]


def head(name: str = "s1", **more: Any) -> Record:
    return {"type": "session_meta", "timestamp": "2026-01-01T00:00:00Z", "payload": {"id": name, **more}}


def item(kind: str, **fields: Any) -> Record:
    return {"timestamp": "2026-01-01T00:00:05.5Z", "type": "response_item", "payload": {"type": kind, **fields}}


def happened(kind: str, **fields: Any) -> Record:
    return {"timestamp": "2026-01-01T00:00:06.5Z", "type": "event_msg", "payload": {"type": kind, **fields}}


def said(role: str, text: str) -> Record:
    kind = "output_text" if role == "assistant" else "input_text"
    return item("message", role=role, content=[{"type": kind, "text": text}])


def call(name: str, tool: str = "exec_command") -> Record:
    return item("function_call", name=tool, arguments='{"cmd": "ls"}', call_id=name)


def output(name: str, content: Any) -> Record:
    return item("function_call_output", call_id=name, output=content)


def tokens(total: int) -> Record:
    last = {"input_tokens": total, "cached_input_tokens": 1, "output_tokens": 2, "reasoning_output_tokens": 3}
    return happened("token_count", info={"total_token_usage": {"input_tokens": total}, "last_token_usage": last})


def imported(folder: Path, *records: Record) -> list[Event]:
    found = import_events(read, folder / "rollout-x.jsonl", lines(*records))
    check_runs(found)
    return found


FULL = (
    head(model_provider="openai", base_instructions={"text": "You are Codex."}, timestamp="2026-01-01T00:00:00Z"),
    said("developer", "permissions"),
    said("user", "<environment_context>\n  <cwd>/x</cwd>"),
    {"timestamp": "2026-01-01T00:00:01Z", "type": "turn_context", "payload": {"model": "gpt-5-codex"}},
    said("user", "Fix it."),
    happened("user_message", message="Fix it."),
    happened("agent_reasoning", text="**Hm**"),
    item("reasoning", summary=[{"type": "summary_text", "text": "**Hm**"}], encrypted_content="secret"),
    call("c1"),
    call("c2"),
    tokens(10),
    output("c1", "Exit code: 0\nWall time: 1 seconds\nOutput:\nok"),
    output("c2", json.dumps({"output": "bad", "metadata": {"exit_code": 2, "duration_seconds": 0.2}})),
    tokens(10),
    item("custom_tool_call", name="apply_patch", input="*** Begin", call_id="c3", status="completed"),
    happened("patch_apply_end", call_id="c3", success=False),
    item("custom_tool_call_output", call_id="c3", output="cannot"),
    tokens(30),
    happened("agent_message", message="Done."),
    said("assistant", "Done."),
    happened("task_complete", last_agent_message="Done."),
)


def test_a_session_tells_each_thing_once(tmp_path: Path) -> None:
    events = imported(tmp_path, *FULL)
    assert kinds(events) == [
        "agent_started", "user_message", "model_called", "tool_called", "tool_called", "tool_returned", "tool_returned",
        "model_called", "tool_called", "tool_returned", "model_called", "agent_ended",
    ]  # fmt: skip
    assert of_kind(events, "agent_started")[0].system_prompt == "You are Codex."
    first, second, last = of_kind(events, "model_called")
    assert [message.role for message in first.input_messages] == ["developer", "user"]
    assert (first.output.reasoning, len(first.output.tool_calls), first.usage.input_tokens) == ("**Hm**", 2, 10)
    assert (second.usage.input_tokens, last.usage, last.output.content) == (30, None, "Done.")
    assert {event.model for event in events if event.kind == "model_called"} == {
        ModelRef(provider="openai", name="gpt-5-codex")
    }
    assert [(result.success, result.error_kind) for result in of_kind(events, "tool_returned")] == [
        (True, None), (False, "exit_code"), (False, "tool_error")
    ]  # fmt: skip
    assert "secret" not in repr(events)


def test_a_refusal_is_what_the_model_said(tmp_path: Path) -> None:
    refused = item("message", role="assistant", content=[{"type": "refusal", "refusal": "I may not do that."}])
    events = imported(tmp_path, head(), said("user", "Break in."), refused)
    assert kinds(events) == ["agent_started", "user_message", "model_called", "agent_ended"]
    assert [body.output.content for body in of_kind(events, "model_called")] == ["I may not do that."]


def test_a_rollout_that_has_grown_keeps_its_events(tmp_path: Path) -> None:
    whole = {event.event_id for event in imported(tmp_path, *FULL)}
    for length in range(6, len(FULL)):
        part = imported(tmp_path, *FULL[:length])
        assert {event.event_id for event in part} <= whole


def test_the_same_totals_again_are_no_tokens_of_the_next_answer(tmp_path: Path) -> None:
    events = imported(
        tmp_path, head(), said("assistant", "a"), tokens(10), said("assistant", "b"), tokens(10), call("c")
    )
    first, second = of_kind(events, "model_called")
    assert (first.usage.input_tokens, second.usage) == (10, None)
    assert (second.output.content, len(second.output.tool_calls)) == ("b", 1)


def test_three_shapes_of_one_session_are_one_run(tmp_path: Path) -> None:
    items = [record["payload"] for record in FULL if record["type"] == "response_item"]
    first_lines = lines(
        {"id": "s1", "timestamp": "2025-04-01T00:00:00Z", "instructions": "I"}, {"record_type": "state"}, *items
    )
    document = json.dumps(
        {"session": {"id": "s1", "timestamp": "2025-04-01T00:00:00Z", "instructions": "I"}, "items": items}
    )
    one = import_events(read, tmp_path / "a.jsonl", first_lines)
    assert import_events(read, tmp_path / "b.json", document) == one
    assert import_events(read, tmp_path / "c.jsonl", document + "\n") == one
    assert import_events(read, tmp_path / "d.json", f"[{document}]") == one
    assert kinds(one) == kinds(imported(tmp_path, *FULL))
    assert of_kind(one, "agent_started")[0].system_prompt == "I"


def test_events_alone_are_a_session_too(tmp_path: Path) -> None:
    invocation = {"server": "db", "tool": "find", "arguments": {"n": 1}}
    events = imported(
        tmp_path,
        head(),
        happened("user_message", message="go"),
        happened("agent_reasoning", text="hm"),
        happened("agent_message", message="I look."),
        happened("exec_command_end", call_id="a", command=["ls"], aggregated_output="no", exit_code=1,
                 duration={"secs": 1, "nanos": 500_000_000}),
        happened("mcp_tool_call_end", call_id="b", invocation=invocation, result={"Err": "gone"}),
        happened("mcp_tool_call_end", call_id="c", invocation=invocation, result={"Ok": {"content": []}}),
    )  # fmt: skip
    assert [(c.tool, c.parameters_json) for c in of_kind(events, "tool_called")] == [
        ("exec_command", '{"command":["ls"]}'), ("find", '{"n":1}'), ("find", '{"n":1}')
    ]  # fmt: skip
    results = of_kind(events, "tool_returned")
    assert [result.success for result in results] == [False, False, True]
    assert (results[0].latency_seconds, results[1].error_message) == (1.5, "gone")
    assert of_kind(events, "model_called")[0].output.reasoning == "hm"


def test_a_command_of_the_user_is_a_call_by_the_user(tmp_path: Path) -> None:
    typed = happened("exec_command_end", call_id="u", source="user_shell", command=["ls"], stdout="x", exit_code=0)
    inner = happened("exec_command_end", call_id="inner", command=["ls"], stdout="x", exit_code=0)
    events = imported(tmp_path, head(), said("user", "a"), typed, inner)
    assert [called.requested_by for called in of_kind(events, "tool_called")] == ["user"]
    assert of_kind(events, "state_changed")[0].current_step == "exec_command_end"


@pytest.mark.parametrize(
    ("content", "success"),
    [
        ("Chunk ID: 1\nWall time: 0.1 seconds\nProcess exited with code 0\nOutput:\nProcess exited with code 9", True),
        ("Chunk ID: 1\nWall time: 0.1 seconds\nProcess exited with code 127\nOutput:\n", False),
        ("A log says:\nProcess exited with code 1", True),
        ("Wall time: 0.1 seconds\nOutput:\nProcess exited with code 1", True),
        ({"content": "x", "success": False}, False),
        ([{"type": "input_text", "text": "Exit code: 3\nOutput:\n"}], False),
        ("Error: no such tool", False),
        ({"content": "x"}, True),
        (None, True),
    ],
)
def test_whether_an_output_is_a_failure(tmp_path: Path, content: Any, success: bool) -> None:
    events = imported(tmp_path, head(), call("c"), output("c", content))
    assert [result.success for result in of_kind(events, "tool_returned")] == [success]


def test_calls_of_every_kind(tmp_path: Path) -> None:
    events = imported(
        tmp_path,
        head(),
        item("local_shell_call", call_id="a", action={"type": "exec", "command": ["ls"]}),
        item("web_search_call", id="w", status="completed", action={"type": "search", "query": "q"}),
        item("function_call", namespace="mcp__db__", name="find", arguments="{}", call_id="b"),
        item("tool_search_call", call_id="t", arguments={"query": "x"}),
        item("tool_search_output", call_id="t", tools=[{"name": "n"}]),
        item("image_generation_call", id="i", result="A" * 999),
        output("a", "ok"),
    )
    assert [called.tool for called in of_kind(events, "tool_called")] == [
        "local_shell", "web_search", "mcp__db__find", "tool_search", "image_generation"
    ]  # fmt: skip
    results = of_kind(events, "tool_returned")
    assert {result.call_id for result in results} == {"a", "t", "i"}
    assert "AAAA" not in repr(events)


def test_how_a_session_ended(tmp_path: Path) -> None:
    def ended(*records: Record) -> tuple[str, str | None]:
        body = of_kind(imported(tmp_path, head(), said("user", "a"), *records), "agent_ended")[-1]
        return body.completion_status, body.reason

    aborted, failed = happened("turn_aborted", reason="interrupted"), happened("error", message="usage limit")
    assert ended(aborted) == ("interrupted", "interrupted")
    assert ended(failed) == ("failed", "error")
    assert ended(aborted, said("user", "again"), said("assistant", "b")) == ("unknown", None)
    events = imported(tmp_path, head(), said("user", "a"), failed, happened("stream_error", message="retrying"))
    assert [error.message for error in of_kind(events, "error_raised")] == ["usage limit", "retrying"]


def test_a_compacted_history_is_told_without_its_copy(tmp_path: Path) -> None:
    record = {"type": "compacted", "payload": {"message": "in short", "replacement_history": [said("user", "old")]}}
    events = imported(tmp_path, head(), said("user", "a"), record, {"type": "novelty", "payload": {"x": 1}})
    assert [(s.current_step, s.variables_json) for s in of_kind(events, "state_changed")] == [
        ("compacted", '{"message":"in short"}'), ("novelty", '{"x":1}')
    ]  # fmt: skip


def test_sessions_one_after_another_and_heads_that_a_fork_copies(tmp_path: Path) -> None:
    a, b = said("user", "a"), said("user", "b")
    assert len({e.trace_id for e in imported(tmp_path, head("1"), a, head("1"), b, head("2"), a, head("1"), b)}) == 3
    fork = head("3", forked_from_id="2")
    assert len({e.trace_id for e in imported(tmp_path, fork, head("2", forked_from_id="1"), head("1"), a, b)}) == 1
    assert {e.source.record for e in imported(tmp_path, fork, head("2"), head("1"), a)} == {"1"}
    assert {e.source.record for e in imported(tmp_path, fork, head("2", forked_from_id="1"), head("1"), a)} == {"3"}
    assert len({e.trace_id for e in imported(tmp_path, fork, head("2"), a, head("4"), b)}) == 2
    assert import_text(read, tmp_path / "x.jsonl", lines(head("1"))) == []


def test_a_session_without_a_name_is_told_by_its_content(tmp_path: Path) -> None:
    one, other = imported(tmp_path, said("user", "a")), imported(tmp_path, said("user", "b"))
    assert one[0].trace_id != other[0].trace_id
    assert imported(tmp_path, said("user", "a")) == one


def test_a_spawned_agent_is_named_by_its_role(tmp_path: Path) -> None:
    source = {"subagent": {"thread_spawn": {"parent_thread_id": "p", "agent_role": "explorer"}}}
    assert {event.agent for event in imported(tmp_path, head(source=source), said("user", "a"))} == {"codex:explorer"}


def test_broken_records_are_reported_with_their_line(tmp_path: Path) -> None:
    bad = [
        5,
        {"type": "response_item"},
        {"type": "response_item", "payload": {}},
        {"x": 1},
        {"type": "summary", "summary": "s"},
    ]
    content = lines(head(), said("user", "a")) + "{cut\n" + lines(*bad, said("assistant", "b"))
    found = import_text(read, tmp_path / "x.jsonl", content)
    assert [item.line for item in found if isinstance(item, BrokenRecord)] == [3, 4, 5, 6, 7, 8]
    assert [item.kind for item in found if isinstance(item, Event)] == [
        "agent_started", "user_message", "model_called", "agent_ended"
    ]  # fmt: skip


def test_a_session_without_end_takes_no_memory_for_calls_without_a_result(tmp_path: Path) -> None:
    searches = [item("web_search_call", id=f"w{n}", action={"query": "q"}) for n in range(3_000)]
    between = [happened("stream_error", message=str(n)) for n in range(3_000)]
    events = imported(tmp_path, head(), *searches, *between, said("assistant", "b"))
    assert kinds(events).count("tool_called") == kinds(events).count("error_raised") == 3_000


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_damaged_rollouts_never_stop_the_import(tmp_path: Path, seed: int) -> None:
    extra = [
        item("web_search_call", id="w", action={}),
        happened("error", message="x"),
        happened("turn_aborted", reason="y"),
        happened("mcp_tool_call_end", call_id="q", invocation={"tool": "t"}, result={"Ok": {}}),
        head("s2", forked_from_id="s1"),
        {"type": "message", "role": "user", "content": "old"},
    ]
    for content in damaged_texts([*FULL, *extra], lambda records: lines(*records), seed):
        check_runs(import_text(read, tmp_path / "x.jsonl", content))
    for content in damaged_texts(
        {"session": {"id": "s"}, "items": [record["payload"] for record in FULL]}, json.dumps, seed
    ):
        check_runs(import_text(read, tmp_path / "x.json", content))


FILES = sorted(RECORDINGS.glob("otel-genai-strands-evals/codex_*.json"))


@pytest.mark.recordings
@pytest.mark.skipif(not FILES, reason="../shared/data is not here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_recordings_have_as_many_calls_and_results_as_the_file(path: Path) -> None:
    raw = path.read_text()
    events = import_events(read, path)
    assert len(check_runs(events)) == 1
    assert len(of_kind(events, "tool_called")) == raw.count('"type": "function_call"')
    results = of_kind(events, "tool_returned")
    assert len(results) == raw.count('"type": "function_call_output"')
    exits = [line for line in raw.replace("\\n", "\n").splitlines() if line.startswith("Process exited with code ")]
    assert sum(not result.success for result in results) == sum(not line.endswith(" 0") for line in exits)
    outputs = [item["output"] for item in json.loads(raw)["items"] if "output" in item]
    assert [json.loads(result.result_json) for result in results] == outputs
