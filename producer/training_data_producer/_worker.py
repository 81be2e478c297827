"""The background thread: takes events from the queue, encodes them, and gets them to Kafka or to the disk.

    queue --batches--> window (in memory, sent or about to be) --ack--> done
                  \\--> spool (disk) --refill--> window

Order is kept by one rule: a fresh batch may go straight to the window only while nothing of this process is on disk;
otherwise it queues behind, on disk. When the oldest batch of the window waits too long, or the window is full, the
window is copied to disk: from then on a crash loses nothing of it. A batch leaves the disk after its acknowledgement.
When neither window nor disk has room, the queue stays as it is, and `emit` drops once it is full too.
"""

import logging
from collections import deque
from collections.abc import Callable

from training_data_producer._encoding import SCHEMA_TEXT, Emitted, Encoded, Encoder, batches
from training_data_producer._kafka import Sender, Sent
from training_data_producer._segments import Segment
from training_data_producer._spool import Spool
from training_data_producer._stats import Counters

_LOG = logging.getLogger("training_data_producer")

BATCH_EVENTS = 200
BATCH_BYTES = 256 * 2**10
LINGER_SECONDS = 0.2
_ROUND_EVENTS = 2_000
_WINDOW_BYTES = 16 * 2**20
_WINDOW_BATCHES = 2_000
_SLOW_SECONDS = 2.0
_SILENT_SECONDS = 10.0
_POLL_SECONDS = 0.02
IDLE_SECONDS = 1.0
_ADOPT_EVERY_SECONDS = 5.0


class Waiting:
    """A batch in the window."""

    __slots__ = ("batch", "mark", "schema_text", "segment", "since")

    def __init__(self, batch: Encoded, segment: Segment | None, since: float, mark: int) -> None:
        # mark: how many events had been taken before those of this batch
        self.batch = batch
        self.segment = segment
        self.schema_text = segment.schema_text if segment else SCHEMA_TEXT
        self.since = since
        self.mark = mark


class Worker:
    """Everything the background thread does, one `step` at a time; other threads only read."""

    def __init__(
        self,
        take: Callable[[int], list[Emitted]],
        encoder: Encoder,
        spool: Spool,
        sender: Sender,
        counters: Counters,
    ) -> None:
        self._take = take
        self._encoder = encoder
        self._spool = spool
        self._sender = sender
        self._counters = counters
        self._unplaced: deque[Encoded] = deque()
        self._head: deque[Waiting] = deque()
        self._sent: dict[Sent, Waiting] = {}
        self._window_bytes = 0
        self._taken = 0
        self._mark = 0
        self._due: float | None = None
        self._next_adopt = 0.0
        self._looked_for_leftovers = False
        self._last_news = 0.0
        self._away = False
        self.hurry = False
        """Set while somebody waits in `flush`: do not linger."""

    def step(self, now: float, waiting: int, full: bool) -> float:
        """One round, with `waiting` events in the queue, enough for a batch when `full`.

        Gives how long the thread may sleep (seconds) before the next, unless it is woken.
        """
        if self._due is None and waiting:
            self._due = now + LINGER_SECONDS
        if not self._unplaced and (full or self.hurry or (self._due is not None and now >= self._due)):
            self._due = None
            self._take_events()
        self._place(now)
        self._deliver(now)
        if now >= self._next_adopt or (self._spool.more_left and not self._spool.holds_any):
            self._next_adopt = now + _ADOPT_EVERY_SECONDS
            if self._spool.adopt():
                _LOG.info("delivering events that earlier processes left in the spool")
            self._looked_for_leftovers = True
        if self._sent:
            return 0.0
        if self._head or self._unplaced or self.hurry or self._spool.holds_any:
            return _POLL_SECONDS
        return IDLE_SECONDS if self._due is None else max(0.0, self._due - now)

    @property
    def stuck(self) -> bool:
        """Whether neither memory nor disk has room for what was taken last."""
        return bool(self._unplaced)

    def settled(self, ticket: int) -> bool:
        """Whether the first `ticket` events are delivered, or on disk while Kafka is away."""
        return self._settled(ticket, away=self._away)

    def delivered_all(self, ticket: int) -> bool:
        """Whether the first `ticket` events have reached Kafka."""
        return self._settled(ticket, away=False)

    def _settled(self, ticket: int, *, away: bool) -> bool:
        if self._taken < ticket or self._unplaced or not self._looked_for_leftovers:
            return False
        # `_sent` is read before and after: batches go to and fro between both meanwhile.
        window = [*list(self._sent.values()), *list(self._head), *list(self._sent.values())]
        if away:
            return all(waiting.segment for waiting in window)
        left = self._spool.holds_any or self._spool.more_left
        return not left and all(waiting.mark >= ticket for waiting in window)

    def persist(self, *, final: bool, ticket: int = 0) -> None:
        """Copy everything in memory to disk, and of the queue at least the first `ticket` events: the process may end.

        With `final` this worker will not go on, and all of the queue is taken; otherwise agents may go on to emit.
        """
        while True:
            self._spill(final=final)
            while self._unplaced:
                if self._spool.append(self._unplaced[0]) is None:
                    return
                self._counters.spooled += self._unplaced.popleft().event_count
            if (self._taken >= ticket and not final) or not self._take_events():
                return

    def lost(self) -> int:
        """Events in memory that are not on disk."""
        window = [*self._head, *self._sent.values()]
        return sum(b.event_count for b in self._unplaced) + sum(
            waiting.batch.event_count for waiting in window if waiting.segment is None
        )

    def _take_events(self) -> int:
        events = self._take(_ROUND_EVENTS)
        for group in batches(events, BATCH_EVENTS, BATCH_BYTES):
            self._encode(group)
        self._mark, self._taken = self._taken, self._taken + len(events)
        return len(events)

    def _encode(self, group: list[Emitted]) -> None:
        try:
            self._unplaced.append(self._encoder.encode(group))
            return
        except Exception as error:
            if len(group) == 1:
                self._counters.refused += 1
                _LOG.error("an event could not be encoded and is lost (%s)", type(error).__name__)
                return
        for event in group:
            self._encode([event])

    def _place(self, now: float) -> None:
        while self._unplaced:
            batch = self._unplaced[0]
            if not self._spool.holds_own and self._window_has_room(_WINDOW_BYTES):
                self._enter(batch, None, now)
            else:
                self._spill()
                if self._spool.append(batch) is None:
                    return
                self._counters.spooled += batch.event_count
            self._unplaced.popleft()

    def _window_has_room(self, limit: int) -> bool:
        return self._window_bytes < limit and len(self._head) + len(self._sent) < _WINDOW_BATCHES

    def _enter(self, batch: Encoded, segment: Segment | None, now: float) -> None:
        self._head.append(Waiting(batch, segment, now, self._mark))
        self._window_bytes += len(batch.payload)

    def _spill(self, *, final: bool = False) -> None:
        for waiting in (*self._sent.values(), *self._head):
            if waiting.segment is None:
                segment = self._spool.append(waiting.batch, taken=True)
                if segment is None and final:
                    segment = self._spool.append(waiting.batch)
                if segment is None:
                    return
                waiting.segment = segment
                self._counters.spooled += waiting.batch.event_count

    def _deliver(self, now: float) -> None:
        done, broke = self._sender.poll(_POLL_SECONDS if self._sent else 0.0)
        for sent in done:
            self._finish(sent, now)
        if broke:
            self._head.extendleft(reversed(self._sent.values()))
            self._sent.clear()
        while self._window_has_room(_WINDOW_BYTES // 2) and (found := self._spool.take()):
            self._enter(found[1], found[0], now)
        while self._head:
            sent_now = self._sender.send(self._head[0].batch, self._head[0].schema_text)
            if sent_now is None:
                break
            self._sent[sent_now] = self._head[0]
            self._head.popleft()  # in this order: `settled` looks at both from another thread
        self._watch(now)

    def _finish(self, sent: Sent, now: float) -> None:
        self._last_news = now
        waiting = self._sent.get(sent)
        if waiting is None:
            return
        try:
            self._account(sent, waiting)
        finally:
            self._sent.pop(sent, None)  # last: `flush` may be the last thing its process does
        if self._away and not sent.refused:
            self._away = False
            _LOG.warning("Kafka is back: the spool is being delivered")

    def _account(self, sent: Sent, waiting: Waiting) -> None:
        self._window_bytes -= len(waiting.batch.payload)
        if sent.refused:
            self._counters.refused += waiting.batch.event_count
            self._spool.refuse(waiting.batch)
            _LOG.error(
                "Kafka refuses a message of %d bytes; it is kept as *.refused in the spool", len(waiting.batch.payload)
            )
        else:
            self._counters.delivered += waiting.batch.event_count
            if waiting.segment is not None and waiting.segment.inherited:
                self._counters.respooled += waiting.batch.event_count
        if waiting.segment is not None:
            self._spool.acknowledge(waiting.segment)

    def _watch(self, now: float) -> None:
        oldest = next(iter(self._sent.values()), None) or (self._head[0] if self._head else None)
        if oldest is None or now - oldest.since < _SLOW_SECONDS:
            return
        if any(waiting.segment is None for waiting in (*self._sent.values(), *self._head)):
            self._spill()
        # Slow is not away: while acknowledgements come in, or nothing has failed, `flush` may wait for them.
        silence = now - max(self._last_news, oldest.since)
        if not self._away and silence >= (_SLOW_SECONDS if self._sender.troubled else _SILENT_SECONDS):
            self._away = True
            _LOG.warning("events wait on disk until Kafka is back: %s", self._sender.problem)
