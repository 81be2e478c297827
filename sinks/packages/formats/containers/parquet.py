"""Parquet, zstd. Columns of JSON text are plain strings: every reader knows them."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from sinks.packages.formats.base import Columns, Container, Sink

_READ_ROWS = 4096


class ParquetFile:
    """One Parquet file; a group of rows is a row group."""

    def __init__(self, sink: Sink, columns: Columns) -> None:
        self._writer = pq.ParquetWriter(
            sink,
            columns.schema,
            compression="zstd",
            use_dictionary=True if columns.dictionary is None else list(columns.dictionary),
        )

    def write(self, rows: pa.RecordBatch) -> None:
        self._writer.write_table(pa.Table.from_batches([rows]), row_group_size=max(1, rows.num_rows))

    def close(self) -> None:
        self._writer.close()


def read(filesystem: pafs.FileSystem, path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows of a file with these columns."""
    with filesystem.open_input_file(path) as source, pq.ParquetFile(source) as file:
        for batch in file.iter_batches(batch_size=_READ_ROWS):
            table = pa.Table.from_batches([batch]).cast(schema)
            yield from table.to_batches()


def count(filesystem: pafs.FileSystem, path: str) -> int:
    """Rows, from the file's footer."""
    with filesystem.open_input_file(path) as source:
        return int(pq.read_metadata(source).num_rows)


PARQUET = Container(name="parquet", suffix=".parquet", open=ParquetFile, read=read, count=count)
