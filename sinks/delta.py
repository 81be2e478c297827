"""One Delta table as the sink writes it: files first, then one commit that carries the files and the offsets.

Facts of deltalake 1.6.6, found by experiment, that this stands on:

- A handle does not see its own commit; it has to be refreshed.
- With `max_commit_retries=0` a commit becomes exactly the version after the handle's, or fails. With retries the
  library rebases it on concurrent commits and lets a removal pass whose file a concurrent *compaction* replaced: the
  removed rows would live on in the new file. So every commit here is made with no retries, and this module decides
  what a commit in between means: the fence moved (LeaseLost), a file to rewrite is gone (StaleSnapshotError), or
  nothing (commit again, without writing the files anew).
- Offsets (`Transaction`) survive checkpoints and log clean-up.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema, Transaction
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction, RemoveAction

from schemas.errors import LeaseLost, StorageUnavailable
from sinks.files import DataFile, copy_without, now_millis
from sinks.plan import Change, Hit
from sinks.rows import arrow_table
from sinks.tables import TableSpec

NOTHING = -1
"""Committed offset of a topic partition of which nothing is stored."""

COMMIT_ATTEMPTS = 50
NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
_CLIENT_OPTIONS = {"max_retries": "3", "retry_timeout": "15s", "connect_timeout": "5s", "timeout": "30s"}
"""The object store client gives up early: the sink itself retries, and meanwhile answers Kafka and signals."""

Fence = Mapping[str, tuple[int, int]]
"""Per app id the offset that the table must hold (NOTHING when none), and the one it holds after the commit."""

ResultT = TypeVar("ResultT")


def client_options(options: Mapping[str, str]) -> dict[str, str]:
    """Storage options with the client's patience; none for a directory."""
    return _CLIENT_OPTIONS | dict(options) if options else {}


def active_sizes(table: DeltaTable) -> dict[str, int]:
    """Files of the version that the handle sees, with their sizes in bytes."""
    active = pa.table(table.get_add_actions())
    return dict(zip(active["path"].to_pylist(), active["size_bytes"].to_pylist(), strict=True))


def commit_next(
    table: DeltaTable, spec: TableSpec, actions: Sequence[AddAction | RemoveAction], offsets: Sequence[Transaction] = ()
) -> bool:
    """Commit at exactly the version after the one that the handle sees; False where another commit came first.

    In both cases the handle then sees the newest version.
    """
    properties = CommitProperties(app_transactions=list(offsets), max_commit_retries=0)
    try:
        table.create_write_transaction(
            list(actions),
            "append",
            spec.schema,
            commit_properties=properties,
            post_commithook_properties=NO_HOOKS,
        )
    except CommitFailedError:
        table.update_incremental()
        return False
    table.update_incremental()
    return True


class StaleSnapshotError(Exception):
    """A file that the change rewrites was replaced: look up and plan again."""


class SinkTable:
    """Reads and writes one table. Every method raises StorageUnavailable when the store does not answer."""

    def __init__(self, spec: TableSpec, uri: str, options: Mapping[str, str], history_hours: float = 168) -> None:
        self.spec = spec
        self.uri = uri
        self._options = client_options(options)
        self._history_hours = history_hours
        self._handle: DeltaTable | None = None

    def create(self) -> None:
        """Create the table when there is none yet; give one of an earlier release the columns it lacks."""
        history = f"interval {max(1, round(self._history_hours * 60))} minutes"
        configuration = {
            "delta.logRetentionDuration": history,
            "delta.deletedFileRetentionDuration": history,
            "delta.dataSkippingStatsColumns": ",".join(self.spec.stats),
        }

        def make() -> DeltaTable:
            try:
                return self._open()
            except TableNotFoundError:
                pass
            try:
                return DeltaTable.create(
                    self.uri,
                    self.spec.schema,
                    mode="ignore",
                    name=self.spec.name,
                    configuration=configuration,
                    storage_options=self._options,
                )
            except (CommitFailedError, DeltaError):
                return self._open()  # another process created it just now

        self._handle = self._guarded("create", make)
        self._guarded("widen", self._add_columns)

    def _add_columns(self) -> None:
        for last in (False, False, True):
            table = self._table()
            known = {field.name for field in table.schema().fields}
            missing = [field for field in self.spec.schema if field.name not in known]
            if not missing:
                return
            try:
                table.alter.add_columns(list(Schema.from_arrow(pa.schema(missing)).fields))
                return
            except CommitFailedError:
                if last:
                    raise
                self._handle = None  # another process did it just now, or writes: look again

    def refresh(self) -> None:
        """See what others committed."""
        table = self._table()
        self._guarded("read", table.update_incremental)

    def committed(self, app: str) -> int:
        """Last offset that the seen version holds of a topic partition."""
        table = self._table()
        version = self._guarded("read", lambda: table.transaction_version(app))
        return NOTHING if version is None else version

    def find(self, column: str, values: Collection[str]) -> list[Hit]:
        """Rows whose `column` holds one of the values. Reads two columns of the whole table: for the rare case."""
        if not values:
            return []
        wanted = ds.field(column).isin(pa.array(sorted(values), pa.string()))
        found = self._scan([column, "revision", "__filename"], wanted)
        return [Hit(*hit) for hit in zip(*(found.column(index).to_pylist() for index in range(3)), strict=True)]

    def values_where(self, column: str, condition: ds.Expression) -> pa.Table:
        """One column, of the rows that meet a condition on columns with statistics."""
        return self._scan([column], condition)

    def commit(self, change: Change, fence: Fence) -> int:
        """Commit a change and the offsets of `fence` at once; the version it became.

        A commit that is already there is recognised by its offsets. Raises LeaseLost when the table holds other
        offsets than the fence says (someone else writes these partitions), StaleSnapshotError when the change has to be
        planned again.
        """
        return self._guarded("write", lambda: self._commit(change, fence))

    def _commit(self, change: Change, fence: Fence) -> int:
        table = self._table()
        actions: list[Any] | None = None
        for _ in range(COMMIT_ATTEMPTS):
            if self._is_committed(table, fence):
                return int(table.version())
            removed = self._removals(table, change)
            if actions is None:
                actions = self._write_files(table, change)
            offsets = [Transaction(app, target) for app, (_, target) in fence.items()]
            if commit_next(table, self.spec, [*actions, *removed], offsets):
                return int(table.version())
        raise StorageUnavailable(f"table {self.spec.name}: {COMMIT_ATTEMPTS} commits in a row were overtaken")

    def _is_committed(self, table: DeltaTable, fence: Fence) -> bool:
        """True when the table already holds the targets. Raises LeaseLost when it holds neither side of the fence."""
        held = {app: self.committed(app) for app in fence}
        if held == {app: before for app, (before, _) in fence.items()}:
            return all(before == after for before, after in fence.values()) and bool(fence)
        if held == {app: after for app, (_, after) in fence.items()}:
            return True
        moved = sorted(app for app, (before, _) in fence.items() if held[app] != before)
        raise LeaseLost(f"table {self.spec.name}: another writer moved {', '.join(moved)}")

    def _removals(self, table: DeltaTable, change: Change) -> list[RemoveAction]:
        if not change.paths:
            return []
        sizes = active_sizes(table)
        if not change.paths <= sizes.keys():
            raise StaleSnapshotError(self.spec.name)
        now = now_millis()
        return [RemoveAction(path, True, now, sizes[path], {}) for path in sorted(change.paths)]

    def _write_files(self, table: DeltaTable, change: Change) -> list[AddAction]:
        store = pafs.PyFileSystem(DeltaStorageHandler.from_table(table._table))
        added = []
        if change.rows:
            out = DataFile(store, self.spec)
            out.write(arrow_table(self.spec.name, change.rows))
            added.append(out.close())
        for path in sorted(change.paths):
            out = DataFile(store, self.spec)
            copy_without(store, [path], change.deletions, out)
            added.append(out.close())
        return [action for action in added if action is not None]

    def _scan(self, columns: list[str], condition: ds.Expression) -> pa.Table:
        table = self._table()
        return self._guarded(
            "read", lambda: table.to_pyarrow_dataset().to_table(columns=columns, filter=condition, batch_readahead=2)
        )

    def _open(self) -> DeltaTable:
        return DeltaTable(self.uri, storage_options=self._options)

    def _table(self) -> DeltaTable:
        if self._handle is None:
            self._handle = self._guarded("open", self._open)
        return self._handle

    def _guarded(self, verb: str, action: Callable[[], ResultT]) -> ResultT:
        try:
            return action()
        except (OSError, DeltaError, pa.ArrowException) as error:
            # A handle of before the failure may lag behind what the failed call did.
            self._handle = None
            raise StorageUnavailable(
                f"table {self.spec.name} at {self.uri}: cannot {verb} ({_reason(error)})"
            ) from error


def _reason(error: Exception) -> str:
    """The library's words on one line, without the colours it paints them in."""
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m|\s*↳\s*", " ", str(error)).split())
    return f"{type(error).__name__}: {text[:600]}"
