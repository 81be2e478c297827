"""When a trace is complete, and for which reason."""

import pytest

from streams.core.timers import OpenTrace, Windows

W = Windows(quiet_ms=200, idle_ms=1_000, max_age_ms=5_000, max_events=10, max_bytes=1_000)


def opened(
    first_ms: int, last_ms: int, *, events: int = 1, size: int = 100, ended: bool = False, evicted: bool = False
) -> OpenTrace:
    return OpenTrace(1, first_ms, last_ms, 0, events, events, size, ended, 0, evicted)


CASES = [
    ("the root ended and it is quiet", opened(0, 100, ended=True), 300, "ended"),
    ("nothing came for long", opened(0, 100), 1_100, "idle"),
    ("it goes on and on", opened(0, 4_500), 5_000, "max_age"),
    ("it goes on after its end", opened(0, 4_900, ended=True), 5_000, "max_age"),
    ("its age is over exactly with its quiet period", opened(0, 4_800, ended=True), 5_000, "ended"),
    ("it has too many events", opened(0, 100, events=10), 100, "max_size"),
    ("it has too many bytes", opened(0, 100, size=1_000, ended=True), 100, "max_size"),
    ("it has one event less than too many", opened(0, 100, events=9, size=999), 1_100, "idle"),
    ("there is no room for it", opened(0, 100, ended=True, evicted=True), 100, "evicted"),
]


@pytest.mark.parametrize(("words", "trace", "due_ms", "reason"), CASES, ids=[case[0] for case in CASES])
def test_a_trace_is_closed_when(words: str, trace: OpenTrace, due_ms: int, reason: str) -> None:
    assert trace.due_ms(W) == due_ms
    assert trace.close_reason(W) == reason


def test_without_a_quiet_period_it_is_closed_at_its_end() -> None:
    assert opened(0, 100, ended=True).due_ms(Windows(quiet_ms=0)) == 100
