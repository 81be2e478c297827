"""ToolBench: search trees, tries without branches, and training chats."""

import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.conversation import conversation
from schemas.records import Event
from streams.adapters.base import ImportOptions, RecordingFile
from streams.adapters.toolbench import MAX_CONTEXT_TURNS, observed, read
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
FINISH = '{"return_type": "give_answer", "final_answer": "Two."}'
GIVE_UP = '{"return_type": "give_up_and_restart"}'


def node(kind: str, description: str, *children: Record, **more: Any) -> Record:
    return {"node_type": kind, "description": description, "pruned": False, **more, "children": list(children)}


def call(tool: str, arguments: str, seen: str, code: int, *children: Record) -> Record:
    given_up = code == 4
    return node("Action", tool, node("Action Input", arguments, *children, observation=seen, observation_code=code,
                                     pruned=given_up))  # fmt: skip


def search() -> Record:
    """One shared call; a branch that hallucinates and gives up; a thought by itself, then the answer."""
    dead = call("nothing", "{}", '{"error": "no such function", "response": ""}', 1, call("Finish", GIVE_UP, "{}", 4))
    answer = node("Thought", "I know.", call("Finish", FINISH, '{"response": "ok"}', 3), expand_num=5)
    first = node("Thought", "Look.", call("find", '{"q": 1}', '{"error": "", "response": "2"}', 0, dead, answer))
    system, user = {"role": "system", "content": "You are AutoGPT."}, {"role": "user", "content": "\nHow many?\nBegin!"}
    said = [
        {"role": "assistant", "content": "Look.", "function_call": {"name": "find", "arguments": '{"q": 1}'}},
        {"role": "function", "name": "find", "content": '{"error": "", "response": "2"}'},
        {"role": "user", "content": "This is not the first time."},
        {"role": "assistant", "content": "I know."},
        {"role": "assistant", "content": None, "function_call": {"name": "Finish", "arguments": FINISH}},
    ]
    return {
        "win": True,
        "tree": {"tree": node("Action Input", "", first)},
        "answer_generation": {
            "query": "How many?",
            "final_answer": FINISH,
            "finish_type": "give_answer",
            "query_count": 5,
            "total_tokens": 70,
            "function": [{"name": "find", "description": "finds", "parameters": {"type": "object"}}],
            "train_messages": [[system, user, *said[:1]], [system, user, *said[:4]], [system, user, *said]],
        },
    }


def runs_of(events: list[Event]) -> list[list[Event]]:
    return list(check_runs(events).values())


def test_each_attempt_is_a_run_and_each_turn_is_in_one(tmp_path: Path) -> None:
    dead, kept = runs_of(import_events(read, tmp_path / "10_ChatGPT_DFS_woFilter_w2.json", json.dumps(search())))
    starts = [of_kind(run, "agent_started")[0] for run in (dead, kept)]
    assert [start.trial for start in starts] == [1, 2]
    assert starts[0].task_id == starts[1].task_id
    assert [tool.name for tool in starts[0].tools] == ["find"]
    assert [tool.tool for tool in of_kind(dead, "tool_called")] == ["nothing", "Finish"]
    assert [tool.tool for tool in of_kind(kept, "tool_called")] == ["find", "Finish"]
    ends = [of_kind(run, "agent_ended")[0] for run in (dead, kept)]
    assert [(end.completion_status, end.reason) for end in ends] == [
        ("failed", "give_up_and_restart"), ("successful", "give_answer")
    ]  # fmt: skip
    assert json.loads(ends[1].outputs_json) == {"final_answer": FINISH, "query_count": 5, "total_tokens": 70}
    assert kept[0].model is not None
    assert (kept[0].model.provider, kept[0].source.record) == ("openai", "query 10 attempt 2 of 2")


def test_the_chat_of_an_attempt_is_what_the_model_was_shown(tmp_path: Path) -> None:
    dead, kept = runs_of(import_events(read, tmp_path / "x.json", json.dumps(search())))
    chats = [conversation(run) for run in (dead, kept)]
    assert chats[0][:4] == chats[1][:4]  # system, user, the shared call and its result
    assert [message.role for message in chats[0][4:]] == ["assistant", "tool", "assistant", "tool"]
    assert [(m.role, m.content) for m in chats[1][4:6]] == [
        ("user", "This is not the first time."), ("assistant", "I know.")
    ]  # fmt: skip
    assert chats[0][1].content == "\nHow many?\nBegin!"


def test_the_give_up_that_was_chosen_is_found_by_its_words(tmp_path: Path) -> None:
    record = search()
    ends = [call("Finish", GIVE_UP, "{}", 4), node("Thought", "No.", call("Finish", GIVE_UP, "{}", 4))]
    record["tree"]["tree"] = node("Action Input", "", *ends)
    words = {"role": "assistant", "content": "No.", "function_call": {"name": "Finish", "arguments": GIVE_UP}}
    record["answer_generation"] |= {
        "final_answer": GIVE_UP,
        "train_messages": [[{"role": "user", "content": "q"}, words]],
    }
    record["win"] = False
    first, second = runs_of(import_events(read, tmp_path / "x.json", json.dumps(record)))
    assert of_kind(first, "agent_ended")[0].outputs_json is None
    assert of_kind(second, "agent_ended")[0].outputs_json is not None
    assert {of_kind(run, "agent_ended")[0].completion_status for run in (first, second)} == {"failed"}


@pytest.mark.parametrize(
    ("seen", "code", "kind"),
    [
        ('{"error": "", "response": "1"}', 0, None),
        ('{"error": "down", "response": ""}', 0, "tool_error"),
        ('{"error": "cut off here...', 0, "tool_error"),
        ('{"error": "", "response": "cut off...', 0, None),
        ('{"response": "chose to give up"}', 4, None),
        ('{"error": "x"}', 5, "timeout"),
        ("plain", 11, "error_message"),
        ("plain", 99, None),
    ],
)
def test_code_and_words_tell_of_failures(seen: str, code: int, kind: str | None) -> None:
    body = observed(seen, "find", code)
    assert (body.success, body.error_kind) == (kind is None, kind)


def test_tries_without_branches(tmp_path: Path) -> None:
    chain = [
        {"node_type": "Thought", "description": "Hm."},
        {"node_type": "Action", "description": "find"},
        {"node_type": "Action Input", "description": "{}", "observation": "2", "observation_code": 0},
        {"node_type": "Action", "description": "Finish"},
        {"node_type": "Action Input", "description": FINISH, "observation": "ok", "observation_code": 3},
    ]
    record = {
        "win": True,
        "trys": [{"chain": chain[:3], "win": False}, {"chain": chain, "win": True}],
        "answer_generation": {"query": "How many?", "train_messages": []},
    }
    runs = runs_of(import_events(read, tmp_path / "5_CoT@1.json", json.dumps(record)))
    assert [of_kind(run, "agent_ended")[0].completion_status for run in runs] == ["failed", "successful"]
    assert [len(of_kind(run, "model_called")) for run in runs] == [1, 2]


def test_training_chats_of_both_shapes(tmp_path: Path) -> None:
    tools = [{"name": "find", "parameters": {"type": "object"}}]
    told = {
        "id": "Step 2: How many?",
        "conversations": [
            {"from": "system", "value": "Specifically, you have access to the following APIs: " + json.dumps(tools)},
            {"from": "user", "value": "How many?"},
            {"from": "assistant", "value": '\nThought: Look.\nAction: find\nAction Input: {"q": 1}'},
            {"from": "function", "value": '{"error": "down", "response": ""}'},
            {"from": "assistant", "value": f"\nThought: \nAction: Finish\nAction Input: {FINISH}"},
        ],
    }
    shown = {"answer_generation": {"train_messages": search()["answer_generation"]["train_messages"]}}
    first, second = runs_of(import_events(read, tmp_path / "x.jsonl", lines(told, shown)))
    assert [tool.name for tool in of_kind(first, "agent_started")[0].tools] == ["find"]
    calls = of_kind(first, "tool_called")
    assert [(found.tool, found.parameters_json) for found in calls] == [("find", '{"q": 1}'), ("Finish", FINISH)]
    assert not of_kind(first, "tool_returned")[0].success
    assert (of_kind(first, "agent_ended")[0].completion_status, of_kind(first, "agent_ended")[0].reason) == (
        "unknown", "give_answer"
    )  # fmt: skip
    assert len(of_kind(second, "tool_called")) == 2
    assert len(of_kind(second, "tool_returned")) == 1


def told_with(listing: str) -> Record:
    system = f"You are AutoGPT. Specifically, you have access to the following APIs: {listing}"
    said = [("system", system), ("user", "How many?"), ("assistant", "\nThought: None.\n")]
    return {"id": "1", "conversations": [{"from": role, "value": value} for role, value in said]}


def test_a_listing_of_tools_may_be_as_python_prints_it(tmp_path: Path) -> None:
    listed = [
        {"name": "find", "description": 'It\'s "here"', "parameters": {"required": [], "strict": True, "d": None}},
        {"name": "Finish", "description": "End."},
    ]
    events = import_events(read, tmp_path / "x.json", json.dumps([told_with(repr(listed))]))
    [started] = of_kind(events, "agent_started")
    assert [(tool.name, tool.description) for tool in started.tools] == [("find", 'It\'s "here"'), ("Finish", "End.")]
    assert json.loads(started.tools[0].parameters_json) == {"required": [], "strict": True, "d": None}


@pytest.mark.parametrize("listing", ["[{'name': find()}]", "[{[]: 1}]", "['", "[" * 5_000 + "]" * 5_000,
                                     "[{'name': 'a'}," + " " * 2**18 + "]"], ids=range(5))  # fmt: skip
def test_a_listing_that_is_no_list_of_values_gives_no_tools(tmp_path: Path, listing: str) -> None:
    events = import_events(read, tmp_path / "x.json", json.dumps([told_with(listing)]))
    assert of_kind(events, "agent_started")[0].tools == ()
    assert of_kind(events, "model_called")[0].output.content == "\nThought: None.\n"


def test_deep_and_wide_trees_cost_linear_time(tmp_path: Path) -> None:
    root = last = node("Action Input", "")
    for number in range(200):
        inner = node("Action Input", str(number), observation="x", observation_code=0)
        last["children"] = [node("Action", "a", inner), call("Finish", GIVE_UP, "{}", 4)]
        last = inner
    record = {"win": False, "tree": {"tree": root}, "answer_generation": {"query": "q"}}
    events = import_events(read, tmp_path / "x.json", json.dumps(record))
    assert len(of_kind(events, "tool_called")) == 400
    most = max(len(found.input_messages) for found in of_kind(events, "model_called"))
    assert most == 2 * MAX_CONTEXT_TURNS


def test_what_is_no_search_is_reported(tmp_path: Path) -> None:
    found = import_text(read, tmp_path / "x.jsonl", lines({"query": "q", "api_list": []}, {"win": True}, 5))
    assert [type(item).__name__ for item in found] == ["BrokenRecord"] * 3


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_damaged_answers_never_raise(tmp_path: Path, seed: int) -> None:
    for content in damaged_texts([search(), search()], lambda document: lines(*document), seed):
        found = import_text(read, tmp_path / "x.jsonl", content)
        check_runs(list({item.event_id if isinstance(item, Event) else repr(item): item for item in found}.values()))


@pytest.mark.recordings
def test_recordings_are_counted_right() -> None:
    paths = sorted((RECORDINGS / "toolbench" / "answer").glob("*.json.gz"))
    if not paths:
        pytest.skip("the recordings of ../shared/data are not here")
    for path in paths:
        raw = gzip.decompress(path.read_bytes()).decode()
        document = json.loads(raw)
        tree = json.dumps(document["tree"])
        leaves = tree.count('"children": []')
        codes = Counter(re.findall(r'"observation_code": (\d+)', tree))
        seen = re.findall(r'"observation": ("(?:[^"\\]|\\.)*"), "observation_code": (\d+)', tree)
        told = sum(_tells_of_error(json.loads(words)) for words, code in seen if code == "0")
        events = import_events(read, path)
        runs = check_runs(events)
        assert len(runs) == leaves
        assert len(of_kind(events, "model_called")) == document["answer_generation"]["query_count"]
        assert len(of_kind(events, "tool_called")) == tree.count('"node_type": "Action"')
        assert len(of_kind(events, "tool_returned")) == tree.count('"observation": ')
        failed = sum(not result.success for result in of_kind(events, "tool_returned"))
        assert failed == told + sum(count for code, count in codes.items() if code not in "034")
        won = sum(end.completion_status == "successful" for end in of_kind(events, "agent_ended"))
        assert won == document["win"]
        said = {call.output.content for call in of_kind(events, "model_called")}
        thoughts = re.findall(r'"node_type": "Thought", "description": ("(?:[^"\\]|\\.)*")', tree)
        assert {json.loads(thought) for thought in thoughts} <= said
        assert list(read(RecordingFile(path), ImportOptions())) == events


def _tells_of_error(observation: str) -> bool:
    try:
        return bool(json.loads(observation).get("error"))
    except ValueError:
        return bool(re.match(r'\{"error": "[^"]', observation))
