"""Who&When: failed runs of agent teams with a person's attribution."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.conversation import chats
from schemas.records import Event
from streams.adapters.base import BrokenRecord
from streams.adapters.who_and_when import MAX_INFORMED_AGENTS, read
from tests.unit.adapters.foreign_files import (
    RECORDINGS,
    check_runs,
    damaged_texts,
    import_events,
    import_text,
    lines,
    of_kind,
)

Record = dict[str, Any]


def says(name: str, content: str) -> Record:
    return {"content": content, "role": "user", "name": name}


def group_chat() -> Record:
    return {
        "is_correct": False,
        "question": "How much?",
        "question_ID": "q1",
        "level": "Hard",
        "ground_truth": "45",
        "history": [
            says("Price_Expert", "The plan."),
            says("Code_Expert", "```python\nprint(1)\n```\nand\n```sh\nls\n```"),
            says("Computer_terminal", "exitcode: 1 (execution failed)\nCode output: no"),
            says("Computer_terminal", "There is no code from the last 1 message for me to execute."),
            says("Code_Expert", "It failed."),
            says("Price_Expert", "TERMINATE"),
        ],
        "mistake_agent": "Code_Expert",
        "mistake_step": "1",
        "mistake_reason": "The code is wrong.",
        "system_prompt": {"Price_Expert": "You know prices.", "Code_Expert": "You code.", "Idle_Expert": "You wait."},
    }


def orchestrated() -> Record:
    def role(role: str, content: str) -> Record:
        return {"role": role, "content": content}

    return {
        "is_corrected": False,
        "question": "Where?",
        "question_ID": "q2",
        "groundtruth": "There",
        "history": [
            role("human", "Where?"),
            role("Orchestrator (thought)", "Initial plan: search."),
            role("Orchestrator (-> WebSurfer)", "Please search."),
            role("WebSurfer", "I typed 'where'."),
            role("Orchestrator (thought)", "Next speaker X\nError processing publish message\nTraceback: boom"),
            role("Orchestrator (termination condition)", "Max rounds (30) reached.\nFINAL ANSWER: Here"),
        ],
        "mistake_agent": "WebSurfer",
        "mistake_step": 3,
        "mistake_reason": "It did not read.",
    }


def one(tmp_path: Path, record: Record) -> list[Event]:
    events = import_events(read, tmp_path / "99.json", json.dumps(record, indent=4))
    assert len(check_runs(events)) == 1
    return events


def said_by(events: list[Event], agent: str) -> list[Event]:
    return [event for event in events if event.kind == "model_called" and event.agent == agent]


def test_the_attribution_rejects_the_message_it_names(tmp_path: Path) -> None:
    events = one(tmp_path, group_chat())
    feedback = of_kind(events, "feedback_given")[0]
    assert (feedback.human_validated, feedback.comment) == (False, "The code is wrong.")
    assert feedback.target_span_id == said_by(events, "Code_Expert")[0].span_id
    end = events[-1].agent_ended
    assert end is not None
    assert (end.completion_status, end.reward) == ("failed", None)
    assert json.loads(end.reward_json or "") == {
        "ground_truth": "45",
        "mistake_agent": "Code_Expert",
        "mistake_step": "1",
        "mistake_reason": "The code is wrong.",
    }


@pytest.mark.parametrize(
    ("agent", "step", "target"),
    [
        ("code_expert", "1", "message"),
        ("Price_Expert", "1", "agent"),
        ("Code_Expert", "99", "agent"),
        ("Nobody", "1", None),
        (None, 1, "message"),
        ("Code_Expert", "x", "agent"),
    ],
)
def test_a_contradictory_attribution_blames_no_message(
    tmp_path: Path, agent: str | None, step: object, target: str | None
) -> None:
    events = one(tmp_path, group_chat() | {"mistake_agent": agent, "mistake_step": step})
    found = of_kind(events, "feedback_given")[0].target_span_id
    messages = {event.span_id for event in events if event.kind == "model_called"}
    agents = {event.span_id for event in events if event.agent_started and not event.agent_started.root}
    assert (found in messages, found in agents, found is None) == (
        target == "message", target == "agent", target is None
    )  # fmt: skip


def test_code_that_the_terminal_ran_is_a_tool_call(tmp_path: Path) -> None:
    events = one(tmp_path, group_chat())
    called = next(event for event in events if event.tool_called)
    assert called.agent == "Code_Expert"
    assert called.tool_called is not None
    assert json.loads(called.tool_called.parameters_json) == {
        "code_blocks": [{"language": "python", "code": "print(1)"}, {"language": "sh", "code": "ls"}]
    }
    result = of_kind(events, "tool_returned")
    assert [(found.success, found.error_kind, found.error_message) for found in result] == [
        (False, "exit_code", "exit code 1")
    ]
    assert json.loads(of_kind(events, "state_changed")[0].variables_json)["Computer_terminal"].startswith("There is no")


def test_every_agent_has_a_chat_of_its_own_with_what_the_others_said(tmp_path: Path) -> None:
    events = one(tmp_path, group_chat())
    by_prompt = {chat.messages[0].content: chat.messages[1:] for chat in chats(events).values() if chat.messages}
    price = [(m.role, m.name, m.content) for m in by_prompt["You know prices."]]
    assert [(role, name) for role, name, _ in price] == [
        ("assistant", None), ("user", "Code_Expert"), ("user", "Computer_terminal"), ("user", "Computer_terminal"),
        ("user", "Code_Expert"), ("assistant", None),
    ]  # fmt: skip
    code = [(m.role, m.name) for m in by_prompt["You code."]]
    assert code == [
        ("user", "Price_Expert"), ("assistant", None), ("tool", "Computer_terminal"), ("user", "Computer_terminal"),
        ("assistant", None),
    ]  # fmt: skip
    inputs = json.loads(of_kind(events, "agent_started")[0].inputs_json)
    assert inputs == {"level": "Hard", "system_prompts_of_silent_agents": {"Idle_Expert": "You wait."}}


def test_the_orchestrator_owns_the_run_and_keeps_its_thoughts(tmp_path: Path) -> None:
    events = one(tmp_path, orchestrated())
    assert events[0].agent == "Orchestrator"
    assert events[0].scenario == "who-and-when-orchestrated"
    assert of_kind(events, "user_message")[0].content == "Where?"
    surfer = said_by(events, "WebSurfer")[0]
    assert surfer.model_called is not None
    assert [(m.name, m.content) for m in surfer.model_called.input_messages] == [
        (None, "Where?"), ("Orchestrator", "Please search.")
    ]  # fmt: skip
    outputs = [call.output for call in of_kind(events, "model_called") if call.output.reasoning]
    assert [output.reasoning for output in outputs] == ["Initial plan: search.", "Next speaker X"]
    assert of_kind(events, "error_raised")[0].message.startswith("Error processing publish message\nTraceback")
    end = events[-1].agent_ended
    assert end is not None
    assert (end.reason, end.completion_status) == ("Max rounds (30) reached.", "failed")
    assert json.loads(end.reward_json or "")["ground_truth"] == "There"
    assert of_kind(events, "feedback_given")[0].target_span_id == surfer.span_id


def test_a_crowd_of_agents_is_not_told_everything(tmp_path: Path) -> None:
    record = group_chat() | {"history": [says(f"agent {n}", "x") for n in range(300)]}
    events = one(tmp_path, record)
    assert sum(len(call.input_messages) for call in of_kind(events, "model_called")) < MAX_INFORMED_AGENTS**2
    assert len(of_kind(events, "model_called")) == 300


def test_what_is_no_run_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    found = import_text(read, tmp_path / "x.jsonl", lines({"question": "q"}, group_chat(), [1]) + '{"history": [')
    assert [item.line for item in found if isinstance(item, BrokenRecord)] == [1, 3, 4]
    assert any(isinstance(item, Event) for item in found)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_damaged_runs_never_raise(tmp_path: Path, seed: int) -> None:
    for content in damaged_texts([group_chat(), orchestrated()], lambda document: lines(*document), seed):
        found = import_text(read, tmp_path / "x.jsonl", content)
        check_runs(list({item.event_id if isinstance(item, Event) else repr(item): item for item in found}.values()))


def texts(event: Event) -> list[str]:
    """What was said, returned or changed."""
    if event.model_called and event.model_called.output:
        return [event.model_called.output.content or event.model_called.output.reasoning or ""]
    if event.user_message:
        return [event.user_message.content or ""]
    if event.tool_returned:
        return [json.loads(event.tool_returned.result_json or '""')]
    return list(json.loads(event.state_changed.variables_json or "{}").values()) if event.state_changed else []


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["Algorithm-Generated", "Hand-Crafted"])
def test_recordings_are_counted_right(name: str) -> None:
    path = RECORDINGS / "who-and-when" / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip("the recordings of ../shared/data are not here")
    raw = gzip.decompress(path.read_bytes()).decode()
    records = [json.loads(line) for line in raw.splitlines()]
    messages = [message for record in records for message in record["history"]]
    events = import_events(read, path)
    assert len(check_runs(events)) == len(records)
    ran = raw.count('"exitcode: ')
    assert len(of_kind(events, "tool_called")) == len(of_kind(events, "tool_returned")) == ran
    failed = sum(not result.success for result in of_kind(events, "tool_returned"))
    assert failed == len(re.findall(r'"exitcode: [1-9]', raw))
    others = len(re.findall(r'"role": ?"human"|\(termination condition\)"|"There is no code from', raw))
    assert len(of_kind(events, "model_called")) == len(messages) - ran - others
    held = {text for event in events for text in texts(event)}
    assert not [
        m for m in messages if m["content"] and "Error processing" not in m["content"] and m["content"] not in held
    ]
    assert {end.completion_status for end in of_kind(events, "agent_ended")} == {"failed", "unknown"}
    spans = {event.span_id: event for event in events if event.kind == "model_called"}
    for record, feedback in zip(records, of_kind(events, "feedback_given"), strict=True):
        target = spans[feedback.target_span_id]
        assert target.agent == record["mistake_agent"]
        assert target.model_called is not None
        assert target.model_called.output is not None
        said = target.model_called.output.content or target.model_called.output.reasoning
        assert said == record["history"][int(record["mistake_step"])]["content"]
