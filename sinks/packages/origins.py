"""What the runs behind the chosen rows say: the messages they were built from, redactions, bases of consent."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from schemas.records import OffsetRange
from sinks.packages.engine import Engine
from sinks.packages.facts import Tally, tally
from sinks.packages.report import redactions_of
from sinks.packages.snapshot import Snapshot

_COLUMNS = ("trace_id", "offsets", "redaction_counts", "consent_basis")


@dataclass(frozen=True)
class Origins:
    """Of all runs that gave a row."""

    offsets: tuple[OffsetRange, ...]
    """For each topic partition the first and the last offset."""
    redactions: Tally
    consent_bases: Tally


class _Ranges:
    def __init__(self) -> None:
        self._found: dict[tuple[str, int], tuple[int, int]] = {}

    def add(self, texts: list[str]) -> None:
        for text in texts:
            for found in msgspec.json.decode(text, type=list[OffsetRange]):
                place = (found.topic, found.partition)
                first, last = self._found.get(place, (found.first_offset, found.last_offset))
                self._found[place] = (min(first, found.first_offset), max(last, found.last_offset))

    def ranges(self) -> tuple[OffsetRange, ...]:
        return tuple(
            OffsetRange(topic=topic, partition=partition, first_offset=first, last_offset=last)
            for (topic, partition), (first, last) in sorted(self._found.items())
        )


def origins(engine: Engine, snapshot: Snapshot) -> Origins:
    """Read from `traces`, for the traces of the engine's table `chosen`."""
    engine.register("incoming", snapshot.read("traces", _COLUMNS))
    ranges = _Ranges()
    bases: dict[str, int] = {}
    missing = 0

    def watched() -> Iterator[pa.RecordBatch]:
        nonlocal missing
        sql = "SELECT i.* FROM incoming i SEMI JOIN chosen c ON c.trace_id = i.trace_id"
        for batch in engine.stream(sql):
            ranges.add(batch.column("offsets").to_pylist())
            for basis in batch.column("consent_basis").to_pylist():
                if basis:
                    bases[basis] = bases.get(basis, 0) + 1
                else:
                    missing += 1
            yield batch

    redactions = redactions_of(watched())
    return Origins(ranges.ranges(), redactions, tally(bases, missing=missing))
