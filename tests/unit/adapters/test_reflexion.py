"""Reflexion: question-answering logs, programming runs, environment results."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.conversation import conversation
from schemas.records import Event, ModelRef
from streams.adapters.base import BrokenRecord
from streams.adapters.reflexion import read
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
HEAD = """
########################################
BEGIN TRIAL 2
Trial summary: Correct: 1, Incorrect: 1, Halted: 1
#######################################
"""
CORRECT = """Question: Who?You have attempted to answer following question before and failed. Use them.
Reflections:
- Look better.
Thought 1: I search.
Action 1: Search[A (band)]
Observation 1: Could not find [A (band)]. Similar: []
Thought 2: Again.
Action 2: Search[A]
Observation 2: A is a band.

It has a page of two parts.
Thought 3: So B.
Action 3: Finish[B]
Observation 3: Answer is CORRECT
Correct answer: B

"""
HALTED = """Question: Where?
Thought 1: Hm.
Action 1: I do not know
Observation 1: Invalid Action. Valid Actions are Lookup[<topic>] Search[<topic>] and Finish[<answer>].
Correct answer: There

"""


def log(*groups: tuple[str, str]) -> str:
    return HEAD + "".join(f"------------- BEGIN {name} AGENTS -----------\n\n{runs}" for name, runs in groups)


def test_a_log_gives_runs_by_trial_and_group(tmp_path: Path) -> None:
    events = import_events(read, tmp_path / "7_trials.txt", log(("CORRECT", CORRECT), ("HALTED", HALTED)))
    first, second = check_runs(events).values()
    start, end = of_kind(first, "agent_started")[0], of_kind(first, "agent_ended")[0]
    assert (start.goal, start.trial, end.completion_status, end.reason) == ("Who?", 2, "successful", "correct")
    assert json.loads(end.reward_json) == {"correct_answer": "B"}
    assert not any("Correct answer" in repr(event) for event in events)
    calls = of_kind(first, "tool_called")
    assert [(call.tool, json.loads(call.parameters_json)) for call in calls] == [
        ("Search", {"entity": "A (band)"}), ("Search", {"entity": "A"}), ("Finish", {"answer": "B"})
    ]  # fmt: skip
    results = of_kind(first, "tool_returned")
    assert [(result.success, result.error_kind) for result in results] == [
        (False, "not_found"), (True, None), (True, None)
    ]  # fmt: skip
    chat = conversation(first)
    assert chat[0].content is not None
    assert chat[0].content.endswith("Reflections:\n- Look better.")
    assert [message.role for message in chat[1:]] == ["assistant", "tool"] * 3
    assert chat[4].content == "A is a band.\n\nIt has a page of two parts."
    assert of_kind(second, "agent_ended")[0].completion_status == "interrupted"
    assert of_kind(second, "tool_returned")[0].error_kind == "invalid_action"
    assert json.loads(of_kind(second, "tool_called")[0].parameters_json) == {"action": "I do not know"}


def test_a_run_listed_twice_in_a_trial_counts_once(tmp_path: Path) -> None:
    wrong = CORRECT.replace("is CORRECT", "is INCORRECT")
    text = log(("INCORRECT", wrong), ("HALTED", wrong)) + log(("INCORRECT", wrong)).replace("TRIAL 2", "TRIAL 3")
    events = import_events(read, tmp_path / "a.txt", text)
    assert len(check_runs(events)) == 2
    assert [end.completion_status for end in of_kind(events, "agent_ended")] == ["failed", "failed"]


def test_logs_without_numbers_headers_or_true_answers(tmp_path: Path) -> None:
    run = "Context: C.\n\nMore.\nQuestion: {}\nThought: So.\nAction: Finish[x]\n"
    run += "Observation: Answer is {}\nReflections: \n"
    text = "------------- BEGIN CORRECT AGENTS -------------\n\n" + run.format(1, "CORRECT") + "Correct answer: x\n\n"
    both = import_events(read, tmp_path / "cot.txt", text + run.format(2, "INCORRECT") + "Correct answer: y\n\n")
    assert [start.goal for start in of_kind(both, "agent_started")] == ["1", "2"]
    assert len(of_kind(both, "model_called")) == 2
    assert of_kind(both, "tool_returned")[0].result_json == '"Answer is CORRECT"'
    bare = "Question: a\nThought 1: t\nAction 1: Finish[x]\nObservation 1: Answer is {}\n\n"
    plain = import_events(read, tmp_path / "base.txt", bare.format("CORRECT") + bare.format("INCORRECT"))
    assert [end.completion_status for end in of_kind(plain, "agent_ended")] == ["successful", "failed"]


def test_a_trial_before_belongs_to_the_prompt(tmp_path: Path) -> None:
    before = (
        "Question: Who?\nYou have attempted to answer the following question before and failed. "
        "Below is the last trial you attempted to answer the question.\n\nQuestion: Who?\nThought 1: old\n"
        "Action 1: Search[old]\nObservation 1: old\n(END PREVIOUS TRIAL)\n"
    )
    rest = CORRECT[CORRECT.index("Thought 1") :]
    events = import_events(read, tmp_path / "a.txt", log(("CORRECT", before + rest)))
    assert len(of_kind(events, "tool_called")) == 3
    assert "old" in of_kind(events, "user_message")[0].content
    assert of_kind(events, "agent_started")[0].goal == "Who?"


def test_a_log_that_is_cut_off_is_reported(tmp_path: Path) -> None:
    text = log(("CORRECT", CORRECT), ("HALTED", HALTED))
    found = import_text(read, tmp_path / "a.txt", text[: text.index("Correct answer: There")])
    broken = [item for item in found if isinstance(item, BrokenRecord)]
    assert [(item.record, item.line) for item in broken] == [(2, text[: text.index("Question: Where")].count("\n") + 1)]
    assert len(check_runs(found)) == 1


PROGRAM: Record = {
    "name": "mbpp_1_add",
    "language": "py",
    "prompt": "def add(a, b):",
    "entry_point": "add",
    "test": "assert HIDDEN",
    "is_solved": True,
    "reflections": ["It subtracts."],
    "implementations": ["return a - b", "return a + b"],
    "test_feedback": ["Tests failed:\nassert add(1, 1) == 2", "Tested passed:\nassert add(1, 1) == 2"],
    "solution": "return a + b",
}


def test_attempts_feedback_and_reflections_of_a_program_follow_one_another(tmp_path: Path) -> None:
    events = import_events(read, tmp_path / "x._reflexion_5_gpt-4_pass_at_k_1_py.jsonl", lines(PROGRAM))
    said = [call.output.content for call in of_kind(events, "model_called")]
    assert said == ["return a - b", "It subtracts.", "return a + b"]
    chat = [(m.role, m.content) for m in conversation(events)]
    assert chat[2] == ("user", PROGRAM["test_feedback"][0])
    assert [error.error_kind for error in of_kind(events, "error_raised")] == ["tests_failed"]
    assert events[0].model == ModelRef(provider="openai", name="gpt-4")
    end = of_kind(events, "agent_ended")[0]
    assert end.completion_status == "successful"
    assert PROGRAM["test_feedback"][1] in json.loads(end.outputs_json)["unanswered_messages"][0]["content"]
    assert ["HIDDEN" in repr(event) for event in events] == [False] * (len(events) - 1) + [True]


def test_older_programs_hold_only_reflections_and_the_solution(tmp_path: Path) -> None:
    old = {key: value for key, value in PROGRAM.items() if key not in ("implementations", "test_feedback")}
    events = import_events(read, tmp_path / "x.jsonl", lines(old | {"is_solved": False}))
    assert [call.output.content for call in of_kind(events, "model_called")] == ["It subtracts.", "return a + b"]
    assert not of_kind(events, "error_raised")
    assert of_kind(events, "agent_ended")[0].completion_status == "failed"


def test_environments_repeated_from_file_to_file_are_one_run(tmp_path: Path) -> None:
    solved = {"name": "env_0", "memory": [], "is_success": True}
    trials = [
        [solved, {"name": "env_1", "memory": ["a"], "is_success": False}],
        [solved, {"name": "env_1", "memory": ["a", "b"], "is_success": False}],
        [solved, {"name": "env_1", "memory": ["a", "b"], "is_success": True}],
    ]
    events: dict[str, Event] = {}
    for number, trial in enumerate(trials):
        found = import_events(read, tmp_path / f"env_results_trial_{number}.json", json.dumps(trial, indent=4))
        events |= {event.event_id: event for event in found}
    runs = list(check_runs(list(events.values())).values())
    assert [of_kind(run, "agent_started")[0].trial for run in runs] == [0, 0, 1, 2]
    assert [[call.output.content for call in of_kind(run, "model_called")] for run in runs] == [[], ["a"], ["b"], []]
    assert json.loads(of_kind(runs[3], "agent_started")[0].inputs_json) == {"memory": ["a", "b"]}


def test_failures_without_memory_are_told_apart_by_their_file(tmp_path: Path) -> None:
    failed = [{"name": "env_0", "memory": [], "is_success": False}]
    found = [
        import_events(read, tmp_path / f"env_results_trial_{number}.json", json.dumps(failed)) for number in range(3)
    ]
    assert [of_kind(events, "agent_started")[0].trial for events in found] == [0, 1, 2]
    assert len({events[0].trace_id for events in found}) == 3


def test_a_question_inside_an_observation_begins_no_run(tmp_path: Path) -> None:
    run = CORRECT.replace("A is a band.", "A is a band.\nQuestion: is it?")
    events = import_events(read, tmp_path / "a.txt", log(("CORRECT", run)))
    assert len(check_runs(events)) == 1
    assert "Question: is it?" in of_kind(events, "tool_returned")[1].result_json


def test_what_is_no_run_is_reported(tmp_path: Path) -> None:
    found = import_text(read, tmp_path / "x.jsonl", lines({"trial": 1, "correct": 68}, [3], PROGRAM))
    assert [item.line for item in found if isinstance(item, BrokenRecord)] == [1, 2]
    assert import_text(read, tmp_path / "empty.txt", "") == []
    notes = import_text(read, tmp_path / "notes.txt", "just some notes\nof a person\n")
    assert [type(item).__name__ for item in notes] == ["BrokenRecord"]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9))
def test_damaged_records_never_raise(tmp_path: Path, seed: int) -> None:
    records = [PROGRAM, {"name": "env_1", "memory": ["a"], "is_success": False}]
    for content in damaged_texts(records, lambda document: lines(*document), seed):
        check_once(import_text(read, tmp_path / "x.jsonl", content))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_shuffled_lines_of_a_log_never_raise(tmp_path: Path, data: st.DataObject) -> None:
    whole = log(("CORRECT", CORRECT), ("HALTED", HALTED)).split("\n")
    chosen = data.draw(st.lists(st.sampled_from([*whole, "(END PREVIOUS TRIAL)", "\x00\ufffd"]), max_size=40))
    check_once(import_text(read, tmp_path / "x.txt", "\n".join(chosen)))


def check_once(found: list[Event | BrokenRecord]) -> None:
    """Damage may repeat a record: one run twice has the same events, which count once."""
    check_runs(list({item.event_id if isinstance(item, Event) else repr(item): item for item in found}.values()))


def recording(name: str) -> tuple[Path, str]:
    path = next(iter((RECORDINGS / "reflexion").glob(name)), None)
    if path is None:
        pytest.skip("the recordings of ../shared/data are not here")
    return path, gzip.decompress(path.read_bytes()).decode()


@pytest.mark.recordings
def test_the_recorded_log_is_counted_right() -> None:
    path, raw = recording("ReAct*.txt.gz")
    runs: set[tuple[int, str]] = set()
    for number, trial in enumerate(raw.split("BEGIN TRIAL ")[1:]):
        runs |= {(number, found) for found in re.split(r"^(?=Question:)", trial, flags=re.MULTILINE)[1:]}
    runs = {(number, run[: run.index("\nCorrect answer:")]) for number, run in runs}
    text = "\n".join(run for _, run in runs)
    events = import_events(read, path)
    assert len(check_runs(events)) == len(runs) == 500
    for kind, word in (("model_called", "Thought"), ("tool_called", "Action"), ("tool_returned", "Observation")):
        assert len(of_kind(events, kind)) == len(re.findall(rf"^{word} \d+:", text, re.MULTILINE))
    failed = sum(not result.success for result in of_kind(events, "tool_returned"))
    pattern = r"^Observation \d+: (?:Could not find|The last page Searched was not found|Invalid Action)"
    assert failed == len(re.findall(pattern, text, re.MULTILINE))
    ends = [end.completion_status for end in of_kind(events, "agent_ended")]
    totals = [sum(map(int, re.findall(rf"{word}: (\d+)", raw))) for word in ("Correct", "Incorrect")]
    assert [ends.count("successful"), ends.count("failed")] == totals


@pytest.mark.recordings
def test_recorded_programs_are_counted_right() -> None:
    path, raw = recording("programming*.jsonl.gz")
    records = [json.loads(line) for line in raw.splitlines()]
    events = import_events(read, path)
    assert len(check_runs(events)) == len(records)
    assert len(of_kind(events, "model_called")) == sum(len(record["reflections"]) + 1 for record in records)
    assert sum(end.completion_status == "successful" for end in of_kind(events, "agent_ended")) == len(
        re.findall(r'"is_solved": ?true', raw)
    )


@pytest.mark.recordings
def test_recorded_environments_are_counted_right() -> None:
    events: dict[str, Event] = {}
    unsolved = 0
    for number in range(5):
        path, raw = recording(f"alfworld_env_results_trial_{number}.json.gz")
        found = import_events(read, path)
        assert len(check_runs(found)) == raw.count('"name"')
        unsolved += raw.count('"is_success": false') if number < 4 else 0
        events |= {event.event_id: event for event in found}
    runs = check_runs(list(events.values()))
    assert len(runs) == 134 + unsolved  # a trial runs again only what is not solved yet
    last = {text for record in json.loads(raw) for text in record["memory"]}
    assert last <= {call.output.content for call in of_kind(list(events.values()), "model_called")}
