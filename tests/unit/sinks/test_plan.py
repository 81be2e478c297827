"""What a batch does to a table."""

from hypothesis import given
from hypothesis import strategies as st

from sinks.plan import (
    Deletion,
    Hit,
    decision_entry,
    example_entry,
    highest_revisions,
    latest,
    pattern_entry,
    plan_examples,
    plan_latest,
    trace_entry,
)
from tests.unit.sinks.samples import decision, example, pattern, trace


def test_a_plain_trace_is_appended_without_a_lookup() -> None:
    entry = trace_entry(trace(), 0, 0)
    assert not entry.may_exist
    change = plan_latest("trace_id", {"t1": entry}, set(), [], {})
    assert change.rows == (entry.row,)
    assert change.deletions == ()


def test_a_higher_revision_replaces_the_stored_one() -> None:
    entry = trace_entry(trace(revision=2), 0, 0)
    hits = [Hit("t1", 1, "a.parquet")]
    change = plan_latest("trace_id", {"t1": entry}, {"t1"}, hits, {})
    assert change.rows == (entry.row,)
    assert change.paths == {"a.parquet"}
    assert change.deletions[0].covers(hits[0])


def test_a_lower_revision_than_the_stored_one_is_skipped() -> None:
    entry = trace_entry(trace(revision=2), 0, 0)
    change = plan_latest("trace_id", {"t1": entry}, {"t1"}, [Hit("t1", 3, "a.parquet")], {})
    assert change.rows == ()
    assert change.paths == frozenset()


def test_a_redelivered_record_replaces_itself() -> None:
    entry = decision_entry(decision(redelivered=True), 0, 0)
    change = plan_latest("trace_id", {"t1": entry}, {"t1"}, [Hit("t1", 1, "a.parquet")], {})
    assert change.rows == (entry.row,)
    assert change.paths == {"a.parquet"}


def test_a_withheld_trace_takes_its_stored_revision_out_and_leaves_none() -> None:
    entry = trace_entry(trace(revision=2, withheld=True), 0, 0)
    assert entry.row is None
    change = plan_latest("trace_id", {"t1": entry}, {"t1"}, [Hit("t1", 1, "a.parquet")], {"t1": 3})
    assert change.rows == ()
    assert change.paths == {"a.parquet"}


def test_a_trace_below_its_stored_decision_is_not_let_in() -> None:
    entry = trace_entry(trace(revision=2, redelivered=True), 0, 0)
    assert plan_latest("trace_id", {"t1": entry}, {"t1"}, [], {"t1": 3}).rows == ()


def test_doubt_survives_when_a_plain_record_wins_within_a_batch() -> None:
    entries = [trace_entry(trace(redelivered=True), 0, 0), trace_entry(trace(), 0, 1)]
    assert latest(entries)["t1"].may_exist


def test_a_decision_takes_examples_of_lower_revisions_out() -> None:
    hits = [Hit("t1", 1, "a.parquet"), Hit("t1", 2, "b.parquet")]
    amended = highest_revisions([decision_entry(decision(revision=2), 0, 0)])
    change = plan_examples({}, [], {}, amended, hits)
    assert change.paths == {"a.parquet"}
    assert change.deletions == (Deletion("trace_id", {"t1": 2}),)


def test_an_example_below_the_stored_decision_is_skipped() -> None:
    entries = latest([example_entry(example(revision=1), 0, 0), example_entry(example(revision=2), 0, 1)])
    change = plan_examples(entries, [], {"t1": 2}, {}, [])
    assert [row[0] for row in change.rows] == ["t1-r2-0"]


def test_an_example_below_a_decision_of_its_batch_is_skipped() -> None:
    entries = latest([example_entry(example(revision=1), 0, 0)])
    assert plan_examples(entries, [], {}, {"t1": 2}, []).rows == ()


def test_first_decisions_concern_no_examples() -> None:
    assert highest_revisions([decision_entry(decision(), 0, 0)]) == {}


def test_a_pattern_replaces_its_lower_revisions_and_is_skipped_below_a_higher_one() -> None:
    entries = latest([pattern_entry(pattern(revision=8), 0, 0), pattern_entry(pattern(revision=7), 0, 1)])
    assert entries["p1"].may_exist
    change = plan_latest("pattern_id", entries, {"p1"}, [Hit("p1", 8, "a.parquet")], {})
    assert change.rows == (entries["p1"].row,)
    assert change.paths == {"a.parquet"}
    assert plan_latest("pattern_id", entries, {"p1"}, [Hit("p1", 9, "a.parquet")], {}).rows == ()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.booleans()), max_size=12), st.randoms())
def test_the_winner_of_a_batch_does_not_depend_on_order(
    records: list[tuple[str, int, bool]],
    random: "st.random.Random",  # type: ignore[name-defined]
) -> None:
    entries = [trace_entry(trace(t, r, redelivered=again), 0, i) for i, (t, r, again) in enumerate(records)]
    expected = {key: (e.revision, e.row) for key, e in latest(entries).items()}
    shuffled = list(entries)
    random.shuffle(shuffled)
    assert {key: (e.revision, e.row) for key, e in latest(shuffled).items()} == expected
