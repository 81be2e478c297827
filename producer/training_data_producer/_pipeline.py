"""From `emit` to the background thread: a bounded queue, and what happens at its bound.

`emit` appends to a deque and returns. Bounds: events and bytes. At the bound (the thread cannot keep up, or nothing
can be placed) and after `close`, the emitting thread writes its event to the disk spool itself, which costs it tens
of microseconds and slows a runaway agent down; it never waits for a network. Such an event comes after those of the
queue only by its sequence number, not by its place. Only when the disk bound is reached too, the event is dropped.
"""

import contextlib
import logging
import os
import sys
import threading
import time
from collections import deque
from itertools import count
from queue import Empty, SimpleQueue

from training_data_producer._bodies import Avro
from training_data_producer._encoding import AgentContext, Emitted, Encoder
from training_data_producer._kafka import Sender
from training_data_producer._registry import SchemaIds
from training_data_producer._settings import Settings
from training_data_producer._spool import Spool
from training_data_producer._stats import Counters, Stats
from training_data_producer._values import Values
from training_data_producer._worker import BATCH_BYTES, BATCH_EVENTS, IDLE_SECONDS, Worker

_LOG = logging.getLogger("training_data_producer")
_EVENT_BYTES = 500
"""About what an event costs in memory besides its texts."""
_TAKE_BYTES = 8 * 2**20
_REPORT_SECONDS = 10.0
_WAIT_SECONDS = 0.005
_STOP_SECONDS = 3.0


class Pipeline:
    """Queue, thread and everything behind it, of one process; a forked child makes a new one."""

    def __init__(self, settings: Settings, values: Values) -> None:
        self._settings = settings
        self._values = values
        instance = os.urandom(10).hex()
        self.counters = Counters()
        self._prefix = instance
        self._numbers = count()
        self._queue: deque[Emitted] = deque()
        # Reentrant: a signal handler may emit while its thread is inside `emit`. The background thread never takes it.
        self._guard = threading.RLock()
        self._bytes_in = 0
        self._bytes_out = 0
        self._encoder = Encoder(f"sdk:{instance}", values)
        self._spool = Spool(settings.spool_directory, instance, settings.spool_bytes)
        self._sender = Sender(
            settings.kafka_config,
            settings.topic,
            SchemaIds(settings.registry_url, settings.subject, settings.registry_credentials),
        )
        self._worker = Worker(self._take, self._encoder, self._spool, self._sender, self.counters)
        self._held: list[threading.Lock] = []
        self._thread: threading.Thread | None = None
        self._open = True
        self._stopping = False
        self._persists_wanted = 0
        self._persists_done = 0
        # SimpleQueue is the one wake-up that may be used from a signal handler at any point.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._asleep = False
        self._woken = False
        self._reported_drops = 0
        self._next_report = 0.0

    def emit(self, context: AgentContext, kind: str, body: Avro, span_id: str, parent_span_id: str | None) -> None:
        """Accept one event. Never waits for a network, never raises."""
        try:
            size = _EVENT_BYTES
            for value in body.values():
                if type(value) is str:
                    size += len(value)
            event = Emitted(
                context,
                f"{self._prefix}{next(self._numbers):012x}",
                next(context.sequence),
                time.time_ns() // 1000,
                span_id,
                parent_span_id,
                kind,
                body,
                size,
            )
            waiting = len(self._queue)
            settings = self._settings
            if (
                not self._open
                or waiting >= settings.queue_events
                or self._bytes_in - self._bytes_out + size > settings.queue_bytes
            ):
                self._overflow(event)
                if not self._open and self._queue and not self._alive() and not self._spool.inside:
                    self._queue_to_disk()
                return
            with self._guard:
                self._bytes_in += size
                self.counters.queued += 1
                self._queue.append(event)
            if self._thread is None:
                self._start()
            elif (self._asleep or waiting >= BATCH_EVENTS) and not self._woken:
                self._woken = True
                self._wake.put(None)
        except Exception:
            self._note_fault()

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until what was emitted so far is in Kafka; False when it is not (then it is on disk, if that has room).

        Does not wait on while Kafka is known to be away and everything is on disk.
        """
        if self._thread is None and self._open:
            self._start()
        return self._flush(timeout_seconds)

    def save(self, timeout_seconds: float) -> None:
        """Like `flush`, but starts nothing: for a process that may be about to end."""
        if self._thread is not None:
            self._flush(timeout_seconds)

    def close(self, timeout_seconds: float) -> None:
        """Flush, then put what is left on disk, and end the thread. Later events go straight to disk."""
        self._open = False
        try:
            if self._thread is not None:
                self._settle(timeout_seconds)
        finally:  # also where somebody who does not want to wait presses Ctrl-C
            self._end()

    def _end(self) -> None:
        if self._thread is not None:
            self._stopping = True
            self._wake.put(None)
            self._thread.join(_STOP_SECONDS)
            if self._thread.is_alive() and self._spool.idle(1.0):
                self._worker.persist(final=True)  # it hangs inside a library; what it holds does not change
        self._queue_to_disk()
        self._report_drops(force=True)
        self._spool.close()

    def before_fork(self, timeout_seconds: float) -> None:
        """Wait, a little, for a moment at which a fork is harmless, and hold it."""
        deadline = time.monotonic() + timeout_seconds
        self._held = [
            lock for lock in self._sender.fork_locks() if lock.acquire(timeout=max(0.0, deadline - time.monotonic()))
        ]

    def after_fork(self) -> None:
        """In the parent: go on."""
        while self._held:
            self._held.pop().release()

    def forget(self) -> None:
        """In a forked child: touch nothing of the parent's."""
        self._open = False
        self._spool.forget()
        self._sender.forget()

    def stats(self) -> Stats:
        """A snapshot of the counters."""
        counters = self.counters
        return Stats(
            emitted=counters.queued + counters.overflowed + counters.dropped,
            delivered=counters.delivered,
            spooled=counters.spooled + counters.overflowed,
            respooled=counters.respooled,
            dropped=counters.dropped,
            refused=counters.refused,
            repaired=self._values.repaired,
            internal_errors=counters.internal_errors,
            queue_depth=len(self._queue),
            spool_bytes=self._spool.bytes,
        )

    def _settle(self, timeout_seconds: float) -> int:
        """Wait until what was emitted so far has settled; how much that was."""
        ticket = self.counters.queued
        deadline = time.monotonic() + timeout_seconds
        self._worker.hurry = True
        self._wake.put(None)
        try:
            while not self._worker.settled(ticket) and time.monotonic() < deadline and self._alive():
                time.sleep(_WAIT_SECONDS)
        finally:
            self._worker.hurry = False
        return ticket

    def _flush(self, timeout_seconds: float) -> bool:
        ticket = self._settle(timeout_seconds)
        arrived = self._worker.delivered_all(ticket)
        if not self._worker.settled(ticket):
            self._persists_wanted += 1
            wanted = self._persists_wanted
            self._wake.put(None)
            until = time.monotonic() + _STOP_SECONDS
            while self._persists_done < wanted and time.monotonic() < until and self._alive():
                time.sleep(_WAIT_SECONDS)
        return arrived

    def _alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _start(self) -> None:
        with self._guard:
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._run, name="training-data-producer", daemon=True)
            self._thread = thread
        try:
            thread.start()
            self._register_with_multiprocessing()
        except RuntimeError:  # the interpreter is shutting down: nothing will take the queue any more
            self._thread = None
            self._open = False
            self._queue_to_disk()

    def _register_with_multiprocessing(self) -> None:
        # Its child processes end without running atexit handlers; these finalizers do run.
        process = sys.modules.get("multiprocessing.process")
        util = sys.modules.get("multiprocessing.util")
        if process is not None and util is not None and process.parent_process() is not None:
            util.Finalize(None, self.close, args=(self._settings.flush_seconds,), exitpriority=-100)

    def _run(self) -> None:
        self._sender.prepare()
        while True:
            try:
                delay = self._worker.step(time.monotonic(), len(self._queue), self._full)
            except Exception:
                self._note_fault()
                delay = _REPORT_SECONDS / 20
            try:  # whatever became of the step: the process may be about to end
                wanted = self._persists_wanted
                if self._persists_done < wanted or self._stopping:
                    self._worker.persist(final=self._stopping, ticket=self.counters.queued)
                    self._persists_done = wanted  # only now: `flush` may be the last thing its process does
                self._report_drops(force=False)
            except Exception:
                self._note_fault()
                delay = _REPORT_SECONDS / 20
            if self._stopping:
                break
            self._sleep(delay)
        unsaved = self._worker.lost()
        if unsaved:
            with self._guard:
                self.counters.dropped += unsaved
                self.counters.queued -= unsaved
        self._sender.close()

    @property
    def _full(self) -> bool:
        return len(self._queue) >= BATCH_EVENTS or self._bytes_in - self._bytes_out >= BATCH_BYTES

    def _sleep(self, delay: float) -> None:
        self._asleep = delay >= IDLE_SECONDS
        self._woken = False
        if (self._asleep and self._queue) or (self._full and not self._worker.stuck):
            delay = 0.0
        if delay > 0:
            with contextlib.suppress(Empty):
                self._wake.get(timeout=delay)
        self._asleep = False

    def _take(self, most: int) -> list[Emitted]:
        events: list[Emitted] = []
        size = 0
        with contextlib.suppress(IndexError):
            while len(events) < most and size < _TAKE_BYTES:
                events.append(self._queue.popleft())
                size += events[-1].size
        self._bytes_out += size
        return events

    def _queue_to_disk(self) -> None:
        while events := self._take(1):
            with self._guard:
                self.counters.queued -= 1
            self._overflow(events[0])

    def _overflow(self, event: Emitted) -> None:
        if self._spool.inside:
            with self._guard:  # above its bound, but the spool is in the middle of a write of this thread
                self._bytes_in += event.size
                self.counters.queued += 1
                self._queue.append(event)
            return
        saved = self._spool.has_room(event.size) and self._spool.append(self._encoder.encode([event])) is not None
        with self._guard:
            if saved:
                self.counters.overflowed += 1
            else:
                self.counters.dropped += 1
        if not saved and not self._alive():
            self._report_drops(force=False)

    def _report_drops(self, *, force: bool) -> None:
        dropped = self.counters.dropped
        now = time.monotonic()
        if dropped == self._reported_drops or (now < self._next_report and not force):
            return
        self._next_report = now + _REPORT_SECONDS
        _LOG.error(
            "%d events were dropped (%d since the start): memory is full and %s; Kafka: %s. Make room or raise "
            "spool_bytes, and bring Kafka back.",
            dropped - self._reported_drops,
            dropped,
            self._spool.problem or "the spool had no room",
            self._sender.problem,
        )
        self._reported_drops = dropped

    def _note_fault(self) -> None:
        self.counters.internal_errors += 1
        if self.counters.internal_errors in (1, 10, 100, 1000):
            _LOG.exception("a fault inside the training data producer (number %d)", self.counters.internal_errors)
