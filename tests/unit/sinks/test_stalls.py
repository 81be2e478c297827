"""When a partition counts as standing still."""

from sinks.stalls import Stalls

A, B = ("traces", 0), ("traces", 1)


def test_a_partition_with_messages_that_does_not_move_is_named_once_its_time_is_over() -> None:
    stalls = Stalls(30)
    assert stalls.look({A: 5, B: 7}, {A: 9, B: 7}, 0) == []
    assert stalls.look({A: 5, B: 7}, {A: 9, B: 7}, 29.9) == []
    assert stalls.look({A: 5, B: 7}, {A: 9, B: 7}, 30) == ["traces-0"]


def test_any_move_starts_the_time_anew() -> None:
    stalls = Stalls(30)
    stalls.look({A: 5}, {A: 9}, 0)
    assert stalls.look({A: 6}, {A: 9}, 29) == []
    assert stalls.look({A: 6}, {A: 9}, 58) == []
    assert stalls.look({A: 6}, {A: 9}, 59) == ["traces-0"]


def test_a_partition_that_was_read_to_its_end_does_not_stand_still() -> None:
    stalls = Stalls(30)
    stalls.look({A: 9}, {A: 9}, 0)
    assert stalls.look({A: 9}, {A: 12}, 40) == []
    assert stalls.look({A: 9}, {A: 12}, 70) == ["traces-0"]


def test_after_forgetting_time_starts_anew() -> None:
    stalls = Stalls(30)
    stalls.look({A: 5}, {A: 9}, 0)
    stalls.forget()
    assert stalls.look({A: 5}, {A: 9}, 100) == []
