"""JSON Lines, in gzip without a time stamp; uncompressed for readers that open nothing else.

A row of a table keeps all its keys. In a row of a shape a key whose value is null is left out. JSON text of a shape is
written as the value it is, character for character.
"""

import zlib
from collections.abc import Iterator

import msgspec
import pyarrow as pa
import pyarrow.fs as pafs

from sinks.packages.formats.base import Columns, Container, Sink, is_json
from sinks.packages.formats.cells import check_columns, from_json, to_json

_GZIP = zlib.MAX_WBITS | 16
_LEVEL = 6
_READ_ROWS = 1024
_CHUNK = 2**20
_ENCODER = msgspec.json.Encoder()


class JsonlFile:
    """One file of JSON Lines."""

    def __init__(self, sink: Sink, columns: Columns) -> None:
        self._sink = sink
        self._columns = columns
        self._json = [is_json(column) for column in columns.schema]

    def write(self, rows: pa.RecordBatch) -> None:
        self._sink.write(self.lines(rows))

    def lines(self, rows: pa.RecordBatch) -> bytes:
        """Text of the rows, each ended by a line feed."""
        names = rows.schema.names
        values = [
            _spliced(column) if raw else to_json(column) for column, raw in zip(rows.columns, self._json, strict=True)
        ]
        objects: list[object] = [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
        if self._columns.omit_nulls:
            objects = [
                {key: value for key, value in found.items() if value is not None}
                for found in objects
                if isinstance(found, dict)
            ]
        if self._columns.wrapper:
            objects = [{self._columns.wrapper: found} for found in objects]
        return _ENCODER.encode_lines(objects)

    def close(self) -> None:
        """Nothing stands at the end."""


def _spliced(column: pa.Array) -> list[object]:
    return [None if text is None else msgspec.Raw(_on_one_line(text).encode()) for text in column.to_pylist()]


def _on_one_line(text: str) -> str:
    # In JSON a bare line end stands between tokens only: in strings it is escaped.
    return text.replace("\n", " ").replace("\r", " ")


class GzippedJsonlFile(JsonlFile):
    """One file of JSON Lines in gzip. The header holds no time and no name, so the same rows give the same bytes."""

    def __init__(self, sink: Sink, columns: Columns) -> None:
        super().__init__(sink, columns)
        self._gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)

    def write(self, rows: pa.RecordBatch) -> None:
        self._sink.write(self._gzip.compress(self.lines(rows)))

    def close(self) -> None:
        self._sink.write(self._gzip.flush())


def read(filesystem: pafs.FileSystem, path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows of a file with these columns."""
    decoder = msgspec.json.Decoder(dict[str, object])
    held: list[dict[str, object]] = []
    for line in lines(filesystem, path):
        held.append(decoder.decode(line))
        if len(held) == _READ_ROWS:
            yield _batch(held, schema)
            held = []
    if held:
        yield _batch(held, schema)


def _batch(rows: list[dict[str, object]], schema: pa.Schema) -> pa.RecordBatch:
    arrays = [from_json([row.get(column.name) for row in rows], column.type) for column in schema]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _chunks(filesystem: pafs.FileSystem, path: str) -> Iterator[bytes]:
    compression = "gzip" if path.endswith(".gz") else None
    with filesystem.open_input_stream(path, compression=compression) as stream:
        while chunk := stream.read(_CHUNK):
            yield chunk


def lines(filesystem: pafs.FileSystem, path: str) -> Iterator[bytes]:
    """The lines of a file, packed or not."""
    held: list[bytes] = []
    for chunk in _chunks(filesystem, path):
        first, *more = chunk.split(b"\n")
        held.append(first)
        for following in more:
            yield b"".join(held)
            held = [following]
    rest = b"".join(held)
    if rest:
        yield rest


def count(filesystem: pafs.FileSystem, path: str) -> int:
    """Lines."""
    return sum(chunk.count(b"\n") for chunk in _chunks(filesystem, path))


JSONL = Container(
    name="jsonl",
    suffix=".jsonl.gz",
    open=GzippedJsonlFile,
    read=read,
    count=count,
    plain=JsonlFile,
    plain_suffix=".jsonl",
    checks=check_columns,
)
