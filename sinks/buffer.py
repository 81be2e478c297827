"""What waits to be written: pure. Bounded by rows, bytes and time; time comes in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from schemas.records import DeadLetter
from sinks.plan import Entry

PartitionKey = tuple[str, int]
"""Topic and partition."""


@dataclass(frozen=True)
class Batch:
    """Everything consumed between two commits."""

    entries: Mapping[str, Sequence[Entry]]
    """By topic, in order of consumption."""
    ends: Mapping[PartitionKey, int]
    """Last consumed offset of each partition, whatever became of its messages."""
    dead_letters: Sequence[DeadLetter] = ()


@dataclass
class Buffer:
    """Collects messages until a flush is due.

    `bytes` counts the texts of rows and the bytes of dead letters: about what the buffer holds in memory.
    """

    max_rows: int
    max_bytes: int
    max_seconds: float
    rows: int = 0
    bytes: int = 0
    _entries: dict[str, list[Entry]] = field(default_factory=dict)
    _ends: dict[PartitionKey, int] = field(default_factory=dict)
    _dead_letters: list[DeadLetter] = field(default_factory=list)
    _first_at: float | None = None

    def add(self, entry: Entry, now: float) -> None:
        """Take a record."""
        self._entries.setdefault(entry.topic, []).append(entry)
        self._passed(entry.topic, entry.partition, entry.offset, entry.size_bytes, now)

    def add_dead_letter(self, letter: DeadLetter, now: float) -> None:
        """Take a message that could not be processed."""
        self._dead_letters.append(letter)
        self._passed(letter.topic, letter.partition, letter.offset, len(letter.value or b""), now)

    def drop_dead_letters(self) -> None:
        """Forget the dead letters: they were published."""
        self._dead_letters = []

    def due(self, now: float) -> bool:
        """True when it should be flushed."""
        return self._first_at is not None and (self.full or now - self._first_at >= self.max_seconds)

    @property
    def full(self) -> bool:
        """True when nothing more may be taken: intake pauses until a flush works."""
        return self.rows >= self.max_rows or self.bytes >= self.max_bytes

    @property
    def empty(self) -> bool:
        """True when nothing waits."""
        return self._first_at is None

    def batch(self) -> Batch:
        """All that waits; it stays until `clear`."""
        return Batch(self._entries, self._ends, self._dead_letters)

    def clear(self) -> None:
        """Start anew, after a flush or when the partitions went elsewhere."""
        self._entries, self._ends, self._dead_letters = {}, {}, []
        self.rows = self.bytes = 0
        self._first_at = None

    def _passed(self, topic: str, partition: int, offset: int, size_bytes: int, now: float) -> None:
        self._ends[topic, partition] = offset
        self.rows += 1
        self.bytes += size_bytes
        if self._first_at is None:
            self._first_at = now


@dataclass
class Backoff:
    """Waits between attempts: doubling, up to a bound."""

    first_seconds: float = 0.5
    max_seconds: float = 15.0
    failures: int = 0
    retry_at: float | None = None

    def failed(self, now: float) -> float:
        """Count a failure; the time of the next attempt."""
        self.retry_at = now + min(self.max_seconds, self.first_seconds * 2 ** min(self.failures, 16))
        self.failures += 1
        return self.retry_at

    def worked(self) -> None:
        """Start over."""
        self.failures, self.retry_at = 0, None

    def waits(self, now: float) -> bool:
        """True while it is too early to try again."""
        return self.retry_at is not None and now < self.retry_at
