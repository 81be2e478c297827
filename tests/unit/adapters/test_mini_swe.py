"""mini-SWE-agent trajectories of both formats."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import Event, ModelRef
from streams.adapters.base import ImportOptions, RecordingFile
from streams.adapters.mini_swe import read
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


def calls(*commands: str) -> list[Record]:
    return [
        {"id": f"c{n}", "type": "function", "function": {"name": "bash", "arguments": json.dumps({"command": command})}}
        for n, command in enumerate(commands)
    ]


def said(content: str, at: float, *commands: str, **extra: Any) -> Record:
    usage = {"prompt_tokens": 20, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}
    response = {"id": "r", "model": "deepseek-chat", "choices": [{"finish_reason": "tool_calls"}], "usage": usage}
    details = {"timestamp": at, "cost": 0.5, "response": response, **extra}
    return {"role": "assistant", "content": content, "tool_calls": calls(*commands), "extra": details}


def returned(call: str, content: str, code: int, at: float) -> Record:
    extra = {"returncode": code, "timestamp": at, "exception_info": ""}
    return {"role": "tool", "tool_call_id": call, "content": content, "extra": extra}


def run_1_1(instance: str = "one__two-3") -> Record:
    return {
        "instance_id": instance,
        "trajectory_format": "mini-swe-agent-1.1",
        "info": {
            "exit_status": "Submitted",
            "submission": "diff",
            "model_stats": {"instance_cost": 1.5, "api_calls": 3},
            "config": {"model": {"model_name": "deepseek/deepseek-chat"}},
        },
        "messages": [
            {"role": "system", "content": "Be helpful."},
            {"role": "user", "content": "Fix the bug."},
            said("Looking.", 1775784986.5, "ls", "cat x"),
            returned("c0", "<returncode>0</returncode>", 0, 1775784990.25),
            returned("c1", "<returncode>1</returncode>", 1, 1775784989.0),
            {"role": "user", "content": "Tool call error", "extra": {"interrupt_type": "FormatError"}},
            said("Submitting.", 1775784995.0, "submit"),
            {"role": "exit", "content": "diff", "extra": {"exit_status": "Submitted", "submission": "diff"}},
        ],
    }


RUN_1_0: Record = {
    "trajectory_format": "mini-swe-agent-1",
    "info": {"exit_status": "Submitted", "submission": "the patch\n", "model_stats": {"instance_cost": 0.1}},
    "messages": [
        {"role": "system", "content": "Be helpful."},
        {"role": "user", "content": "Fix the bug."},
        {"role": "assistant", "content": "THOUGHT: look\n\n```bash\nls -la\n```"},
        {"role": "user", "content": "<returncode>2</returncode>\n<output>none</output>"},
        {"role": "assistant", "content": "No action here."},
        {"role": "user", "content": "Please give exactly one action."},
        {"role": "assistant", "content": "```bash\nsleep 99\n```"},
        {"role": "user", "content": "The last command <command>sleep 99</command> timed out and has been killed."},
        {"role": "assistant", "content": "```bash\nsubmit\n```"},
        {"role": "user", "content": "the patch\n"},
    ],
}


def test_calls_results_and_costs_of_format_1_1(tmp_path: Path) -> None:
    events = import_events(read, tmp_path / "runs.jsonl", lines(run_1_1()))
    check_runs(events)
    assert Counter(kinds(events)) == {
        "agent_started": 1, "user_message": 1, "model_called": 2, "tool_called": 3, "tool_returned": 2,
        "error_raised": 1, "agent_ended": 1,
    }  # fmt: skip
    start, end = of_kind(events, "agent_started")[0], of_kind(events, "agent_ended")[0]
    assert (start.task_id, start.goal, start.system_prompt) == ("one__two-3", "Fix the bug.", "Be helpful.")
    assert (end.completion_status, end.reason, end.cost_usd, end.reward) == ("unknown", "Submitted", 1.5, None)
    assert json.loads(end.outputs_json) == {"submission": "diff"}
    good, bad = of_kind(events, "tool_returned")
    assert (good.success, good.call_id) == (True, "c0")
    assert (bad.success, bad.error_kind, bad.error_message) == (False, "exit_code", "exit code 1")
    first, second = (event for event in events if event.kind == "model_called")
    assert first.model == ModelRef(provider="deepseek", name="deepseek-chat")
    assert first.model_called is not None
    assert first.model_called.usage is not None
    assert (first.model_called.usage.input_tokens, first.model_called.usage.cache_read_tokens) == (20, 4)
    assert second.model_called is not None
    assert [message.content for message in second.model_called.input_messages] == ["Tool call error"]


def test_times_that_go_backwards_stay_and_missing_ones_are_marked(tmp_path: Path) -> None:
    events = import_events(read, tmp_path / "runs.jsonl", lines(run_1_1()))
    results = [event.occurred_at for event in events if event.kind == "tool_returned"]
    assert results == [1_775_784_990_250_000, 1_775_784_989_000_000]
    assert [event.kind for event in events if event.occurred_at_synthetic] == [
        "agent_started", "user_message", "error_raised", "agent_ended"
    ]  # fmt: skip


def test_the_verdict_beside_the_file_is_the_outcome(tmp_path: Path) -> None:
    (tmp_path / "runs.eval.json").write_text(json.dumps({"resolved_ids": ["a"], "unresolved_ids": ["b"]}))
    events = import_events(read, tmp_path / "runs.jsonl", lines(*(run_1_1(name) for name in "abc")))
    ends = [(end.reward, end.completion_status) for end in of_kind(events, "agent_ended")]
    assert ends == [(1.0, "successful"), (0.0, "failed"), (None, "unknown")]


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ({"resolved": True}, (1.0, "successful", '{"resolved":true}')),
        ({"resolved": False, "reward": 0.25}, (0.25, "partial", '{"resolved":false}')),
        ({"reward": 0}, (0.0, "failed", None)),
        ({"exit_status": "LimitsExceeded"}, (None, "interrupted", None)),
        ({"resolved": "yes", "exit_status": "Submitted"}, (None, "unknown", None)),
    ],
)
def test_the_outcome_that_the_record_states_counts_where_no_verdict_lies_beside_it(
    tmp_path: Path, stated: Record, expected: tuple[object, ...]
) -> None:
    row = {"instance_id": "a", "messages": run_1_1()["messages"][:-1], **stated}
    [end] = of_kind(import_events(read, tmp_path / "rows.jsonl", lines(row)), "agent_ended")
    assert (end.reward, end.completion_status, end.reward_json) == expected
    assert end.reason == stated.get("exit_status")
    (tmp_path / "judged.eval.json").write_text(json.dumps({"unresolved_ids": ["a"]}))
    [end] = of_kind(import_events(read, tmp_path / "judged.jsonl", lines(row)), "agent_ended")
    assert (end.reward, end.completion_status, end.reward_json) == (0.0, "failed", '{"resolved":false}')


def test_the_file_name_is_the_instance_where_nothing_else_names_it(tmp_path: Path) -> None:
    (tmp_path / "django__django-11099.eval.json").write_text(json.dumps({"resolved_ids": ["django__django-11099"]}))
    events = import_events(read, tmp_path / "django__django-11099.traj.json", json.dumps(RUN_1_0, indent=1))
    assert of_kind(events, "agent_started")[0].task_id == "django__django-11099"
    assert {event.source.record for event in events} == {"django__django-11099"}
    assert of_kind(events, "agent_ended")[0].reward == 1.0
    other = import_events(read, tmp_path / "my-run.traj.json", json.dumps(RUN_1_0, indent=1))
    assert of_kind(other, "agent_started")[0].task_id is None


def test_text_actions_of_format_1_0(tmp_path: Path) -> None:
    events = import_events(read, tmp_path / "one.traj.json", json.dumps(RUN_1_0, indent=1))
    check_runs(events)
    commands = [json.loads(call.parameters_json)["command"] for call in of_kind(events, "tool_called")]
    assert commands == ["ls -la", "sleep 99", "submit"]
    assert [result.error_kind for result in of_kind(events, "tool_returned")] == ["exit_code", "timeout"]
    assert [message.content for message in of_kind(events, "user_message")] == ["Fix the bug."]
    inputs = [message.content for call in of_kind(events, "model_called") for message in call.input_messages]
    assert inputs == ["Please give exactly one action."]


def test_messages_as_json_text_are_the_same_run(tmp_path: Path) -> None:
    record = run_1_1()
    row = {**record, "messages": json.dumps(record["messages"])}
    as_text = import_events(read, tmp_path / "rows.jsonl", lines(row))
    assert [event.body for event in as_text] == [
        event.body for event in import_events(read, tmp_path / "runs.jsonl", lines(record))
    ]
    assert len(as_text) == 11


def test_listed_actions_without_tool_calls_are_calls(tmp_path: Path) -> None:
    record = run_1_1()
    record["messages"][2] = {**said("```x```", 1775784986.5, actions=[{"command": "ls"}]), "tool_calls": None}
    record["messages"][3:5] = [{"role": "user", "content": "out", "extra": {"returncode": 0, "timestamp": 1775784987}}]
    events = import_events(read, tmp_path / "runs.jsonl", lines(record))
    assert of_kind(events, "tool_called")[0].parameters_json == '{"command":"ls"}'
    assert of_kind(events, "tool_returned")[0].result_json == '"out"'


def test_answers_in_the_shape_of_responses(tmp_path: Path) -> None:
    output = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hmm."}]},
        {"type": "message", "content": [{"type": "output_text", "text": "Look."}]},
        {"type": "function_call", "name": "bash", "arguments": '{"command": "ls"}', "call_id": "k"},
    ]
    record = run_1_1()
    record["messages"][2:] = [
        {"object": "response", "output": output, "extra": {"actions": [{"command": "ls", "tool_call_id": "k"}]}},
        {"type": "function_call_output", "call_id": "k", "output": "fine", "extra": {"returncode": 0}},
    ]
    events = import_events(read, tmp_path / "runs.jsonl", lines(record))
    answer = of_kind(events, "model_called")[0].output
    assert (answer.content, answer.reasoning, answer.tool_calls[0].call_id) == ("Look.", "Hmm.", "k")
    assert of_kind(events, "tool_returned")[0].success


@pytest.mark.parametrize(
    ("status", "expected"),
    [("LimitsExceeded", "interrupted"), ("RuntimeError", "failed"), ("Submitted", "unknown"), (None, "unknown")],
)
def test_exit_status_claims_no_success(tmp_path: Path, status: str | None, expected: str) -> None:
    record = run_1_1()
    record["info"] = {"exit_status": status, "traceback": "boom" if expected == "failed" else None}
    record["messages"].pop()
    events = import_events(read, tmp_path / "runs.jsonl", lines(record))
    assert of_kind(events, "agent_ended")[0].completion_status == expected
    assert ("boom" in [error.message for error in of_kind(events, "error_raised")]) == (expected == "failed")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_damaged_trajectories_never_raise(tmp_path: Path, seed: int) -> None:
    for content in damaged_texts([run_1_1(), RUN_1_0], lambda document: lines(*document), seed):
        # Damage may repeat a record: one run twice has the same events, which count once.
        found = import_text(read, tmp_path / "runs.jsonl", content)
        check_runs(list({item.event_id if isinstance(item, Event) else repr(item): item for item in found}.values()))


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["deepseek_chat_dev", "deepseek_chat_dev_rerun"])
def test_recordings_are_counted_right(name: str) -> None:
    path = RECORDINGS / "mini-swe-agent" / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip("the recordings of ../shared/data are not here")
    records = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    messages = [message for record in records for message in record["messages"]]
    resolved = set(json.loads((path.parent / f"{name}.eval.json").read_text())["resolved_ids"])
    events = [item for item in read(RecordingFile(path), ImportOptions()) if isinstance(item, Event)]
    runs = check_runs(events)
    counted = Counter(kinds(events))
    assert len(runs) == len(records)
    assert counted["model_called"] == sum(message["role"] == "assistant" for message in messages)
    assert counted["tool_called"] == sum(len(message.get("tool_calls") or ()) for message in messages)
    assert counted["tool_returned"] == sum(message["role"] == "tool" for message in messages)
    failed = sum(not result.success for result in of_kind(events, "tool_returned"))
    assert failed == sum(message.get("extra", {}).get("returncode", 0) != 0 for message in messages)
    # Each submitted run ends with a call that has no result.
    assert counted["tool_called"] - counted["tool_returned"] == len(records)
    assert sum(end.reward for end in of_kind(events, "agent_ended")) == len(resolved)
    costs = sum(message.get("extra", {}).get("cost", 0) for message in messages)
    assert sum(call.cost_usd for call in of_kind(events, "model_called")) == pytest.approx(costs)
