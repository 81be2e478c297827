"""Drives the sink in tests as its process would, without Kafka: a log per topic, batches cut from it."""

from collections.abc import Iterable, Sequence

from schemas.records import Decision, Example, ExampleRetraction, Pattern, Trace
from schemas.settings import Settings
from sinks.buffer import Batch, Buffer
from sinks.flush import TableSink, open_tables
from sinks.plan import decision_entry, example_entry, pattern_entry, retraction_entry, trace_entry
from sinks.query import query

Record = Trace | Decision | Example | ExampleRetraction | Pattern
Message = tuple[int, Record]
"""Partition and record."""


class Log:
    """What Kafka would hold: records by topic and partition, in order."""

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self.partitions: dict[tuple[str, int], list[Record]] = {}
        for partition, record in messages:
            self.append(record, partition)

    def append(self, record: Record, partition: int = 0) -> None:
        self.partitions.setdefault((topic_of(record), partition), []).append(record)

    def batch(self, starts: dict[tuple[str, int], int], stops: dict[tuple[str, int], int] | None = None) -> Batch:
        """Messages from `starts` (inclusive) to `stops` (exclusive; default: all)."""
        buffer = Buffer(10**9, 10**12, 1)
        for (topic, partition), records in self.partitions.items():
            stop = len(records) if stops is None else stops.get((topic, partition), 0)
            for offset in range(starts.get((topic, partition), 0), stop):
                add(buffer, records[offset], partition, offset)
        return buffer.batch()


def topic_of(record: Record) -> str:
    topics = {Trace: "traces", Decision: "decisions", Pattern: "patterns"}
    return topics.get(type(record), "examples")


def add(buffer: Buffer, record: Record, partition: int, offset: int) -> None:
    if isinstance(record, Trace):
        buffer.add(trace_entry(record, partition, offset), 0)
    elif isinstance(record, Decision):
        buffer.add(decision_entry(record, partition, offset), 0)
    elif isinstance(record, Pattern):
        buffer.add(pattern_entry(record, partition, offset), 0)
    elif isinstance(record, ExampleRetraction):
        buffer.add(retraction_entry(record, partition, offset), 0)
    else:
        buffer.add(example_entry(record, partition, offset), 0)


def batch_of(*records: Record, first: int = 0, partition: int = 0) -> Batch:
    """A batch of these, each topic counting its offsets from `first`."""
    buffer = Buffer(10**9, 10**12, 1)
    offsets: dict[str, int] = {}
    for record in records:
        topic = topic_of(record)
        add(buffer, record, partition, offsets.setdefault(topic, first))
        offsets[topic] += 1
    return buffer.batch()


def opened(settings: Settings, lanes: Sequence[int] = (0,)) -> TableSink:
    """A sink as a new process has it."""
    sink = TableSink(open_tables(settings))
    sink.create_tables()
    sink.take_lanes(lanes)
    return sink


def stored(settings: Settings) -> dict[str, list[tuple[str, int]]]:
    """Keys and revisions of every table, sorted."""
    keys = {"traces": "trace_id", "decisions": "trace_id", "examples": "example_id"}
    found = {}
    for name, key in keys.items():
        rows = query(settings, f"SELECT {key} AS k, revision AS r FROM {name} ORDER BY ALL").to_pylist()
        found[name] = [(row["k"], row["r"]) for row in rows]
    return found
