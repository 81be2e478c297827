"""What is counted of rows as they stream by."""

import json
import statistics
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sinks.packages.facts import PackageFacts, Tally, from_json, tally, to_json
from sinks.packages.report.collect import FactsCollector, acceptance_of, redactions_of
from sinks.packages.report.tallies import MAX_NAME_CHARS, Magnitudes, Names, Shares
from sinks.packages.report.texts import called_tools, message_counts, scripts
from sinks.tables import TABLES
from tests.unit.sinks.packages_report.samples import asked, build, chat, empty, rows

ROWS = rows(600)


def cut_at(batch: pa.RecordBatch, places: list[int]) -> Iterator[pa.RecordBatch]:
    for start, end in pairwise(sorted({0, *places, len(batch)})):
        yield batch.slice(start, end - start)


def collected(batches: Iterator[pa.RecordBatch] | list[pa.RecordBatch], split: str = "train") -> PackageFacts:
    collector = FactsCollector()
    for batch in batches:
        collector.add(batch, split)
    return collector.facts(build())


def as_dict(counts: Tally) -> dict[str, int]:
    return {count.name: count.count for count in counts.counts}


def test_counts_are_those_of_a_count_by_hand() -> None:
    facts, plain = collected([ROWS]), ROWS.to_pylist()
    assert facts.rows == 600
    assert as_dict(facts.scenarios) == Counter(row["scenario"] for row in plain)
    assert as_dict(facts.models) == Counter(row["model"] for row in plain)
    assert as_dict(facts.packages) == Counter(label for row in plain for label in row["packages"])
    assert facts.consent_bases.missing == sum(row["consent_basis"] is None for row in plain)
    assert facts.human_validated.of("true") == sum(row["human_validated"] for row in plain)
    assert facts.simulation_share == sum(row["execution_mode"] == "SIMULATION" for row in plain) / 600
    assert facts.scores.mean == pytest.approx(statistics.fmean(row["quality_score"] for row in plain), abs=1e-6)
    pairs = Counter((row["model"], row["outcome"]) for row in plain)
    cross = facts.model_outcomes
    for name, counts in zip(cross.rows, cross.counts, strict=True):
        assert dict(zip(cross.columns, counts, strict=True)) == {out: pairs[name, out] for out in cross.columns}
    for scenario, mean in facts.scenario_scores:
        scores = [row["quality_score"] for row in plain if row["scenario"] == scenario]
        assert mean == pytest.approx(statistics.fmean(scores), abs=1e-6)
    tools = Counter(json.loads(row["messages"])[-1]["tool_calls"][0]["function"]["name"] for row in plain)
    assert as_dict(facts.tools) == tools


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(0, 600), max_size=12))
def test_facts_do_not_depend_on_how_rows_are_cut_into_batches(places: list[int]) -> None:
    assert to_json(collected(cut_at(ROWS, places))) == to_json(collected([ROWS]))


def test_facts_survive_json() -> None:
    for facts in (collected([ROWS]), empty()):
        assert from_json(to_json(facts)) == facts


def test_splits_are_counted_apart_and_empty_ones_are_shown() -> None:
    collector = FactsCollector()
    collector.add(ROWS.slice(0, 500), "train")
    collector.add(ROWS.slice(500), "test")
    facts = collector.facts(build())
    assert [(split.name, split.rows) for split in facts.splits] == [("train", 500), ("validation", 0), ("test", 100)]
    assert sum(split.scenarios.of("research") for split in facts.splits) == facts.scenarios.of("research")


def test_no_more_names_are_told_apart_than_the_bound_and_none_is_lost() -> None:
    names = Names(10)
    names.add(pa.array([f"n{number}" for number in range(30)] + ["n1"] * 5 + [None, ""]))
    counted = names.tally()
    assert len(counted.counts) == 10
    assert counted.counts[0].name == "n1"
    assert (counted.named, counted.other, counted.missing) == (35, 20, 2)
    assert names.tally(3).named == 35
    assert len(names.tally(3).counts) == 3


def test_long_names_are_cut() -> None:
    names = Names(10)
    names.add(pa.array(["x" * 10_000]))
    assert len(names.tally().counts[0].name) == MAX_NAME_CHARS


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_can_be_counted(name: str) -> None:
    schema = TABLES[name].schema
    row = {field.name: None for field in schema} | {
        "scenario": "s", "verdict": "rejected", "pattern_type": "sequence", "completion_status": "failed"
    }  # fmt: skip
    batch = pa.RecordBatch.from_pylist([row] * 3, schema=schema)
    facts = collected([batch])
    assert facts.rows == 3
    kinds = {"decisions": "rejected", "patterns": "sequence"}
    if name in kinds:
        assert facts.types.of(kinds[name]) == 3
    if name == "traces":
        assert facts.outcomes.of("failed") == 3


def test_dictionaries_views_and_wide_strings_count_as_what_they_hold() -> None:
    texts = ["search", "search", None, "café 你好"]
    for column in (
        pa.array(texts).dictionary_encode(),
        pa.array(texts, pa.string_view()),
        pa.array(texts, pa.large_string()),
    ):
        facts = collected([pa.RecordBatch.from_arrays([column, column, column], ["scenario", "model", "messages"])])
        assert as_dict(facts.scenarios) == {"search": 2, "café 你好": 1}
        assert as_dict(facts.scripts) == {"Latin": 2, "Han": 1}


def test_numbers_that_are_none_are_missing() -> None:
    shares = Shares()
    shares.add(pa.array([0.5, None, float("nan"), float("inf"), 1.0, 1.7, -0.2]))
    counted = shares.distribution()
    assert (counted.count, counted.histogram.missing, counted.histogram.above) == (4, 3, 1)
    assert (counted.minimum, counted.maximum) == (-0.2, 1.7)
    assert sum(counted.histogram.counts) == 3
    assert counted.histogram.counts[0] == counted.histogram.counts[10] == counted.histogram.counts[19] == 1


def nearest_rank(values: list[float], percent: int) -> float:
    return sorted(values)[max(1, -(-percent * len(values) // 100)) - 1]


@given(st.lists(st.floats(0, 3), min_size=1, max_size=60))
@example([0.0, 1.0, 1.015625])
def test_quantiles_of_shares_are_as_exact_as_they_say(values: list[float]) -> None:
    shares = Shares()
    shares.add(pa.array(values))
    counted = shares.distribution()
    assert sum(counted.histogram.counts) + counted.histogram.above == len(values)
    for percent, found in ((5, counted.p05), (50, counted.median), (95, counted.p95)):
        assert found is not None
        exact = nearest_rank(values, percent)
        assert found == pytest.approx(exact, abs=0.0006 if exact <= 1 else exact * 0.035)


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=60))
def test_quantiles_of_whole_numbers_are_as_exact_as_they_say(values: list[int]) -> None:
    magnitudes = Magnitudes()
    magnitudes.add(pa.array(values, pa.int64()))
    counted = magnitudes.distribution()
    edges, counts = counted.histogram.edges, counted.histogram.counts
    assert list(edges) == sorted(set(edges))
    for (low, high), count in zip(pairwise(edges), counts, strict=True):
        assert count == sum(low <= value < high for value in values)
    for percent, found in ((25, counted.p25), (50, counted.median), (75, counted.p75)):
        assert found is not None
        exact = nearest_rank([float(value) for value in values], percent)
        assert exact * 0.965 <= found <= exact
        assert exact >= 64 or found == exact
    assert counted.mean == pytest.approx(sum(values) / len(values), abs=1e-6)


def test_tools_of_a_step_are_those_it_asks_for_and_of_a_chat_those_it_calls() -> None:
    messages = pa.array(
        [
            chat("q", "not_this"),
            json.dumps([{"role": "assistant", "tool_calls": [
                {"function": {"name": name, "arguments": "{}"}} for name in ("a", "b", "a")
            ]}], separators=(",", ":")),
            chat('say "tool_calls":[{"function":{"name":"quoted"}}]'),
            '[{"role":"assistant","tool_calls":"no list"}]',
            None,
        ]
    )  # fmt: skip
    expected = pa.array([asked('odd "name" \\ here'), "{}", "{}", "{}", None])
    assert dict(called_tools(messages, expected)) == {'odd "name" \\ here': 1, "a": 1, "b": 1}
    assert dict(called_tools(messages, None)) == {"not_this": 1, "a": 1, "b": 1}


@given(st.lists(st.text(max_size=30), max_size=6))
def test_messages_are_counted_whatever_stands_in_them(texts: list[str]) -> None:
    traps = [*texts, '"role":', '\\"role\\":', '{"role":"user"}']
    messages = [{"role": "user", "content": text} for text in traps]
    dense = json.dumps(messages, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace").decode()
    assert message_counts(pa.array([dense, "[]", None])).to_pylist() == [len(traps), 0, None]


ALPHABETS = {
    "Greek": "αβγδΩ", "Cyrillic": "абвЖЯ", "Hebrew": "אבגד", "Arabic": "عربي", "Devanagari": "हिन्दी", "Thai": "ไทย",
    "Hangul": "한국어", "Hiragana": "ひらがな", "Katakana": "カタカナ", "Han": "漢字你好", "Georgian": "ქართ",
}  # fmt: skip


@given(st.lists(st.tuples(st.sets(st.sampled_from(sorted(ALPHABETS)), max_size=3), st.text("ab —…é🙂→"))))
def test_writing_systems_are_found_in_any_mixture(rows: list[tuple[set[str], str]]) -> None:
    texts = [text + "".join(ALPHABETS[name] for name in sorted(names)) for names, text in rows]
    expected = Counter(name for names, _ in rows for name in names or {"Latin"})
    found = scripts(pa.array(["дропped", *texts], pa.string()).slice(1))
    assert found == expected


def test_acceptance_and_redactions_are_counted_over_the_snapshot() -> None:
    decisions = pa.RecordBatch.from_pylist(
        [
            {"verdict": "accepted", "reasons": []},
            {"verdict": "rejected", "reasons": ["negative_outcome", "low_quality_score"]},
            {"verdict": "rejected", "reasons": ["negative_outcome"]},
        ],
        schema=pa.schema([("verdict", pa.string()), ("reasons", pa.list_(pa.string()))]),
    )
    counted = acceptance_of([decisions, decisions.slice(1, 1)])
    assert counted.verdicts == tally({"accepted": 1, "rejected": 3})
    assert counted.reasons == tally({"negative_outcome": 3, "low_quality_score": 2})
    traces = pa.record_batch({"redaction_counts": ['{"PERSON":2}', '{"PERSON":2}', '{"EMAIL":1,"PERSON":1}', None]})
    assert redactions_of([traces]) == tally({"PERSON": 5, "EMAIL": 1})


def test_evenness_is_one_for_equal_names_and_none_for_a_single_one() -> None:
    def figures(models: list[str]) -> tuple[float, float, float]:
        batch = pa.record_batch({"model": models})
        found = next(figure for figure in collected([batch]).representation if figure.what == "model")
        return found.largest_share, found.normalised_entropy, found.effective_number

    assert figures(["a", "b", "c", "d"]) == (0.25, 1.0, 4.0)
    assert figures(["a"] * 5) == (1.0, 0.0, 1.0)
    assert figures(["a"] * 9 + ["b"]) == pytest.approx((0.9, 0.469, 1.384), abs=1e-3)


def test_tasks_are_those_of_their_scenario_and_stay_nameless() -> None:
    batch = pa.record_batch({"scenario": ["a", "b", "a"], "task_id": ["1", "1", None]})
    found = next(figure for figure in collected([batch]).representation if figure.what == "task")
    assert (found.distinct, found.largest) == (2, None)
