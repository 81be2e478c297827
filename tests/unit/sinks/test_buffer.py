"""When to flush, when to pause, when to try again."""

from schemas.records import DeadLetter
from sinks.buffer import Backoff, Buffer
from sinks.known import AmendedTraces, RecentKeys
from sinks.plan import trace_entry
from tests.unit.sinks.samples import trace


def _letter(offset: int) -> DeadLetter:
    return DeadLetter(
        topic="traces",
        partition=0,
        offset=offset,
        stage="sink",
        error_class="E",
        error_message="m",
        failed_at=0,
        value=b"x" * 100,
    )


def test_nothing_is_never_due() -> None:
    buffer = Buffer(max_rows=2, max_bytes=10**6, max_seconds=1.0)
    assert buffer.empty
    assert not buffer.due(10**9)


def test_it_is_due_by_time_since_the_first_message() -> None:
    buffer = Buffer(max_rows=10, max_bytes=10**6, max_seconds=1.0)
    buffer.add(trace_entry(trace("a"), 0, 0), now=5.0)
    buffer.add(trace_entry(trace("b"), 0, 1), now=5.9)
    assert not buffer.due(5.95)
    assert buffer.due(6.0)
    assert not buffer.full


def test_it_is_full_by_rows_and_by_bytes() -> None:
    rows = Buffer(max_rows=1, max_bytes=10**6, max_seconds=60)
    rows.add(trace_entry(trace("a"), 0, 0), now=0)
    assert rows.full
    assert rows.due(0)
    size = Buffer(max_rows=100, max_bytes=1000, max_seconds=60)
    size.add(trace_entry(trace("a", text="x" * 2000), 0, 0), now=0)
    assert size.full


def test_offsets_move_past_dead_letters_and_withheld_traces() -> None:
    buffer = Buffer(max_rows=10, max_bytes=10**6, max_seconds=1)
    buffer.add(trace_entry(trace("a", withheld=True), 3, 7), now=0)
    buffer.add_dead_letter(_letter(9), now=0)
    assert buffer.batch().ends == {("traces", 3): 7, ("traces", 0): 9}
    buffer.drop_dead_letters()
    assert buffer.batch().dead_letters == []
    assert buffer.batch().ends[("traces", 0)] == 9
    buffer.clear()
    assert buffer.empty
    assert (buffer.rows, buffer.bytes) == (0, 0)


def test_waits_double_up_to_a_bound_and_start_over() -> None:
    backoff = Backoff(first_seconds=1, max_seconds=5)
    assert [backoff.failed(0) for _ in range(5)] == [1, 2, 4, 5, 5]
    assert backoff.waits(4.9)
    assert not backoff.waits(5)
    backoff.worked()
    assert not backoff.waits(0)
    assert backoff.failed(0) == 1


def test_recent_keys_are_bounded_and_forget_the_oldest() -> None:
    recent = RecentKeys(capacity=100)
    recent.add(f"k{i}" for i in range(1000))
    assert "k999" in recent
    assert "k950" in recent
    assert "k0" not in recent
    assert sum(f"k{i}" in recent for i in range(1000)) <= 100


def test_amended_traces_know_all_that_were_loaded_and_added() -> None:
    amended = AmendedTraces()
    amended.load(f"t{i}" for i in range(1000))
    amended.add(f"u{i}" for i in range(60_000))
    assert all(f"t{i}" in amended for i in range(1000))
    assert all(f"u{i}" in amended for i in range(0, 60_000, 777))
    assert "other" not in amended
    amended.load([])
    assert "t1" not in amended
