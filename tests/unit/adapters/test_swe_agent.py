"""SWE-agent trajectories: what comes from the steps, what from the history."""

import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import Event
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile
from streams.adapters.swe_agent import read
from tests.unit.adapters.foreign_files import (
    RECORDINGS,
    check_runs,
    damaged_texts,
    import_events,
    import_text,
    kinds,
    of_kind,
)

Record = dict[str, Any]


def step(action: str, response: str | None = None, **fields: Any) -> Record:
    found = {"action": action, "response": response or f"I run {action}", "thought": f"I run {action}"}
    return {**found, "observation": f"out of {action}", "execution_time": 0.25, "state": {"cwd": "/"}, **fields}


def spoke(action: str, call: str | None = None, **fields: Any) -> Record:
    found: Record = {"role": "assistant", "content": f"I run {action}", "action": action, "agent": "main"}
    if call:
        function = {"name": action.split()[0], "arguments": '{"path": "x"}'}
        found["tool_calls"] = [{"id": call, "type": "function", "function": function}]
    return {**found, **fields}


RUN: Record = {
    "environment": "main",
    "trajectory": [step("open x"), step("ls", state={"cwd": "/src"}), step("submit")],
    "history": [
        {"role": "system", "content": "Setting", "agent": "main"},
        {"role": "user", "content": "A demonstration", "is_demo": True},
        {"role": "user", "content": "Solve it", "agent": "main"},
        spoke("open x", "c1"),
        {"role": "tool", "content": "out of open x\n(Open file: x)", "tool_call_ids": ["c1"]},
        spoke("ls", "c1"),
        {"role": "tool", "content": "Old output omitted", "tool_call_ids": ["c1"]},
    ],
    "info": {
        "exit_status": "submitted",
        "submission": "diff",
        "model_stats": {"instance_cost": 0.5, "tokens_sent": 9},
        "edited_files30": "long",
    },
    "replay_config": json.dumps(
        {"problem_statement": {"id": "a__b-1", "text": "The issue"}, "agent": {"model": {"name": "gpt-4o"}}}
    ),
}


def imported(tmp_path: Path, record: object, name: str = "one.traj") -> list[Event]:
    events = import_events(read, tmp_path / name, json.dumps(record))
    check_runs(events)
    return events


def test_steps_and_history_are_one_run(tmp_path: Path) -> None:
    events = imported(tmp_path, RUN)
    assert kinds(events) == [
        "agent_started", "user_message", "model_called", "tool_called", "tool_returned", "state_changed",
        "model_called", "tool_called", "tool_returned", "state_changed",
        "model_called", "tool_called", "tool_returned", "state_changed", "agent_ended",
    ]  # fmt: skip
    start, end = of_kind(events, "agent_started")[0], of_kind(events, "agent_ended")[0]
    assert (start.goal, start.task_id, start.system_prompt) == ("The issue", "a__b-1", "Setting")
    assert [message.content for message in of_kind(events, "user_message")] == ["Solve it"]
    assert [message.content for message in of_kind(events, "model_called")[0].input_messages] == ["A demonstration"]
    # The observations of the history repeat those of the steps.
    assert [len(answer.input_messages) for answer in of_kind(events, "model_called")] == [1, 0, 0]
    assert [call.tool for call in of_kind(events, "tool_called")] == ["open", "ls", "bash"]
    assert of_kind(events, "tool_called")[2].parameters_json == '{"command":"submit"}'
    results = of_kind(events, "tool_returned")
    assert [json.loads(result.result_json) for result in results] == ["out of open x", "out of ls", "out of submit"]
    assert {result.latency_seconds for result in results} == {0.25}
    assert (end.completion_status, end.reason, end.cost_usd) == ("unknown", "submitted", 0.5)
    assert json.loads(end.outputs_json)["submission"] == "diff"
    assert events[0].model is not None
    assert events[0].model.name == "gpt-4o"
    assert all(event.occurred_at_synthetic for event in events)


def test_a_history_alone_is_a_run(tmp_path: Path) -> None:
    events = imported(tmp_path, {"history": RUN["history"]})
    results = of_kind(events, "tool_returned")
    assert [json.loads(result.result_json) for result in results] == [
        "out of open x\n(Open file: x)", "Old output omitted"
    ]  # fmt: skip
    assert of_kind(events, "agent_started")[0].goal == "Solve it"


def test_steps_alone_are_a_run_with_the_prompt_of_the_first(tmp_path: Path) -> None:
    steps = [step("ls", query=RUN["history"][:3]), step("submit")]
    events = imported(tmp_path, {"trajectory": steps})
    assert of_kind(events, "agent_started")[0].system_prompt == "Setting"
    assert [message.content for message in of_kind(events, "user_message")] == ["Solve it"]
    assert len(of_kind(events, "tool_returned")) == 2


def test_steps_and_history_as_json_text_are_the_same_run(tmp_path: Path) -> None:
    row = {**RUN, "trajectory": json.dumps(RUN["trajectory"]), "history": json.dumps(RUN["history"])}
    assert [event.body for event in imported(tmp_path, row)] == [event.body for event in imported(tmp_path, RUN)]


def test_a_published_row_is_a_history_with_its_outcome_model_and_patch(tmp_path: Path) -> None:
    told = {"instance_id": "a__b.1", "resolved": False, "model": "claude-3-7", "traj_id": "t", "patch": "diff"}
    for messages in (RUN["history"], json.dumps(RUN["history"])):
        events = imported(tmp_path, {"messages": messages, **told})
        assert kinds(events) == [
            "agent_started", "user_message", "model_called", "tool_called", "tool_returned", "model_called",
            "tool_called", "tool_returned", "agent_ended",
        ]  # fmt: skip
        start, end = of_kind(events, "agent_started")[0], of_kind(events, "agent_ended")[0]
        assert (start.task_id, start.goal, start.system_prompt) == ("a__b.1", "Solve it", "Setting")
        assert [call.tool for call in of_kind(events, "tool_called")] == ["open", "ls"]
        assert (end.completion_status, end.reward) == ("failed", 0.0)
        assert json.loads(end.outputs_json) == {"submission": "diff"}
        assert events[0].model is not None
        assert (events[0].model.provider, events[0].model.name) == ("anthropic", "claude-3-7")


@pytest.mark.parametrize("as_text", [False, True])
def test_a_chat_that_is_all_there_is_tells_its_commands_in_fenced_blocks(tmp_path: Path, *, as_text: bool) -> None:
    chat: list[Record] = [
        {"role": "system", "text": None, "system_prompt": "Setting"},
        {"role": "user", "text": "Solve it"},
        {"role": "ai", "text": "I edit.\n```py\nx = 1\n```\nNow:\n```\nedit 1:2\nif a:\n```\n"},
        {"role": "user", "text": "[File: x]"},
        {"role": "ai", "text": "I think first."},
        {"role": "user", "text": "No command was given"},
        {"role": "ai", "text": "```\nsubmit\n```"},
    ]
    row = {"instance_id": "a__b-3", "trajectory": json.dumps(chat) if as_text else chat, "target": True}
    events = imported(tmp_path, {**row, "exit_status": "submitted", "model_name": "swe-agent-llama-70b"})
    assert kinds(events) == [
        "agent_started", "user_message", "model_called", "tool_called", "tool_returned", "model_called",
        "model_called", "tool_called", "agent_ended",
    ]  # fmt: skip
    start, end = of_kind(events, "agent_started")[0], of_kind(events, "agent_ended")[0]
    assert (start.system_prompt, start.goal, end.reward) == ("Setting", "Solve it", 1.0)
    commands = [json.loads(call.parameters_json)["command"] for call in of_kind(events, "tool_called")]
    assert commands == ["edit 1:2\nif a:\n", "submit\n"]
    assert (events[3].span_id, of_kind(events, "tool_returned")[0].result_json) == (events[4].span_id, '"[File: x]"')
    answers = of_kind(events, "model_called")
    assert [answer.output.content for answer in answers] == [message["text"] for message in chat[2::2]]
    assert [message.content for message in answers[2].input_messages] == ["No command was given"]


def test_a_fenced_block_inside_another_is_no_command_of_its_own(tmp_path: Path) -> None:
    words = "```\ncat <<E\n```py\nx\n```\nE\n```\nDone: ```inline``` and\n```unclosed\n"
    chat = [{"role": "user", "text": "Solve it"}, {"role": "ai", "text": words}]
    [call] = of_kind(imported(tmp_path, {"trajectory": chat}), "tool_called")
    assert json.loads(call.parameters_json) == {"command": "cat <<E\n```py\nx\n```\nE\n"}


def test_fenced_blocks_of_a_history_that_states_its_actions_are_words(tmp_path: Path) -> None:
    words = {"role": "assistant", "content": "Like this:\n```\nls\n```", "action": None}
    events = imported(tmp_path, {"history": [*RUN["history"][:5], words]})
    assert [call.tool for call in of_kind(events, "tool_called")] == ["open"]


def test_messages_of_another_format_are_no_history(tmp_path: Path) -> None:
    [found] = import_text(read, tmp_path / "one.json", json.dumps({"messages": RUN["history"], "instance_id": "a"}))
    assert isinstance(found, BrokenRecord)
    assert found.reason == "the record has neither a trajectory nor a history"


def test_another_answer_in_the_history_is_kept_too(tmp_path: Path) -> None:
    record = {**RUN, "history": [*RUN["history"][:3], spoke("open x", content="I was edited")]}
    events = imported(tmp_path, record)
    assert of_kind(events, "model_called")[0].output.content == "I run open x"
    changed = [state for state in of_kind(events, "state_changed") if state.current_step == "history_differs"]
    assert [json.loads(state.variables_json) for state in changed] == [{"content": "I was edited"}]


def test_messages_without_a_step_are_kept(tmp_path: Path) -> None:
    retried = [spoke("", content="No action"), {"role": "user", "content": "Format error"}]
    record = {**RUN, "history": [*RUN["history"][:3], *retried, *RUN["history"][3:]]}
    events = imported(tmp_path, record)
    answers = of_kind(events, "model_called")
    assert [answer.output.content for answer in answers][:2] == ["No action", "I run open x"]
    assert [message.content for message in answers[1].input_messages] == ["Format error"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [("exit_cost", "interrupted"), ("submitted (exit_context)", "interrupted"), ("exit_format", "failed")],
)
def test_an_exit_by_the_harness_is_no_answer_of_the_model(tmp_path: Path, status: str, expected: str) -> None:
    steps = [step("ls"), step("exit_cost", "Exit due to cost limit")]
    record = {"trajectory": steps, "history": RUN["history"][:3], "info": {"exit_status": status}}
    events = imported(tmp_path, record)
    assert of_kind(events, "agent_ended")[0].completion_status == expected
    assert [error.error_kind for error in of_kind(events, "error_raised")] == ["exit_cost"]
    assert len(of_kind(events, "model_called")) == len(of_kind(events, "tool_called")) == 1


def stopped(words: str, observation: str, **fields: Any) -> Record:
    return {"action": "", "response": words, "thought": words, "observation": observation, **fields}


@pytest.mark.parametrize(
    ("last", "status", "kind"),
    [
        (stopped("Exit due to cost limit", "Exited (autosubmitted)"), "submitted (exit_cost)", "exit_cost"),
        (stopped("Exiting: the container died", "no container"), "exit_environment_error", "exit_environment_error"),
        (stopped("Exit due to unknown error", "no diff"), None, "exit"),
        (stopped("No more calls", "x\n\nExited (autosubmitted)"), "submitted (exit_api)", "exit_api"),
    ],
)
def test_a_step_without_action_that_the_harness_wrote_is_an_error_and_its_observation_stays(
    tmp_path: Path, last: Record, status: str | None, kind: str
) -> None:
    said = {"role": "assistant", "content": last["response"], "thought": last["thought"], "action": ""}
    repeated = {"role": "user", "content": f"OBSERVATION:\n{last['observation']}"}
    record = {
        **RUN,
        "trajectory": [step("open x"), last],
        "history": [*RUN["history"][:5], said, repeated],
        "info": {"exit_status": status},
    }
    events = imported(tmp_path, record)
    assert kinds(events)[2:] == [
        "model_called", "tool_called", "tool_returned", "state_changed", "error_raised", "agent_ended"
    ]  # fmt: skip
    [error] = of_kind(events, "error_raised")
    assert (error.error_kind, error.message) == (kind, last["response"])
    outputs = json.loads(of_kind(events, "agent_ended")[0].outputs_json)
    assert [message["content"] for message in outputs["unanswered_messages"]] == [last["observation"]]


def test_an_exit_that_only_the_history_tells_is_an_error(tmp_path: Path) -> None:
    words = "Exit due to context window"
    exit_ = {"role": "assistant", "content": words, "thought": words, "action": ""}
    record = {"history": [*RUN["history"][:5], exit_], "info": {"exit_status": "submitted (exit_context)"}}
    events = imported(tmp_path, record)
    assert [answer.output.content for answer in of_kind(events, "model_called")] == ["I run open x"]
    assert [(error.error_kind, error.message) for error in of_kind(events, "error_raised")] == [("exit_context", words)]


def test_an_answer_without_action_that_does_not_speak_for_the_harness_stays_the_models(tmp_path: Path) -> None:
    steps = [stopped("I am done.", "Exited (autosubmitted)"), stopped("Now it works.", "ok")]
    events = imported(tmp_path, {"trajectory": steps, "info": {"exit_status": "submitted"}})
    assert [answer.output.content for answer in of_kind(events, "model_called")] == ["I am done.", "Now it works."]
    assert not of_kind(events, "error_raised")


def test_the_observation_of_an_exit_action_is_kept(tmp_path: Path) -> None:
    steps = [step("ls"), step("exit_cost", "Exit due to cost limit", observation="Patch saved")]
    events = imported(tmp_path, {"trajectory": steps, "history": RUN["history"][:3]})
    outputs = json.loads(of_kind(events, "agent_ended")[0].outputs_json)
    assert [message["content"] for message in outputs["unanswered_messages"]] == ["Patch saved"]
    assert len(of_kind(events, "model_called")) == 1


def test_attempts_are_trials_of_their_own(tmp_path: Path) -> None:
    attempts = [{**RUN, "info": {"exit_status": "exit_cost"}}, RUN]
    events = imported(tmp_path, {**RUN, "attempts": attempts})
    assert [start.trial for start in of_kind(events, "agent_started")] == [1, 2]
    assert len(check_runs(events)) == 2


def test_the_file_name_is_the_task_where_nothing_else_names_it(tmp_path: Path) -> None:
    record = {"history": RUN["history"]}
    named = imported(tmp_path, record, "astropy__astropy-12907.traj")
    assert of_kind(named, "agent_started")[0].task_id == "astropy__astropy-12907"
    other = imported(tmp_path, record, "some-experiment.traj")
    assert of_kind(other, "agent_started")[0].task_id is None


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_damaged_trajectories_never_raise(tmp_path: Path, seed: int) -> None:
    for content in damaged_texts(RUN, json.dumps, seed):
        check_runs(import_text(read, tmp_path / "one.traj", content))


@pytest.mark.recordings
@pytest.mark.parametrize(
    "path", sorted(RECORDINGS.glob("swe-agent/*.traj.gz")) or [None], ids=lambda path: path.name[-24:] if path else "-"
)
def test_recordings_are_counted_right(path: Path | None) -> None:
    if path is None:
        pytest.skip("the recordings of ../shared/data are not here")
    record = json.loads(gzip.decompress(path.read_bytes()))
    steps = record.get("trajectory")
    answers = [m for m in record["history"] if m["role"] == "assistant" and not m.get("is_demo")]
    events = [item for item in read(RecordingFile(path), ImportOptions()) if isinstance(item, Event)]
    assert len(check_runs(events)) == 1
    counted = Counter(kinds(events))
    expected = len(steps) if steps else len(answers)
    assert counted["model_called"] == counted["tool_called"] == counted["tool_returned"] == expected
    results = [json.loads(result.result_json) for result in of_kind(events, "tool_returned")]
    if steps:
        assert results == [one["observation"] for one in steps]
    named = {c["function"]["name"] for m in answers for c in m.get("tool_calls") or ()}
    assert named <= {call.tool for call in of_kind(events, "tool_called")}
    assert all(_held(answer, events) for answer in answers)


def _held(answer: Record, events: list[Event]) -> bool:
    texts = [call.output.content for call in of_kind(events, "model_called")]
    texts += [json.loads(state.variables_json).get("content") for state in of_kind(events, "state_changed")]
    return answer["content"] in texts
