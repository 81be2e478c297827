"""Rows for trainers are what their documentation asks for, with the arguments of the source."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from schemas.records import Example
from schemas.render import conversation_example, training_example
from sinks.packages.columns import EXAMPLE_ROWS
from streams.core.curate import curate
from tests.unit.core.test_recordings import ANYTHING, SOURCES, recorded
from tests.unit.sinks.packages_formats.trainers import CHECKS, llamafactory_functions
from tests.unit.sinks.packages_formats.written import EXAMPLES, SYSTEM, USER, asks, call, example, result, write

SAYS = {"role": "assistant", "content": "Done."}


def arguments_in(name: str, row: dict[str, Any]) -> list[str]:
    """Arguments of all calls in a row of a chat, as JSON text with sorted keys."""
    found: list[Any] = []
    if name == "jsonl/atif":
        found = [one["arguments"] for step in row["steps"] for one in step.get("tool_calls", [])]
    elif name == "jsonl/llamafactory":
        turns = [turn["value"] for turn in row["conversations"] if turn["from"] == "function_call"]
        found = [one["arguments"] for value in turns for one in llamafactory_functions(value)]
    else:
        messages = [message for key in ("messages", "prompt", "completion", "chosen") for message in row.get(key, [])]
        found = [one["function"]["arguments"] for message in messages for one in message.get("tool_calls", [])]
    return [json.dumps(json.loads(one) if isinstance(one, str) else one, sort_keys=True) for one in found]


def arguments_of(messages: str) -> list[str]:
    """Arguments in the messages of an example, the same way."""
    calls = [one for message in json.loads(messages) for one in message.get("tool_calls", [])]
    return [json.dumps(json.loads(one["function"]["arguments"]), sort_keys=True) for one in calls]


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_rows_are_what_the_trainer_asks_for(name: str, tmp_path: Path) -> None:
    rows = EXAMPLES
    if name in ("jsonl/trl-preference", "jsonl/trl-reward"):
        rows = [row for row in EXAMPLES if row["rejected"]]
    found = write(tmp_path, name, rows).objects()
    for row in found:
        CHECKS[name](row)
    chosen = [row for row in found if row.get("label", True)]
    assert [arguments_in(name, row) for row in chosen] == [arguments_of(str(row["messages"])) for row in rows]


@pytest.mark.recordings
@pytest.mark.parametrize(("source", "folder", "pattern"), SOURCES)
def test_recorded_runs_are_what_every_trainer_asks_for(source: str, folder: str, pattern: str, tmp_path: Path) -> None:
    examples = [found for trace in recorded(source, folder, pattern)[:4] for found in curate(trace, ANYTHING).examples]
    rows = [
        {name: getattr(one, name, None) for name in EXAMPLE_ROWS.names} | {"source_offsets": "[]"} for one in examples
    ]
    assert rows
    for name, check in CHECKS.items():
        written = write(tmp_path / name, name, rows)
        found = written.objects()
        kept = len(rows) - sum(written.skipped.values())
        assert len(found) == kept if name != "jsonl/kto" else len(found) >= kept
        assert written.counted() == len(found)
        for row in found:
            check(row)
        if not written.skipped and name not in ("jsonl/kto", "jsonl/llamafactory"):
            assert [arguments_in(name, row) for row in found] == [arguments_of(str(row["messages"])) for row in rows]
        else:
            known = Counter(argument for row in rows for argument in _readable(str(row["messages"])))
            assert not Counter(argument for row in found for argument in arguments_in(name, row)) - known
    _same_as_the_renderer(examples, rows, tmp_path)
    for container in ("parquet", "jsonl", "csv", "tfrecord", "huggingface"):
        back = write(tmp_path / container, container, rows).table(EXAMPLE_ROWS).to_pylist()
        assert [row["messages"] for row in back] == [row["messages"] for row in rows]
        assert [row["quality_score"] for row in back] == [row["quality_score"] for row in rows]


def _readable(messages: str) -> list[str]:
    try:
        return arguments_of(messages)
    except ValueError:
        calls = [one for message in json.loads(messages) for one in message.get("tool_calls", [])]
        texts = []
        for one in calls:
            try:
                texts.append(json.dumps(json.loads(one["function"]["arguments"]), sort_keys=True))
            except ValueError:
                texts.append(one["function"]["arguments"])
        return texts


def _same_as_the_renderer(examples: list[Example], rows: list[dict[str, Any]], folder: Path) -> None:
    training = write(folder / "t", "jsonl/training_example", rows).objects()
    assert training == [json.loads(json.dumps(training_example(one))) for one in examples]
    conversations = write(folder / "c", "jsonl/conversation_example", rows).objects()
    for found, one in zip(conversations, examples, strict=True):
        expected: Any = conversation_example(one)
        expected["conversation_example"]["metadata"]["training_type"] = one.type
        assert found == json.loads(json.dumps(expected))


SKIPPED = [
    ("jsonl/openai", [USER], "last_message_is_not_the_assistants"),
    ("jsonl/openai", [SAYS], "no_prompt"),
    ("jsonl/openai", [USER, asks(call("{}", name="no spaces"))], "function_name_not_allowed"),
    ("jsonl/openai", [{"role": "narrator", "content": "x"}, SAYS], "role_not_allowed"),
    ("jsonl/openai", [USER, {"role": "tool", "content": "x"}, SAYS], "result_without_call"),
    ("jsonl/openai", [USER, asks({"function": {"name": "f", "arguments": "{}"}})], "call_without_id"),
    ("jsonl/axolotl", [USER, asks(call("no json"))], "arguments_are_no_object"),
    ("jsonl/llamafactory", [SAYS], "turns_do_not_alternate"),
    ("jsonl/llamafactory", [USER, asks(call("{}")), result("x"), USER, SAYS], "turns_do_not_alternate"),
    ("jsonl/llamafactory", [USER, asks(call("{}")), asks(call("{}", call_id="b"))], "call_without_result"),
    ("jsonl/llamafactory", [USER, SAYS, SYSTEM, SAYS], "role_not_allowed"),
    ("jsonl/llamafactory", [SYSTEM, USER], "no_messages"),
    ("jsonl/llamafactory", [USER, asks(call("{}"), content="</think>")], "thought_holds_its_own_mark"),
    ("jsonl/trl-preference", [USER, SAYS], "no_rejected_answer"),
    ("jsonl/trl-reward", [USER, SAYS], "no_rejected_answer"),
    ("jsonl/kto", [SYSTEM, SAYS], "prompt_ends_with_the_system"),
]


@pytest.mark.parametrize(("name", "messages", "reason"), SKIPPED)
def test_what_a_trainer_would_choke_on_is_left_out_with_a_reason(
    name: str, messages: list[dict[str, object]], reason: str, tmp_path: Path
) -> None:
    written = write(tmp_path, name, [example(messages)])
    assert written.skipped == {reason: 1}
    assert written.files == ()


WRONG = {"role": "assistant", "content": "Never."}
OTHER = {"role": "user", "content": "Refund me."}


@pytest.mark.parametrize(
    ("messages", "count", "rejected", "reason"),
    [
        ([SYSTEM, USER, SAYS], 1, [OTHER, WRONG], "prompt_ends_with_the_system"),
        ([SYSTEM, SAYS], 1, [WRONG], "prompt_ends_with_the_system"),
        ([SYSTEM, USER, SAYS], 2, [WRONG, OTHER], "rejected_does_not_end_with_the_assistant"),
        ([SYSTEM, USER, SAYS], 3, [WRONG], "nothing_after_the_prompt"),
        ([SYSTEM, USER, SAYS], 0, [WRONG], "no_prompt"),
    ],
)
def test_a_pair_of_runs_that_a_preference_trainer_would_misread_is_left_out(
    messages: list[dict[str, object]], count: int, rejected: list[dict[str, object]], reason: str, tmp_path: Path
) -> None:
    row = example(messages, prompt_messages=count, rejected=json.dumps(rejected))
    assert write(tmp_path, "huggingface/trl-preference", [row]).skipped == {reason: 1}


def test_pairs_of_runs_that_part_at_the_user_reach_trl_with_all_that_was_said(tmp_path: Path) -> None:
    greeting = {"role": "assistant", "content": "Hello!"}
    greeted = example(
        [SYSTEM, greeting, USER, SAYS, USER, SAYS], prompt_messages=2, rejected=json.dumps([OTHER, WRONG])
    )
    [row] = write(tmp_path, "jsonl/trl-preference", [greeted]).objects()
    assert row["prompt"] == [SYSTEM, greeting]
    assert (row["chosen"], row["rejected"]) == ([USER, SAYS, USER, SAYS], [OTHER, WRONG])
    alone = example([SYSTEM, USER, SAYS], prompt_messages=1, rejected=json.dumps([OTHER, WRONG]))
    [whole] = write(tmp_path / "reward", "jsonl/trl-reward", [alone]).objects()
    assert (whole["chosen"], whole["rejected"]) == ([SYSTEM, USER, SAYS], [SYSTEM, OTHER, WRONG])
    for name, found in (("jsonl/trl-preference", row), ("jsonl/trl-reward", whole)):
        CHECKS[name](found)


def test_unpaired_each_side_of_a_pair_of_runs_keeps_what_its_own_user_said(tmp_path: Path) -> None:
    row = example([SYSTEM, USER, SAYS, USER, SAYS], prompt_messages=1, rejected=json.dumps([OTHER, WRONG, USER, WRONG]))
    written = write(tmp_path, "jsonl/kto", [row])
    assert [(one["label"], one["prompt"], one["completion"]) for one in written.objects()] == [
        (True, [SYSTEM, USER], [SAYS, USER, SAYS]),
        (False, [SYSTEM, OTHER], [WRONG, USER, WRONG]),
    ]


def test_a_pair_of_runs_loses_no_message_in_the_preference_shape(tmp_path: Path) -> None:
    rejected = [WRONG, OTHER, WRONG]
    row = example(
        [SYSTEM, USER, asks(call('{"n":0.50}')), result("x"), SAYS], prompt_messages=2, rejected=json.dumps(rejected)
    )
    [line] = write(tmp_path, "jsonl/trl-preference", [row]).lines()
    assert '"arguments":{"n":0.50}' in line
    found = json.loads(line)
    assert found["prompt"] == [SYSTEM, USER]
    assert [one["role"] for one in found["chosen"]] == ["assistant", "tool", "assistant"]
    assert found["rejected"] == rejected


def test_a_thought_mark_inside_arguments_is_not_cut_out(tmp_path: Path) -> None:
    arguments = {"text": "<think>keep</think> me"}
    [row] = write(tmp_path, "jsonl/llamafactory", [example([USER, asks(call(json.dumps(arguments)))])]).objects()
    assert arguments_in("jsonl/llamafactory", row) == [json.dumps(arguments)]


def test_turns_of_one_speaker_are_brought_together(tmp_path: Path) -> None:
    messages = [SYSTEM, USER, {"role": "user", "content": "Hello?"}, SAYS, SAYS, USER]
    [row] = write(tmp_path, "jsonl/llamafactory", [example(messages)]).objects()
    assert row["conversations"] == [
        {"from": "human", "value": "Where is my order?\n\nHello?"},
        {"from": "gpt", "value": "Done.\n\nDone."},
    ]


def test_a_call_without_id_gets_one_in_atif_and_none_in_trl(tmp_path: Path) -> None:
    rows = [example([USER, asks({"function": {"name": "f", "arguments": ""}})])]
    [trajectory] = write(tmp_path, "jsonl/atif", rows).objects()
    assert trajectory["steps"][1]["tool_calls"] == [  # type: ignore[index]
        {"tool_call_id": "call_2_1", "function_name": "f", "arguments": {}}
    ]
    [row] = write(tmp_path, "jsonl/trl", rows).objects()
    assert row["messages"][1]["tool_calls"] == [  # type: ignore[index]
        {"type": "function", "function": {"name": "f", "arguments": {}}}
    ]


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({"outcome": "success"}, [True]),
        ({"outcome": "recovered", "execution_successful": False}, [True]),
        ({"outcome": "failure"}, [False]),
        ({"outcome": "unknown", "execution_successful": True}, [True]),
        ({"outcome": "unknown", "execution_successful": False}, []),
        ({"outcome": "partial"}, []),
        ({"outcome": "failure", "rejected": json.dumps([SAYS])}, [True, False]),
    ],
)
def test_a_label_says_what_came_of_the_step(changes: dict[str, object], labels: list[bool], tmp_path: Path) -> None:
    written = write(tmp_path, "jsonl/kto", [example([USER, SAYS], **changes)])
    assert [row["label"] for row in written.objects()] == labels
    assert written.skipped == ({} if labels else {"outcome_says_nothing": 1})
