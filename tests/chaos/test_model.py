"""The model against cases worked out by hand, and against the code that it is held against in chaos runs."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Event
from schemas.settings import AssembleSettings
from streams.app import windows_of
from streams.core.intake import Arrival, StoredMessage, View, event_hash, pack_offsets, take_in
from streams.core.timers import ClosedTrace, OpenTrace
from tests.chaos.model import Expected, Logged, expected
from tests.integration.world import Meaning
from tests.unit.core.build import Run

WINDOWS = AssembleSettings(quiet_seconds=1, idle_seconds=4, amend_seconds=10, max_events=50, max_bytes=1024)
RUN = Run("t").starts().hears("A").hears("B").says("C").ends().events


def log(*messages: tuple[int, Sequence[Event]], letters: int = 0, size: int = 10) -> Expected:
    """What must come of these messages: (broker time in ms, events)."""
    return expected(
        [
            Logged((0, offset), at, size, b"t", b"v%d" % offset, Meaning(tuple(events), letters))
            for offset, (at, events) in enumerate(messages)
        ],
        WINDOWS,
    )


def test_a_trace_closes_a_quiet_while_after_its_end() -> None:
    found = log((0, RUN[:3]), (500, RUN[3:])).fates["t"]
    assert (found.reason, found.closed_ms, len(found.events)) == ("ended", 1500, 5)


def test_a_trace_without_an_end_closes_after_silence() -> None:
    found = log((0, RUN[:2]), (3000, RUN[2:3])).fates["t"]
    assert (found.reason, found.closed_ms, len(found.events)) == ("idle", 7000, 3)


def test_what_comes_within_the_amend_window_opens_it_again() -> None:
    result = log((0, [*RUN[:2], RUN[4]]), (9000, RUN[2:4]), (9500, RUN[:1]))
    assert (result.fates["t"].closed_ms, len(result.fates["t"].events)) == (10_500, 5)
    assert (result.ledger.late, result.ledger.received) == (0, 6)


def test_what_comes_after_the_amend_window_is_late_and_what_is_known_is_not() -> None:
    result = log((0, [*RUN[:2], RUN[4]]), (11_000, RUN[1:3]), (11_001, RUN[:2]), (11_002, RUN[2:3]))
    assert result.late == {(0, 1): ("t-2",), (0, 3): ("t-2",)}
    assert (result.ledger.late, result.known, len(result.fates["t"].events)) == (2, {(0, 2)}, 3)


def test_a_full_trace_takes_no_more() -> None:
    result = log((0, RUN[:1]), (1, RUN[1:2]), (2, RUN[2:3]), size=600)
    assert (result.fates["t"].reason, result.fates["t"].closed_ms) == ("max_size", 1)
    assert result.late == {(0, 2): ("t-2",)}


def test_letters_are_counted_beside_the_valid_events_of_a_message() -> None:
    result = log((0, RUN), letters=1)
    assert (result.ledger.received, sum(result.ledger.dead.values()), result.dead) == (6, 1, {(0, 0)})


@given(
    st.lists(
        st.tuples(st.integers(0, 30_000), st.lists(st.sampled_from(RUN), min_size=1, max_size=3)),
        min_size=1,
        max_size=12,
    )
)
def test_the_model_and_intake_agree_on_every_log(drawn: list[tuple[int, list[Event]]]) -> None:
    messages = sorted(drawn, key=lambda one: one[0])
    modelled, run = log(*messages), _by_intake(messages)
    fate = modelled.fates["t"]
    assert (fate.reason, fate.closed_ms, sorted(fate.events), sorted(fate.held), modelled.ledger.late) == run


def _by_intake(messages: Sequence[tuple[int, list[Event]]]) -> tuple[object, ...]:
    """The same by the code itself: reason, time, event ids and messages of the trace, and the number of late events."""
    windows = windows_of(WINDOWS)
    opened: dict[str, OpenTrace] = {}
    closed: dict[str, ClosedTrace] = {}
    held: list[StoredMessage] = []
    reason, late = "", 0

    def close() -> None:
        nonlocal reason
        entry = opened.pop("t")
        reason = entry.close_reason(windows)
        ids = {event.event_id for message in held for event in messages[message.offset][1]}
        closed["t"] = ClosedTrace(
            entry.revision,
            entry.due_ms(windows),
            len(ids),
            entry.ended,
            reason != "max_size",
            b"".join(map(event_hash, ids)),
            pack_offsets(message.offset for message in held),
        )

    for offset, (at, events) in enumerate(messages):
        ended = any(event.agent_ended is not None for event in events)
        arrival = Arrival("t", offset, at, b"x" * 10, tuple(event.event_id for event in events), ended)
        while (taken := take_in([arrival], View(opened, closed, {"t": tuple(held)}), windows)).close_first:
            close()
        if "t" not in opened:
            held = [] if taken.open else held
        held += [message for _, message in taken.appends]
        opened.update(taken.open)
        late += sum(len(one.event_ids) for one in taken.late)
    if opened:
        close()
    ids = sorted({event.event_id for message in held for event in messages[message.offset][1]})
    return reason, closed["t"].closed_ms, ids, sorted((0, message.offset) for message in held), late
