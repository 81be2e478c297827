"""Upkeep of the tables: checkpoints, compaction, vacuum, log clean-up. Beside the sink, never in its way.

It runs on handles of its own, in a thread. Rows that are appended meanwhile do not disturb a compaction; rows that
are taken out make it fail, and the next round tries again. The sink's own commits see a compaction and plan again.
"""

import logging
import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa
from deltalake import DeltaTable, PostCommitHookProperties, WriterProperties
from deltalake.exceptions import CommitFailedError, DeltaError

from schemas.settings import Settings
from sinks.delta import client_options
from sinks.tables import TABLES, TableSpec, table_uri

log = logging.getLogger(__name__)

SMALL_FILE_SHARE = 16
"""Files below target / 16 are merged every time; larger ones only every MERGE_ALL_EVERY times. Otherwise the file
that grows towards the target would be written anew with every small batch."""
MERGE_ALL_EVERY = 10
CLEAN_EVERY = 20
"""Every so many compactions, files and log entries beyond the stated history are deleted."""

_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


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
    done = Upkeep(name)
    try:
        metrics = table.optimize.compact(
            target_size=target_bytes or settings.sink.target_file_bytes,
            max_concurrent_tasks=1,
            writer_properties=_writer_properties(spec),
            post_commithook_properties=_NO_HOOKS,
        )
        done = Upkeep(name, files_removed=metrics["numFilesRemoved"], files_added=metrics["numFilesAdded"])
    except CommitFailedError:
        done = Upkeep(name, overtaken=True)
    table.update_incremental()
    table.create_checkpoint()
    return done


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
            post_commithook_properties=_NO_HOOKS,
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


def _writer_properties(spec: TableSpec) -> WriterProperties:
    return WriterProperties(compression="ZSTD", max_row_group_size=spec.row_group_rows)
