"""Data files of a table: written group by group and copied with rows left out, so that neither is held whole."""

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from deltalake.transaction import AddAction

from sinks.plan import Deletion
from sinks.tables import TableSpec

_COPY_BATCH_ROWS = 256
_COPY_GROUP_BYTES = 32 * 2**20


class DataFile:
    """One new Parquet file, under a name of its own. It belongs to the table once its action is committed."""

    def __init__(self, store: pafs.FileSystem, spec: TableSpec) -> None:
        self._store = store
        self._spec = spec
        self._path = f"part-{uuid.uuid4().hex}.zstd.parquet"
        self._stream: Any = None
        self._writer: Any = None
        self._metadata: list[Any] = []

    @property
    def schema(self) -> pa.Schema:
        """Columns of the table."""
        return self._spec.schema

    def write(self, rows: pa.Table) -> None:
        """Append rows, of the table's schema."""
        if self._writer is None:
            self._stream = self._store.open_output_stream(self._path)
            self._writer = pq.ParquetWriter(
                self._stream,
                self._spec.schema,
                compression="zstd",
                use_dictionary=list(self._spec.repeated),
                metadata_collector=self._metadata,
            )
        self._writer.write_table(rows, row_group_size=self._spec.row_group_rows)

    def close(self, *, data_change: bool = True) -> AddAction | None:
        """Finish the file; None when nothing was written. Without `data_change` its rows stood elsewhere before."""
        if self._writer is None:
            return None
        self._writer.close()
        size = self._stream.tell()
        self._stream.close()
        stats = json.dumps(_stats(self._metadata[0], self._spec.stats))
        return AddAction(self._path, size, {}, now_millis(), data_change, stats)


def copy_without(store: pafs.FileSystem, paths: Iterable[str], deletions: Sequence[Deletion], out: DataFile) -> None:
    """Copy the rows of some files that no deletion takes out, into row groups of full size."""
    kept: list[pa.Table] = []
    size = 0
    for batch in (batch for path in paths for batch in _batches(store, path, out.schema)):
        rows = batch.filter(pc.invert(_deleted(batch, deletions)))
        if rows.num_rows == 0:
            continue
        kept.append(rows)
        size += rows.nbytes
        if size >= _COPY_GROUP_BYTES:
            out.write(pa.concat_tables(kept))
            kept, size = [], 0
    if kept:
        out.write(pa.concat_tables(kept))


def now_millis() -> int:
    """Milliseconds since 1970, as the log wants them."""
    return int(time.time() * 1000)


def _batches(store: pafs.FileSystem, path: str, schema: pa.Schema) -> Iterator[pa.Table]:
    """Rows of a file as `schema` has them: a file of an earlier release lacks columns, a compacted one moves them."""
    with store.open_input_file(path) as source, pq.ParquetFile(source) as file:
        for batch in file.iter_batches(batch_size=_COPY_BATCH_ROWS, use_threads=False):
            held = set(batch.schema.names)
            columns = [
                batch.column(field.name).cast(field.type)
                if field.name in held
                else pa.nulls(batch.num_rows, field.type)
                for field in schema
            ]
            yield pa.Table.from_arrays(columns, schema=schema)


def _deleted(rows: pa.Table, deletions: Sequence[Deletion]) -> pa.ChunkedArray:
    deleted = pa.chunked_array([pa.repeat(False, rows.num_rows)])
    for deletion in deletions:
        keys = pa.array(list(deletion.below), pa.string())
        bounds = pa.array(list(deletion.below.values()), pa.int64())
        bound = pc.take(bounds, pc.index_in(rows[deletion.column], value_set=keys))
        deleted = pc.or_(deleted, pc.fill_null(pc.less(rows["revision"], bound), False))
    return deleted


def _stats(metadata: Any, columns: Sequence[str]) -> dict[str, object]:
    """Statistics of a file as the Delta log holds them; times cut to milliseconds, as its readers expect."""
    lowest: dict[str, object] = {}
    highest: dict[str, object] = {}
    nulls: dict[str, int] = {}
    positions = {metadata.schema.column(index).path: index for index in range(metadata.num_columns)}
    for name in columns:
        groups = [metadata.row_group(g).column(positions[name]).statistics for g in range(metadata.num_row_groups)]
        nulls[name] = sum(group.null_count for group in groups)
        bounded = [group for group in groups if group.has_min_max]
        if bounded and all(group.has_min_max or group.num_values == 0 for group in groups):
            lowest[name] = _plain(min(group.min for group in bounded))
            highest[name] = _plain(max(group.max for group in bounded))
    return {"numRecords": metadata.num_rows, "minValues": lowest, "maxValues": highest, "nullCount": nulls}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03}Z"
    return value
