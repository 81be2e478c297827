"""Where the rows of a kind come from."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds

from sinks.packages.kinds import KINDS
from sinks.packages.pairs import PAIR_ROWS
from sinks.packages.snapshot import Snapshot
from sinks.tables import TABLES


class RowSource:
    """A table; for pairs what was made of two runs, and the answers that a person corrected."""

    def __init__(self, kind: str, snapshot: Snapshot, pairs: Path | None) -> None:
        self._table = KINDS[kind].table
        self._snapshot = snapshot
        self._pairs = pairs

    def open(self, columns: tuple[str, ...]) -> pa.RecordBatchReader:
        """These columns of all rows that may be taken. Those that only pairs have are null in rows of a table."""
        kept = tuple(name for name in columns if name in TABLES[self._table].schema.names)
        condition = None if self._pairs is None else ds.field("rejected").is_valid()
        stored = self._snapshot.read(self._table, kept, condition)
        if self._pairs is None and kept == columns:
            return stored
        schema = pa.schema(
            [PAIR_ROWS.field(name) if name not in kept else stored.schema.field(name) for name in columns]
        )
        rows = chain(_widened(stored, schema), self._made(schema))
        return pa.RecordBatchReader.from_batches(schema, rows)

    def _made(self, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        if self._pairs is None:
            return
        with pa.memory_map(str(self._pairs)) as file, pa.ipc.open_stream(file) as stream:
            for batch in stream:
                yield batch.select(schema.names)


def _widened(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows with all columns of the schema; those that they lack are null."""
    for batch in batches:
        lacking = {name: pa.nulls(batch.num_rows, schema.field(name).type) for name in schema.names}
        columns = [batch.column(name) if name in batch.schema.names else lacking[name] for name in schema.names]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)
