"""Reading the tables: SQL over the current snapshots, and the counts that `tdc status` prints."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from schemas.errors import StorageUnavailable, UsageError
from schemas.settings import Settings
from sinks.delta import NOTHING, client_options
from sinks.tables import TABLES, app_id, table_uri

_LOCKS = (
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET python_enable_replacements = false",
    "SET TimeZone = 'UTC'",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
"""SQL sees the registered tables and nothing else: no files, no network, no variables of this process."""

ResultT = TypeVar("ResultT")

_READING = ("SELECT", "EXPLAIN", "RELATION")


@dataclass(frozen=True)
class TableCounts:
    """What is stored now."""

    rows: Mapping[str, int]
    """Rows by table; 0 where the table does not exist yet."""
    trace_events: int
    """Sum of `event_count` over `traces`."""


def query(settings: Settings, sql: str) -> pa.Table:
    """Run one reading statement over `traces`, `examples`, `decisions` and `patterns`.

    Each table that the statement names is read at its current version; one that does not exist yet is empty. Raises
    UsageError with DuckDB's words when the statement is wrong, StorageUnavailable when the tables cannot be read.
    """
    with _opened(settings, sql) as connection:
        return connection.sql(sql).to_arrow_table()


def query_batches(settings: Settings, sql: str, rows: int = 2048) -> Iterator[pa.RecordBatch]:
    """Like `query`, for results larger than memory: `rows` at a time."""
    with _opened(settings, sql) as connection:
        yield from connection.sql(sql).to_arrow_reader(rows)


@contextmanager
def _opened(settings: Settings, sql: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sees the tables `sql` names; errors on it come in our words."""
    with duckdb.connect(":memory:") as connection:
        try:
            statements = connection.extract_statements(sql)
        except duckdb.Error as error:
            raise UsageError(f"this SQL cannot be run: {error}") from None
        if len(statements) != 1 or statements[0].type.name not in _READING:
            raise UsageError("tdc query takes one statement that reads: SELECT, DESCRIBE, SUMMARIZE or EXPLAIN")
        named = [name for name in TABLES if re.search(rf"\b{name}\b", sql, re.IGNORECASE)]
        for name in named or TABLES:  # a statement that names none may ask which there are
            connection.register(name, _dataset(settings, name))
        for lock in _LOCKS:
            connection.execute(lock)
        try:
            yield connection
        except (duckdb.IOException, OSError, pa.ArrowException) as error:
            raise StorageUnavailable(f"the tables cannot be read: {error}") from error
        except RuntimeError as error:
            if "interrupt" not in str(error).lower():
                raise
            raise KeyboardInterrupt from None  # Ctrl-C, as DuckDB passes it on
        except duckdb.Error as error:
            if "reading the stream registered as" in str(error):  # how DuckDB passes on that a file is not there
                raise StorageUnavailable(f"the tables cannot be read: {error}") from error
            raise UsageError(f"this SQL cannot be run: {error}") from None


def stored_counts(settings: Settings) -> TableCounts:
    """Rows of each table, from the log alone, and the sum of events. Raises StorageUnavailable."""
    rows = {}
    for name in TABLES:
        table = _handle(settings, name)
        rows[name] = 0 if table is None else _guarded(table, lambda table: table.count())
    table = _handle(settings, "traces")
    events = 0 if table is None else _guarded(table, _sum_of_events)
    return TableCounts(rows=rows, trace_events=events)


def resume_points(settings: Settings, partitions: int | None = None) -> dict[str, dict[str, int]]:
    """Per table and topic partition (`traces-0`) the last stored offset, -1 when none.

    `partitions` is the number of partitions of each topic (default: `kafka.partitions`). A message is through the
    sink when *every* table of its topic is at its offset. Raises StorageUnavailable.
    """
    lanes = range(settings.kafka.partitions if partitions is None else partitions)
    points = {}
    for name, spec in TABLES.items():
        apps = [app_id(topic, lane) for topic in spec.topics for lane in lanes]
        table = _handle(settings, name)
        points[name] = {app: NOTHING if table is None else _offset(table, app) for app in apps}
    return points


def through(points: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """From `resume_points`: per topic partition the last offset that is in all of its tables."""
    lowest: dict[str, int] = {}
    for apps in points.values():
        for app, offset in apps.items():
            lowest[app] = min(offset, lowest.get(app, offset))
    return lowest


def _offset(table: DeltaTable, app: str) -> int:
    version = _guarded(table, lambda table: table.transaction_version(app))
    return NOTHING if version is None else version


def _sum_of_events(table: DeltaTable) -> int:
    total = 0
    for batch in table.to_pyarrow_dataset().to_batches(columns=["event_count"]):
        total += pc.sum(batch.column(0)).as_py() or 0
    return total


def _dataset(settings: Settings, name: str) -> ds.Dataset | pa.Table:
    table = _handle(settings, name)
    if table is None:
        return TABLES[name].schema.empty_table()
    files = arrow_filesystem(settings, name)
    return _guarded(table, lambda table: table.to_pyarrow_dataset(schema=TABLES[name].schema, filesystem=files))


def arrow_filesystem(settings: Settings, name: str) -> pafs.FileSystem:
    """Arrow's own file system at the root of a table.

    The one that deltalake offers calls back into Python: a statement that stops early (`LIMIT`) leaves read-ahead
    threads behind, and those abort the process when the interpreter ends.
    """
    uri = table_uri(settings.storage_root(), name)
    if not uri.startswith("s3://"):
        return pafs.SubTreeFileSystem(uri, pafs.LocalFileSystem())
    options = settings.storage_options()
    endpoint = options.get("aws_endpoint_url", "")
    store = pafs.S3FileSystem(
        access_key=options.get("aws_access_key_id"),
        secret_key=options.get("aws_secret_access_key"),
        region=options["aws_region"],
        endpoint_override=endpoint.partition("://")[2] or None,
        scheme="http" if endpoint.startswith("http://") else "https",
        connect_timeout=5,
        request_timeout=60,
    )
    return pafs.SubTreeFileSystem(uri.removeprefix("s3://"), store)


def _handle(settings: Settings, name: str) -> DeltaTable | None:
    uri = table_uri(settings.storage_root(), name)
    try:
        return DeltaTable(uri, storage_options=client_options(settings.storage_options()))
    except TableNotFoundError:
        return None
    except (OSError, DeltaError) as error:
        raise StorageUnavailable(f"table {name} at {uri} cannot be read ({type(error).__name__})") from error


def _guarded(table: DeltaTable, action: Callable[[DeltaTable], ResultT]) -> ResultT:
    try:
        return action(table)
    except (OSError, DeltaError, pa.ArrowException) as error:
        raise StorageUnavailable(f"{table.table_uri} cannot be read ({type(error).__name__})") from error
