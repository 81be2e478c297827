"""DuckDB as a build uses it: bounded memory, a directory for what does not fit, nothing of the outside in reach."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import duckdb
import pyarrow as pa

from schemas.errors import TdcError
from sinks.packages.errors import PackageError, storage_error

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
            "SET TimeZone = 'UTC'",
            "SET autoinstall_known_extensions = false",
            "SET autoload_known_extensions = false",
            "SET python_enable_replacements = false",
            "SET enable_external_access = false",
            "SET lock_configuration = true",
        ):
            self._connection.execute(statement)

    def close(self) -> None:
        """Let go of memory and files."""
        self._connection.close()

    def register(self, name: str, relation: Any) -> None:
        """Make Arrow data a relation; a stream can be read by one statement only."""
        self._connection.register(name, relation)

    def load(self, name: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """A table out of batches."""
        self.register("incoming", pa.RecordBatchReader.from_batches(schema, batches))
        self.run(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM incoming")

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


def counts(rows: Iterable[tuple[Any, ...]]) -> Mapping[str, int]:
    """Name and number of each row."""
    return {str(name): int(number) for name, number in rows}
