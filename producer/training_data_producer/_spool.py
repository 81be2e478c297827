"""The bounded disk spool: where events wait when Kafka is away, also beyond the end of their process.

One directory per destination (events meant for one cluster must never go to another), shared by all processes of a
user. Each process appends to segment files of its own and holds a lock file while it lives; segments whose owner is
gone are taken over by the next process that looks, under the same lock, so that no two deliver them at once.
Everything is delivered first in, first out. Content is raw: directory 0700, files 0600.
"""

import fcntl
import logging
import os
import threading
import time
from collections import deque
from pathlib import Path

from training_data_producer._encoding import SCHEMA_TEXT, Encoded
from training_data_producer._segments import Segment, framed_size, set_aside

_LOG = logging.getLogger("training_data_producer")
SEGMENT_BYTES = 4 * 2**20
_INHERITED_SEGMENTS = 64
"""So many are taken over at once: each is an open file, and the limit of open files is the agent's."""
_RETRY_SECONDS = 1.0


class Spool:
    """First in, first out on disk, for one process. Thread-safe; nothing raises."""

    def __init__(self, directory: Path, instance: str, max_bytes: int) -> None:
        self._directory = directory
        self._instance = instance
        self._max_bytes = max_bytes
        self._guard = threading.RLock()
        self._started = time.time_ns()
        self._number = 0
        self._lock: int | None = None
        self._own: deque[Segment] = deque()
        self._inherited: deque[Segment] = deque()
        self._inherited_locks: dict[str, int] = {}
        self._bytes_of_others = 0
        self._broken_until = 0.0
        self._appending: int | None = None
        self.more_left = False
        """Whether segments of dead processes wait that were not taken over yet."""
        self.problem: str | None = None
        """Why nothing can be written at present, for people."""

    @property
    def holds_own(self) -> bool:
        """Whether undelivered batches of this process are on disk: later ones must queue behind them."""
        return bool(self._own)

    @property
    def holds_any(self) -> bool:
        return bool(self._own or self._inherited)

    @property
    def bytes(self) -> int:
        """Size of all segments in the directory, as far as this process knows."""
        with self._guard:
            return sum(s.written for s in (*self._own, *self._inherited)) + self._bytes_of_others

    def append(self, batch: Encoded, *, taken: bool = False) -> Segment | None:
        """Write a batch; None when there is no room or the disk fails.

        With `taken`, the batch is on its way to Kafka already and will not come out of `take` again: it goes to a
        segment of which everything was taken.
        """
        with self._guard:
            if self.inside or not self.has_room(framed_size(batch)):
                return None
            self._appending = threading.get_ident()
            try:
                segment = self._writable(all_taken=taken)
                segment.append(batch)
            except OSError as error:
                self._fail(error)
                return None
            finally:
                self._appending = None
            if taken:
                segment.skip_to_end()
            self.problem = None
            return segment

    @property
    def inside(self) -> bool:
        """Whether this very thread is appending: then a signal handler or a finalizer of the agent runs in between."""
        return self._appending == threading.get_ident()

    def has_room(self, size: int) -> bool:
        """Whether `size` more bytes may be written."""
        if time.monotonic() < self._broken_until:
            return False
        if self.bytes + size > self._max_bytes:
            self.problem = f"the spool has reached its bound of {self._max_bytes} bytes"
            return False
        return True

    def take(self) -> tuple[Segment, Encoded] | None:
        """The oldest batch not taken yet, those of dead processes first; acknowledge it with its segment."""
        with self._guard:
            for segment in (*self._inherited, *self._own):
                try:
                    batch = segment.take()
                except OSError as error:
                    self._fail(error)
                    return None
                if batch is not None:
                    return segment, batch
                self._drop_finished(segment)
            return None

    def acknowledge(self, segment: Segment) -> None:
        """One batch of the segment was delivered; the file goes when all were."""
        with self._guard:
            segment.unacknowledged -= 1
            self._drop_finished(segment)

    def adopt(self) -> int:
        """Take over segments of processes that are gone; gives how many. Also measures the directory."""
        with self._guard:
            try:
                return self._adopt()
            except OSError as error:
                _LOG.debug("looking for leftovers failed: %s", error)
                return 0

    def refuse(self, batch: Encoded) -> None:
        """Keep a batch that Kafka will never accept in a file of its own, for people to look at."""
        with self._guard:
            path = self._directory / f"{self._started:020d}-{self._instance}-{self._next_number():06d}.refused"
            try:
                if self.has_room(framed_size(batch)):
                    self._ensure_directory()
                    segment = Segment.create(path, SCHEMA_TEXT)
                    segment.append(batch)
                    segment.close()
            except OSError as error:
                self._fail(error)

    def close(self) -> None:
        """Give locks and files back, so that others may take over what is left."""
        with self._guard:
            if self._lock is not None and not self._own:
                self._lock_path(self._instance).unlink(missing_ok=True)
            self._bytes_of_others = self.bytes
            self.forget()
            self._instance = os.urandom(10).hex()  # what comes after is another owner's

    def idle(self, timeout_seconds: float) -> bool:
        """Whether no thread is stuck inside."""
        if not self._guard.acquire(timeout=timeout_seconds):
            return False
        self._guard.release()
        return True

    def forget(self) -> None:
        """In a forked child: drop the parent's descriptors (its locks stay with the parent)."""
        for segment in (*self._own, *self._inherited):
            segment.close()
        for descriptor in (self._lock, *self._inherited_locks.values()):
            if descriptor is not None:
                os.close(descriptor)
        self._own.clear()
        self._inherited.clear()
        self._inherited_locks.clear()
        self._lock = None

    def _writable(self, *, all_taken: bool) -> Segment:
        last = self._own[-1] if self._own else None
        if last and last.writable and last.written < SEGMENT_BYTES and not (all_taken and last.unread):
            return last
        if last and last.writable:
            last.seal()
        if self._lock is not None and not self._lock_path(self._instance).exists():
            os.close(self._lock)  # somebody removed the directory
            self._lock = None
        if self._lock is None:
            self._ensure_directory()
            self._lock = self._locked(self._instance, create=True)
            if self._lock is None:
                raise OSError(f"cannot lock {self._lock_path(self._instance)}")
        name = f"{self._started:020d}-{self._instance}-{self._next_number():06d}.seg"
        segment = Segment.create(self._directory / name, SCHEMA_TEXT)
        self._own.append(segment)
        return segment

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _ensure_directory(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _fail(self, error: OSError) -> None:
        self._broken_until = time.monotonic() + _RETRY_SECONDS
        self.problem = f"the spool in {self._directory} cannot be used: {error.strerror or error}"

    def _drop_finished(self, segment: Segment) -> None:
        if not segment.finished:
            return
        if segment in self._own:
            self._own.remove(segment)
        elif segment in self._inherited:
            self._inherited.remove(segment)
        else:
            return
        if segment.damaged_bytes:
            _LOG.error("%d damaged bytes were found in the spool; see *.damaged there", segment.damaged_bytes)
        try:
            segment.remove()
        except OSError as error:
            _LOG.warning("a delivered file of the spool could not be removed: %s", error.strerror or error)
        self._release_done_owners()

    def _release_done_owners(self) -> None:
        alive = {_owner(segment.path) for segment in self._inherited}
        for owner in [owner for owner in self._inherited_locks if owner not in alive]:
            self._lock_path(owner).unlink(missing_ok=True)
            os.close(self._inherited_locks.pop(owner))

    def _adopt(self) -> int:
        if not self._directory.is_dir():
            return 0
        owners = {_owner(path) for path in self._directory.glob("*.seg")}
        owners |= {path.stem for path in self._directory.glob("*.lock")}
        adopted = 0
        self.more_left = False
        for owner in sorted(owners - {self._instance} - self._inherited_locks.keys()):
            if len(self._inherited) >= _INHERITED_SEGMENTS:
                self.more_left = True
                break
            lock = self._locked(owner, create=False)
            if lock is None:
                continue
            self._inherited_locks[owner] = lock
            for path in self._directory.glob(f"*-{owner}-*.seg"):
                segment = Segment.reopen(path)
                if segment is None:
                    set_aside(path)
                else:
                    self._inherited.append(segment)
                    adopted += 1
        self._inherited = deque(sorted(self._inherited, key=lambda segment: segment.path.name))
        self._release_done_owners()
        mine = {segment.path for segment in (*self._own, *self._inherited)}
        self._bytes_of_others = sum(_size(path) for path in self._directory.iterdir() if path not in mine)
        return adopted

    def _lock_path(self, owner: str) -> Path:
        return self._directory / f"{owner}.lock"

    def _locked(self, owner: str, *, create: bool) -> int | None:
        path = self._lock_path(owner)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | (os.O_EXCL if create else 0)
        descriptor = os.open(path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever finished with this owner deletes the file: a lock on a deleted file guards nothing.
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        except OSError:
            pass
        os.close(descriptor)
        return None


def _owner(path: Path) -> str:
    parts = path.name.split("-")
    return parts[1] if len(parts) == 3 else path.stem


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
