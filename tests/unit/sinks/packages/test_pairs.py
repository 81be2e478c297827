"""Preference pairs: of two runs of one task, where they part."""

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.chat_text import message_text, tools_text
from schemas.errors import UsageError
from schemas.records import Decision, Event, Message, RedactionReport, ToolCall, ToolDefinition, Trace
from schemas.settings import Settings
from sinks.packages.errors import EmptyPackage
from sinks.packages.parting import PAIR_KINDS, PairKind, Run, pair_of, pairs_of, shared_messages
from sinks.packages.place import open_place
from sinks.packages.rebuild import rebuild
from sinks.packages.recipe import parse_recipe
from sinks.packages.verify import verify
from streams.adapters.base import ImportOptions, RecordingFile
from streams.adapters.catalogue import format_named
from streams.core.assemble import Closing, build_trace, unique_in_order
from streams.core.curate import curate
from streams.core.policy import Policy
from tests.unit.core.test_recordings import DATA
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
CANCEL = Message(role="user", content="Cancel it.")


def says(text: str, *calls: str) -> Message:
    return Message(role="assistant", content=text, tool_calls=tuple(call("book", arguments) for arguments in calls))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_at(tmp_path)


def rows(settings: Settings) -> list[dict[str, Any]]:
    root = Path(open_place(settings).uri) / "pairs" / "1.0.0" / "parquet" / "columns"
    return [row for path in sorted(root.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def attempt(name: str, *said: Message, good: bool = True, tools: tuple[ToolDefinition, ...] = ()) -> Run:
    return Run(
        trace_id=name, revision=1, scenario="s", execution_mode="EXECUTION", task_id="t", provider=None, model=None,
        cluster=name, quality_score=0.9, policy_hash="p", offsets="[]", closed_at=None, good=good, chat=said,
        tools=tools,
    )  # fmt: skip


def made(
    good: Sequence[Message], failed: Sequence[Message], kinds: tuple[PairKind, ...] = PAIR_KINDS
) -> tuple[PairKind, int] | None:
    """Kind and shared messages of the pair that two chats make."""
    pair = pair_of(attempt("g", *good), attempt("b", *failed, good=False), kinds)
    return None if pair is None else (pair.kind, pair.shared)


def test_two_chats_part_where_the_agent_first_does_something_else() -> None:
    same = says("Sure.")
    assert made([*PROMPT, same, says("A")], [*PROMPT, same, says("B")]) == ("turn", 3)
    assert made([*PROMPT, says("A")], [*PROMPT, says("B")]) == ("turn", 2)


def test_turns_that_differ_in_words_alone_are_no_choice_unless_they_are_the_last_of_both() -> None:
    result, end = Message(role="tool", content="r"), says("Done.")
    for calls in ((), ("{}",)):
        good, failed = [*PROMPT, says("A", *calls), result, end], [*PROMPT, says("B", *calls), result, end]
        assert made(good, failed) == ("run", 2)
        assert made(good, failed, ("turn",)) is None
        assert made(good, failed[:3]) == ("run", 2), "the failed run ends there, the good one goes on"
        assert made(good[:3], failed[:3]) == ("turn", 2), "the words are all they said"
    other = [*PROMPT, says("A", '{"other": 1}'), result, end]
    assert made([*PROMPT, says("A", "{}"), result, end], other) == ("turn", 2)
    assert made([*PROMPT, says("A"), CANCEL, end], other) == ("turn", 2), "one calls and the other does not"


def test_ids_of_calls_make_no_difference_but_arguments_do() -> None:
    one, other = (Message(role="assistant", tool_calls=(call("f", "{}"),)), Message(role="assistant", tool_calls=()))
    again = Message(role="assistant", tool_calls=(ToolCall(call_id="x", name="f", arguments_json="{}"),))
    assert made([*PROMPT, one, says("A")], [*PROMPT, again, says("B")]) == ("turn", 3)
    assert made([*PROMPT, one], [*PROMPT, other]) == ("turn", 2)


@pytest.mark.parametrize(
    ("good", "failed"),
    [
        ([*PROMPT, says("A")], [PROMPT[0], CANCEL, says("B")]),
        ([*PROMPT, says("A"), CANCEL, says("C")], [*PROMPT, says("A"), PROMPT[1], says("D")]),
        ([*PROMPT, says("A"), CANCEL, says("C")], [*PROMPT, says("A"), says("B")]),
        ([PROMPT[0], says("A")], [PROMPT[0], says("B")]),
    ],
    ids=["at the first user message", "at a later one", "where one side goes on", "before anybody asked anything"],
)
def test_runs_that_part_anywhere_else_are_held_against_each_other_as_a_whole(
    good: list[Message], failed: list[Message]
) -> None:
    shared = shared_messages(good, failed)
    assert shared
    assert made(good, failed) == ("run", shared)
    assert made(good, failed, ("turn",)) is None


def test_a_recipe_of_runs_alone_takes_whole_runs_even_where_turns_could_be_compared() -> None:
    assert made([*PROMPT, says("A"), CANCEL, says("B")], [*PROMPT, says("C")], ("run",)) == ("run", 2)


def test_runs_without_a_common_prompt_or_without_a_turn_of_the_agent_after_it_give_no_pair() -> None:
    assert made([PROMPT[1], says("A")], [CANCEL, says("B")]) is None, "they share nothing"
    assert made([Message(role="system", content="x"), says("A")], [PROMPT[0], says("B")]) is None
    assert made([*PROMPT, says("A")], [*PROMPT, says("A"), says("B")]) is None, "the failed one only goes on"
    assert made([*PROMPT, says("A"), CANCEL], [*PROMPT, says("A"), says("B")]) is None, (
        "nothing is answered on one side"
    )
    tools = (ToolDefinition(name="f"),)
    assert pair_of(attempt("g", *PROMPT, says("A"), tools=tools), attempt("b", *PROMPT, says("B")), PAIR_KINDS) is None


def test_what_comes_after_the_last_turn_of_the_agent_is_not_part_of_a_run_pair() -> None:
    pair = pair_of(
        attempt("g", *PROMPT, says("A"), CANCEL), attempt("b", PROMPT[0], CANCEL, says("B"), good=False), PAIR_KINDS
    )
    assert pair is not None
    assert pair.side(pair.chosen) == (PROMPT[1], says("A"))
    assert pair.side(pair.rejected) == (CANCEL, says("B"))


def test_turn_pairs_come_first_and_good_runs_take_turns() -> None:
    good = [attempt(f"g{number}", PROMPT[0], Message(role="user", content=f"{number}"), says("A")) for number in "01"]
    failed = [
        attempt(f"b{number}", PROMPT[0], Message(role="user", content=f"other {number}"), says("B"), good=False)
        for number in "0123"
    ]
    close = attempt("z", *good[0].chat[:2], says("C"), good=False)
    runs = [*good, *failed, close]
    for order in (runs, runs[::-1]):
        found = pairs_of(order, PAIR_KINDS, 9)
        assert [(pair.kind, pair.rejected.trace_id, pair.chosen.trace_id) for pair in found] == [
            ("turn", "z", "g0"), ("run", "b0", "g0"), ("run", "b1", "g1"), ("run", "b2", "g0"), ("run", "b3", "g1"),
        ]  # fmt: skip
        assert pairs_of(order, PAIR_KINDS, 2) == found[:2]
        assert [pair.kind for pair in pairs_of(order, ("turn",), 9)] == ["turn"]


@given(st.lists(st.tuples(st.booleans(), st.lists(st.integers(0, 5), max_size=5)), max_size=7), st.randoms())
def test_the_order_of_runs_never_changes_their_pairs_and_sides_end_with_the_agent(
    runs: list[tuple[bool, list[int]]], random: Random
) -> None:
    words = (PROMPT[1], CANCEL, says("A"), says("B"), says("", "{}"), Message(role="tool", content="r"))
    attempts = [
        attempt(f"r{number}", PROMPT[0], *(words[word] for word in chat), good=good)
        for number, (good, chat) in enumerate(runs)
    ]
    found = pairs_of(attempts, PAIR_KINDS, 9)
    shuffled = random.sample(attempts, len(attempts))
    assert pairs_of(shuffled, PAIR_KINDS, 9) == found
    for pair in found:
        assert pair.chosen.chat[: pair.shared] == pair.rejected.chat[: pair.shared]
        if pair.kind == "turn" and pair.same_calls:
            last = [max(n for n, said in enumerate(run.chat) if said.role == "assistant")
                    for run in (pair.chosen, pair.rejected)]  # fmt: skip
            assert last == [pair.shared, pair.shared]
        sides = pair.side(pair.chosen), pair.side(pair.rejected)
        assert sides[0][0] != sides[1][0]
        assert {side[-1].role for side in sides} == {"assistant"}
        assert pair.kind == "run" or len(sides[0]) == len(sides[1]) == 1


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
    assert row["prompt_messages"] is None
    assert json.loads(row["context"]) == {
        "scenario": "support", "pair": "turn", "parts_in": "tool_calls", "chosen_trace": "good",
        "rejected_trace": "bad", "shared_messages": 2,
    }  # fmt: skip
    assert (row["trace_id"], row["quality_score"], row["source_offsets"]) == (
        "good",
        0.9,
        '[{"topic":"agent-events","partition":0,"first_offset":1,"last_offset":1}]',
    )


def parted_at_the_user(settings: Settings) -> None:
    """Two runs whose users say different things."""
    good = run("good", chat=[PROMPT[0], PROMPT[1], says("Sure.", '{"big": 9007199254740993}'), CANCEL, says("Done.")])
    bad = run("bad", chat=[PROMPT[0], CANCEL, says("No.", '{"big": 1}'), PROMPT[1]])
    store(settings, good, verdict(good), bad, verdict(bad, "rejected", score=0.1, outcome=0.0))


def test_runs_that_part_at_the_user_are_kept_as_a_pair_of_runs(settings: Settings) -> None:
    parted_at_the_user(settings)
    done = built(settings, PAIRS.replace('"jsonl/trl-preference"', '"jsonl/trl-preference", "jsonl/kto"'))
    (row,) = rows(settings)
    assert row["prompt_messages"] == 1
    assert json.loads(row["context"])["pair"] == "run"
    messages, rejected = json.loads(row["messages"]), json.loads(row["rejected"])
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user", "assistant"]
    assert messages[2]["tool_calls"][0]["function"]["arguments"] == '{"big": 9007199254740993}'
    assert [(message["role"], message["content"]) for message in rejected] == [
        ("user", "Cancel it."), ("assistant", "No."),
    ]  # fmt: skip
    assert {(entry.format, entry.reason) for entry in done.manifest.skipped} == {
        ("jsonl/trl-preference", "prompt_ends_with_the_system")
    }
    assert {file.format: file.rows for file in done.manifest.files} == {"parquet": 1, "jsonl/kto": 2}
    root = Path(open_place(settings).uri) / "pairs" / "1.0.0"
    guidelines = (root / "usage_guidelines.md").read_text()
    assert "mask the loss" in guidelines
    assert "single turns" not in guidelines
    assert "`prompt_messages` | `int32`" in (root / "schema.md").read_text()
    fields = json.loads((root / "croissant.json").read_text())["recordSet"][-1]["field"]
    assert [field["dataType"] for field in fields if field["name"].endswith("/prompt_messages")] == ["cr:Int32"]


def test_a_package_of_run_pairs_is_sound_and_builds_again_byte_for_byte(settings: Settings) -> None:
    parted_at_the_user(settings)
    manifest = built(settings, PAIRS).manifest
    place = open_place(settings)
    assert verify(place, manifest).faults == ()
    assert rebuild(settings, place, "pairs", "1.0.0").identical


def test_guidelines_speak_of_the_kinds_of_pairs_that_a_package_has(settings: Settings) -> None:
    parted_at_the_user(settings)
    close = run("close", chat=[PROMPT[0], PROMPT[1], says("Sure?")])
    store(settings, close, verdict(close, "rejected", outcome=0.0), first=20)
    assert built(settings, PAIRS).manifest.rows == 2
    guidelines = (Path(open_place(settings).uri) / "pairs" / "1.0.0" / "usage_guidelines.md").read_text()
    assert "on single turns, 1 rows" in guidelines
    assert "on whole runs, 1 rows" in guidelines
    assert "drop rows that are too long" in guidelines


@pytest.mark.recordings
def test_recorded_runs_that_passed_and_failed_the_same_task_are_kept_as_pairs(settings: Settings) -> None:
    paths = sorted((DATA / "tau-bench").glob("*.jsonl.gz"))
    if not paths:
        pytest.skip("the recordings (../shared/data) are not here")
    runs: dict[str, list[Event]] = defaultdict(list)
    for path in paths:
        for found in format_named("tau-bench").importer()(RecordingFile(path), ImportOptions(consent="granted")):
            if isinstance(found, Event):
                runs[found.trace_id].append(found)
    records: list[Trace | Decision] = []
    for name, events in runs.items():
        closing = Closing(trace_id=name, revision=1, reason="ended", closed_ms=0, offsets=(), redelivered=False)
        trace = build_trace(unique_in_order(events), closing, RedactionReport(rules_version="1"))
        records += [trace, curate(trace, Policy()).decision]
    store(settings, *records)
    recipe = PAIRS.replace('"jsonl/trl-preference"', '"jsonl/kto"')
    done = built(settings, recipe.replace("[splits]", "max_simulation_share = 1.0\n[splits]"))
    made = rows(settings)
    assert made
    assert {json.loads(row["context"])["pair"] for row in made} == {"run"}, "their users never say the same"
    for row in made:
        messages, rejected = json.loads(row["messages"]), json.loads(row["rejected"])
        assert [message["role"] for message in messages[: row["prompt_messages"]]] == ["system"]
        assert messages[-1]["role"] == rejected[-1]["role"] == "assistant"
    assert sum(file.rows for file in done.manifest.files if file.format == "jsonl/kto") == 2 * len(made)


def test_a_recipe_of_turns_alone_takes_no_runs(settings: Settings) -> None:
    parted_at_the_user(settings)
    with pytest.raises(EmptyPackage, match="no row of the tables fits the recipe pairs"):
        built(settings, PAIRS.replace("[splits]", 'pairs = ["turn"]\n[splits]'))


@pytest.mark.parametrize("pairs", ["[]", '["turn", "turn"]', '["step"]'])
def test_a_recipe_names_kinds_of_pairs_that_exist_each_once(pairs: str) -> None:
    with pytest.raises(UsageError, match="pairs"):
        parse_recipe(PAIRS.replace("[splits]", f"pairs = {pairs}\n[splits]"), "test.toml")


@pytest.mark.parametrize("parts_at", ["turn", "run"])
@pytest.mark.parametrize("spoil", ["consent", "terms", "task", "unknown outcome", "quarantined"])
def test_both_runs_need_consent_terms_task_and_outcome(settings: Settings, spoil: str, parts_at: str) -> None:
    good = run("good", chat=[*PROMPT, says("A")])
    bad = run(
        "bad",
        chat=[*PROMPT, says("B")] if parts_at == "turn" else [PROMPT[0], CANCEL, says("B")],
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
    corrected = sample(other, rejected='[{"role":"assistant","content":"no"}]')
    store(settings, other, verdict(other), corrected, sample(other, 1), first=50)
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
