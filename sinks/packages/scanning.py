"""The scan for what must never be in a package, over whole files: every container, every shape, every document.

Files stream: a batch of rows, or a few MiB of text, is in memory. Nothing that is found is shown.
"""

import codecs
from collections import Counter
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.fs as pafs

from sinks.packages.canaries import scan
from sinks.packages.formats import format_named

_COLUMNS = ("parquet", "huggingface", "tfrecord")
"""Containers whose texts are read column by column: their bytes are packed, or hold marks between texts."""
_CHUNK_BYTES = 2**20
_OVERLAP = 2_000
"""Characters of the chunk before that are looked at again: a finding may lie across the cut."""


def scan_data(files: pafs.FileSystem, path: str, format_name: str, schema: pa.Schema) -> Counter[str]:
    """Findings of a data file: `EMAIL in messages` and in how many rows, or the kind alone in how many lines.

    `schema`: the columns of a format without a shape. Raises what the file's reader raises where it cannot be read.
    """
    format_ = format_named(format_name)
    if format_.container.name not in _COLUMNS:
        return scan_text(files, path)
    found: Counter[str] = Counter()
    columns = schema if format_.shape is None else format_.shape.fields
    for batch in format_.container.read(files, path, columns):
        found += _in_columns(batch)
    return found


def scan_text(files: pafs.FileSystem, path: str) -> Counter[str]:
    """Kinds in a text file, packed or not, and in how many of its lines."""
    found: Counter[str] = Counter()
    with files.open_input_stream(path, compression="detect") as source:
        for text in _pieces(source):
            found.update(kind for _, kind in scan(pa.array(text.split("\n"), pa.string())))
    return found


def _in_columns(batch: pa.RecordBatch) -> Counter[str]:
    found: Counter[str] = Counter()
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_string(column.type):
            found.update(f"{kind} in {name}" for _, kind in scan(column))
    return found


def _pieces(source: pa.NativeFile) -> Iterator[str]:
    """The text in pieces that end with a line where they can; those of a very long line overlap."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    before = ""
    while chunk := source.read(_CHUNK_BYTES):
        text = before + decoder.decode(chunk)
        end = text.rfind("\n")
        if end >= 0:
            yield text[:end]
            before = text[end + 1 :]
        elif len(text) > _CHUNK_BYTES:
            yield text
            before = text[-_OVERLAP:]
        else:
            before = text
    if before:
        yield before
