"""The way from `emit` to the disk, with Kafka and the registry nowhere."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.producer.test_schema import event
from training_data_producer import Producer
from training_data_producer._encoding import batches


def producer_for(spool: Path, **arguments: Any) -> Producer:
    return Producer("127.0.0.1:9", "http://127.0.0.1:9", spool_directory=spool, handle_sigterm=False, **arguments)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def frames(spool: Path) -> int:
    """Events on disk, as a next process would count them."""
    heir = producer_for(spool)
    pipeline = heir._outlet.pipeline
    pipeline._spool.adopt()
    total = 0
    while taken := pipeline._spool.take():
        total += taken[1].event_count
    pipeline._spool.close()
    heir.close()
    return total


def test_batches_keep_order_and_both_bounds() -> None:
    events = [event("user_message", {}, number) for number in range(10)]
    assert [len(batch) for batch in batches(events, 4, 10_000)] == [4, 4, 2]
    assert [len(batch) for batch in batches(events, 100, 1_500)] == [3, 3, 3, 1]
    assert [one.sequence for batch in batches(events, 3, 10_000) for one in batch] == list(range(10))


def test_an_event_larger_than_a_batch_goes_alone() -> None:
    events = [event("user_message", {}, n)._replace(size=size) for n, size in enumerate((1, 5_000, 1, 1))]
    assert [len(batch) for batch in batches(events, 100, 1_000)] == [1, 1, 2]


def test_close_without_kafka_leaves_everything_on_disk(tmp_path: Path) -> None:
    producer = producer_for(tmp_path)
    with producer.trace(scenario="s", agent="a") as trace:
        for _ in range(1000):
            trace.user_message("hello")
    producer.close(0.2)
    stats = producer.stats()
    assert (stats.emitted, stats.spooled, stats.dropped, stats.queue_depth) == (1002, 1002, 0, 0)
    assert frames(tmp_path) == 1002


def test_flush_returns_only_when_the_rest_is_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    producer = producer_for(tmp_path)
    worker = producer._outlet.pipeline._worker
    persist = worker.persist

    def slowly(*, final: bool, ticket: int) -> None:
        time.sleep(0.2)
        persist(final=final, ticket=ticket)

    monkeypatch.setattr(worker, "persist", slowly)
    trace = producer.trace(scenario="s", agent="a").start()
    for _ in range(1000):
        trace.user_message("hello")
    assert not producer.flush(0.1)
    assert producer.stats().spooled == 1001
    trace.end()
    producer.close(0.1)


def test_flush_comes_to_an_end_while_others_go_on_to_emit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    producer = producer_for(tmp_path)
    worker = producer._outlet.pipeline._worker
    trace = producer.trace(scenario="s", agent="a").start()
    take = worker._take_events
    rounds: list[None] = []

    def while_others_emit() -> int:
        rounds.append(None)
        if len(rounds) < 1000:
            trace.user_message("again")
        return take()

    monkeypatch.setattr(worker, "_take_events", while_others_emit)
    trace.user_message("hello")
    assert not producer.flush(0.1)
    assert len(rounds) < 100
    assert producer.stats().spooled >= 2
    producer.close(0.1)


def test_ctrl_c_while_the_end_is_waited_for_leaves_everything_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    producer = producer_for(tmp_path)
    trace = producer.trace(scenario="s", agent="a").start()
    for _ in range(1000):
        trace.user_message("hello")

    def interrupted(_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(producer._outlet.pipeline._worker, "settled", interrupted)
    with pytest.raises(KeyboardInterrupt):
        producer.close(5)
    assert producer.stats().spooled == 1001
    assert frames(tmp_path) == 1001


def test_a_fault_in_every_step_keeps_nothing_from_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    producer = producer_for(tmp_path)

    def broken(*_: object) -> float:
        raise RuntimeError

    monkeypatch.setattr(producer._outlet.pipeline._worker, "step", broken)
    trace = producer.trace(scenario="s", agent="a").start()
    for _ in range(500):
        trace.user_message("hello")
    assert not producer.flush(0.1)
    assert producer.stats().spooled == 501
    producer.close(0.1)
    assert producer.stats().dropped == 0
    assert frames(tmp_path) == 501


@pytest.mark.parametrize("closed", [False, True])
def test_a_signal_handler_may_emit_in_the_middle_of_a_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, closed: bool
) -> None:
    producer = producer_for(tmp_path, queue_events=0)
    producer._outlet.pipeline._start = lambda: None  # type: ignore[method-assign]
    trace = producer.trace(scenario="s", agent="a").start()
    if closed:
        producer.close(0.1)
    write, writes = os.pwrite, []

    def interrupted(descriptor: int, data: bytes, offset: int) -> int:
        done = write(descriptor, data, offset)
        writes.append(done)
        if len(writes) == 5:
            trace.user_message("from the handler")
        return done

    monkeypatch.setattr(os, "pwrite", interrupted)
    for _ in range(50):
        trace.user_message("hello" * 20)
    monkeypatch.undo()
    producer.close(0.1)
    assert producer.stats().emitted == producer.stats().spooled == 52
    assert frames(tmp_path) == 52


def test_events_after_close_go_straight_to_disk(tmp_path: Path) -> None:
    producer = producer_for(tmp_path)
    trace = producer.trace(scenario="s", agent="a").start()
    producer.close(0.1)
    trace.user_message("late")
    trace.end()
    producer.close(0.1)
    assert producer.stats().spooled == 3
    assert frames(tmp_path) == 3


def test_a_full_queue_overflows_to_disk_in_the_emitting_thread(tmp_path: Path) -> None:
    producer = producer_for(tmp_path, queue_events=10)
    producer._outlet.pipeline._start = lambda: None  # type: ignore[method-assign]
    trace = producer.trace(scenario="s", agent="a").start()
    for _ in range(30):
        trace.user_message("hello")
    assert producer.stats().queue_depth == 10
    assert producer.stats().spooled == 21
    producer.close(0.1)
    assert producer.stats().spooled == 31
    assert producer.stats().emitted == 31
    assert frames(tmp_path) == 31


def test_bytes_bound_the_queue_too(tmp_path: Path) -> None:
    producer = producer_for(tmp_path, queue_bytes=100_000)
    producer._outlet.pipeline._start = lambda: None  # type: ignore[method-assign]
    trace = producer.trace(scenario="s", agent="a").start()
    for _ in range(30):
        trace.user_message("x" * 10_000)
    assert producer.stats().queue_depth <= 10
    producer.close(0.1)


def test_without_disk_and_queue_events_are_dropped_loudly(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("x")
    producer = producer_for(tmp_path / "file", queue_events=5)
    producer._outlet.pipeline._start = lambda: None  # type: ignore[method-assign]
    trace = producer.trace(scenario="s", agent="a").start()
    for _ in range(10):
        trace.user_message("secret")
    assert producer.stats().dropped == 6
    producer.close(0.1)
    stats = producer.stats()
    assert (stats.emitted, stats.dropped) == (11, 11)
    assert "events were dropped" in caplog.text
    assert "secret" not in caplog.text


def test_a_fault_of_ours_is_kept_from_the_agent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    producer = producer_for(tmp_path)
    producer._outlet.pipeline._numbers = None  # type: ignore[assignment]
    with caplog.at_level(logging.ERROR), producer.trace(scenario="s", agent="a"):
        pass
    assert producer.stats().internal_errors == 2
    producer.close(0.1)


def test_the_thread_survives_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    producer = producer_for(tmp_path)
    worker = producer._outlet.pipeline._worker
    step = worker.step
    faults = iter([True])

    def broken(now: float, waiting: int, full: bool) -> float:
        if next(faults, False):
            raise RuntimeError
        return step(now, waiting, full)

    monkeypatch.setattr(worker, "step", broken)
    with producer.trace(scenario="s", agent="a"):
        pass
    wait_until(lambda: producer.stats().spooled == 2)
    assert producer.stats().internal_errors == 1
    producer.close(0.1)


def test_the_environment_describes_the_destination(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TDC_PORT_BASE", "20000")
    monkeypatch.setenv("TDC_KAFKA__SASL_USERNAME", "me")
    monkeypatch.setenv("TDC_REGISTRY__USERNAME", "you")
    monkeypatch.setenv("TDC_SPOOL_DIRECTORY", str(tmp_path))
    producer = Producer.from_env(handle_sigterm=False)
    settings = producer._outlet._settings
    assert settings.kafka_config == {"bootstrap.servers": "127.0.0.1:20000", "sasl.username": "me"}
    assert settings.registry_url == "http://127.0.0.1:20002/apis/ccompat/v7"
    assert settings.registry_credentials == ("you", "")
    assert settings.spool_directory.parent == tmp_path
    producer.close()
