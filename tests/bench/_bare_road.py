"""The road with nothing on it: what reading, holding and writing cost alone, for messages that the road has dealt with.

Three bare loops over the topics of a road that is idle, one after another, in this process. They take what they need
from our own fast codec and from librdkafka, so they cost less than any system that does these hops:

assemble: read each message, decode it, append it in Redis with one call a batch, read it back when its root has ended,
decode it again, write the events as one trace. No check, join, timer, redaction, balance, exactly-once, Faust.
curate: decode each trace; write a decision and as many examples as the road did. Nothing is measured, compared, shaped.
sink: decode each record, make it a row, append the rows to Delta tables in the same store. No fence, no keys.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import msgspec
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from deltalake import write_deltalake
from redis import Redis

from schemas.codec import decode, decode_events, decode_one_of, encode
from schemas.records import Decision, Event, Example, Record, Trace
from schemas.registry import RegistryClient
from schemas.settings import Settings
from sinks.decoding import consumed, to_entry
from sinks.rows import Row, arrow_table
from sinks.tables import LANE_TOPICS, table_uri
from tests.bench._stack import put, wait_until

_BATCH = 500
_ROWS = 3_000
"""Rows of a table in a commit."""
_SAMPLES = 200
"""Traces whose decision and examples are written again and again."""
_TOPIC = "bare-road"
_APPEND = "for i = 1, #KEYS do redis.call('RPUSH', KEYS[i], ARGV[i]) end"


@dataclass(frozen=True)
class Bare:
    """CPU milliseconds of each loop for one trace."""

    assemble: float
    curate: float
    sink: float

    def floor(self, road: Mapping[str, float]) -> dict[str, object]:
        """Held against the road: `road` has its CPU milliseconds for a trace by process.

        What the loops do not do, the road's own servers and agents did: they are taken as they were.
        """
        stages = {"assemble": self.assemble, "curate": self.curate, "sink": self.sink}
        rest = sum(cost for name, cost in road.items() if name not in stages and name != "benchmark")
        total = rest + sum(stages.values())
        whole = rest + sum(road[name] for name in stages)
        return {
            "cpu_milliseconds_per_trace": {name: round(cost, 3) for name, cost in stages.items()},
            "with_servers_and_agents": round(total, 3),
            "traces_per_second_if_alone": round(2000 / total, 1),
            "road_by_bare": round(whole / total, 2),
        }


class BareRoad:
    """The loops, on the topics of a road."""

    def __init__(self, settings: Settings, ids: Mapping[tuple[str, str], int]) -> None:
        self._settings = settings
        self._ids = ids
        self._lookup = RegistryClient.from_settings(settings)
        admin = AdminClient(settings.kafka_config())
        for made in admin.create_topics([NewTopic(_TOPIC, 1, 1)]).values():
            made.result(30)

    def measure(self) -> Bare:
        """Run each loop over everything there is."""
        decided = self._decided()
        cost: dict[str, float] = {}
        traces = 0
        for name, loop in (
            ("assemble", self._assemble),
            ("curate", lambda: self._curate(decided)),
            ("sink", self._sink),
        ):
            began = time.process_time()
            dealt_with = loop()
            cost[name] = (time.process_time() - began) * 1000
            traces = traces or len(dealt_with)
            assert len(dealt_with) == traces, f"{name} saw {len(dealt_with)} traces, the stage before {traces}"
        return Bare(**{name: spent / traces for name, spent in cost.items()})

    def _assemble(self) -> set[str]:
        client = Redis.from_url(self._settings.redis_url())
        append = client.register_script(_APPEND)
        writer = self._writer()
        shell: Trace | None = None
        for batch in self._read(["traces"]):
            shell = decode(batch[0].value(), self._lookup, Trace)
            break
        assert shell is not None
        written: set[str] = set()
        for batch in self._read(["agent-events"]):
            over: list[str] = []
            for message in batch:
                for event in decode_events(message.value(), self._lookup):
                    if event.agent_ended and event.agent_ended.root:
                        over.append(event.trace_id)
            append(
                keys=[f"bare:{_key(message)}" for message in batch], args=[message.value() or b"" for message in batch]
            )
            with client.pipeline(transaction=False) as pipe:
                for trace_id in over:
                    pipe.lrange(f"bare:{trace_id}", 0, -1)
                    pipe.delete(f"bare:{trace_id}")
                held = pipe.execute()[::2]
            for trace_id, values in zip(over, held, strict=True):
                events: list[Event] = []
                for value in values:
                    events += decode_events(value, self._lookup)
                events.sort(key=lambda event: event.sequence)
                whole = msgspec.structs.replace(shell, trace_id=trace_id, events=tuple(events))
                writer(trace_id, encode(whole, self._ids["traces", "Trace"]))
            written.update(over)
        writer(None, None)
        client.close()
        return written

    def _curate(self, decided: Sequence[Sequence[Record]]) -> set[str]:
        writer = self._writer()
        records = cycle(decided)
        read: set[str] = set()  # a trace may come in more than one revision
        for batch in self._read(["traces"]):
            for message in batch:
                trace = decode(message.value(), self._lookup, Trace)
                for record in next(records):
                    topic = "decisions" if isinstance(record, Decision) else "examples"
                    writer(trace.trace_id, encode(record, self._ids[topic, type(record).__name__]))
                read.add(trace.trace_id)
        writer(None, None)
        return read

    def _sink(self) -> set[str]:
        rows: dict[str, list[Row]] = {name: [] for name in LANE_TOPICS}
        traces: set[str] = set()

        def write(name: str) -> None:
            write_deltalake(
                table_uri(f"{self._settings.storage_root()}-bare", name), arrow_table(name, rows[name]),
                mode="append", storage_options=self._settings.storage_options(),
            )  # fmt: skip
            rows[name].clear()

        for batch in self._read(LANE_TOPICS):
            for message in batch:
                found = consumed(message)
                row = to_entry(found, self._lookup).row
                assert row is not None
                if found.topic == "traces":
                    traces.add(_key(message))
                rows[found.topic].append(row)
                if len(rows[found.topic]) >= _ROWS:
                    write(found.topic)
        for name in LANE_TOPICS:
            if rows[name]:
                write(name)
        return traces

    def _decided(self) -> list[list[Record]]:
        """What was decided of some traces: a decision each, and its examples."""
        found: dict[str, list[Record]] = {}
        for batch in self._read(["decisions"]):
            for message in batch:
                decision = decode(message.value(), self._lookup, Decision)
                if len(found) < _SAMPLES:
                    found[decision.trace_id] = [decision]
        for batch in self._read(["examples"]):
            for message in batch:
                if _key(message) in found:
                    example = decode_one_of(message.value(), self._lookup, (Example,))
                    found[_key(message)].append(example)
        return list(found.values())

    def _read(self, topics: Sequence[str]) -> Iterator[list[Message]]:
        """Everything that the topics hold now, batch by batch."""
        consumer = Consumer({**self._settings.kafka_config(), "group.id": "bare-road", "enable.auto.commit": False})
        try:
            listed = consumer.list_topics(timeout=20).topics
            parts = [TopicPartition(topic, number, 0) for topic in topics for number in listed[topic].partitions]
            missing = {}
            for part in parts:
                low, high = consumer.get_watermark_offsets(part, timeout=20)
                if high > low:
                    missing[part.topic, part.partition] = high
            consumer.assign(parts)
            while missing:
                batch = consumer.consume(_BATCH, 1.0)
                for message in batch:
                    assert message.error() is None, message.error()
                    origin = (message.topic() or "", message.partition() or 0)
                    if (message.offset() or 0) + 1 >= missing.get(origin, 1 << 62):
                        del missing[origin]
                if batch:
                    yield batch
        finally:
            consumer.close()

    def _writer(self) -> Callable[[str | None, bytes | None], None]:
        """Sends a key and a value; waits for all of them when there is no value."""
        producer = Producer({**self._settings.kafka_config(), "linger.ms": 50, "compression.type": "zstd"})

        def write(key: str | None, value: bytes | None) -> None:
            if value is None:
                wait_until(lambda: producer.flush(1) == 0, 60, "the broker took what a bare loop wrote")
                return
            put(producer, _TOPIC, None if key is None else key.encode(), value)
            producer.poll(0)

        return write


def _key(message: Message) -> str:
    key = message.key()
    return key.decode() if isinstance(key, bytes) else str(key)
