"""What a batch of messages does to a table: pure.

Every table holds, for each key, one row. Messages may come twice, and revisions out of order; the rows that result
are the same whatever the order:

- traces, decisions: the highest revision of a trace; a withheld trace leaves no row.
- examples: those whose revision is not below the revision decided for their trace. A decision of revision r takes
  rows of lower revisions out; an example that comes later than such a decision is not let in.
  A retraction takes out what came before it in its topic, up to its revision.
- patterns: the highest revision of a pattern.

Most messages are new for certain (revision 1, not redelivered, not seen of late): they are appended without a look
at the table. The others are *doubtful*: their keys are looked up first.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.records import Decision, Example, ExampleRetraction, Pattern, Trace
from sinks.rows import Row, decision_row, example_row, pattern_row, row_bytes, trace_row

NO_REVISION = 0
"""Below every revision."""
EVERY_REVISION = 2**31 - 1
"""Above every revision."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One consumed record, ready for its table."""

    topic: str
    partition: int
    offset: int
    key: str
    trace_id: str
    revision: int
    may_exist: bool
    """True when an earlier message may have written this key."""
    row: Row | None
    """None when nothing may be stored: the content of the trace is withheld."""
    size_bytes: int
    retracts: bool = False
    """Not an example, but the word that those of the trace that came before, up to this revision, are void."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One stored row that a lookup found."""

    value: str
    revision: int
    path: str
    """File that holds it, relative to the table."""


@dataclass(frozen=True)
class Deletion:
    """Takes out the rows whose `column` holds a key of `below` and whose revision is below its value."""

    column: str
    below: Mapping[str, int]

    def covers(self, hit: Hit) -> bool:
        """True when a row found by this column is to go."""
        return hit.revision < self.below.get(hit.value, NO_REVISION)


@dataclass(frozen=True)
class Change:
    """What one commit does to a table's rows."""

    rows: tuple[Row, ...] = ()
    deletions: tuple[Deletion, ...] = ()
    paths: frozenset[str] = frozenset()
    """Files that hold rows to delete."""


def trace_entry(trace: Trace, partition: int, offset: int) -> Entry:
    """Entry of a trace; without a row when it is withheld."""
    row = None if trace.withheld else trace_row(trace)
    again = trace.redelivered or trace.revision > 1
    return _entry("traces", partition, offset, trace.trace_id, trace.trace_id, trace.revision, again, row)


def decision_entry(decision: Decision, partition: int, offset: int) -> Entry:
    """Entry of a decision."""
    row = decision_row(decision)
    again = decision.redelivered or decision.revision > 1
    return _entry("decisions", partition, offset, decision.trace_id, decision.trace_id, decision.revision, again, row)


def example_entry(example: Example, partition: int, offset: int) -> Entry:
    """Entry of an example. Its id depends on its revision, so a higher revision alone makes no double."""
    row = example_row(example)
    key, again = example.example_id, example.redelivered
    return _entry("examples", partition, offset, key, example.trace_id, example.revision, again, row)


def retraction_entry(retraction: ExampleRetraction, partition: int, offset: int) -> Entry:
    """Entry of a retraction of examples."""
    return Entry(
        topic="examples",
        partition=partition,
        offset=offset,
        key=retraction.trace_id,
        trace_id=retraction.trace_id,
        revision=retraction.revision,
        may_exist=True,
        row=None,
        size_bytes=0,
        retracts=True,
    )


def pattern_entry(pattern: Pattern, partition: int, offset: int) -> Entry:
    """Entry of a pattern: of no trace, and nearly always published before."""
    return _entry("patterns", partition, offset, pattern.pattern_id, "", pattern.revision, True, pattern_row(pattern))


def _entry(
    topic: str, partition: int, offset: int, key: str, trace_id: str, revision: int, may_exist: bool, row: Row | None
) -> Entry:
    return Entry(
        topic=topic,
        partition=partition,
        offset=offset,
        key=key,
        trace_id=trace_id,
        revision=revision,
        may_exist=may_exist,
        row=row,
        size_bytes=row_bytes(row) if row else 0,
    )


def latest(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Per key the entry of the highest revision; of equals the last."""
    found: dict[str, Entry] = {}
    doubled: set[str] = set()
    for entry in entries:
        held = found.get(entry.key)
        if held is None or entry.revision >= held.revision:
            found[entry.key] = entry
        if held is not None and (held.may_exist or entry.may_exist):
            doubled.add(entry.key)
    for key in doubled:
        # A doubtful one may have lost to a plain one: the key stays doubtful.
        if not found[key].may_exist:
            found[key] = _doubtful(found[key])
    return found


def highest_revisions(decisions: Iterable[Entry]) -> dict[str, int]:
    """Per trace the highest revision decided, where it is above 1 and so may concern earlier examples."""
    found: dict[str, int] = {}
    for entry in decisions:
        if entry.revision > max(1, found.get(entry.trace_id, NO_REVISION)):
            found[entry.trace_id] = entry.revision
    return found


def without_retracted(entries: Iterable[Entry]) -> tuple[list[Entry], dict[str, int]]:
    """Examples of a batch that no later retraction of it takes back, and per trace the highest revision retracted."""
    kept: dict[str, list[Entry]] = {}
    retracted: dict[str, int] = {}
    for entry in entries:
        own = kept.setdefault(entry.trace_id, [])
        if entry.retracts:
            own[:] = [held for held in own if held.revision > entry.revision]
            retracted[entry.trace_id] = max(entry.revision, retracted.get(entry.trace_id, NO_REVISION))
        else:
            own.append(entry)
    return [entry for own in kept.values() for entry in own], retracted


def plan_latest(
    column: str,
    entries: Mapping[str, Entry],
    looked_up: Collection[str],
    hits: Sequence[Hit],
    decided: Mapping[str, int],
) -> Change:
    """Change of `traces`, `decisions` or `patterns`.

    `looked_up` are the doubtful keys, `hits` what the table holds of them. `decided` names traces for which a decision
    of a revision is stored: a trace of a lower revision is on its way to being replaced, and not let in.
    """
    stored: dict[str, int] = {}
    for hit in hits:
        stored[hit.value] = max(hit.revision, stored.get(hit.value, NO_REVISION))
    rows: list[Row] = []
    below: dict[str, int] = {}
    for key, entry in entries.items():
        if key in looked_up:
            overtaken = entry.row is not None and decided.get(key, NO_REVISION) > entry.revision
            if overtaken or stored.get(key, NO_REVISION) > entry.revision:
                continue
            if key in stored:
                below[key] = entry.revision + 1
        if entry.row is not None:
            rows.append(entry.row)
    return _change(rows, [(Deletion(column, below), hits)])


def plan_examples(
    entries: Mapping[str, Entry],
    hits_by_id: Sequence[Hit],
    decided: Mapping[str, int],
    amended: Mapping[str, int],
    hits_by_trace: Sequence[Hit],
    retracted: Mapping[str, int] = {},
) -> Change:
    """Change of `examples`.

    `entries` by example id, `hits_by_id` what the table holds of the doubtful ones; `decided` the revisions of stored
    decisions for traces of this batch; `amended` the revisions above 1 that this batch decides, `retracted` the highest
    revisions it retracts, and `hits_by_trace` the stored examples of those traces.
    """
    rows = [
        entry.row
        for entry in entries.values()
        if entry.row is not None
        and entry.revision >= max(decided.get(entry.trace_id, NO_REVISION), amended.get(entry.trace_id, NO_REVISION))
    ]
    replaced = Deletion("example_id", dict.fromkeys((hit.value for hit in hits_by_id), EVERY_REVISION))
    below = dict(amended)
    for trace_id, revision in retracted.items():
        below[trace_id] = max(revision + 1, below.get(trace_id, NO_REVISION))
    return _change(rows, [(replaced, hits_by_id), (Deletion("trace_id", below), hits_by_trace)])


def _change(rows: Sequence[Row], deletions: Sequence[tuple[Deletion, Sequence[Hit]]]) -> Change:
    paths = frozenset(hit.path for deletion, hits in deletions for hit in hits if deletion.covers(hit))
    return Change(tuple(rows), tuple(deletion for deletion, _ in deletions if deletion.below) if paths else (), paths)


def _doubtful(entry: Entry) -> Entry:
    return Entry(
        topic=entry.topic,
        partition=entry.partition,
        offset=entry.offset,
        key=entry.key,
        trace_id=entry.trace_id,
        revision=entry.revision,
        may_exist=True,
        row=entry.row,
        size_bytes=entry.size_bytes,
    )
