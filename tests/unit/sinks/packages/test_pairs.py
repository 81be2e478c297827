"""Preference pairs: of two runs of one task, where they part."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from schemas.chat_text import message_text, tools_text
from schemas.records import Message, ToolDefinition
from schemas.settings import Settings
from sinks.packages.pairs import parting
from sinks.packages.place import open_place
from tests.unit.sinks.packages.building import built, left_out
from tests.unit.sinks.packages.stocked import call, run, sample, settings_at, store, verdict

PAIRS = """name = "pairs"
kind = "preference_pairs"
formats = ["parquet", "jsonl/trl-preference"]
[splits]
train = 1.0
validation = 0.0
test = 0.0
"""
PROMPT = (Message(role="system", content="Be good."), Message(role="user", content="Book it."))


def says(text: str, *calls: str) -> Message:
    return Message(role="assistant", content=text, tool_calls=tuple(call("book", arguments) for arguments in calls))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_at(tmp_path)


def rows(settings: Settings) -> list[dict[str, Any]]:
    root = Path(open_place(settings).uri) / "pairs" / "1.0.0" / "parquet" / "columns"
    return [row for path in sorted(root.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_two_chats_part_where_the_agent_first_does_something_else() -> None:
    same = says("Sure.")
    assert parting([*PROMPT, same, says("A")], [*PROMPT, same, says("B")]) == 3
    assert parting([*PROMPT, says("A")], [*PROMPT, says("B")]) == 2


def test_chats_that_part_at_the_user_or_do_not_part_give_no_pair() -> None:
    other = Message(role="user", content="Cancel it.")
    assert parting([*PROMPT, says("A")], [PROMPT[0], other, says("B")]) is None
    assert parting([*PROMPT, says("A")], [*PROMPT, says("A"), says("B")]) is None
    assert parting([PROMPT[0], says("A")], [PROMPT[0], says("B")]) is None, "nobody asked anything yet"


def test_ids_of_calls_make_no_difference_but_arguments_do() -> None:
    one, other = (Message(role="assistant", tool_calls=(call("f", "{}"),)), Message(role="assistant", tool_calls=()))
    assert parting([*PROMPT, one, says("A")], [*PROMPT, one, says("B")]) == 3
    assert parting([*PROMPT, one], [*PROMPT, other]) == 2


def test_a_good_and_a_failed_run_of_one_task_make_a_pair(settings: Settings) -> None:
    good = run("good", chat=[*PROMPT, says("Thinking.", '{"big": 9007199254740993}'), says("Done.")])
    bad = run("bad", chat=[*PROMPT, says("Whatever.", '{"big": 1}')])
    store(settings, good, verdict(good), bad, verdict(bad, "rejected", score=0.1, outcome=0.0))
    done = built(settings, PAIRS)
    (row,) = rows(settings)
    assert done.manifest.rows == 1
    assert row["type"] == "preference_pair"
    messages = json.loads(row["messages"])
    assert [message["role"] for message in messages] == ["system", "user", "assistant"]
    assert messages[-1]["tool_calls"][0]["function"]["arguments"] == '{"big": 9007199254740993}'
    (rejected,) = json.loads(row["rejected"])
    assert rejected["content"] == "Whatever."
    assert json.loads(row["context"])["rejected_trace"] == "bad"
    assert (row["trace_id"], row["quality_score"], row["source_offsets"]) == (
        "good",
        0.9,
        '[{"topic":"agent-events","partition":0,"first_offset":1,"last_offset":1}]',
    )


@pytest.mark.parametrize("spoil", ["consent", "terms", "task", "unknown outcome", "quarantined"])
def test_both_runs_need_consent_terms_task_and_outcome(settings: Settings, spoil: str) -> None:
    good = run("good", chat=[*PROMPT, says("A")])
    bad = run(
        "bad",
        chat=[*PROMPT, says("B")],
        consent="unknown" if spoil == "consent" else "granted",
        provider="strict" if spoil == "terms" else "acme",
        task="other" if spoil == "task" else "task1",
    )
    outcome = 0.7 if spoil == "unknown outcome" else 0.0
    store(
        settings,
        good,
        verdict(good),
        bad,
        verdict(bad, "quarantined" if spoil == "quarantined" else "rejected", outcome=outcome),
    )
    other = run("other", task="away")
    store(settings, other, verdict(other), sample(other, rejected='[{"role":"assistant","content":"no"}]'), first=50)
    done = built(settings, PAIRS, purpose="internal-fine-tuning")
    assert [row["trace_id"] for row in rows(settings)] == ["other"], "a person's correction is a pair of its own"
    assert left_out(done) == {}


def test_a_duplicate_may_be_the_good_side_and_caps_hold(settings: Settings) -> None:
    good = run("good", chat=[*PROMPT, says("A")])
    bads = [run(f"bad{number}", chat=[*PROMPT, says(f"B{number % 3}")]) for number in range(5)]
    store(
        settings, good, verdict(good, "duplicate", duplicate_of="elsewhere"),
        *(record for bad in bads for record in (bad, verdict(bad, "rejected", outcome=0.0))),
    )  # fmt: skip
    built(settings, PAIRS.replace("[splits]", "pairs_per_task = 2\n[splits]"))
    found = rows(settings)
    assert len(found) == 2
    assert {row["cluster_id"] for row in found} == {"elsewhere"}
    assert len({row["rejected"] for row in found}) == 2, "the same wrong words are told once"


def test_messages_and_tools_have_the_shape_of_examples() -> None:
    message = Message(role="assistant", content="x", reasoning="because", tool_calls=(call("f", '{"a":1}'),), name="n")
    assert json.loads(message_text(message)) == {
        "role": "assistant", "content": "x", "reasoning_content": "because", "name": "n",
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
    }  # fmt: skip
    tools = (
        ToolDefinition(name="f", parameters_json='{"type":"object"}'),
        ToolDefinition(name="g", parameters_json="{no"),
    )
    assert [tool["function"]["parameters"] for tool in json.loads(tools_text(tools))] == [{"type": "object"}, "{no"]
