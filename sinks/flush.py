"""From batches to commits: which table gets what, in which order, under which offsets.

Invariants:

- A commit of a table carries, with its files, the offsets it stands for. A message at or below a table's offset is
  skipped for that table, so a replay changes nothing, and a crash between two tables' commits is healed by the replay.
- Tables commit in the order traces, decisions, examples: whoever writes examples sees every decision that the
  examples table already knows of.
- Patterns stand alone: their table has one topic, and no other table looks into it.
- A partition number is one *lane* through all other topics (same key, same number of partitions). A commit of
  `examples` fences both topics of each lane it touches, so that two writers of one lane cannot pass each other unseen.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

import pyarrow.dataset as ds

from schemas.errors import StorageUnavailable
from schemas.settings import Settings
from sinks.buffer import Batch
from sinks.delta import NOTHING, Fence, SinkTable, StaleSnapshotError
from sinks.known import AmendedTraces, RecentKeys
from sinks.plan import Change, Entry, highest_revisions, latest, plan_examples, plan_latest, without_retracted
from sinks.tables import TABLES, TOPICS, app_id, table_uri

_PLANS = 20


@dataclass(frozen=True)
class FlushResult:
    """What a flush committed: rows by table (added, not counting replaced ones), and the tables that got a commit."""

    rows: Mapping[str, int]
    committed: tuple[str, ...]


def open_tables(settings: Settings) -> dict[str, SinkTable]:
    """Handles of all tables; nothing is read or created yet."""
    options = settings.storage_options()
    return {
        name: SinkTable(spec, table_uri(settings.storage_root(), name), options, settings.sink.history_hours)
        for name, spec in TABLES.items()
    }


class TableSink:
    """Writes batches of the lanes it was given. Methods raise StorageUnavailable (try again) and LeaseLost."""

    def __init__(self, tables: Mapping[str, SinkTable]) -> None:
        self._tables = tables
        self._held: dict[str, dict[str, int]] = {}
        self._recent = {name: RecentKeys() for name in TOPICS}
        self._amended = AmendedTraces()

    def create_tables(self) -> None:
        """Create the tables that do not exist."""
        for table in self._tables.values():
            table.create()

    def take_lanes(self, lanes: Collection[int]) -> None:
        """Read where the tables stand for these partition numbers; everything known of others is forgotten."""
        held: dict[str, dict[str, int]] = {}
        # Backwards: where someone else is committing now, no table may be seen older than one that builds on it.
        for name, table in reversed(list(self._tables.items())):
            table.refresh()
            apps = [app_id(topic, lane) for topic in table.spec.topics for lane in lanes]
            held[name] = {app: table.committed(app) for app in apps}
        amended = self._tables["decisions"].values_where("trace_id", ds.field("revision") > 1)
        self._amended.load(amended["trace_id"].to_pylist())
        self._held = held

    def resume_offset(self, topic: str, partition: int) -> int:
        """First offset of a taken lane that some table still needs."""
        return 1 + min(
            self._held[name][app_id(topic, partition)] for name in self._tables if topic in TABLES[name].topics
        )

    def flush(self, batch: Batch) -> FlushResult:
        """Commit a batch. After a failure the same batch, or a longer one, may be flushed again."""
        rows: dict[str, int] = {}
        writers: dict[str, Callable[[Batch], Change]] = {
            "traces": self._plan_traces,
            "decisions": self._plan_decisions,
            "examples": self._plan_examples,
            "patterns": self._plan_patterns,
        }
        for name, plan in writers.items():
            fence = self._fence(name, batch)
            if not fence:
                continue
            rows[name] = self._commit(name, batch, plan, fence)
            self._held[name].update({app: after for app, (_, after) in fence.items()})
            self._recent[name].add(entry.key for entry in batch.entries.get(name, ()))
        return FlushResult(rows, tuple(rows))

    def _commit(self, name: str, batch: Batch, plan: Callable[[Batch], Change], fence: Fence) -> int:
        for _ in range(_PLANS):
            change = plan(batch)
            try:
                self._tables[name].commit(change, fence)
            except StaleSnapshotError:
                continue
            return len(change.rows)
        raise StorageUnavailable(f"table {name}: its files were replaced {_PLANS} times while rows were looked up")

    def _fence(self, name: str, batch: Batch) -> Fence:
        """Offsets before and after, of every lane of the table that the batch moves; empty when it moves none."""
        held = self._held[name]
        topics = TABLES[name].topics
        moved = {
            partition
            for (topic, partition), end in batch.ends.items()
            if topic in topics and end > held[app_id(topic, partition)]
        }
        fence = {}
        for lane in sorted(moved):
            for topic in topics:
                app = app_id(topic, lane)
                fence[app] = (held[app], max(held[app], batch.ends.get((topic, lane), NOTHING)))
        return fence

    def _new(self, table: str, topic: str, batch: Batch) -> list[Entry]:
        held = self._held[table]
        return [e for e in batch.entries.get(topic, ()) if e.offset > held[app_id(topic, e.partition)]]

    def _doubtful(self, name: str, entries: Iterable[Entry]) -> set[str]:
        recent = self._recent[name]
        return {entry.key for entry in entries if entry.may_exist or entry.key in recent}

    def _plan_traces(self, batch: Batch) -> Change:
        entries = latest(self._new("traces", "traces", batch))
        doubtful = self._doubtful("traces", entries.values())
        hits = self._tables["traces"].find("trace_id", doubtful)
        return plan_latest("trace_id", entries, doubtful, hits, self._decided(doubtful))

    def _plan_decisions(self, batch: Batch) -> Change:
        entries = latest(self._new("decisions", "decisions", batch))
        doubtful = self._doubtful("decisions", entries.values())
        hits = self._tables["decisions"].find("trace_id", doubtful)
        change = plan_latest("trace_id", entries, doubtful, hits, {})
        # Before the commit, not after: one trace too many costs a lookup, one too few a wrong row.
        self._amended.add(highest_revisions(entries.values()))
        return change

    def _plan_examples(self, batch: Batch) -> Change:
        table = self._tables["examples"]
        kept, retracted = without_retracted(self._new("examples", "examples", batch))
        entries = latest(kept)
        amended = highest_revisions(self._new("examples", "decisions", batch))
        hits_by_id = table.find("example_id", self._doubtful("examples", entries.values()))
        hits_by_trace = table.find("trace_id", amended.keys() | retracted.keys())
        decided = self._decided(entry.trace_id for entry in entries.values())
        return plan_examples(entries, hits_by_id, decided, amended, hits_by_trace, retracted)

    def _plan_patterns(self, batch: Batch) -> Change:
        entries = latest(self._new("patterns", "patterns", batch))
        hits = self._tables["patterns"].find("pattern_id", set(entries))
        return plan_latest("pattern_id", entries, set(entries), hits, {})

    def _decided(self, trace_ids: Iterable[str]) -> dict[str, int]:
        """Stored decisions of revisions above 1 for these traces."""
        asked = {trace_id for trace_id in trace_ids if trace_id in self._amended}
        return {hit.value: hit.revision for hit in self._tables["decisions"].find("trace_id", asked)}
