"""Claude Code transcripts: what becomes of each kind of line."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import Event, Usage
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile
from streams.adapters.claude_code import read
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

Line = dict[str, Any]


def line(number: int, kind: str, message: object = None, **fields: Any) -> Line:
    found: Line = {
        "type": kind,
        "uuid": f"u{number}",
        "parentUuid": f"u{number - 1}" if number else None,
        "sessionId": "session-1",
        "timestamp": f"2026-01-21T06:24:{number:02d}.500Z",
        "isSidechain": False,
        **fields,
    }
    if message is not None:
        found["message"] = message
    return found


def user(number: int, content: object, **fields: Any) -> Line:
    return line(number, "user", {"role": "user", "content": content}, **fields)


def answer(number: int, ident: str, *parts: Line, **fields: Any) -> Line:
    usage = {"input_tokens": 3, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 100, "output_tokens": 7}
    message = {"id": ident, "role": "assistant", "model": "claude-x", "content": list(parts), "usage": usage}
    return line(number, "assistant", message, **fields)


def text(said: str) -> Line:
    return {"type": "text", "text": said}


def use(ident: str, name: str = "Bash", **given: Any) -> Line:
    return {"type": "tool_use", "id": ident, "name": name, "input": given or {"command": "ls"}}


def result(ident: str, content: object = "ok", **fields: Any) -> Line:
    return {"type": "tool_result", "tool_use_id": ident, "content": content, **fields}


SESSION = [
    line(0, "queue-operation", operation="dequeue"),
    user(1, "Fix it"),
    answer(2, "m1", {"type": "thinking", "thinking": "Hmm.", "signature": "s"}),
    answer(3, "m1", text("Looking.")),
    answer(4, "m1", use("t1")),
    user(5, [result("t1")], toolUseResult={"durationMs": 1500, "stdout": "ok"}),
    answer(6, "m1", use("t2", "Read", file_path="/a.py")),
    user(7, [result("t2", "Exit code 1", is_error=True)], toolUseResult="Error: Exit code 1"),
    user(8, "Stop hook feedback: go on", isMeta=True),
    answer(9, "m2", text("Done.")),
]


def test_parts_of_one_message_are_one_model_call_although_a_result_stands_between(tmp_path: Path) -> None:
    events = import_events(read, tmp_path / "a.jsonl", lines(*SESSION))
    assert kinds(events) == [
        "agent_started", "user_message", "model_called", "tool_called", "tool_returned",
        "tool_called", "tool_returned", "model_called", "agent_ended",
    ]  # fmt: skip
    first, second = of_kind(events, "model_called")
    assert (first.output.content, first.output.reasoning) == ("Looking.", "Hmm.")
    assert [call.call_id for call in first.output.tool_calls] == ["t1", "t2"]
    assert first.usage == Usage(input_tokens=113, output_tokens=7, cache_read_tokens=100)
    assert [message.content for message in second.input_messages] == ["Stop hook feedback: go on"]
    assert of_kind(events, "agent_started")[0].goal == "Fix it"
    check_runs(events)


def test_results_take_the_span_of_their_call_and_its_details(tmp_path: Path) -> None:
    events = import_events(read, tmp_path / "a.jsonl", lines(*SESSION))
    calls = [event for event in events if event.kind == "tool_called"]
    returns = [event for event in events if event.kind == "tool_returned"]
    assert [event.span_id for event in calls] == [event.span_id for event in returns]
    good, bad = (event.tool_returned for event in returns)
    assert good is not None
    assert bad is not None
    assert (good.success, good.tool, good.latency_seconds, good.result_json) == (True, "Bash", 1.5, '"ok"')
    assert (bad.success, bad.error_kind, bad.error_message) == (False, "exit_code", "Exit code 1")
    assert calls[1].tool_called is not None
    mapped = calls[1].tool_called.claude_code_mapping
    assert mapped is not None
    assert (mapped.tool, mapped.file_path) == ("Read", "/a.py")


def test_a_grown_transcript_adds_only_the_new_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    before = {event.event_id: event for event in import_events(read, path, lines(*SESSION))}
    more = [user(10, "And now?"), answer(11, "m3", text("Nothing."))]
    after = {event.event_id: event for event in import_events(read, path, lines(*SESSION, *more))}
    assert sorted(event.kind for ident, event in after.items() if ident not in before) == [
        "model_called",
        "user_message",
    ]
    same = [ident for ident in before if before[ident].kind != "agent_ended"]
    assert all(after[ident] == before[ident] for ident in same)


def test_repeated_lines_count_once(tmp_path: Path) -> None:
    events = import_events(read, tmp_path / "a.jsonl", lines(*SESSION, *SESSION))
    assert events == import_events(read, tmp_path / "a.jsonl", lines(*SESSION))


def test_sessions_of_one_file_are_runs_of_their_own(tmp_path: Path) -> None:
    other = [{**record, "sessionId": "session-2"} for record in SESSION]
    mixed = [record for pair in zip(SESSION, other, strict=True) for record in pair]
    runs = check_runs(import_events(read, tmp_path / "a.jsonl", lines(*mixed)))
    assert sorted(len(run) for run in runs.values()) == [9, 9]
    alone = import_events(read, tmp_path / "b.jsonl", lines(*SESSION))
    assert runs[alone[0].trace_id] == alone


def test_a_sub_agent_has_a_start_an_end_and_its_own_spans(tmp_path: Path) -> None:
    side = {"isSidechain": True, "agentId": "a77"}
    found = lines(
        user(1, "Go"),
        answer(2, "m1", use("task", "Task", prompt="Search it", subagent_type="Explore")),
        user(3, "Search it", **side),
        answer(4, "s1", use("inner"), **side),
        user(5, [result("inner")], **side),
        answer(6, "s2", text("Found."), **side),
        user(7, [result("task", "Found.")], toolUseResult={"agentId": "a77", "status": "completed"}),
        answer(8, "m2", text("Done.")),
    )
    events = import_events(read, tmp_path / "a.jsonl", found)
    check_runs(events)
    start = next(event for event in events if event.agent_started and not event.agent_started.root)
    end = next(event for event in events if event.agent_ended and not event.agent_ended.root)
    task = next(event for event in events if event.tool_called and event.tool_called.tool == "Task")
    assert start.parent_span_id == task.span_id
    assert (start.agent, start.agent_started and start.agent_started.goal) == ("Explore", "Search it")
    assert start.span_id == end.span_id
    inside = [event for event in events if event.agent == "Explore"]
    assert kinds(inside) == [
        "agent_started", "model_called", "tool_called", "tool_returned", "model_called", "agent_ended"
    ]  # fmt: skip
    assert {event.parent_span_id for event in inside if event.kind == "model_called"} == {start.span_id}
    assert [said.content for said in of_kind(events, "user_message")] == ["Go"]


def test_messages_of_a_sub_agent_inside_progress_lines_are_read(tmp_path: Path) -> None:
    inner = {"type": "assistant", "uuid": "p1", "message": answer(0, "s1", text("Inside."))["message"]}
    data = {"type": "agent_progress", "agentId": "a7", "message": inner}
    found = lines(
        user(1, "Go"),
        answer(2, "m1", use("task", "Agent", prompt="Search", subagent_type="Explore")),
        line(3, "progress", parentToolUseID="task", data=data),
        line(4, "progress", data={"type": "bash_progress", "output": "..."}),
    )
    events = import_events(read, tmp_path / "a.jsonl", found)
    assert [said.output.content for said in of_kind(events, "model_called")] == [None, "Inside."]
    assert [event.agent for event in events if event.kind == "model_called"] == ["claude-code", "Explore"]


def test_a_sub_agent_recorded_apart_is_a_run_of_its_own(tmp_path: Path) -> None:
    side = {"isSidechain": True, "agentId": "a77"}
    content = lines(user(1, "Search it", **side), answer(2, "s1", text("Found."), **side))
    apart = import_events(read, tmp_path / "agent-a77.jsonl", content)
    whole = import_events(read, tmp_path / "session.jsonl", lines(*SESSION))
    check_runs([*apart, *whole])
    assert apart[0].trace_id != whole[0].trace_id
    assert kinds(apart) == ["agent_started", "user_message", "model_called", "agent_ended"]


def test_lines_that_name_the_call_of_a_sub_agent_are_its_conversation(tmp_path: Path) -> None:
    def said(record: Line, starter: str | None = None) -> Line:
        kept = {name: record[name] for name in ("type", "uuid", "message")}
        return {**kept, "session_id": "sdk-1", "parent_tool_use_id": starter}

    events = import_events(read, tmp_path / "a.jsonl", lines(
        said(user(1, "Go")),
        said(answer(2, "m1", use("task", "Task", prompt="Search it", subagent_type="Explore"))),
        said(user(3, [text("Search it")]), "task"),
        said(answer(4, "s1", use("inner")), "task"),
        said(user(5, [result("inner", "a.py")]), "task"),
        said(answer(6, "s2", text("Found.")), "task"),
        said(user(7, [result("task", "Found a.py.")])),
        said(answer(8, "m2", text("Done."))),
    ))  # fmt: skip
    check_runs(events)
    assert [body.content for body in of_kind(events, "user_message")] == ["Go"]
    assert [(event.agent, event.kind) for event in events if event.kind not in ("tool_called", "tool_returned")] == [
        ("claude-code", "agent_started"), ("claude-code", "user_message"), ("claude-code", "model_called"),
        ("Explore", "agent_started"), ("Explore", "model_called"), ("Explore", "model_called"),
        ("Explore", "agent_ended"), ("claude-code", "model_called"), ("claude-code", "agent_ended"),
    ]  # fmt: skip
    start = next(event for event in events if event.agent_started and not event.agent_started.root)
    task = next(event for event in events if event.tool_called and event.tool_called.tool == "Task")
    inner = next(event for event in events if event.tool_returned and event.tool_returned.call_id == "inner")
    assert start.parent_span_id == task.span_id
    assert (inner.agent, inner.tool_returned and inner.tool_returned.result_json) == ("Explore", '"a.py"')
    assert of_kind(events, "agent_ended")[0].outputs_json == '"Found a.py."'


def test_a_side_chain_without_an_agent_id_is_no_main_conversation(tmp_path: Path) -> None:
    found = lines(
        user(1, "Go"),
        answer(2, "m1", use("task", "Task", prompt="Search it", subagent_type="Explore")),
        user(3, "Search it", isSidechain=True, parentUuid=None),
        answer(4, "s1", text("Found."), isSidechain=True),
        user(5, [result("task", "Found.")]),
    )
    events = import_events(read, tmp_path / "a.jsonl", found)
    assert [body.content for body in of_kind(events, "user_message")] == ["Go"]
    assert [event.agent for event in events if event.kind == "model_called"] == ["claude-code", "Explore"]


def test_what_a_session_was_set_up_with_is_kept(tmp_path: Path) -> None:
    first = line(0, "system", subtype="init", tools=["Bash", "Read"], model="claude-x", permissionMode="plan", cwd="/a")
    again = line(3, "system", subtype="init", tools=["Bash"], model="claude-y")
    found = lines(first, user(1, "Go"), answer(2, "m1", text("Done.")), again)
    events = import_events(read, tmp_path / "a.jsonl", found)
    check_runs(events)
    [started], [changed] = of_kind(events, "agent_started"), of_kind(events, "state_changed")
    assert ([tool.name for tool in started.tools], started.goal) == (["Bash", "Read"], "Go")
    assert json.loads(started.inputs_json) == {"cwd": "/a", "model": "claude-x", "permissionMode": "plan"}
    assert (changed.current_step, json.loads(changed.variables_json)) == (
        "init", {"subtype": "init", "tools": ["Bash"], "model": "claude-y"}
    )  # fmt: skip


def chat(events: list[Event]) -> list[str | None]:
    """What was said in the main conversation, by whom ever."""
    bodies = [event.user_message or (event.model_called and event.model_called.output) for event in events]
    return [body.content for body in bodies if body]


def test_a_branch_that_was_rewound_is_no_part_of_the_conversation(tmp_path: Path) -> None:
    found = lines(
        user(1, "First", parentUuid=None),
        answer(2, "m1", text("One.")),
        user(3, "Second, badly put"),
        answer(4, "m2", text("Wrong."), use("t1")),
        user(5, [result("t1")]),
        answer(6, "m3", text("Wrong again.")),
        user(7, "And this was asked of it"),
        user(8, "Second, well put", parentUuid="u2"),
        answer(9, "m4", text("Two.")),
        user(10, "Third"),
    )
    events = import_events(read, tmp_path / "a.jsonl", found)
    check_runs(events)
    assert chat(events) == ["First", "One.", "Second, well put", "Two.", "Third"]
    assert "tool_called" not in kinds(events)
    assert [(body.current_step, json.loads(body.variables_json)) for body in of_kind(events, "state_changed")] == [
        ("abandoned_branch", {"content": "Second, badly put"}),
        ("abandoned_branch", {"content": "And this was asked of it"}),
    ]
    assert kinds(events)[3:6] == ["state_changed", "state_changed", "user_message"]


def test_the_first_prompt_may_be_rewound_too_and_a_branch_taken_up_again(tmp_path: Path) -> None:
    found = lines(
        line(0, "attachment", attachment={"type": "hook_success", "content": "hook says"}),
        user(1, "Badly put", parentUuid="u0"),
        answer(2, "m1", text("What?")),
        user(3, "Well put", parentUuid="u0"),
        answer(4, "m2", text("Yes.")),
    )
    edited = import_events(read, tmp_path / "a.jsonl", found)
    assert chat(edited) == ["Well put", "Yes."]
    assert of_kind(edited, "agent_started")[0].goal == "Well put"
    back = import_events(read, tmp_path / "a.jsonl", found + lines(user(5, "I mean this", parentUuid="u2")))
    assert chat(back) == ["Badly put", "What?", "I mean this"]
    check_runs([*back])


def test_only_prompts_of_a_person_tell_that_a_branch_was_rewound(tmp_path: Path) -> None:
    found = lines(
        user(1, "Go", parentUuid=None),
        answer(2, "m1", use("t1")),
        answer(3, "m1", use("t2")),
        user(4, [result("t1", "one")], parentUuid="u2"),
        user(5, [result("t2", "two")], parentUuid="u3"),
        user(6, "Stop hook feedback", isMeta=True, parentUuid="u1"),
        answer(7, "m2", text("Done."), parentUuid="u4"),
        user(8, "Next", parentUuid="u4"),
        user(9, "After a summary", parentUuid=None),
        user(10, "Of a line that is elsewhere", parentUuid="elsewhere"),
    )
    events = import_events(read, tmp_path / "a.jsonl", found)
    assert [body.result_json for body in of_kind(events, "tool_returned")] == ['"one"', '"two"']
    assert chat(events) == ["Go", None, "Done.", "Next", "After a summary", "Of a line that is elsewhere"]
    assert chat(import_events(read, tmp_path / "a.jsonl", found + found)) == chat(events)


def test_what_only_reminds_the_model_is_no_message_of_the_user(tmp_path: Path) -> None:
    reminder = "<system-reminder>Mind the list</system-reminder>"
    found = lines(
        user(1, [text(reminder), text(reminder)]), user(2, [text(reminder), text("Go")]), answer(3, "m1", text("Done."))
    )
    events = import_events(read, tmp_path / "a.jsonl", found)
    assert chat(events) == [f"{reminder}\nGo", "Done."]
    assert of_kind(events, "agent_started")[0].goal == f"{reminder}\nGo"
    [called] = of_kind(events, "model_called")
    assert [message.content for message in called.input_messages] == [f"{reminder}\n{reminder}"]


def test_what_a_slash_command_was_given_is_what_the_user_said(tmp_path: Path) -> None:
    command = "<command-message>fix is running</command-message>\n<command-name>/fix</command-name>"
    found = lines(
        user(1, "<command-name>/clear</command-name>\n<command-args></command-args>"),
        user(2, f"{command}\n<command-args>the login</command-args>"),
        user(3, [text("# Fix what is asked")], isMeta=True),
        answer(4, "m1", text("Done.")),
    )
    events = import_events(read, tmp_path / "a.jsonl", found)
    assert of_kind(events, "agent_started")[0].goal == "the login"
    assert chat(events) == ["the login", "Done."]
    [called] = of_kind(events, "model_called")
    assert [message.content for message in called.input_messages][1:] == [command, "# Fix what is asked"]


def test_images_in_results_stand_as_their_type(tmp_path: Path) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo"}}
    page = {"type": "document", "source": {"type": "base64", "data": "JVBERi0x"}}
    link = {"type": "web_search_result", "url": "https://a.example"}
    found = lines(
        user(1, "Go"),
        answer(2, "m1", use("t1"), use("t2")),
        user(3, [result("t1", [text("Seen:"), image, page])]),
        user(4, [result("t2", [link, image])]),
    )
    first, second = of_kind(import_events(read, tmp_path / "a.jsonl", found), "tool_returned")
    assert first.result_json == '"Seen:\\n[image]\\n[document]"'
    assert json.loads(second.result_json) == [link, "[image]"]


@pytest.mark.parametrize(
    ("last", "status"),
    [([user(10, "[Request interrupted by user]")], "interrupted"),
     ([user(10, "[Request interrupted by user]"), user(11, "Go on")], "unknown"),
     ([], "unknown")],
)  # fmt: skip
def test_only_an_interruption_at_the_end_interrupts(tmp_path: Path, last: list[Line], status: str) -> None:
    events = import_events(read, tmp_path / "a.jsonl", lines(*SESSION, *last))
    assert of_kind(events, "agent_ended")[-1].completion_status == status
    assert len(of_kind(events, "user_message")) == 1 + len(last[1:])


def test_other_lines_become_what_they_are(tmp_path: Path) -> None:
    found = lines(
        user(1, "Go"),
        line(2, "system", subtype="api_error", error={"message": "overloaded"}),
        line(3, "system", subtype="compact_boundary", content="Conversation compacted"),
        answer(4, "m0", text("API Error: 500"), isApiErrorMessage=True),
        line(5, "attachment", attachment={"type": "queued_command", "prompt": "Also this"}),
        line(6, "attachment", attachment={"type": "hook_success", "content": "hook says"}),
        line(7, "brand-new-kind", text="keep me"),
        answer(8, "m1", text("Done.")),
        {"type": "summary", "summary": "All done", "leafUuid": "u8"},
        {"type": "summary", "summary": "Of another session", "leafUuid": "elsewhere"},
    )
    events = import_events(read, tmp_path / "a.jsonl", found)
    assert [error.message for error in of_kind(events, "error_raised")] == ["overloaded", "API Error: 500"]
    assert [state.current_step for state in of_kind(events, "state_changed")] == ["compact_boundary", "brand-new-kind"]
    assert [said.content for said in of_kind(events, "user_message")] == ["Go", "Also this"]
    assert [said.content for said in of_kind(events, "model_called")[0].input_messages] == ["hook says"]
    assert json.loads(of_kind(events, "agent_ended")[0].outputs_json) == {"summaries": ["All done"]}


def test_a_broken_line_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    content = lines(*SESSION[:2]) + '{"type": "user", "mess\n' + lines(7, user(3, None), *SESSION[2:])
    found = import_text(read, tmp_path / "a.jsonl", content)
    assert [item.line for item in found if isinstance(item, BrokenRecord)] == [3, 4, 5]
    assert [item for item in found if isinstance(item, Event)] == import_events(
        read, tmp_path / "a.jsonl", lines(*SESSION)
    )


def test_a_document_without_session_is_one_run(tmp_path: Path) -> None:
    bare = [{"type": record["type"], "message": record["message"]} for record in SESSION if "message" in record]
    first = import_events(read, tmp_path / "a.json", json.dumps({"messages": bare}))
    second = import_events(read, tmp_path / "b.json", json.dumps({"messages": [*bare, *bare]}))
    assert len(check_runs([*first, *second])) == 2
    assert all(event.occurred_at_synthetic for event in first)


def test_a_long_run_of_results_does_not_hold_back_events_for_ever(tmp_path: Path) -> None:
    many = [user(1, "Go"), answer(2, "m1", *(use(f"t{n}") for n in range(2000)))]
    many += [{**user(3, [result(f"t{n}")]), "uuid": f"r{n}"} for n in range(2000)]
    events = import_events(read, tmp_path / "a.jsonl", lines(*many))
    assert Counter(kinds(events))["tool_returned"] == 2000
    assert Counter(kinds(events))["model_called"] == 1
    check_runs(events)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_damaged_transcripts_never_raise(tmp_path: Path, seed: int) -> None:
    for content in damaged_texts(SESSION, lambda document: lines(*document), seed):
        check_runs(import_text(read, tmp_path / "a.jsonl", content))


FILES = [*RECORDINGS.glob("claude-code-*/*.jsonl"), *RECORDINGS.glob("otel-*/claude_code_skill_tool.json")]


@pytest.mark.recordings
@pytest.mark.parametrize("path", sorted(FILES) or [None], ids=lambda path: path.name if path else "none")
def test_recordings_are_counted_right(path: Path | None) -> None:
    if path is None:
        pytest.skip("the recordings of ../shared/data are not here")
    raw = path.read_text(encoding="utf-8")
    records = [json.loads(one) for one in raw.splitlines()] if path.suffix == ".jsonl" else json.loads(raw)["messages"]
    records = [record for record in records if isinstance(record, dict) and isinstance(record.get("message"), dict)]
    parts: Counter[str] = Counter()
    for record in records:
        content = record["message"].get("content")
        parts.update(part["type"] for part in content if isinstance(part, dict)) if isinstance(content, list) else None
    groups = {(r.get("sessionId"), r["message"].get("id")) for r in records if r["type"] == "assistant"}
    found = [item for item in read(RecordingFile(path), ImportOptions()) if isinstance(item, Event)]
    counted = Counter(kinds(found))
    assert len(check_runs(found)) == len({r.get("sessionId") for r in records})
    assert counted["tool_called"] == parts["tool_use"]
    assert counted["tool_returned"] == parts["tool_result"]
    assert counted["model_called"] == len(groups)
    tokens = {(r.get("sessionId"), r["message"].get("id")): r["message"].get("usage", {}) for r in records}
    output = sum(tokens[group].get("output_tokens", 0) for group in groups)
    assert sum(call.usage.output_tokens for call in of_kind(found, "model_called") if call.usage) == output
