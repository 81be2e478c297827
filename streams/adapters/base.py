"""What every importer shares: reading files as they are, and turning one recorded run into events.

An importer is a function `(source, options) -> Iterator[Event | BrokenRecord]`. It streams: it may hold one run in
memory, never a file. It invents nothing: a missing time is derived and marked synthetic, a missing result stays
missing. Ids are derived from the content of the record, so that importing it again yields the same events.
"""

import gzip
import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, cast

import msgspec
import zstandard

from schemas.records import KIND_OF, Body, Consent, Event, ExecutionMode, ModelRef, SourceRef

SYNTHETIC_EPOCH_MICROS = 946_684_800_000_000
"""2000-01-01: start of the derived clock of runs that recorded no time at all."""
SYNTHETIC_STEP_MICROS = 1_000_000
_MAGIC = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd"}


@dataclass(frozen=True)
class ImportOptions:
    """What the user says about the recordings."""

    consent: Literal["granted", "denied", "unknown"] = "unknown"
    basis: str | None = None
    data_subject_id: str | None = None
    scenario: str | None = None
    """Overrides the scenario that the importer would derive."""
    execution_mode: ExecutionMode | None = None
    """Overrides the mode that the importer would derive."""


@dataclass(frozen=True)
class BrokenRecord:
    """A record that could not be read; the rest of the file goes on. `reason` holds no content."""

    path: str
    line: int | None
    """1-based line, or None where the format has no lines; then `record` counts runs from 1."""
    record: int | None
    reason: str


class _ClosingGzip(gzip.GzipFile):
    """Closes the file below too, which GzipFile leaves open when it did not open it itself."""

    def close(self) -> None:
        raw = cast("BinaryIO | None", self.fileobj)
        super().close()
        if raw is not None:
            raw.close()


@dataclass(frozen=True)
class RecordingFile:
    """One file with recorded runs, gzip and zstd read as they are."""

    path: Path

    def raw(self) -> io.BufferedReader:
        """Bytes as they lie on the disk; whoever counts them overrides this."""
        return self.path.open("rb")

    def open(self) -> BinaryIO:
        """Decompressed bytes, streaming."""
        raw = self.raw()
        packing = self._packing(raw)
        if packing == ".gz":
            return cast(BinaryIO, _ClosingGzip(fileobj=raw))
        if packing == ".zst":
            return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True))
        return raw

    def is_packed(self) -> bool:
        """Whether `open` decompresses."""
        with self.raw() as raw:
            return self._packing(raw) in _MAGIC

    def _packing(self, raw: io.BufferedReader) -> str:
        """The compression that the first bytes tell, whatever the name; else the one that the name promises."""
        head = raw.peek(4)
        return next((suffix for suffix, magic in _MAGIC.items() if head.startswith(magic)), self.path.suffix)

    @property
    def name(self) -> str:
        """File name without directories and compression suffix: it may enter events, a path may not."""
        name = self.path.name
        return name.removesuffix(".gz").removesuffix(".zst")


Importer = Callable[[RecordingFile, ImportOptions], Iterator[Event | BrokenRecord]]


def stable_id(*parts: object) -> str:
    """32 hex digits that depend on nothing but the parts."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def content_id(value: object) -> str:
    """32 hex digits of a JSON value, whatever its key order and spacing."""
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()[:32]


def json_text(value: object) -> str:
    """JSON text of a value; a string that already is JSON text of an object or array must not be passed here."""
    return msgspec.json.encode(value).decode("utf-8")


class RunBuilder:
    """Builds the events of one run: ids, sequence, and a clock for what has no time.

    Event ids come from the trace id and the position (or `key`, where the source has ids of its own: then a file
    that has grown yields the old events under their old ids). Times without a record are one second after the event
    before, marked synthetic. Recorded times are kept as they are, also when they go backwards.
    """

    def __init__(
        self,
        *,
        source: SourceRef,
        trace_id: str,
        agent: str,
        scenario: str,
        execution_mode: ExecutionMode,
        options: ImportOptions,
        model: ModelRef | None = None,
    ) -> None:
        self.trace_id = trace_id
        self.root_span_id = stable_id(trace_id, "root")[:16]
        self._source = source
        self._agent = agent
        self._scenario = options.scenario or scenario
        self._mode: ExecutionMode = options.execution_mode or execution_mode
        self._model = model
        self._consent = Consent(status=options.consent, basis=options.basis, data_subject_id=options.data_subject_id)
        self._sequence = 0
        self._clock = SYNTHETIC_EPOCH_MICROS - SYNTHETIC_STEP_MICROS

    def event(
        self,
        body: Body,
        *,
        at_micros: int | None = None,
        key: str | None = None,
        span_id: str | None = None,
        parent_span_id: str | None = None,
        agent: str | None = None,
        model: ModelRef | None = None,
    ) -> Event:
        """The next event of the run. `span_id` defaults to the root span; tool events share the span of their call."""
        synthetic = at_micros is None
        self._clock = self._clock + SYNTHETIC_STEP_MICROS if at_micros is None else at_micros
        span = span_id or self.root_span_id
        kind = KIND_OF[type(body)]
        event = Event(
            event_id=stable_id(self.trace_id, kind, key if key is not None else self._sequence),
            trace_id=self.trace_id,
            span_id=span,
            parent_span_id=parent_span_id or (None if span == self.root_span_id else self.root_span_id),
            producer_id=f"import:{self._source.format}",
            sequence=self._sequence,
            occurred_at=self._clock,
            occurred_at_synthetic=synthetic,
            agent=agent or self._agent,
            scenario=self._scenario,
            execution_mode=self._mode,
            model=model or self._model,
            consent=self._consent,
            source=self._source,
            kind=kind,
            **{kind: body},  # type: ignore[arg-type]
        )
        self._sequence += 1
        return event
