"""The runtime: the one place that talks to Faust. Acknowledgement, retries, seeking, timers and the watchdog.

What Faust does and what is done about it:
- `async for` and `take()` acknowledge even when the body raised; `noack_take` does not: it is the only loop used.
- Faust goes on from the committed offset. The authority is the applied offset stored with the state, so the consumer
  is made to ask the stage where to go on, at each assignment.
- A rebalance can deliver a message twice in one process, or leave a hole; both show against the applied offset.
- Stalls are silent; a thread watches progress, dumps all stacks and ends the process, so that it is started again.
"""

import asyncio
import faulthandler
import logging
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn, Protocol, TypeVar, cast

import faust
from faust.assignor.partition_assignor import PartitionAssignor
from faust.transport.drivers.aiokafka import Consumer as AIOKafkaConsumer
from faust.transport.drivers.aiokafka import Transport as AIOKafkaTransport
from faust.types import TP

from schemas.errors import LeaseLost, TransientError
from schemas.settings import WorkerSettings
from streams.in_flight import InFlight
from streams.kafka import KafkaLog
from streams.metrics import METRICS
from streams.ports import Message
from streams.state.port import StateLost

log = logging.getLogger("tdc")
_T = TypeVar("_T")

EXIT_RETRIES_OVER = 69
EXIT_BUG = 70
EXIT_STALLED = 71
EXIT_LOG_LOST = 74
EXIT_STATE_LOST = 75


class Stage(Protocol):
    """What the runtime runs. `handle` returns only when all effects are durable."""

    name: str
    topic: str
    worked: Callable[[], None]
    """Called after each piece of work that may take long; the runtime sets it."""

    async def acquire(self, partition: int) -> int | None: ...

    def release(self, partition: int) -> None: ...

    def applied(self, partition: int) -> int | None: ...

    async def handle(self, partition: int, messages: Sequence[Message]) -> None: ...

    async def tick(self, partition: int, now_ms: int | None) -> None: ...

    def open_traces(self, partition: int) -> int: ...


class Runtime:
    """Runs one stage inside a Faust app."""

    def __init__(self, stage: Stage, reader: KafkaLog, settings: WorkerSettings) -> None:
        self._stage = stage
        self._reader = reader
        self._settings = settings
        self._locks: dict[int, asyncio.Lock] = {}
        self._owned: set[int] = set()
        self._starts: dict[int, int] = {}
        """Where each partition was taken up: a stage that has applied nothing yet expects that offset."""
        self._in_flight = InFlight(settings.in_flight_bytes)
        self.ready = False
        self.watchdog = Watchdog(settings.stall_seconds)
        stage.worked = self.watchdog.worked

    def attach(self, app: faust.App) -> None:
        """Declare the stage's agent and timer on the app."""

        async def positions(committed: Mapping[TP, int]) -> dict[TP, int]:
            return await self._or_leave(self._positions(committed))

        app.conf.PartitionAssignor = cast(Any, _assignor(self._stage.topic))

        async def taken(tp: TP, offset: int, size_bytes: int) -> None:
            if tp.topic == self._stage.topic:
                await self._in_flight.take(tp.partition, offset, size_bytes)

        app.transport = _transport(positions, taken)(app.conf.broker_consumer, app)
        topic = app.topic(
            self._stage.topic, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )

        async def consume(stream: Any) -> None:
            batches = stream.noack_take(self._settings.batch_messages, within=self._settings.batch_wait_seconds)
            async for batch in batches:
                await self._or_leave(self._batch(batch))
                for event in batch:
                    await stream.ack(event)

        async def tick() -> None:
            # Not `app.timer`: that one complains about each tick that waits for a retry.
            while True:
                await asyncio.sleep(self._settings.tick_seconds)
                await self._or_leave(self._tick())

        async def revoked(_: Any, *arguments: Any, **__: Any) -> None:
            gone: set[TP] = arguments[0]
            for tp in gone:
                # Under the lock: a batch that is being applied is finished first.
                async with self._lock(tp.partition):
                    self._owned.discard(tp.partition)
                    self._stage.release(tp.partition)

        app.agent(topic, name=f"tdc-{self._stage.name}", concurrency=1)(consume)
        app.task(tick)
        app.on_partitions_revoked.connect(cast(Any, revoked), weak=False)
        self.watchdog.start()

    async def _positions(self, committed: Mapping[TP, int]) -> dict[TP, int]:
        """Where to go on, for each assigned partition: the stage's applied offset, else the first one held."""
        positions: dict[TP, int] = {}
        for tp in committed:
            if tp.topic != self._stage.topic:
                continue
            async with self._lock(tp.partition):
                applied = await self._persist(partial(self._stage.acquire, tp.partition))
                low, high = await self._persist(partial(self._reader.watermarks, self._stage.topic, tp.partition))
                self._compare(tp.partition, applied, low, high)
                self._starts[tp.partition] = positions[tp] = max(applied or 0, low)
                self._owned.add(tp.partition)
        self._in_flight.forget()
        self.ready = True
        return positions

    def _compare(self, partition: int, applied: int | None, low: int, high: int) -> None:
        """The state against the log: what is not in the log any more cannot be processed, and that must be known."""
        if applied is None or low <= applied <= high:
            return
        name = f"{self._stage.topic}-{partition}"
        if applied < low:
            log.error("%s: messages %d to %d were deleted before they were processed", name, applied, low - 1)
            return
        log.critical(
            "%s: the state has applied all up to offset %d, but the log ends at %d: the topic was deleted and made "
            "anew, or lost its end. Going on would drop new messages. Give the stages another redis.key_prefix and "
            "the tables another root, or restore the topic", name, applied - 1, high,
        )  # fmt: skip
        leave(EXIT_LOG_LOST)

    def _lock(self, partition: int) -> asyncio.Lock:
        return self._locks.setdefault(partition, asyncio.Lock())

    async def _batch(self, batch: Sequence[faust.EventT[Any]]) -> None:
        by_partition: dict[int, list[Message]] = {}
        for event in batch:
            raw = event.message
            headers = raw.headers.items() if isinstance(raw.headers, Mapping) else raw.headers or ()
            message = Message(
                raw.topic,
                raw.partition,
                raw.offset,
                int(raw.timestamp * 1000),
                raw.key,
                raw.value,
                tuple((name, value) for name, value in headers if value is not None),
            )
            by_partition.setdefault(raw.partition, []).append(message)
        for partition, messages in by_partition.items():
            async with self._lock(partition):
                if partition not in self._owned:
                    self._in_flight.applied(partition, messages[-1].offset + 1)
                    continue
                messages.sort(key=lambda message: message.offset)
                started = time.perf_counter()
                await self._check_position(partition, messages)
                await self._persist(partial(self._stage.handle, partition, messages))
                self._in_flight.applied(partition, self._stage.applied(partition) or 0)
                await self._persist(partial(self._stage.tick, partition, None))
                METRICS.batch_seconds.labels(self._stage.name).observe(time.perf_counter() - started)
        self.watchdog.progress()

    async def _check_position(self, partition: int, messages: Sequence[Message]) -> None:
        """A hole in the offsets means that Faust lost messages: start again from the applied offset."""
        applied = self._stage.applied(partition)
        expected = self._starts[partition] if applied is None else applied
        for message in messages:
            if message.offset > expected:
                low, _ = await self._persist(partial(self._reader.watermarks, self._stage.topic, partition))
                if low <= expected and not await self._is_hole_in_log(partition, expected, message.offset):
                    log.error(
                        "%s-%d: expected offset %d but got %d; starting again from the applied offset",
                        self._stage.topic, partition, expected, message.offset,
                    )  # fmt: skip
                    leave(EXIT_STATE_LOST)
            if message.offset >= expected:
                expected = message.offset + 1

    async def _is_hole_in_log(self, partition: int, start: int, end: int) -> bool:
        """True when the log itself has nothing there: control records of a transaction, or compaction."""
        found = await self._persist(
            partial(self._reader.fetch, self._stage.topic, partition, range(start, min(end, start + 10)))
        )
        return not found

    async def _tick(self) -> None:
        lagging = False
        for partition in sorted(self._owned):
            asked_at = time.time()
            _, end = await self._persist(partial(self._reader.watermarks, self._stage.topic, partition))
            async with self._lock(partition):
                if partition not in self._owned:
                    continue
                lag = max(0, end - (self._stage.applied(partition) or 0))
                METRICS.lag.labels(self._stage.name, partition).set(lag)
                if lag == 0:
                    # Everything the broker had at `asked_at` is applied: timers may run up to then.
                    now_ms = int((asked_at - self._settings.clock_slack_seconds) * 1000)
                    await self._persist(partial(self._stage.tick, partition, now_ms))
                METRICS.open_traces.labels(partition).set(self._stage.open_traces(partition))
                lagging = lagging or lag > 0
        self.watchdog.seen(lagging)

    async def _persist(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Run an effect; retry transient errors in place, with a bound, then end the process without acknowledging."""
        until = time.monotonic() + self._settings.retry_seconds
        delay = 0.05
        while True:
            try:
                return await call()
            except TransientError as error:
                METRICS.retries.labels(self._stage.name, type(error).__name__).inc()
                if time.monotonic() > until:
                    log.error("%s: giving up after %.0f s: %s", self._stage.name, self._settings.retry_seconds, error)
                    leave(EXIT_RETRIES_OVER)
                log.warning("%s: %s; trying again in %.1f s", self._stage.name, error, delay)
                self.watchdog.progress()
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5)
            except (StateLost, LeaseLost) as error:
                log.warning("%s: %s; starting again from the stored state", self._stage.name, error)
                leave(EXIT_STATE_LOST)

    async def _or_leave(self, work: Awaitable[_T]) -> _T:
        """An unknown error must not be acknowledged. Its text may hold content, so only its class is told."""
        try:
            return await work
        except Exception as error:
            log.critical("%s: unexpected %s; leaving without acknowledging", self._stage.name, type(error).__name__)
            _print_frames(error)
            leave(EXIT_BUG)


def _print_frames(error: BaseException) -> None:
    frame = error.__traceback__
    while frame is not None:
        log.critical("  %s:%d", frame.tb_frame.f_code.co_qualname, frame.tb_lineno)
        frame = frame.tb_next


def leave(code: int) -> NoReturn:
    """End the process at once: nothing more is acknowledged. What starts it again goes on from the stored state."""
    logging.shutdown()
    os._exit(code)


class Watchdog:
    """A thread that ends the process when there is lag and no progress for too long."""

    def __init__(self, stall_seconds: float) -> None:
        self._stall_seconds = stall_seconds
        self._progress_at = time.monotonic()
        self._looked_at = time.monotonic()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begin watching."""
        self._looked_at = self._progress_at = time.monotonic()
        self._thread.start()

    def progress(self) -> None:
        """Something was applied (or is being retried)."""
        self._progress_at = time.monotonic()

    def worked(self) -> None:
        """A piece of a long work is done. The event loop waits for its end, but nothing hangs."""
        self._looked_at = self._progress_at = time.monotonic()

    def seen(self, lagging: bool) -> None:
        """The event loop is alive; without lag there is nothing to make progress on."""
        self._looked_at = time.monotonic()
        if not lagging:
            self._progress_at = self._looked_at

    @property
    def stalled(self) -> bool:
        """No look or no progress for too long."""
        return time.monotonic() - min(self._looked_at, self._progress_at) > self._stall_seconds

    def _watch(self) -> None:
        while not self.stalled:
            time.sleep(1)
        log.critical("stalled: lag without progress for %.0f s; all stacks follow", self._stall_seconds)
        faulthandler.dump_traceback(sys.stderr, all_threads=True)
        leave(EXIT_STALLED)


def _assignor(topic: str) -> type[PartitionAssignor]:
    """Faust's assignor, which refuses to give out nothing.

    A broker that has just come back may not know its topics yet. Faust would assign no partition to anybody, and a
    group of static members keeps such an assignment for good. Leaving in the middle of the rebalance makes it be
    repeated.
    """

    class StateAssignor(PartitionAssignor):
        def assign(self, cluster: Any, member_metadata: Any) -> Any:
            if not cluster.partitions_for_topic(topic):
                log.warning("the broker does not know topic %s yet; joining the group again", topic)
                leave(EXIT_STATE_LOST)
            return super().assign(cluster, member_metadata)

    return StateAssignor


def _transport(
    positions: Callable[[Mapping[TP, int]], Awaitable[dict[TP, int]]],
    taken: Callable[[TP, int, int], Awaitable[None]],
) -> type[AIOKafkaTransport]:
    """Faust's transport, whose consumer goes on where `positions` says instead of at the committed offset, and waits
    with a message until `taken` returns.
    """

    class StateConsumer(AIOKafkaConsumer):
        async def seek_to_committed(self) -> Mapping[TP, int]:
            committed = await super().seek_to_committed()
            wanted = {**committed, **await positions(committed)}
            await self.seek_wait(wanted)
            return wanted

        async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:  # noqa: ASYNC109
            async for tp, message in super().getmany(timeout):
                await taken(tp, message.offset, len(message.value or b""))
                yield tp, message

    class StateTransport(AIOKafkaTransport):
        Consumer = StateConsumer

    return StateTransport
