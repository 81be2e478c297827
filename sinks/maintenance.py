"""Upkeep of the tables: checkpoints, compaction, vacuum, log clean-up. Beside the sink, never in its way.

It runs on handles of its own, in a thread. Rows that are appended meanwhile do not disturb a compaction; rows that
are taken out make it fail, and the next round tries again. The sink's own commits see a compaction and plan again.

Several sinks may compact one table at the same time. The library's own `optimize` lets both pass, and then every row
stands twice (deltalake 1.6.6: removals without `dataChange` are no conflict for it). So merged files are written and
committed here, as the sink commits: at exactly the version after the one that was looked at, and only while all files
that were merged are still part of the table.
"""

import logging
import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.fs as pafs
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import RemoveAction

from schemas.settings import Settings
from sinks.delta import COMMIT_ATTEMPTS, NO_HOOKS, active_sizes, client_options, commit_next
from sinks.files import DataFile, copy_without, now_millis
from sinks.tables import TABLES, TableSpec, table_uri

log = logging.getLogger(__name__)

SMALL_FILE_SHARE = 16
"""Files below target / 16 are merged every time; larger ones only every MERGE_ALL_EVERY times. Otherwise the file
that grows towards the target would be written anew with every small batch."""
MERGE_ALL_EVERY = 10
CLEAN_EVERY = 20
"""Every so many compactions, files and log entries beyond the stated history are deleted."""


@dataclass(frozen=True)
class Upkeep:
    """What one round did to one table."""

    table: str
    files_removed: int = 0
    files_added: int = 0
    files_deleted: int = 0
    """Files that vacuum took off the store."""
    overtaken: bool = False
    """True when another commit came first; the next round tries again."""


def open_handle(settings: Settings, name: str) -> DeltaTable:
    """A fresh handle of one table."""
    return DeltaTable(
        table_uri(settings.storage_root(), name), storage_options=client_options(settings.storage_options())
    )


def compact(settings: Settings, name: str, *, target_bytes: int | None = None) -> Upkeep:
    """Merge files smaller than the target (default: `sink.target_file_bytes`), and write a checkpoint."""
    spec = TABLES[name]
    table = open_handle(settings, name)
    removed = added = 0
    overtaken = False
    if {field.name for field in table.schema().fields} <= set(spec.schema.names):  # else of a later release: its own
        for sizes in _bins(table, target_bytes or settings.sink.target_file_bytes):
            if not _merge(table, spec, sizes):
                overtaken = True
                break
            removed, added = removed + len(sizes), added + 1
    table.update_incremental()
    table.create_checkpoint()
    return Upkeep(name, files_removed=removed, files_added=added, overtaken=overtaken)


def _bins(table: DeltaTable, target_bytes: int) -> list[dict[str, int]]:
    """Files to merge with one another, oldest first, with their sizes: together no more than the target."""
    active = pa.table(table.get_add_actions()).select(["modification_time", "path", "size_bytes"]).to_pylist()
    bins: list[dict[str, int]] = [{}]
    for _, path, size in sorted(tuple(row.values()) for row in active if row["size_bytes"] < target_bytes):
        if sum(bins[-1].values()) + size > target_bytes:
            bins.append({})
        bins[-1][path] = size
    return [sizes for sizes in bins if len(sizes) > 1]


def _merge(table: DeltaTable, spec: TableSpec, sizes: Mapping[str, int]) -> bool:
    """Put one file in the place of several; False when one of them is not part of the table any more."""
    store = pafs.PyFileSystem(DeltaStorageHandler.from_table(table._table))
    out = DataFile(store, spec)
    copy_without(store, sizes, (), out)
    merged = out.close(data_change=False)
    now = now_millis()
    actions = [RemoveAction(path, False, now, size, {}) for path, size in sizes.items()]
    for _ in range(COMMIT_ATTEMPTS):
        if not sizes.keys() <= active_sizes(table).keys():
            return False
        if commit_next(table, spec, [*([merged] if merged else []), *actions]):
            return True
    return False


def clean(settings: Settings, name: str) -> Upkeep:
    """Delete files and log entries that are older than `sink.history_hours` and no longer part of the table.

    Files that no commit names are orphans of a crash, or of a writer that has not committed yet: they are left for an
    hour at least.
    """
    table = open_handle(settings, name)
    hours = math.ceil(settings.sink.history_hours)
    deleted = []
    for kept_hours, orphans in ((hours, False), (max(1, hours), True)):
        deleted += table.vacuum(
            kept_hours,
            dry_run=False,
            enforce_retention_duration=False,
            full=orphans,
            post_commithook_properties=NO_HOOKS,
        )
        table.update_incremental()
    table.create_checkpoint()
    table.cleanup_metadata()
    return Upkeep(name, files_deleted=len(deleted))


class Maintenance:
    """Counts commits, and starts a round in a thread when a table is due. One round at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._commits = dict.fromkeys(TABLES, 0)
        self._rounds = dict.fromkeys(TABLES, 0)
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()

    def committed(self, names: Iterable[str]) -> None:
        """Count one commit of each of these tables."""
        for name in names:
            self._commits[name] += 1
        if self._thread is not None and self._thread.is_alive():
            return
        due = [name for name, count in self._commits.items() if count >= self._settings.sink.compact_every_commits]
        if not due:
            return
        rounds = {}
        for name in due:
            self._commits[name] = 0
            self._rounds[name] += 1
            rounds[name] = self._rounds[name]
        self._thread = threading.Thread(target=self._run, args=(rounds,), name="sink-maintenance", daemon=True)
        self._thread.start()

    def stop(self, seconds: float = 30.0) -> None:
        """Let the step that runs come to its end; what is not started is left for the next process."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(seconds)

    def _run(self, rounds: Mapping[str, int]) -> None:
        target = self._settings.sink.target_file_bytes
        for name, number in rounds.items():
            if self._stopping.is_set():
                return
            try:
                merge_all = number % MERGE_ALL_EVERY == 0
                done = compact(self._settings, name, target_bytes=None if merge_all else target // SMALL_FILE_SHARE)
                log.info("compaction: %s", done)
                if number % CLEAN_EVERY == 0 and not self._stopping.is_set():
                    log.info("clean-up: %s", clean(self._settings, name))
            except (OSError, DeltaError, pa.ArrowException) as error:
                log.warning("upkeep of table %s failed (%s); it is tried again later", name, type(error).__name__)
