"""Eval logs of Inspect AI, old and new, as documents and as archives."""

import gzip
import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import Event, ModelRef
from schemas.steps import steps
from streams.adapters import inspect_archive
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile
from streams.adapters.inspect_ai import read
from streams.adapters.inspect_fields import reward_of
from tests.contract.importer_samples import _inspect_sample
from tests.unit.adapters.foreign_files import RECORDINGS, check_runs, damage, import_events, import_text, kinds, of_kind

Record = dict[str, Any]
HEADER: Record = {"eval": {"task": "t", "model": "openai/gpt-4o", "run_id": "r", "solver": "react"}}


def user(content: str, **more: Any) -> Record:
    return {"role": "user", "content": content, **more}


def answer(content: Any, *calls: str, **more: Any) -> Record:
    asked = [{"id": name, "function": "bash", "arguments": {"cmd": name}} for name in calls]
    return {"role": "assistant", "content": content, "tool_calls": asked or None, **more}


def model(output: Record | None, *inputs: Record, **more: Any) -> Record:
    choices = [] if output is None else [{"message": output, "stop_reason": "stop"}]
    return {
        "event": "model", "timestamp": "2025-05-12T20:00:00Z", "model": "openai/gpt-4o", "input": list(inputs),
        "output": {"choices": choices}, **more,
    }  # fmt: skip


def tool(name: str, **more: Any) -> Record:
    return {"event": "tool", "id": name, "function": "bash", "arguments": {"cmd": name}, "result": "out", **more}


def span(name: str, kind: str, parent: str | None = None) -> Record:
    return {"event": "span_begin", "id": name, "type": kind, "name": name, "parent_id": parent, "span_id": name}


def sample(*events: Record, **more: Any) -> Record:
    return {"id": "s", "epoch": 2, "input": "Do it.", "target": "SECRET", "events": list(events), **more}


def log(*samples: Record) -> Record:
    return {**HEADER, "samples": list(samples)}


def imported(folder: Path, *events: Record, **more: Any) -> list[Event]:
    found = import_events(read, folder / "log.json", json.dumps(log(sample(*events, **more))))
    check_runs(found)
    return found


def archive_of(members: Record, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content if isinstance(content, bytes) else json.dumps(content))
    return file.getvalue()


def import_bytes(path: Path, content: bytes) -> list[Event | BrokenRecord]:
    path.write_bytes(content)
    return list(read(RecordingFile(path), ImportOptions()))


def test_a_prompt_that_grows_tells_each_message_once(tmp_path: Path) -> None:
    first, second = answer("a", "c1"), answer("b")
    result = {"role": "tool", "tool_call_id": "c1", "content": "out", "function": "bash"}
    events = imported(
        tmp_path,
        model(first, {"role": "system", "content": "Be."}, user("go")),
        tool("c1"),
        model(second, {"role": "system", "content": "Be."}, user("go"), first, result, user("go")),
        messages=[{"role": "system", "content": "Be."}, user("go"), first, result, user("go"), second],
    )
    assert kinds(events) == [
        "agent_started", "user_message", "model_called", "tool_called", "tool_returned", "user_message",
        "model_called", "agent_ended",
    ]  # fmt: skip
    started = events[0].agent_started
    assert started is not None
    assert (started.system_prompt, started.task_id, started.trial) == ("Be.", "s", 2)
    assert (events[0].agent, events[0].scenario) == ("react", "t")
    assert events[0].model == ModelRef(provider="openai", name="gpt-4o")


def test_messages_without_an_event_stream_are_the_run(tmp_path: Path) -> None:
    thought = [{"type": "reasoning", "reasoning": "hm"}, {"type": "text", "text": "I look."}]
    chat = [
        {"role": "system", "content": "Be."}, user("go"), answer(thought, "c1"),
        {"role": "tool", "tool_call_id": "c1", "content": "", "error": {"type": "timeout", "message": "slow"}},
        answer("more", "c2"), {"role": "tool", "tool_call_id": "c2", "content": "", "tool_error": "old"},
        answer("done"),
    ]  # fmt: skip
    output = {"choices": [{"message": answer("done"), "stop_reason": "stop"}], "usage": {"input_tokens": 5}}
    events = imported(tmp_path, messages=chat, output=output)
    assert kinds(events) == [
        "agent_started", "user_message", "model_called", "tool_called", "tool_returned", "model_called", "tool_called",
        "tool_returned", "model_called", "agent_ended"
    ]  # fmt: skip
    first, _, last = of_kind(events, "model_called")
    assert (first.output.content, first.output.reasoning) == ("I look.", "hm")
    assert (last.finish_reason, last.usage.input_tokens) == ("stop", 5)
    result, old = of_kind(events, "tool_returned")
    assert (result.success, result.error_kind, result.error_message) == (False, "timeout", "slow")
    assert (old.success, old.error_message) == (False, "old")


def test_an_error_in_words_is_no_error_where_the_log_states_none(tmp_path: Path) -> None:
    events = imported(tmp_path, model(answer("a", "c1")), tool("c1", result="Error: what the tool printed"))
    assert [result.success for result in of_kind(events, "tool_returned")] == [True]


def test_a_call_without_a_tool_event_stays_without_a_result(tmp_path: Path) -> None:
    events = imported(tmp_path, model(answer("a", "c1", "c2")), tool("c2"), tool("c3"), tool("c4", pending=True))
    assert [call.call_id for call in of_kind(events, "tool_called")] == ["c1", "c2", "c3", "c4"]
    assert [result.call_id for result in of_kind(events, "tool_returned")] == ["c2", "c3"]


def test_an_agent_that_a_tool_runs_is_a_sub_agent_before_the_result(tmp_path: Path) -> None:
    events = imported(
        tmp_path,
        model(answer("a", "c1")),
        span("t1", "tool"),
        tool("c1", function="t1"),
        span("helper", "agent", "t1"),
        model(answer("inside"), user("help"), span_id="helper"),
        {"event": "span_end", "id": "helper"},
        {"event": "span_end", "id": "t1"},
        model(answer("end")),
    )
    assert [event.kind for event in events if event.kind != "state_changed"] == [
        "agent_started", "model_called", "tool_called", "agent_started", "model_called", "agent_ended",
        "tool_returned", "model_called", "agent_ended",
    ]  # fmt: skip
    call, inner = (next(e for e in events if e.kind == "tool_called"), [e for e in events if e.agent == "helper"])
    assert inner[0].parent_span_id == call.span_id
    assert not of_kind(events, "user_message")
    assert [message.content for message in inner[1].body.input_messages] == ["help"]  # type: ignore[union-attr]
    assert len([step for step in steps(events) if step.thread is None]) == 2


def test_a_result_whose_span_never_ends_stands_before_the_next_answer(tmp_path: Path) -> None:
    events = imported(tmp_path, model(answer("a", "c1")), span("bash", "tool"), tool("c1"), model(answer("b")))
    assert kinds(events)[1:-1] == ["model_called", "tool_called", "tool_returned", "model_called"]


def test_samples_epochs_and_evals_are_runs_of_their_own(tmp_path: Path) -> None:
    one, other = sample(model(answer("a"))), {**sample(model(answer("a"))), "epoch": 3}
    events = import_events(read, tmp_path / "a.json", json.dumps(log(one, other)))
    assert [event.agent_started.trial for event in events if event.agent_started] == [2, 3]
    again = import_events(
        read, tmp_path / "b.json", json.dumps({"eval": {"task": "t", "run_id": "z"}, "samples": [one]})
    )
    assert len({event.trace_id for event in [*events, *again]}) == 3


def test_a_scorer_that_asks_a_model_is_no_turn_of_the_agent(tmp_path: Path) -> None:
    old = {"event": "step", "action": "begin", "type": "scorer", "name": "judge"}
    for begin, more in ((span("judge", "scorer"), {"span_id": "judge"}), (old, {}), (None, {"role": "grader"})):
        grading = [*([begin] if begin else []), model(answer("GRADE: C"), user("Is it?"), **more)]
        events = imported(tmp_path, model(answer("x"), user("go")), *grading)
        assert [e.agent for e in events if e.kind == "model_called"] == ["react", "judge" if begin else "grader"]
        assert len(of_kind(events, "user_message")) == 1


def test_nested_events_of_older_logs_run_inside_their_tool(tmp_path: Path) -> None:
    events = imported(tmp_path, model(answer("a", "c1")), tool("c1", events=[model(answer("in")), tool("d1")]))
    assert kinds(events)[2:-1] == [
        "tool_called", "agent_started", "model_called", "tool_called", "tool_returned", "agent_ended", "tool_returned"
    ]  # fmt: skip


def test_pooled_messages_and_attachments_are_resolved(tmp_path: Path) -> None:
    pool = [user("attachment://x"), answer("one"), user("two")]
    events = imported(
        tmp_path,
        model(answer("one"), input_refs=[[0, 1]]),
        model(answer("three"), input_refs=[[0, 2], [2, 3]]),
        events_data={"messages": pool, "calls": []},
        attachments={"x": "the long text"},
    )
    assert [said.content for said in of_kind(events, "user_message")] == ["the long text", "two"]


def test_calls_that_the_provider_ran_are_calls(tmp_path: Path) -> None:
    part = {"type": "tool_use", "tool_type": "web_search", "id": "w", "name": "search", "arguments": '{"q": 1}'}
    content = [{**part, "result": "hits"}, {**part, "id": "v", "error": "no net"}, {"type": "text", "text": "So."}]
    events = imported(tmp_path, model(answer(content)))
    assert [(call.tool, call.parameters_json) for call in of_kind(events, "tool_called")] == [
        ("search", '{"q": 1}')
    ] * 2
    assert [result.error_message for result in of_kind(events, "tool_returned")] == [None, "no net"]
    assert of_kind(events, "model_called")[0].output.content == "So."


def test_errors_limits_and_retries_are_told(tmp_path: Path) -> None:
    problem = {"message": "boom", "traceback": "at line 1"}
    events = imported(
        tmp_path,
        model(None, user("go"), error="rate limit"),
        {"event": "sample_limit", "type": "token", "message": "too many", "limit": 5},
        {"event": "error", "error": problem},
        error=problem,
        error_retries=[{"message": "first"}, {"message": "first"}],
    )
    assert [(e.error_kind, e.message) for e in of_kind(events, "error_raised")] == [
        ("sample_error", "first"), ("sample_error", "first"), ("model_error", "rate limit"),
        ("sample_error", "boom\nat line 1"),
    ]  # fmt: skip
    assert len(of_kind(events, "recovery_attempted")) == 2
    ended = of_kind(events, "agent_ended")[-1]
    assert (ended.completion_status, ended.reason) == ("failed", "limit: token: too many")
    limited = of_kind(imported(tmp_path, messages=[user("x")], limit={"type": "time", "limit": 5}), "agent_ended")[-1]
    assert (limited.completion_status, limited.reason) == ("interrupted", "limit: time")


@pytest.mark.parametrize(
    ("value", "reward"),
    [("C", 1.0), ("I", 0.0), ("P", 0.5), ("N", 0.0), ("yes", 1.0), (True, 1.0), (0.3, 0.3), ("0.3", 0.3), (7, 7.0),
     ("good", None), ({"a": 1}, None), ([1], None), (None, None), (float("nan"), None)],
)  # fmt: skip
def test_the_first_score_is_the_reward(value: Any, reward: float | None) -> None:
    assert reward_of({"first": {"value": value}, "second": {"value": "C"}}) == reward


def test_scores_stand_in_the_end_and_the_target_nowhere(tmp_path: Path) -> None:
    events = imported(
        tmp_path,
        {"event": "score", "score": {"value": 0.5}, "target": "SECRET", "intermediate": True},
        {"event": "state", "changes": [{"path": "/target", "value": "SECRET"}, {"path": "/x", "value": 1}]},
        model(answer("a")),
        scores={"one": {"value": "P", "explanation": "near"}},
    )
    ended = of_kind(events, "agent_ended")[-1]
    assert (ended.completion_status, ended.reward) == ("partial", 0.5)
    assert json.loads(ended.reward_json) == {
        "scores": {"one": {"value": "P", "explanation": "near"}}, "intermediate": [{"value": 0.5}]
    }  # fmt: skip
    assert "SECRET" not in repr(events)
    old = imported(tmp_path, messages=[user("x")], score={"value": "I"})
    assert of_kind(old, "agent_ended")[-1].completion_status == "failed"


def test_what_no_version_knows_yet_is_kept(tmp_path: Path) -> None:
    events = imported(tmp_path, {"event": "compaction", "tokens": 5}, {"event": "input", "input": "a person"})
    assert [(s.current_step, s.variables_json) for s in of_kind(events, "state_changed")] == [
        ("compaction", '{"tokens":5}')
    ]
    assert "a person" in [said.content for said in of_kind(events, "user_message")]


def test_an_archive_gives_what_the_document_gives(tmp_path: Path) -> None:
    samples = [_inspect_sample(n) for n in range(3)]
    document = import_events(read, tmp_path / "log.json", json.dumps({**HEADER, "samples": samples}))
    members = {f"samples/{n}_epoch_1.json": value for n, value in enumerate(samples)}
    for start in ("header.json", "start.json", "_journal/start.json"):
        assert (
            import_bytes(tmp_path / "log.eval", archive_of({**members, start: HEADER, "summaries.json": []}))
            == document
        )
    assert (
        import_bytes(tmp_path / "x.bin", archive_of({"header.json": HEADER, **members}, zipfile.ZIP_STORED)) == document
    )
    packed = gzip.compress(archive_of({"header.json": HEADER, **members}))
    assert import_bytes(tmp_path / "log.eval", packed) == document


def test_zstandard_members_are_read(tmp_path: Path) -> None:
    value = json.dumps(_inspect_sample(1)).encode()
    packed = zstandard.compress(value)
    content = bytearray(archive_of({"samples/1_epoch_1.json": packed}, zipfile.ZIP_STORED))
    for mark, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        content[content.index(mark) + offset] = 93
    plain = import_bytes(tmp_path / "a.eval", archive_of({"samples/1_epoch_1.json": value}))
    assert import_bytes(tmp_path / "b.eval", bytes(content)) == plain
    assert len(plain) > 5


def test_a_member_that_was_written_again_counts_once_as_its_last(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for content in ("old", "new"):
            archive.writestr("samples/s_epoch_1.json", json.dumps(sample(messages=[user(content)])))
    found = [item for item in import_bytes(tmp_path / "a.eval", file.getvalue()) if isinstance(item, Event)]
    assert [said.content for said in of_kind(found, "user_message")] == ["new"]


def test_broken_members_are_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    members = {"samples/1.json": b"{", "samples/2.json": [5], "samples/3.json": _inspect_sample(1)}
    found = import_bytes(tmp_path / "a.eval", archive_of(members))
    assert [item.record for item in found if isinstance(item, BrokenRecord)] == [1, 2]
    assert len(check_runs(found)) == 1


def test_a_damaged_archive_is_reported(tmp_path: Path) -> None:
    content = archive_of({"header.json": HEADER, "samples/1.json": _inspect_sample(1)})
    for damaged in (content[:100], archive_of({"x.json": 1}), b"PK\x03\x04"):
        [found] = import_bytes(tmp_path / "a.eval", damaged)
        assert isinstance(found, BrokenRecord)
    flipped = bytearray(content)
    flipped[content.index(b"samples/1.json") + 60] ^= 255
    assert any(isinstance(item, BrokenRecord) for item in import_bytes(tmp_path / "a.eval", bytes(flipped)))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_an_archive_that_is_cut_off_gives_its_beginning(tmp_path: Path, method: int) -> None:
    members = {"_journal/start.json": HEADER, **{f"samples/{n}.json": _inspect_sample(n) for n in range(4)}}
    content = archive_of(members, method)
    whole = import_bytes(tmp_path / "a.eval", content)
    cut = content.index(b"samples/3.json") + 100
    for end, samples in ((cut, 3), (content.index(b"PK\x01\x02") + 10, 4)):
        found = import_bytes(tmp_path / "a.eval", content[:end])
        assert [item for item in found if isinstance(item, Event)] == whole[: len(whole) * samples // 4]
        assert [item.reason for item in found if isinstance(item, BrokenRecord)] == [
            "the archive is cut off or damaged"
        ]
    flipped = bytearray(content[:cut])
    flipped[content.index(b"samples/1.json") + 300] ^= 255
    found = import_bytes(tmp_path / "a.eval", bytes(flipped))
    assert {item.record for item in found if isinstance(item, BrokenRecord)} == {2, None}
    assert len(check_runs(found)) == 2


def test_an_archive_that_grows_without_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_archive, "MAX_RECORD_BYTES", 100_000)
    bomb = archive_of({"samples/1.json": b" " * 10_000_000, "samples/2.json": sample(messages=[user("x")])})
    found = import_bytes(tmp_path / "a.eval", bomb)
    assert [item.reason for item in found if isinstance(item, BrokenRecord)] == [
        "a member of the archive is longer than 128 MiB"
    ]
    assert len(check_runs(found)) == 1
    monkeypatch.setattr(inspect_archive, "_MAX_RATIO", 1)
    monkeypatch.setattr(inspect_archive, "_MIN_BUDGET_BYTES", 150_000)
    many = archive_of({f"samples/{n}.json": b" " * 90_000 for n in range(9)})
    found = import_bytes(tmp_path / "a.eval", many)
    assert len(found) == 2
    assert isinstance(found[-1], BrokenRecord)
    assert "grows" in found[-1].reason
    monkeypatch.setattr(inspect_archive, "_MAX_UNPACKED_BYTES", 1_000)
    [refused] = import_bytes(tmp_path / "a.eval.gz", gzip.compress(bomb))
    assert isinstance(refused, BrokenRecord)


def test_references_that_would_fill_the_memory_stay_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.adapters.inspect_fields._MAX_RESOLVED_CHARACTERS", 2_000)
    chat = [model(answer("a"), user("attachment://x", n=n)) for n in range(10)]
    changes = {"event": "store", "changes": [{"value": "attachment://x"}] * 100}
    events = imported(tmp_path, *chat, changes, attachments={"x": "y" * 500})
    assert sum(repr(event).count("y" * 500) for event in events) < 5


def test_what_is_no_sample_is_reported(tmp_path: Path) -> None:
    for document in ({"a": 1}, [5], {"eval": {}, "samples": [None]}, {"status": "error", "samples": None}):
        [found] = import_text(read, tmp_path / "x.json", json.dumps(document))
        assert isinstance(found, BrokenRecord)
    deep: Record = {}
    for _ in range(400):
        deep = {"a": [deep]}
    [found] = import_text(
        read, tmp_path / "x.json", json.dumps(log(sample(model(answer("x")), {"event": "info", "data": deep})))
    )
    assert isinstance(found, BrokenRecord)


def test_logs_on_lines_keep_their_headers(tmp_path: Path) -> None:
    other = {"eval": {**HEADER["eval"], "task": "other"}, "samples": [sample(model(answer("a")))]}
    content = json.dumps(log(sample(model(answer("a"))))) + "\n" + json.dumps(other) + "\n"
    events = import_events(read, tmp_path / "x.jsonl", content)
    assert {event.scenario for event in events} == {"t", "other"}


RICH = sample(
    span("s", "solver"),
    model(answer("a", "c1", "c2", id="m"), {"role": "system", "content": "Be."}, user("go"), input_refs=[[0, 1]]),
    span("t", "tool", "s"),
    tool("c1", function="t", events=[model(answer("in"))]),
    span("agent", "agent", "t"),
    model(answer([{"type": "tool_use", "id": "w", "name": "n"}]), span_id="agent"),
    {"event": "span_end", "id": "t"},
    {"event": "step", "action": "begin", "type": "scorer", "name": "j"},
    {"event": "sample_limit", "type": "time"},
    {"event": "error", "error": {"message": "m"}},
    scores={"a": {"value": "C"}},
    error_retries=[{"message": "x"}],
    attachments={"x": "y"},
    events_data={"messages": [user("attachment://x")]},
    messages=[user("go"), answer("z", "c9")],
    limit={"type": "x"},
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_damaged_samples_never_stop_the_import(tmp_path: Path, seed: int) -> None:
    document = {**HEADER, "samples": [damage(RICH, seed, 1 + seed % 6)]}
    content = json.dumps(document)
    for damaged in (content, content[: seed * 37 % len(content)]):
        check_runs(import_text(read, tmp_path / "x.json", damaged))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), method=st.sampled_from([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED]))
def test_damaged_archives_never_stop_the_import(tmp_path: Path, data: st.DataObject, method: int) -> None:
    members = {"header.json": HEADER, "samples/1.json": sample(), "samples/2.json": {**sample(), "epoch": 7}}
    content = bytearray(archive_of(members, method))
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(content)))
    check_runs(import_bytes(tmp_path / "a.eval", bytes(content[:end])))


def test_spans_that_contain_each_other_end(tmp_path: Path) -> None:
    loop = [span("a", "tool", "b"), span("b", "agent", "a"), span("a", "agent", "b"), span("c", "scorer", "c")]
    events = imported(tmp_path, *loop, model(answer("x"), span_id="a"), model(answer("y"), span_id="c"))
    assert kinds(events).count("model_called") == 2


def raw_counts(document: Record) -> tuple[int, int, int]:
    """Runs, tool calls and failed results, counted in the file: tool events, else the messages."""
    calls = errors = 0
    for found in document["samples"]:
        events = found.get("events") or (found.get("transcript") or {}).get("events") or []
        tools = [event for event in events if event["event"] == "tool"]
        said = found["messages"]
        calls += len(tools) or sum(len(message.get("tool_calls") or ()) for message in said)
        failed = [event for event in tools or said if event.get("error")]
        errors += len(failed)
    return len(document["samples"]), calls, errors


FILES = sorted(RECORDINGS.glob("inspect-ai-logs/*.json.gz"))


@pytest.mark.recordings
@pytest.mark.skipif(not FILES, reason="../shared/data is not here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_recordings_have_as_many_runs_calls_and_errors_as_the_file(path: Path, tmp_path: Path) -> None:
    document = json.loads(gzip.decompress(path.read_bytes()))
    events = import_events(read, path)
    runs = check_runs(events)
    failed = [result for result in of_kind(events, "tool_returned") if not result.success]
    assert (len(runs), len(of_kind(events, "tool_called")), len(failed)) == raw_counts(document)
    model_events = [
        event
        for found in document["samples"]
        for event in found.get("events") or (found.get("transcript") or {}).get("events") or []
        if event["event"] == "model"
    ]
    assert len(of_kind(events, "model_called")) == len(model_events)
    spoken = {
        message["content"] for found in document["samples"] for message in found["messages"] if message["content"]
    }
    held = {text for event in events for text in every_text(event.body)}
    assert spoken <= held
    members = {f"samples/{n}.json": found for n, found in enumerate(document["samples"])}
    assert import_bytes(tmp_path / "same.eval", archive_of({"header.json": document, **members})) == events


def every_text(value: Any) -> list[str]:
    if isinstance(value, str):
        try:
            decoded = json.loads(value)
        except ValueError:
            return [value]
        return [value, *([decoded] if isinstance(decoded, str) else [])]
    if isinstance(value, tuple):
        return [text for item in value for text in every_text(item)]
    if hasattr(value, "__struct_fields__"):
        return [text for name in value.__struct_fields__ for text in every_text(getattr(value, name))]
    return []
