"""Where the rows of a kind come from."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds

from sinks.packages.kinds import KINDS
from sinks.packages.snapshot import Snapshot


class RowSource:
    """A table; for pairs what was made of two runs, and the answers that a person corrected."""

    def __init__(self, kind: str, snapshot: Snapshot, pairs: Path | None) -> None:
        self._table = KINDS[kind].table
        self._snapshot = snapshot
        self._pairs = pairs

    def open(self, columns: tuple[str, ...]) -> pa.RecordBatchReader:
        """These columns of all rows that may be taken."""
        if self._pairs is None:
            return self._snapshot.read(self._table, columns)
        corrected = self._snapshot.read(self._table, columns, ds.field("rejected").is_valid())
        return pa.RecordBatchReader.from_batches(corrected.schema, chain(corrected, self._made(columns)))

    def _made(self, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        with pa.memory_map(str(self._pairs)) as file, pa.ipc.open_stream(file) as stream:
            for batch in stream:
                yield batch.select(list(columns))
