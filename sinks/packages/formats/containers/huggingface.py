"""Parquet for a Hugging Face dataset folder: columns of JSON text carry the type that `datasets` 4.7 and later decodes.

There it is the feature `Json`, in Arrow the canonical extension `arrow.json`, in Parquet the logical type JSON: rows
come as lists and dicts, without keys of other rows padded in. Readers that do not know it see strings.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.fs as pafs

from sinks.packages.formats.base import Columns, Container, Sink, is_json
from sinks.packages.formats.containers import parquet


class HuggingfaceFile:
    """One Parquet file whose JSON columns say so."""

    def __init__(self, sink: Sink, columns: Columns) -> None:
        self._schema = typed(columns.schema)
        self._file = parquet.ParquetFile(sink, Columns(self._schema, dictionary=columns.dictionary))

    def write(self, rows: pa.RecordBatch) -> None:
        arrays = [column.cast(field.type) for column, field in zip(rows.columns, self._schema, strict=True)]
        self._file.write(pa.RecordBatch.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        self._file.close()


def typed(schema: pa.Schema) -> pa.Schema:
    """The schema with Arrow's JSON type where columns hold JSON text."""
    return pa.schema([field.with_type(pa.json_()) if is_json(field) else field for field in schema])


def read(filesystem: pafs.FileSystem, path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows of a file with these columns."""
    return parquet.read(filesystem, path, schema)


HUGGINGFACE = Container(name="huggingface", suffix=".parquet", open=HuggingfaceFile, read=read, count=parquet.count)
