"""Reading the files of a package back: rows of tables exactly, and the number of rows of any format."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.fs as pafs

from schemas.errors import UsageError
from sinks.packages.formats.catalogue import format_named


def read_rows(format: str, schema: pa.Schema, filesystem: pafs.FileSystem, path: str) -> Iterator[pa.RecordBatch]:
    """Rows of a file that holds a table's columns. Raises UsageError for formats that hold something else."""
    found = format_named(format)
    if found.shape is not None:
        raise UsageError(f"{format} holds rows in the shape of their reader: they are not read back into columns")
    return found.container.read(filesystem, path, schema)


def count_rows(format: str, filesystem: pafs.FileSystem, path: str) -> int:
    """Rows in a file of any format."""
    return format_named(format).container.count(filesystem, path)
