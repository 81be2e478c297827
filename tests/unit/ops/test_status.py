"""The balance, and each way in which it does not add up."""

from collections.abc import Mapping

import pytest

from ops.status import Tallies, balance

ASSEMBLE = {
    "received": 20, "duplicate": 3, "assembled": 12, "late": 2, "dead_lettered": 1, "pending": 2, "open_traces": 1,
    "traces": 5, "close:ended": 4, "close:idle": 2, "close:evicted": 0,
}  # fmt: skip
CURATE = {"accepted": 2, "rejected": 1, "duplicate": 1, "quarantined": 1, "examples": 7, "rejected:negative_outcome": 1}
STORED = {"traces": 5, "decisions": 5, "examples": 7, "trace_events": 12}
NO_LAG = {"assemble": 0, "curate": 0, "sink": 0}


def tallies(
    assemble: Mapping[str, int] = {},
    curate: Mapping[str, int] = {},
    stored: Mapping[str, int] = {},
    lag: Mapping[str, int] = NO_LAG,
) -> Tallies:
    return Tallies({**ASSEMBLE, **assemble}, {**CURATE, **curate}, {**STORED, **stored}, lag)


def test_what_adds_up_is_balanced() -> None:
    status = balance(tallies())
    assert status.balanced
    assert status.faults == ()
    assert status.rejections == {"negative_outcome": 1}
    assert status.close_reasons == {"ended": 4, "idle": 2}
    assert status.traces.pending == 0
    assert not status.idle  # a trace is open
    document = status.to_json()
    assert document["events"]["received"] == 20
    assert document["balanced"] is True


def test_nothing_at_all_is_balanced_and_idle() -> None:
    status = balance(Tallies({}, {}, {}, NO_LAG))
    assert status.balanced
    assert status.idle


FAULTS = [
    ("an event is lost", tallies(assemble={"received": 21}), "events received"),
    ("an event has two fates", tallies(assemble={"late": 3}), "events received"),
    ("events pend in no trace", tallies(assemble={"open_traces": 0}), "events pending without an open trace"),
    ("more is decided than was assembled", tallies(curate={"accepted": 3}, lag={"sink": 1}), "are more than"),
    ("a trace has no verdict", tallies(curate={"accepted": 1}), "traces assembled = accepted"),
    ("a row is missing", tallies(stored={"traces": 4}), "traces stored"),
    ("a row is there twice", tallies(stored={"traces": 6}), "traces stored"),
    ("a decision is missing", tallies(stored={"decisions": 4}), "decisions stored"),
    ("an example is missing", tallies(stored={"examples": 6}), "examples published"),
    ("a stored trace lacks an event", tallies(stored={"trace_events": 11}), "events in stored traces"),
]  # fmt: skip


@pytest.mark.parametrize(("words", "numbers", "fault"), FAULTS, ids=[case[0] for case in FAULTS])
def test_it_shows_when(words: str, numbers: Tallies, fault: str) -> None:
    status = balance(numbers)
    assert not status.balanced
    assert any(fault in text for text in status.faults)


def test_while_work_is_under_way_only_what_must_always_hold_is_held() -> None:
    behind = tallies(curate={"accepted": 1}, stored={"traces": 3, "decisions": 2, "examples": 1}, lag={"curate": 1})
    status = balance(behind)
    assert status.balanced
    assert status.traces.pending == 1
    assert not status.idle


def test_withheld_traces_have_no_row() -> None:
    status = balance(tallies(curate={"withheld": 1}, stored={"traces": 4, "trace_events": 9}))
    assert status.balanced
