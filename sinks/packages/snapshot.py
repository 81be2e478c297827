"""Tables pinned to one version each: what a build reads, whatever is committed meanwhile."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

import pyarrow as pa
import pyarrow.dataset as ds
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from schemas.errors import StorageUnavailable
from schemas.settings import Settings
from sinks.delta import client_options
from sinks.packages.errors import PackageError
from sinks.packages.facts import TableVersion
from sinks.packages.manifest import StoredOffset
from sinks.query import arrow_filesystem
from sinks.tables import TABLES, app_id, table_uri

ResultT = TypeVar("ResultT")

_BATCH_ROWS = 2048
_MISSES = 16
"""Partitions without an offset, beyond those of the settings, after which no more are looked for."""
_ABSENT = -1
"""Version of a table that does not exist yet."""


@dataclass(frozen=True)
class Snapshot:
    """Every table at one version."""

    versions: tuple[TableVersion, ...]
    offsets: tuple[StoredOffset, ...]
    """How far each table had read its topics."""
    _datasets: Mapping[str, ds.Dataset | None]

    def read(self, table: str, columns: Sequence[str], condition: ds.Expression | None = None) -> pa.RecordBatchReader:
        """Columns of one table as a stream; little of it is in memory at a time."""
        schema = pa.schema([TABLES[table].schema.field(name) for name in columns])
        dataset = self._datasets[table]
        if dataset is None:
            return pa.RecordBatchReader.from_batches(schema, iter(()))
        scanner = dataset.scanner(
            columns=list(columns), filter=condition, batch_size=_BATCH_ROWS, batch_readahead=1, fragment_readahead=1,
            use_threads=False,
        )  # fmt: skip
        return scanner.to_reader()

    def dataset(self, table: str) -> ds.Dataset | pa.Table:
        """A whole table, for SQL that chooses its columns itself."""
        found = self._datasets[table]
        return TABLES[table].schema.empty_table() if found is None else found


def pin(
    settings: Settings,
    wanted: Mapping[str, int] | None = None,
    known_offsets: tuple[StoredOffset, ...] | None = None,
) -> Snapshot:
    """The tables at their current versions, or at the `wanted` ones, of which offsets may be known already.

    Raises PackageError when a wanted version is no longer kept, StorageUnavailable when the store does not answer.
    """
    versions: dict[str, TableVersion] = {}
    offsets: list[StoredOffset] = []
    datasets: dict[str, ds.Dataset | None] = {}
    # Backwards: tables commit in order, so nothing is seen older than what builds on it.
    for name in reversed(list(TABLES)):
        table = _open(settings, name, None if wanted is None else wanted.get(name, _ABSENT))
        if table is None:
            versions[name], datasets[name] = TableVersion(table=name, version=_ABSENT, rows=0), None
            continue
        schema, files = TABLES[name].schema, arrow_filesystem(settings, name)
        found = _guarded(name, table, lambda table: table.to_pyarrow_dataset(schema=schema, filesystem=files))  # noqa: B023
        datasets[name] = found
        rows = _guarded(name, table, lambda table: table.count())
        versions[name] = TableVersion(table=name, version=table.version(), rows=rows)
        if known_offsets is None:
            offsets += _offsets(name, table, settings.kafka.partitions)
    return Snapshot(
        tuple(versions[name] for name in TABLES),
        known_offsets or tuple(sorted(offsets, key=lambda stored: (stored.table, stored.topic, stored.partition))),
        datasets,
    )


def _open(settings: Settings, name: str, version: int | None) -> DeltaTable | None:
    if version == _ABSENT:
        return None
    uri = table_uri(settings.storage_root(), name)
    try:
        return DeltaTable(uri, version=version, storage_options=client_options(settings.storage_options()))
    except TableNotFoundError as error:
        if version is None:
            return None
        raise _gone(name, version) from error
    except (OSError, DeltaError) as error:
        if version is not None and "nvalid table version" in str(error):
            raise _gone(name, version) from error
        raise StorageUnavailable(f"table {name} at {uri} cannot be read ({type(error).__name__})") from error


def _gone(name: str, version: int) -> PackageError:
    return PackageError(
        f"table {name} no longer has version {version}: its history is kept for sink.history_hours only. "
        "Build a new version of the package from the current tables"
    )


def _offsets(name: str, table: DeltaTable, partitions: int) -> list[StoredOffset]:
    found = []
    for topic in TABLES[name].topics:
        misses = 0
        for partition in count():
            app = app_id(topic, partition)
            offset = _guarded(name, table, lambda table: table.transaction_version(app))  # noqa: B023
            misses = misses + 1 if offset is None else 0
            if misses >= _MISSES and partition >= partitions:
                break
            if offset is not None:
                found.append(StoredOffset(table=name, topic=topic, partition=partition, offset=offset))
    return found


def _guarded(name: str, table: DeltaTable, action: Callable[[DeltaTable], ResultT]) -> ResultT:
    try:
        return action(table)
    except (OSError, DeltaError, pa.ArrowException) as error:
        raise StorageUnavailable(f"table {name} cannot be read ({type(error).__name__})") from error
