"""Writing one split of a package in one format, in bounded memory, the same bytes for the same rows."""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import pyarrow as pa
import pyarrow.fs as pafs

from schemas.errors import UsageError
from schemas.seed_text import nests_too_deep
from sinks.packages.columns import WrittenFile
from sinks.packages.formats.base import JSON_COLUMNS, Cells, Columns, ContainerFile, ExampleRow, Shape, Sink, Unfit
from sinks.packages.formats.catalogue import Format, format_named
from sinks.packages.formats.groups import GROUP_BYTES, Groups
from sinks.packages.formats.json_text import Stand
from sinks.packages.formats.shards import Place, Shards
from sinks.tables import TABLES

TRAINING_TYPE = b"training_type"
"""Key in the metadata of the schema: what the conversation shape calls the training type, the package's name."""

MAX_SHARD_BYTES = 4 * 2**30
"""More, and a store can no longer copy a file in one request."""

_REPEATED = frozenset(name for spec in TABLES.values() for name in spec.repeated)
_KNOWN = frozenset(name for spec in TABLES.values() for name in spec.schema.names)


class Writer:
    """Rows to files. `write` and `close` raise what the file system raises; then `abort` cleans up."""

    def __init__(self, format_: Format, schema: pa.Schema, shards: Shards, group_bytes: int) -> None:
        self._schema = schema
        self._shape = _Reshaper(format_.shape, schema) if format_.shape else None
        self._groups = Groups(group_bytes)
        self._shards = shards
        self._skipped: Counter[str] = Counter()

    @property
    def skipped(self) -> Mapping[str, int]:
        """Rows that the format cannot hold, by reason."""
        return dict(sorted(self._skipped.items()))

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows in: of the schema the writer was opened with, in its order of columns."""
        if not batch.schema.equals(self._schema):
            raise UsageError("these rows have other columns than the writer was opened for")
        rows = self._shape.reshaped(batch, self._skipped) if self._shape else batch
        for group in self._groups.add(rows):
            self._shards.write(group)

    def close(self) -> tuple[WrittenFile, ...]:
        """Finish; the files in order, none where there was no row."""
        rest = self._groups.rest()
        if rest is not None:
            self._shards.write(rest)
        return self._shards.close()

    def abort(self) -> None:
        """Give up, and remove what was written as far as that is possible."""
        self._shards.abort()


def open_writer(
    format: str, schema: pa.Schema, filesystem: pafs.FileSystem, root: str, split: str, shard_bytes: int
) -> Writer:
    """A writer of rows of this schema below `root`, in files of about `shard_bytes`.

    Raises UsageError for an unknown format, columns that it needs and the schema lacks, and types that it cannot hold.
    """
    found = format_named(format)
    if not 1 <= shard_bytes <= MAX_SHARD_BYTES:
        raise UsageError(f"a file can have 1 to {MAX_SHARD_BYTES} bytes, not {shard_bytes}")
    columns = _columns(found, schema)
    found.container.checks(columns.schema)
    place = Place(filesystem, root.rstrip("/"), found.folder(split), split, found.suffix, found.name)

    def open_file(sink: Sink) -> ContainerFile:
        if found.plain and found.container.plain is not None:
            return found.container.plain(sink, columns)
        return found.container.open(sink, columns)

    return Writer(found, schema, Shards(place, shard_bytes, open_file), min(GROUP_BYTES, shard_bytes))


def _columns(format_: Format, schema: pa.Schema) -> Columns:
    shape = format_.shape
    if shape is None:
        return Columns(schema, dictionary=_repeated(schema))
    missing = sorted(set(shape.needs) - set(schema.names))
    if missing:
        raise UsageError(f"the format {format_.name} needs the columns {', '.join(missing)}")
    return Columns(shape.fields, shape.wrapper, omit_nulls=True, dictionary=("tools", "type", "training_type"))


def _repeated(schema: pa.Schema) -> tuple[str, ...]:
    """Columns worth a dictionary. Unknown ones may be; in long texts and ids it only costs."""
    paths = []
    for column in schema:
        path = f"{column.name}.list.{column.type.value_field.name}" if pa.types.is_list(column.type) else column.name
        if path in _REPEATED or column.name not in _KNOWN:
            paths.append(path)
    return tuple(paths)


class _Reshaper:
    """Rows of a table to rows of a shape."""

    def __init__(self, shape: Shape, schema: pa.Schema) -> None:
        self._shape = shape
        self._read = tuple(name for name in ExampleRow.__struct_fields__ if name in schema.names)
        metadata = schema.metadata or {}
        self._training_type = metadata[TRAINING_TYPE].decode() if TRAINING_TYPE in metadata else None

    def reshaped(self, batch: pa.RecordBatch, skipped: Counter[str]) -> pa.RecordBatch:
        columns = [batch.column(name).to_pylist() for name in self._read]
        rows: list[Cells] = []
        for values in zip(*columns, strict=True):
            example = ExampleRow(**dict(zip(self._read, values, strict=True)))
            try:
                rows.extend(self._rows(example))
            except Unfit as unfit:
                skipped[unfit.reason] += 1
        fields = self._shape.fields
        cells = zip(*rows, strict=True) if rows else ((),) * len(fields)
        arrays = [pa.array(column, field.type) for column, field in zip(cells, fields, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=fields)

    def _rows(self, example: ExampleRow) -> Sequence[Cells]:
        training_type = self._training_type or example.type or ""
        try:
            return tuple(self._shape.rows(example, training_type))
        except (msgspec.DecodeError, RecursionError):
            pass
        texts = {name: text for name in JSON_COLUMNS if (text := getattr(example, name)) is not None}
        if any(nests_too_deep(text) for text in texts.values()):
            raise Unfit("nests_too_deep")
        stand = Stand.of(tuple(texts.values()))
        without = msgspec.structs.replace(example, **{name: stand.put(text) for name, text in texts.items()})
        try:
            rows = tuple(self._shape.rows(without, training_type))
        except (msgspec.DecodeError, RecursionError):
            raise Unfit("unreadable_json") from None
        return tuple(tuple(self._back(stand, cell) for cell in row) for row in rows)

    @staticmethod
    def _back(stand: Stand, cell: object) -> object:
        return stand.taken_back(cell) if isinstance(cell, str) else cell
