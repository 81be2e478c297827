"""The balance: where every event and every trace is, and whether it adds up."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaException, TopicPartition

from schemas.errors import BrokerUnavailable
from schemas.settings import Settings
from sinks.query import resume_points, stored_counts, through
from sinks.tables import TOPICS as SINK_TOPICS
from streams.kafka import partitions_of
from streams.state.patterns_redis import RedisPatternStore
from streams.state.redis import RedisPartitionState, connect

_LOOKS = 4
"""An imbalance counts only when it is seen this often in a row."""


@dataclass(frozen=True)
class Events:
    """Fates of events. A message that cannot be decoded counts as one event."""

    received: int = 0
    duplicate: int = 0
    assembled: int = 0
    late: int = 0
    dead_lettered: int = 0
    pending: int = 0


@dataclass(frozen=True)
class Traces:
    """Fates of traces; revisions of one trace count once, by their latest verdict."""

    assembled: int = 0
    accepted: int = 0
    rejected: int = 0
    duplicate: int = 0
    quarantined: int = 0
    pending: int = 0
    open: int = 0
    """Not assembled yet."""
    stored: int = 0
    """Rows of the table; traces whose content is withheld have none."""
    withheld: int = 0


@dataclass(frozen=True)
class Examples:
    """Examples of accepted traces."""

    published: int = 0
    stored: int = 0


@dataclass(frozen=True)
class Status:
    """What `tdc status` tells."""

    events: Events
    traces: Traces
    rejections: Mapping[str, int]
    close_reasons: Mapping[str, int]
    examples: Examples
    lag: Mapping[str, int]
    """Messages not applied yet, by stage; `patterns`: scenarios whose patterns are not published yet."""
    balanced: bool
    faults: tuple[str, ...] = ()
    """What does not add up, in words."""

    @property
    def idle(self) -> bool:
        """Everything produced so far is through."""
        return not any(self.lag.values()) and self.traces.open == 0 and self.traces.pending == 0

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json`."""
        return asdict(self)


@dataclass(frozen=True)
class Tallies:
    """The raw numbers that the balance is made from."""

    assemble: Mapping[str, int]
    curate: Mapping[str, int]
    stored: Mapping[str, int]
    lag: Mapping[str, int]
    still: bool = True
    """Nothing moved while the numbers were read, one after the other: only then can stages be held together."""


def balance(tallies: Tallies) -> Status:
    """Put the numbers together and hold them against each other. Pure."""
    a, c = tallies.assemble, tallies.curate
    events = Events(
        received=a.get("received", 0),
        duplicate=a.get("duplicate", 0),
        assembled=a.get("assembled", 0),
        late=a.get("late", 0),
        dead_lettered=a.get("dead_lettered", 0),
        pending=a.get("pending", 0),
    )
    decided = {name: c.get(name, 0) for name in ("accepted", "rejected", "duplicate", "quarantined")}
    assembled = a.get("traces", 0)
    traces = Traces(
        assembled=assembled,
        **decided,
        pending=max(0, assembled - sum(decided.values())),
        open=a.get("open_traces", 0),
        stored=tallies.stored.get("traces", 0),
        withheld=c.get("withheld", 0),
    )
    examples = Examples(published=c.get("examples", 0), stored=tallies.stored.get("examples", 0))
    faults = tuple(_faults(events, traces, examples, tallies))
    return Status(
        events,
        traces,
        _named(c, "rejected:"),
        _named(a, "close:"),
        examples,
        dict(tallies.lag),
        not faults,
        faults,
    )


def _named(counts: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {
        name.removeprefix(prefix): count for name, count in sorted(counts.items()) if name.startswith(prefix) and count
    }


def _faults(events: Events, traces: Traces, examples: Examples, tallies: Tallies) -> list[str]:
    faults: list[str] = []

    def hold(name: str, left: int, right: int) -> None:
        if left != right:
            faults.append(f"{name}: {left} is not {right}")

    fates = events.duplicate + events.assembled + events.late + events.dead_lettered + events.pending
    hold("events received = duplicate + assembled + late + dead-lettered + pending", events.received, fates)
    if traces.open == 0:
        hold("events pending without an open trace", events.pending, 0)
    verdicts = traces.accepted + traces.rejected + traces.duplicate + traces.quarantined
    if verdicts > traces.assembled:
        faults.append(f"traces decided ({verdicts}) are more than traces assembled ({traces.assembled})")
    if tallies.still and not any(tallies.lag.values()):
        hold("traces assembled = accepted + rejected + duplicate + quarantined", traces.assembled, verdicts)
        hold("traces stored = assembled - withheld", traces.stored, traces.assembled - traces.withheld)
        hold("decisions stored = traces decided", tallies.stored.get("decisions", 0), verdicts)
        hold("examples published = stored", examples.published, examples.stored)
        if not traces.withheld:
            hold("events in stored traces = assembled", tallies.stored.get("trace_events", 0), events.assembled)
    return faults


def gather_status(settings: Settings) -> Status:
    """Read Kafka's offsets, Redis and the tables. Raises TransientError when one of them does not answer."""
    for _ in range(_LOOKS - 1):
        found = balance(asyncio.run(_tallies(settings)))
        if found.balanced:
            return found
        time.sleep(0.3)  # a trace may be published and not yet counted: such a moment passes, a fault does not
    return balance(asyncio.run(_tallies(settings)))


async def _tallies(settings: Settings) -> Tallies:
    # The order matters while work goes on: what is downstream is read first, so that it never shows more than what
    # is upstream of it.
    redis = connect(settings)
    reader = Consumer({**settings.kafka_config(), "group.id": "tdc-status", "enable.auto.commit": False})
    try:
        before = _ends(reader)
        stored = stored_counts(settings)
        lanes = partitions_of(reader, "traces")
        sunk = {topic: partitions_of(reader, topic) for topic in SINK_TOPICS}  # none where a topic does not exist yet
        points = through(resume_points(settings, max(len(own) for own in sunk.values())))
        curate = await _sums(settings, redis, "traces", lanes)
        assemble = await _sums(settings, redis, "agent-events", partitions_of(reader, "agent-events"))
        # After what curate applied, which makes scenarios wait; before the ends, which then hold what was published.
        waiting = await RedisPatternStore(redis, settings.redis.key_prefix).waiting()
        ends = _ends(reader)
        lag = {
            "assemble": _lag(ends, "agent-events", assemble[1]),
            "curate": _lag(ends, "traces", curate[1]),
            "sink": sum(
                _lag(ends, topic, {p: points.get(f"{topic}-{p}", -1) + 1 for p in own}) for topic, own in sunk.items()
            ),
            "patterns": waiting,
        }
    finally:
        reader.close()
        await redis.aclose()
    rows = {**stored.rows, "trace_events": stored.trace_events}
    return Tallies(assemble[0], curate[0], rows, lag, still=before == ends)


async def _sums(
    settings: Settings, redis: Any, topic: str, partitions: list[int]
) -> tuple[dict[str, int], dict[int, int]]:
    sums: dict[str, int] = {}
    applied: dict[int, int] = {}
    for partition in partitions:
        state = RedisPartitionState(redis, settings.redis.key_prefix, topic, partition)
        counts = dict(await state.counts())
        applied[partition] = counts.pop("applied", 0)
        for name, count in counts.items():
            sums[name] = sums.get(name, 0) + count
    return sums, applied


Ends = Mapping[tuple[str, int], tuple[int, int]]
"""First offset held and offset after the last one, by topic and partition."""


def _ends(reader: Consumer) -> Ends:
    ends: dict[tuple[str, int], tuple[int, int]] = {}
    for topic in ("agent-events", *SINK_TOPICS):
        for partition in partitions_of(reader, topic):
            try:
                ends[topic, partition] = reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=10)
            except KafkaException as error:
                raise BrokerUnavailable(f"Kafka does not answer ({error.args[0].str()})") from None
    return ends


def _lag(ends: Ends, topic: str, applied: Mapping[int, int]) -> int:
    total = 0
    for partition, offset in applied.items():
        low, high = ends[topic, partition]
        total += max(0, high - max(low, offset))
    return total
