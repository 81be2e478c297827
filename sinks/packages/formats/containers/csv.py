"""CSV after RFC 4180: a header, CRLF, text always in quotes with `"` doubled, null as an empty cell without quotes.

Spreadsheets run a cell that begins with `=`, `+`, `-`, `@`, a tab or a line end (or a full-width sign of these) as a
formula. Text that begins with one of them, or with an apostrophe, gets one apostrophe in front: so a reader that wants
the very text takes one apostrophe off where a text cell begins with one. Numbers, times and truth values are not text
and stay as they are.
"""

import csv
import io
from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.fs as pafs
from pyarrow import types

from schemas.errors import InvalidRecord
from sinks.packages.formats.base import Columns, Container, Sink
from sinks.packages.formats.cells import check_columns, from_text, to_text

MARK = "'"
DANGEROUS = "=+-@\t\r\n＝＋－＠"
_MARKED = f"^([{MARK}=+@\t\r\n＝＋－＠-])"
_BLOCK_BYTES = 16 * 2**20
_LARGEST_BLOCK_BYTES = 2**30
_HEADER_BYTES = 2**20
_COMMA = pa.scalar(",", pa.large_string())


def is_text(type_: pa.DataType) -> bool:
    """Whether the cells of a column are quoted, and marked where they could be taken for formulas."""
    if types.is_dictionary(type_):
        return is_text(type_.value_type)
    return not (
        types.is_boolean(type_)
        or types.is_integer(type_)
        or types.is_floating(type_)
        or types.is_decimal(type_)
        or types.is_temporal(type_)
        or types.is_null(type_)
    )


class CsvFile:
    """One CSV file."""

    def __init__(self, sink: Sink, columns: Columns) -> None:
        self._sink = sink
        names = (_quoted(pa.array([name])) for name in columns.schema.names)
        self._sink.write(",".join(name[0].as_py() for name in names).encode() + b"\r\n")

    def write(self, rows: pa.RecordBatch) -> None:
        cells = [_quoted(to_text(column)) if is_text(column.type) else to_text(column) for column in rows.columns]
        wide = [cell.cast(pa.large_string()) for cell in cells]
        lines = pc.binary_join_element_wise(*wide, _COMMA, null_handling="replace", null_replacement="")
        self._sink.write("".join(f"{line}\r\n" for line in lines.to_pylist()).encode())

    def close(self) -> None:
        """Nothing stands at the end."""


def _quoted(texts: pa.Array) -> pa.Array:
    marked = pc.replace_substring_regex(texts, _MARKED, MARK + r"\1")
    doubled = pc.replace_substring(marked, '"', '""')
    quote = pa.scalar('"', doubled.type)
    return pc.binary_join_element_wise(quote, doubled, quote, pa.scalar("", doubled.type))


def unmarked(texts: pa.Array) -> pa.Array:
    """Text cells as they were before they were marked."""
    return pc.replace_substring_regex(texts, f"^{MARK}", "")


def read(filesystem: pafs.FileSystem, path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows of a file with these columns. Raises InvalidRecord where it has others."""
    for batch in _text_batches(filesystem, path):
        if unmarked(pa.array(batch.schema.names, pa.string())).to_pylist() != schema.names:
            raise InvalidRecord("a CSV file has other columns than its format")
        arrays = []
        for column, field in zip(batch.columns, schema, strict=True):
            arrays.append(from_text(unmarked(column) if is_text(field.type) else column, field.type))
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def count(filesystem: pafs.FileSystem, path: str) -> int:
    """Rows, without the header."""
    return sum(batch.num_rows for batch in _text_batches(filesystem, path))


def _text_batches(filesystem: pafs.FileSystem, path: str) -> Iterator[pa.RecordBatch]:
    """All cells as strings. Arrow wants a row to lie within two blocks, so a longer one is met with larger blocks."""
    block, given = _BLOCK_BYTES, 0
    while True:
        try:
            for batch in _blocks(filesystem, path, block, given):
                given += batch.num_rows
                yield batch
        except pa.ArrowInvalid as error:
            if "straddling" not in str(error) or block >= _LARGEST_BLOCK_BYTES:
                raise
            block *= 4
        else:
            return


def _blocks(filesystem: pafs.FileSystem, path: str, block_bytes: int, skip: int) -> Iterator[pa.RecordBatch]:
    with filesystem.open_input_stream(path, compression=None) as stream:
        header = _header(filesystem, path)
        reader = pacsv.open_csv(
            stream,
            read_options=pacsv.ReadOptions(block_size=block_bytes, use_threads=False),
            parse_options=pacsv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(header, pa.string()),
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )
        for batch in reader:
            if skip >= batch.num_rows:
                skip -= batch.num_rows
                continue
            yield batch.slice(skip)
            skip = 0


def _header(filesystem: pafs.FileSystem, path: str) -> list[str]:
    with filesystem.open_input_stream(path, compression=None) as stream:
        text = stream.read(_HEADER_BYTES).decode(errors="ignore")
    return next(csv.reader(io.StringIO(text, newline="")), [])


CSV = Container(name="csv", suffix=".csv", open=CsvFile, read=read, count=count, checks=check_columns)
