"""DuckDB as a build uses it: bounded memory, a directory for what does not fit, nothing of the outside in reach."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType

from schemas.errors import TdcError
from sinks.packages import fingerprints
from sinks.packages.errors import PackageError, storage_error
from sinks.packages.kinds import KINDS, Kind

ResultT = TypeVar("ResultT")

BATCH_ROWS = 2048
_GONE = (
    "No such file",
    "does not exist",
    "404",
    "Not Found",
    "NO_SUCH_KEY",
    "cannot open file",
    "Failed to open local",
)


class Engine:
    """A connection of its own. Failures come out as errors of this project."""

    def __init__(self, directory: Path, memory_mb: int) -> None:
        # A file of its own: tables that do not fit are let go of, and strings that repeat are stored once.
        self._connection = duckdb.connect(str(directory / f"{uuid.uuid4().hex}.duckdb"))
        for statement in (
            f"SET memory_limit = '{memory_mb}MB'",
            f"SET temp_directory = '{str(directory).replace(chr(39), chr(39) * 2)}'",
            "SET threads = 1",
            "SET preserve_insertion_order = false",
            # The left side of a join streams by, as it is written: how many rows a stream of Arrow has, nobody knows.
            "SET disabled_optimizers = 'build_side_probe_side'",
            "SET TimeZone = 'UTC'",
            "SET autoinstall_known_extensions = false",
            "SET autoload_known_extensions = false",
            "SET python_enable_replacements = false",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            self._connection.execute(statement)
        self._define("fingerprint", lambda column: fingerprints.of_values(_whole(column)), "VARCHAR")
        for kind in {kind.table: kind for kind in KINDS.values()}.values():
            self._define(f"digest_of_{kind.table}", partial(_digests, kind), _struct(kind.schema))

    def _define(self, name: str, function: Callable[[Any], pa.Array], type_: str) -> None:
        self._connection.create_function(
            name, function, [type_], "VARCHAR", type=PythonUDFType.ARROW, null_handling=FunctionNullHandling.SPECIAL
        )

    def close(self) -> None:
        """Let go of memory and files."""
        self._connection.close()

    def register(self, name: str, relation: Any) -> None:
        """Make Arrow data a relation; a stream can be read by one statement only."""
        self._connection.register(name, relation)

    def load(
        self,
        name: str,
        schema: pa.Schema,
        batches: Iterable[pa.RecordBatch],
        *,
        columns: str = "*",
        beside: bool = False,
    ) -> None:
        """A table out of batches, with `columns` (SQL) of them. `beside` the stream that they are made of."""
        connection = self._connection.cursor() if beside else self._connection
        failures: list[Exception] = []  # what a batch failed with comes out of the database as text only

        def watched() -> Iterator[pa.RecordBatch]:
            try:
                yield from batches
            except Exception as error:
                failures.append(error)
                raise

        def loaded() -> None:
            try:
                connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT {columns} FROM incoming")
            except duckdb.Error as error:
                raise (failures[0] if failures else error) from error

        connection.register("incoming", pa.RecordBatchReader.from_batches(schema, watched()))
        self._guarded(loaded)

    def run(self, sql: str, values: list[object] | None = None) -> None:
        """Execute a statement."""
        self._guarded(lambda: self._connection.execute(sql, values))

    def all(self, sql: str) -> list[tuple[Any, ...]]:
        """Every row of a small result."""
        found: list[tuple[Any, ...]] = self._guarded(lambda: self._connection.execute(sql).fetchall())
        return found

    def number(self, sql: str) -> int:
        """The one whole number of a result; 0 for NULL."""
        return int(self.all(sql)[0][0] or 0)

    def stream(self, sql: str, rows: int = BATCH_ROWS, *, beside: bool = False) -> Iterator[pa.RecordBatch]:
        """A large result, batch by batch. `beside` other statements that run meanwhile; it then sees tables only."""
        connection = self._connection.cursor() if beside else self._connection
        reader = self._guarded(lambda: connection.sql(sql).to_arrow_reader(rows))
        while True:
            try:
                batch = self._guarded(reader.read_next_batch)
            except StopIteration:
                return
            yield batch

    def _guarded(self, action: Callable[[], ResultT]) -> ResultT:
        try:
            return action()
        except (TdcError, StopIteration):
            raise
        except (duckdb.Error, OSError, pa.ArrowException) as error:
            raise reading_error(error) from error


def reading_error(error: Exception) -> TdcError:
    """What a failure while rows are read means."""
    text = " ".join(str(error).split())
    if isinstance(error, duckdb.OutOfMemoryException):
        return PackageError(
            f"the build needs more memory than --memory-mb gives it ({text[:200]}); nothing was published"
        )
    if any(sign in text for sign in _GONE):
        return PackageError(
            "a file of the pinned tables is gone: they were cleaned up meanwhile, see sink.history_hours. "
            "Nothing was published; build again"
        )
    return storage_error(error, "reading the tables")


_SQL_TYPES = {
    "string": "VARCHAR",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "timestamp[us, tz=UTC]": "TIMESTAMP WITH TIME ZONE",
    "list<element: string>": "VARCHAR[]",
}


def _struct(schema: pa.Schema) -> str:
    """The SQL type of a row of these columns."""
    return f"STRUCT({', '.join(f'{field.name} {_SQL_TYPES[str(field.type)]}' for field in schema)})"


def _whole(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _digests(kind: Kind, rows: pa.Array | pa.ChunkedArray) -> pa.Array:
    return kind.hashed(pa.RecordBatch.from_struct_array(_whole(rows)))[1]
