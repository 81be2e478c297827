"""The curate stage: `traces` in, `decisions` and `examples` out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from schemas.codec import SchemaLookup, decode
from schemas.errors import PermanentError
from schemas.records import Trace
from streams.core.curate import Curated, curate
from streams.core.policy import Policy
from streams.core.settle import Settled, count_changes, settled
from streams.metrics import METRICS
from streams.ports import Log, Message, Outgoing, Publisher, dead_letter
from streams.state.port import Change, Lease, PartitionState

TOPIC = "traces"
STAGE = "curate"


@dataclass
class _Partition:
    number: int
    state: PartitionState
    lease: Lease
    unsure_before: int
    """Verdicts on messages below this offset may have been published by an owner before."""
    last_ms: int = 0
    unsure: set[int] = field(default_factory=set)


class CurateStage:
    """One worker's share of the partitions of `traces`."""

    name = STAGE
    topic = TOPIC

    def __init__(
        self,
        *,
        owner: str,
        state_of: Callable[[int], PartitionState],
        publisher: Publisher,
        log: Log,
        lookup: SchemaLookup,
        policy: Policy,
        remember_ms: int,
    ) -> None:
        self._owner = owner
        self._state_of = state_of
        self._publisher = publisher
        self._log = log
        self._lookup = lookup
        self._policy = policy
        self._remember_ms = remember_ms
        self._partitions: dict[int, _Partition] = {}

    async def acquire(self, partition: int) -> int | None:
        """Take over a partition; returns the offset to go on from, None for the beginning."""
        state = self._state_of(partition)
        lease = await state.acquire(self._owner)
        somebody_was_here = lease.applied is not None or not await self._log.is_empty("decisions")
        unsure = await self._log.end_offset(TOPIC, partition) if somebody_was_here else 0
        self._partitions[partition] = _Partition(partition, state, lease, unsure)
        return lease.applied

    def release(self, partition: int) -> None:
        """Forget a partition that went to another worker."""
        self._partitions.pop(partition, None)

    def applied(self, partition: int) -> int | None:
        """Next offset this worker expects."""
        return self._partitions[partition].lease.applied

    def open_traces(self, partition: int) -> int:
        """Nothing is held open here."""
        return 0

    async def handle(self, partition: int, messages: Sequence[Message]) -> None:
        """Decide on traces in offset order. Everything is durable when it returns."""
        own = self._partitions[partition]
        fresh = [message for message in messages if message.offset >= (own.lease.applied or 0)]
        if not fresh:
            return
        traces, outgoing = self._decode(own, fresh)
        _, packed = await own.state.entries(own.lease, list(dict.fromkeys(trace.trace_id for trace in traces)))
        before = {trace_id: msgspec.msgpack.decode(entry, type=Settled) for trace_id, entry in packed.items()}
        change = Change(applied=fresh[-1].offset + 1)
        for trace in traces:
            previous = before.get(trace.trace_id)
            if previous is not None and previous.revision > trace.revision:
                continue  # an older revision, published again
            result = curate(trace, self._policy)
            outgoing.extend(_outgoing(result))
            now = settled(result, trace.withheld is not None)
            for name, by in count_changes(previous, now).items():
                change.count(name, by)
            before[trace.trace_id] = now
            change.put_closed.append((trace.trace_id, msgspec.msgpack.encode(now), trace.closed_at // 1000))
            METRICS.traces.labels(result.decision.verdict).inc()
            METRICS.examples.inc(len(result.examples))
        own.unsure.update(message.offset for message in fresh)
        await self._publisher.publish(outgoing)
        own.lease = await own.state.commit(own.lease, change)
        own.unsure.difference_update(message.offset for message in fresh)
        own.last_ms = max(own.last_ms, fresh[-1].timestamp_ms)
        METRICS.messages.labels(STAGE).inc(len(fresh))

    async def tick(self, partition: int, now_ms: int | None) -> None:
        """Forget verdicts of traces that can no longer be amended."""
        own = self._partitions[partition]
        up_to = own.last_ms if now_ms is None else max(now_ms, own.last_ms)
        aged = await own.state.aged(up_to - self._remember_ms, 1000)
        if aged:
            own.lease = await own.state.commit(own.lease, Change(drop_closed=aged))

    def _decode(self, own: _Partition, messages: Sequence[Message]) -> tuple[list[Trace], list[Outgoing]]:
        traces: list[Trace] = []
        dead: list[Outgoing] = []
        for message in messages:
            try:
                trace = decode(message.value, self._lookup, Trace, message.headers)
            except PermanentError as error:
                dead.append(dead_letter(message, STAGE, error))
                METRICS.dead_letters.labels(STAGE).inc()
                continue
            unsure = message.offset < own.unsure_before or message.offset in own.unsure
            if unsure and not trace.redelivered:
                trace = msgspec.structs.replace(trace, redelivered=True)
            traces.append(trace)
        return traces, dead


def _outgoing(result: Curated) -> list[Outgoing]:
    key = result.decision.trace_id.encode()
    return [
        Outgoing("decisions", key, result.decision),
        *(Outgoing("examples", key, example) for example in result.examples),
    ]
