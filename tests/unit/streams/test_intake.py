"""What an arriving message does to the open traces."""

from dataclasses import replace

from streams.core.intake import (
    Arrival,
    StoredMessage,
    Taken,
    View,
    event_hash,
    pack_offsets,
    take_in,
    to_refetch,
    unpack_offsets,
)
from streams.core.timers import ClosedTrace, OpenTrace, Windows

W = Windows(quiet_ms=200, idle_ms=1_000, amend_ms=2_000, remember_ms=50_000, max_events=10)
NOTHING = View({}, {})
CLOSED = ClosedTrace(1, 10_000, 2, True, True, event_hash("a") + event_hash("b"), pack_offsets([3, 5]))
HELD = [StoredMessage(3, b"three"), StoredMessage(5, b"fives")]


def arrival(*ids: str, at: int = 0, offset: int = 10, ended: bool = False, trace_id: str = "t") -> Arrival:
    return Arrival(trace_id, offset, at, b"x" * 10, ids, ended)


def after_close(*ids: str, at: int, closed: ClosedTrace = CLOSED, held: bool = True) -> Taken:
    return take_in([arrival(*ids, at=at)], View({}, {"t": closed}, {"t": HELD} if held else {}), W)


def test_the_first_message_opens_a_trace() -> None:
    taken = take_in([arrival("a", "b", at=7)], NOTHING, W)
    assert taken.open["t"] == OpenTrace(1, 7, 7, 10, 2, 2, 10, False)
    assert taken.appends == [("t", StoredMessage(10, b"x" * 10))]
    assert taken.counts == {"pending": 2, "open_bytes": 10, "received": 2}
    assert (taken.taken, taken.close_first, taken.late) == (1, None, [])


def test_further_messages_let_it_grow() -> None:
    first = take_in([arrival("a", at=7)], NOTHING, W).open["t"]
    taken = take_in(
        [arrival("b", at=9, offset=11, ended=True), arrival("a", at=5, offset=12)], View({"t": first}, {}), W
    )
    assert taken.open["t"] == OpenTrace(1, 7, 9, 10, 3, 3, 30, True)


def test_a_trace_that_was_due_before_a_message_is_closed_before_it() -> None:
    due = OpenTrace(1, 0, 0, 1, 1, 1, 10, True)
    others = [arrival("x", at=50, trace_id="u"), arrival("c", at=200), arrival("y", at=201, trace_id="u", offset=11)]
    taken = take_in(others, View({"t": due}, {}), W)
    assert (taken.taken, taken.close_first) == (1, "t")
    assert list(taken.open) == ["u"]
    one_earlier = take_in([arrival("c", at=199)], View({"t": due}, {}), W)
    assert one_earlier.close_first is None


def test_a_trace_that_becomes_due_within_a_batch_is_closed_within_it() -> None:
    taken = take_in([arrival("a", ended=True), arrival("b", at=300, offset=11)], NOTHING, W)
    assert (taken.taken, taken.close_first) == (1, "t")


def test_a_trace_to_be_evicted_takes_nothing_more_whatever_the_time_says() -> None:
    taken = take_in([arrival("a", at=5)], View({"t": OpenTrace(1, 9, 9, 1, 1, 1, 10, False, 0, True)}, {}), W)
    assert (taken.taken, taken.close_first) == (0, "t")


def test_duplicates_of_a_closed_trace_are_counted_and_dropped() -> None:
    taken = after_close("a", "b", "a", at=10_001)
    assert taken.counts == {"duplicate": 3, "received": 3}
    assert not taken.open
    assert not taken.late


def test_a_late_event_within_the_amend_window_opens_the_next_revision() -> None:
    taken = after_close("a", "c", at=11_999)
    assert taken.open["t"] == OpenTrace(2, 11_999, 11_999, 3, 2, 4, 20, True, 2)
    assert [stored.offset for _, stored in taken.appends] == [3, 5, 10]
    assert taken.counts == {"open_bytes": 20, "pending": 2, "received": 2}


def test_after_the_amend_window_new_events_are_late_and_the_others_duplicates() -> None:
    taken = after_close("a", "c", "c", at=12_000)
    assert [(late.event_ids, late.reason) for late in taken.late] == [(("c",), "amend_window_over")]
    assert taken.counts == {"late": 1, "duplicate": 2, "received": 3}


def test_a_trace_closed_for_its_size_is_not_amended() -> None:
    full = ClosedTrace(1, 10_000, 2, True, False, CLOSED.event_hashes, CLOSED.offsets)
    assert [late.reason for late in after_close("c", at=10_001, closed=full).late] == ["trace_full"]


def test_without_its_messages_in_the_log_a_trace_is_not_amended() -> None:
    assert [late.reason for late in after_close("c", at=10_001, held=False).late] == ["log_gone"]


def test_a_forgotten_trace_id_begins_a_new_trace() -> None:
    assert after_close("a", at=60_000).open["t"].revision == 1
    assert after_close("a", at=59_999).counts["duplicate"] == 1


def test_no_amend_window_means_no_amendment_even_at_the_same_time() -> None:
    windows = replace(W, amend_ms=0)
    view = View({}, {"t": CLOSED}, {"t": HELD})
    assert not take_in([arrival("c", at=10_000)], view, windows).open
    assert to_refetch([arrival("c", at=10_000)], view, windows) == {}


def test_messages_are_read_again_only_for_what_will_be_amended() -> None:
    view = View({"open": OpenTrace(1, 0, 0, 0, 1, 1, 1, False)}, {"t": CLOSED, "open": CLOSED})
    wanted = [
        (arrival("c", at=11_000), {"t": 0}),
        (arrival("a", at=11_000), {}),
        (arrival("c", at=12_000), {}),
        (arrival("c", at=11_000, trace_id="open"), {}),
        (arrival("c", at=11_000, trace_id="new"), {}),
    ]
    for one, expected in wanted:
        assert to_refetch([one], view, W) == expected


def test_offsets_are_packed_and_unpacked() -> None:
    assert unpack_offsets(pack_offsets([0, 2**60, 7])) == [0, 2**60, 7]
