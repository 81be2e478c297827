"""TFRecord of `tf.train.Example`, uncompressed, as `tf.data.TFRecordDataset` reads it by default.

Whole numbers and truth values are an Int64List. A float is a FloatList, which holds 32 bits, and once more under
`<name>/text` as text that holds all of it. Bytes are a BytesList; everything else is a BytesList of its UTF-8 text
(see `sinks.packages.formats.cells`), lists and structs as JSON. A null is a feature that is not there.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import pyarrow as pa
import pyarrow.fs as pafs
from pyarrow import types

from schemas.errors import InvalidRecord
from sinks.packages.formats import tf_example
from sinks.packages.formats.base import Columns, Container, Sink
from sinks.packages.formats.cells import check_columns, from_text, to_text
from sinks.packages.formats.tf_example import Feature

EXACT = "/text"
_READ_ROWS = 1024
_Value = TypeVar("_Value")


def _plain(type_: pa.DataType) -> pa.DataType:
    return type_.value_type if types.is_dictionary(type_) else type_


def _is_int64(type_: pa.DataType) -> bool:
    return bool(types.is_boolean(type_) or (types.is_integer(type_) and not types.is_uint64(type_)))


def _is_bytes(type_: pa.DataType) -> bool:
    return bool(types.is_binary(type_) or types.is_large_binary(type_) or types.is_fixed_size_binary(type_))


class TfrecordFile:
    """One TFRecord file."""

    def __init__(self, sink: Sink, columns: Columns) -> None:
        self._sink = sink
        self._columns = columns

    def write(self, rows: pa.RecordBatch) -> None:
        entries: list[list[tuple[bytes, bytes] | None]] = []
        for name, column in zip(rows.schema.names, rows.columns, strict=True):
            entries.extend(_entries(name, column))
        records = (
            tf_example.framed(tf_example.example([entry for entry in row if entry is not None]))
            for row in zip(*entries, strict=True)
        )
        self._sink.write(b"".join(records))

    def close(self) -> None:
        """Nothing stands at the end."""


def _entries(name: str, column: pa.Array) -> Iterator[list[tuple[bytes, bytes] | None]]:
    type_ = _plain(column.type)
    plain = column.cast(type_) if type_ != column.type else column
    if _is_int64(type_):
        yield _features(name, plain.cast(pa.int64()).to_pylist(), tf_example.int64_feature)
    elif _is_bytes(type_):
        yield _features(name, plain.to_pylist(), tf_example.bytes_feature)
    elif types.is_floating(type_):
        yield _features(name, plain.cast(pa.float64()).to_pylist(), tf_example.float_feature)
        yield _features(name + EXACT, _utf8(plain), tf_example.bytes_feature)
    else:
        yield _features(name, _utf8(plain), tf_example.bytes_feature)


def _utf8(column: pa.Array) -> list[bytes | None]:
    return [None if text is None else text.encode() for text in to_text(column).to_pylist()]


def _features(
    name: str, values: list[_Value | None], feature: Callable[[_Value], bytes]
) -> list[tuple[bytes, bytes] | None]:
    key = tf_example.key_of(name)
    return [None if value is None else (key, feature(value)) for value in values]


def read(filesystem: pafs.FileSystem, path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows of a file with these columns. Raises InvalidRecord where a checksum does not fit."""
    held: list[Mapping[str, Feature]] = []
    for message in _messages(filesystem, path):
        held.append(tf_example.parse_example(message))
        if len(held) == _READ_ROWS:
            yield _batch(held, schema)
            held = []
    if held:
        yield _batch(held, schema)


def _batch(rows: list[Mapping[str, Feature]], schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([_column(rows, field) for field in schema], schema=schema)


def _column(rows: list[Mapping[str, Feature]], field: pa.Field) -> pa.Array:
    type_ = _plain(field.type)
    name = field.name + EXACT if types.is_floating(type_) else field.name
    values = [row[name][0] if row.get(name) else None for row in rows]
    if _is_int64(type_):
        return pa.array(values, pa.int64()).cast(field.type)
    if _is_bytes(type_):
        return pa.array(values, type_).cast(field.type)
    return from_text(pa.array([_text(value) for value in values], pa.string()), field.type)


def _text(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, bytes):
        raise InvalidRecord("a TFRecord has another kind of feature than its column")
    return value.decode()


def _messages(filesystem: pafs.FileSystem, path: str) -> Iterator[bytes]:
    with filesystem.open_input_stream(path, compression=None, buffer_size=2**20) as stream:
        while header := stream.read(tf_example.HEADER_BYTES):
            message = stream.read(tf_example.record_length(header))
            tf_example.check_message(message, stream.read(tf_example.FOOTER_BYTES))
            yield message


def count(filesystem: pafs.FileSystem, path: str) -> int:
    """Records, checksums checked."""
    return sum(1 for _ in _messages(filesystem, path))


TFRECORD = Container(
    name="tfrecord", suffix=".tfrecord", open=TfrecordFile, read=read, count=count, checks=check_columns
)
