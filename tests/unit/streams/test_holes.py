"""Messages that Faust lost on the way show as a hole in the offsets; the worker starts again before it applies more.

Faust may drop the first messages of a partition when a rebalance cuts off their delivery, and goes on behind them.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import pytest
from faust.types import TP

from schemas.settings import WorkerSettings
from streams import runtime
from streams.kafka import KafkaLog
from streams.ports import Message
from streams.runtime import Runtime

_TOPIC = "agent-events"


class Left(Exception):
    """The worker left its process."""


class Stage:
    """Applies whatever it gets."""

    name = "assemble"
    topic = _TOPIC

    def __init__(self, applied: int | None) -> None:
        self.worked: Callable[[], None] = lambda: None
        self._applied = applied
        self.handled: list[int] = []

    async def acquire(self, partition: int) -> int | None:
        return self._applied

    def release(self, partition: int) -> None: ...

    def applied(self, partition: int) -> int | None:
        return self._applied

    async def handle(self, partition: int, messages: Sequence[Message]) -> None:
        self.handled += [message.offset for message in messages]
        self._applied = messages[-1].offset + 1

    async def tick(self, partition: int, now_ms: int | None) -> None: ...

    def open_traces(self, partition: int) -> int:
        return 0


class Reader:
    """A log that holds these offsets."""

    def __init__(self, held: range, without: Sequence[int] = ()) -> None:
        self._held = held
        self._without = frozenset(without)

    async def watermarks(self, topic: str, partition: int) -> tuple[int, int]:
        return self._held.start, self._held.stop

    async def fetch(self, topic: str, partition: int, offsets: Sequence[int]) -> Mapping[int, Message]:
        found = set(offsets) & set(self._held) - self._without
        return {offset: Message(topic, partition, offset, 0, b"k", b"v") for offset in found}


class _Raw:
    def __init__(self, offset: int) -> None:
        self.topic, self.partition, self.offset = _TOPIC, 0, offset
        self.timestamp, self.key, self.value, self.headers = 1.0, b"k", b"v", ()


class _Event:
    def __init__(self, offset: int) -> None:
        self.message = _Raw(offset)


def deliver(
    monkeypatch: pytest.MonkeyPatch,
    stage: Stage,
    reader: Reader,
    offsets: Sequence[int],
    expected: int = runtime.EXIT_STATE_LOST,
) -> list[int]:
    """Offsets that were applied when a new owner gets these. Raises Left where it leaves with the expected code."""

    def leave(code: int) -> None:
        assert code == expected
        raise Left

    monkeypatch.setattr(runtime, "leave", leave)
    own = Runtime(stage, cast(KafkaLog, reader), WorkerSettings())

    async def run() -> None:
        await own._positions({TP(_TOPIC, 0): 0})
        await own._batch(cast(Any, [_Event(offset) for offset in offsets]))

    asyncio.run(run())
    return stage.handled


@pytest.mark.parametrize("applied", [None, 4])
def test_a_hole_before_the_first_message_is_seen(monkeypatch: pytest.MonkeyPatch, applied: int | None) -> None:
    stage = Stage(applied)
    with pytest.raises(Left):
        deliver(monkeypatch, stage, Reader(range(10)), [7, 8])
    assert stage.handled == []


def test_a_hole_between_messages_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(None)
    with pytest.raises(Left):
        deliver(monkeypatch, stage, Reader(range(10)), [0, 1, 4])
    assert stage.handled == []


def test_a_hole_that_the_log_has_itself_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert deliver(monkeypatch, Stage(None), Reader(range(10), without=[0, 3]), [1, 2, 4]) == [1, 2, 4]


def test_a_log_that_begins_later_is_taken_up_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert deliver(monkeypatch, Stage(None), Reader(range(5, 10)), [5, 6]) == [5, 6]
    assert deliver(monkeypatch, Stage(2), Reader(range(5, 10)), [5, 6]) == [5, 6]


def test_what_was_deleted_before_it_was_processed_is_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    deliver(monkeypatch, Stage(2), Reader(range(5, 10)), [5, 6])
    assert "messages 2 to 4 were deleted before they were processed" in caplog.text


def test_a_state_that_is_ahead_of_its_log_drops_no_new_messages(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage(10)
    with pytest.raises(Left):
        deliver(monkeypatch, stage, Reader(range(5)), [0, 1, 2], runtime.EXIT_LOG_LOST)
    assert stage.handled == []
    assert "up to offset 9, but the log ends at 5" in caplog.text
    assert deliver(monkeypatch, Stage(5), Reader(range(5)), []) == []
