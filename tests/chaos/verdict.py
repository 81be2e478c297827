"""Holds the world against the ledger after a round: what is wrong, in words."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psutil
import requests

from ops.status import Status, gather_status
from schemas.codec import decode
from schemas.errors import TransientError
from schemas.records import LateEvent, OffsetRange, Trace
from schemas.registry import RegistryClient
from schemas.settings import Settings
from sinks.query import query
from sinks.tables import TABLES
from streams.ports import ORIGINAL
from tests.chaos.model import Expected, Logged, Place, expected
from tests.chaos.reading import CommitReader, TopicReader
from tests.integration.checker import check
from tests.integration.world import CANARY, TOPIC, World

_REDACTED = ("traces", "decisions", "examples", "patterns", "quality-windows")
_RAW = ("late-events", "dead-letters", "quarantine")
_NEEDLE = CANARY.encode()


@dataclass
class Verdict:
    """Remembers what it has read from round to round."""

    settings: Settings
    world: World
    violations: list[str] = field(default_factory=list)
    _log: list[Logged] = field(default_factory=list)
    _own: dict[tuple[bytes | None, bytes | None], tuple[bytes | None, bytes | None]] = field(default_factory=dict)
    _made: dict[str, tuple[int, tuple[OffsetRange, ...]]] = field(default_factory=dict)
    """Of each trace, the highest revision published and the messages it was made of."""
    _contents: dict[tuple[str, int], int] = field(default_factory=dict)
    _late: dict[Place, tuple[str, ...]] = field(default_factory=dict)
    _scanned: dict[Path, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._topics = TopicReader(self.settings)
        self._scan = TopicReader(self.settings)
        self._commits = CommitReader(self.settings)
        self._lookup = RegistryClient.from_settings(self.settings)

    def settle(self, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> Status | None:
        """Wait until nothing is open or lags; None, and a violation, when that does not come."""
        until = time.monotonic() + seconds
        found: Status | None = None
        calm = 0
        while time.monotonic() < until:
            meanwhile()
            try:
                found = gather_status(self.settings)
            except TransientError:
                calm = 0
            else:
                calm = calm + 1 if found.idle and found.balanced else 0
                if calm >= 2:
                    return found
            time.sleep(0.3)
        where = "nothing answers" if found is None else f"lag {dict(found.lag)}, {found.traces}, {found.faults}"
        self.violations.append(f"not calm after {seconds:.0f} s: {where}")
        return None

    def look(self, logs: Iterable[Path], pids: Sequence[int] = ()) -> list[str]:
        """What is wrong now; the pipeline must be calm."""
        self._ask(self._read_log)
        wanted = expected(self._log, self.settings.assemble)
        self._ask(lambda: _each(check, self.settings, wanted.ledger))
        self._ask(self._read_traces)
        self._ask(lambda: self._check_closing(wanted))
        self._ask(lambda: self._check_tiling(wanted))
        self._ask(lambda: self._check_late(wanted))
        self._ask(lambda: self._check_canaries(logs, pids))
        self._ask(self._check_commits)
        return self.violations

    def _ask(self, question: Callable[[], Iterator[str]]) -> None:
        try:
            self.violations += list(question())[:5]
        except AssertionError as error:
            self.violations.append(str(error)[:1500])

    def _read_log(self) -> Iterator[str]:
        """What was sent is in the log, and nothing else is."""
        self._own.update((pair, pair) for pair in self.world.meanings if pair not in self._own)
        unseen = set(self._own) - {(one.key, one.value) for one in self._log}
        for message in self._topics.more(TOPIC):
            pair = self._own.get((message.key, message.value))
            if pair is None:
                yield f"{TOPIC}-{message.partition}: nobody sent the message at offset {message.offset}"
                continue
            unseen.discard(pair)
            size = len(message.value or b"") + (5 if message.headers else 0)
            meaning = self.world.meanings[pair]
            place = (message.partition, message.offset)
            self._log.append(Logged(place, message.timestamp_ms, size, *pair, meaning))
        if unseen:
            yield f"{len(unseen)} messages that a sender saw taken are not in the log"

    def _read_traces(self) -> Iterator[str]:
        """One revision of a trace is published with one content, however often."""
        for message in self._topics.more("traces"):
            trace = decode(message.value, self._lookup, Trace, message.headers)
            content = hash(msgspec.msgpack.encode(msgspec.structs.replace(trace, redelivered=False)))
            known = self._contents.setdefault((trace.trace_id, trace.revision), content)
            if known != content:
                yield f"revision {trace.revision} of {trace.trace_id} was published with two contents"
            if trace.revision >= self._made.get(trace.trace_id, (0, ()))[0]:
                self._made[trace.trace_id] = (trace.revision, trace.offsets)

    def _check_closing(self, wanted: Expected) -> Iterator[str]:
        """Traces are closed when and why the log says."""
        rows = query(self.settings, "SELECT trace_id, close_reason, epoch_ms(decided_at) AS at FROM traces "
                                    "JOIN decisions USING (trace_id)").to_pylist()  # fmt: skip
        for row in rows:
            fate = wanted.fates.get(row["trace_id"])
            if fate is None:
                yield f"{row['trace_id']} is stored, but was never sent"
            elif (found := (row["close_reason"], row["at"])) != (wish := (fate.reason, fate.closed_ms)):
                yield f"{row['trace_id']} closed as {found}, not {wish}"

    def _check_tiling(self, wanted: Expected) -> Iterator[str]:
        """Each message of the log is in exactly one place."""
        claimed: dict[Place, str] = {}
        for trace_id, (_, ranges) in self._made.items():
            fate = wanted.fates.get(trace_id)
            for own in ranges:
                for offset in range(own.first_offset, own.last_offset + 1):
                    place = (own.partition, offset)
                    if place in claimed:
                        yield f"{place} is claimed by {claimed[place]} and {trace_id}"
                    if fate is None or place not in fate.held:
                        yield f"{trace_id} claims {place}, which it is not made of"
                    claimed[place] = trace_id
        for message in self._log:
            place = message.place
            homes = (place in claimed, place in wanted.late, place in wanted.known)
            if sum(homes) > 1 or not (any(homes) or place in wanted.dead):
                yield f"the message at {place} is in {sum(homes)} places"

    def _check_late(self, wanted: Expected) -> Iterator[str]:
        """What came too late is in `late-events`, and nothing else is."""
        for message in self._topics.more("late-events"):
            record = decode(message.value, self._lookup, LateEvent, message.headers)
            self._late[record.partition, record.offset] = record.event_ids
        if self._late != wanted.late:
            missing, surplus = wanted.late.keys() - self._late.keys(), self._late.keys() - wanted.late.keys()
            yield f"late events: {len(missing)} are missing, {len(surplus)} are too many, of {len(wanted.late)}"

    def _check_commits(self) -> Iterator[str]:
        """The offsets that tables carry only move forward, and end where their topics do."""
        for name, spec in TABLES.items():
            yield from self._commits.faults(name)
            for topic in spec.topics:
                for partition, end in self._scan.ends(topic).items():
                    at = self._commits.offsets[name].get(f"{topic}-{partition}", -1)
                    if at != end - 1:
                        yield f"{name} holds {topic}-{partition} up to {at}, its log ends at {end}"

    def _check_canaries(self, logs: Iterable[Path], pids: Sequence[int]) -> Iterator[str]:
        """Content that is to be redacted is nowhere behind redaction, and in no log or metric."""
        for topic in (*_REDACTED, *_RAW):
            for message in self._scan.more(topic):
                where = f"{topic}-{message.partition} offset {message.offset}"
                if topic in _REDACTED and _NEEDLE in (message.value or b"") + (message.key or b""):
                    yield f"content that was to be redacted, in {where}"
                if any(_NEEDLE in raw for name, raw in message.headers if not name.startswith(ORIGINAL)):
                    yield f"content in a header of {where}"
        for path in logs:
            with path.open("rb") as file:
                file.seek(max(0, self._scanned.get(path, 0) - len(_NEEDLE)))
                if _NEEDLE in file.read():
                    yield f"content in {path}"
                self._scanned[path] = file.tell()
        for pid in pids:
            if _NEEDLE in _metrics(pid):
                yield f"content in the metrics of process {pid}"


def _each(action: Callable[..., Any], *arguments: Any) -> Iterator[str]:
    """An action that asserts, as one that tells."""
    action(*arguments)
    yield from ()


def _metrics(pid: int) -> bytes:
    """What a worker tells of itself."""
    try:
        ports = [c.laddr.port for c in psutil.Process(pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        return b"".join(requests.get(f"http://127.0.0.1:{port}/metrics", timeout=5).content for port in ports)
    except (psutil.Error, requests.RequestException):
        return b""
