"""The curate stage: `traces` in, `decisions` and `examples` out, and what it learns on the way: windows of quality and
patterns of tool use.

Order of effects for a batch: traces are claimed in the index of near-duplicates (an answer is remembered, so a batch
that comes again gets the same ones), decisions and examples are published, patterns are counted (once, by offset), and
at last the partition's state is committed, with the windows that the next trace is measured against.

What may be published a second time may come out differently: an index that was flushed has forgotten what it knew.
Therefore a retraction goes before the examples of every redelivered trace, in the same partition of the same topic.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import msgspec

from schemas.codec import SchemaLookup, decode, is_replayed
from schemas.errors import PermanentError
from schemas.records import ExampleRetraction, Trace
from streams.core.curate import Assessed, Curated, assess, decide
from streams.core.near_duplicates.document import document_of, twin_summary
from streams.core.near_duplicates.fingerprint import fingerprints
from streams.core.near_duplicates.records import Candidate, Claim, Withdrawal
from streams.core.patterns.counters import Counted
from streams.core.policy import Policy
from streams.core.settle import Settled, count_changes, settled
from streams.metrics import METRICS
from streams.ports import Log, Message, Outgoing, Publisher, dead_letter, unapplied
from streams.stages.patterns import PatternMiner, counted
from streams.stages.taking_over import unsure_before
from streams.stages.windows import Draft, PartitionWindows
from streams.state.near_duplicates import NearDuplicates
from streams.state.port import Change, Lease, PartitionState, StateFull

TOPIC = "traces"
STAGE = "curate"


@dataclass
class _Partition:
    number: int
    state: PartitionState
    lease: Lease
    unsure_before: int
    """Verdicts on messages below this offset may have been published by an owner before."""
    windows: PartitionWindows
    last_ms: int = 0
    unsure: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class _Read:
    """A trace as it was read."""

    offset: int
    trace: Trace


class CurateStage:
    """One worker's share of the partitions of `traces`.

    `index` is None where the policy looks for no near-duplicates, `miner` where no patterns are wanted.
    """

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
        index: NearDuplicates | None = None,
        miner: PatternMiner | None = None,
    ) -> None:
        self._owner = owner
        self._state_of = state_of
        self._publisher = publisher
        self._log = log
        self._lookup = lookup
        self._policy = policy
        self._remember_ms = remember_ms
        self._index = index
        self._miner = miner
        self.worked: Callable[[], None] = lambda: None
        self._thread = ThreadPoolExecutor(1, "curate")
        self._partitions: dict[int, _Partition] = {}

    async def acquire(self, partition: int) -> int | None:
        """Take over a partition; returns the offset to go on from, None for the beginning."""
        state = self._state_of(partition)
        lease = await state.acquire(self._owner)
        unsure = await unsure_before(self._log, lease, TOPIC, partition, "decisions")
        windows = PartitionWindows(partition, self._policy.windows, await state.kept(lease))
        self._partitions[partition] = _Partition(partition, state, lease, unsure, windows)
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
        fresh = unapplied(messages, own.lease.applied or 0)
        if not fresh:
            return
        read, outgoing = self._decode(own, fresh)
        _, packed = await own.state.entries(own.lease, list(dict.fromkeys(one.trace.trace_id for one in read)))
        before = {trace_id: msgspec.msgpack.decode(entry, type=Settled) for trace_id, entry in packed.items()}
        read = _newest_only(read, before)
        draft = own.windows.draft()
        # In a thread: while the event loop waits nobody tells the broker that this worker lives.
        apart = asyncio.get_running_loop().run_in_executor
        assessed = await apart(self._thread, self._assess, read, set(before), draft)
        claims = await self._claim(assessed)
        change = Change(applied=fresh[-1].offset + 1, keep=draft.changed())
        results = await apart(self._thread, self._decide, assessed, claims)
        for result, found in zip(results, assessed, strict=True):
            outgoing.extend(_outgoing(result))
            now = settled(result, found.trace.withheld is not None)
            for name, by in count_changes(before.get(found.trace.trace_id), now).items():
                change.count(name, by)
            before[found.trace.trace_id] = now
            change.put_closed.append((found.trace.trace_id, msgspec.msgpack.encode(now), found.trace.closed_at // 1000))
        own.unsure.update(message.offset for message in fresh)
        await self._publisher.publish(outgoing)
        if self._miner is not None:
            await self._miner.apply(partition, self._counted(read, assessed))
        await self._commit(own, change, fresh[-1].timestamp_ms)
        own.windows.committed(draft)
        own.unsure.difference_update(message.offset for message in fresh)
        own.last_ms = max(own.last_ms, fresh[-1].timestamp_ms)
        METRICS.messages.labels(STAGE).inc(len(fresh))
        for result in results:
            METRICS.traces.labels(result.decision.verdict).inc()
            METRICS.examples.inc(len(result.examples))

    async def _commit(self, own: _Partition, change: Change, now_ms: int) -> None:
        """Where Redis is full, verdicts that are remembered for long enough go first: no tick comes before this."""
        while True:
            try:
                own.lease = await own.state.commit(own.lease, change)
                return
            except StateFull:
                aged = await own.state.aged(max(own.last_ms, now_ms) - self._remember_ms, 1000)
                if not aged:
                    raise
                own.lease = await own.state.commit(own.lease, Change(drop_closed=aged))

    async def tick(self, partition: int, now_ms: int | None) -> None:
        """Forget verdicts of traces that can no longer be amended, and publish finished windows and patterns."""
        own = self._partitions[partition]
        up_to = own.last_ms if now_ms is None else max(now_ms, own.last_ms)
        change = Change(drop_closed=await own.state.aged(up_to - self._remember_ms, 1000))
        due = own.windows.due(now_ms)
        if due is not None:
            await self._publisher.publish(
                [Outgoing("quality-windows", record.scenario.encode(), record) for record in due.records]
            )
            change.keep, change.drop_kept = due.keep, due.drop
        if change.drop_closed or change.keep or change.drop_kept:
            own.lease = await own.state.commit(own.lease, change)
            if due is not None:
                own.windows.published(due)
        if self._miner is not None:
            await self._miner.tick()

    def _assess(self, read: Sequence[_Read], seen: set[str], draft: Draft) -> list[Assessed]:
        """Measure each trace against the windows as the traces before it left them."""
        assessed = []
        for one in read:
            found = assess(one.trace, self._policy, draft.context_of(one.trace))
            if one.trace.trace_id not in seen and one.trace.revision == 1:
                draft.observe(found)
            seen.add(one.trace.trace_id)
            assessed.append(found)
            self.worked()
        return assessed

    def _decide(self, assessed: Sequence[Assessed], claims: Mapping[int, Claim]) -> list[Curated]:
        results = []
        for number, found in enumerate(assessed):
            results.append(decide(found, self._policy, claims.get(number)))
            self.worked()
        return results

    async def _claim(self, assessed: Sequence[Assessed]) -> dict[int, Claim]:
        """Answers of the index by place in the batch, for those that pass; the others give up what they may hold.

        In the order of the traces: what comes of them must not depend on where a batch begins.
        """
        if self._index is None:
            return {}
        passing = [number for number, found in enumerate(assessed) if found.passes]
        apart = asyncio.get_running_loop().run_in_executor
        signed = await apart(self._thread, _candidates, [assessed[number] for number in passing])
        candidates = dict(zip(passing, signed, strict=True))
        asked: list[Candidate | Withdrawal] = []
        for number, found in enumerate(assessed):
            trace = found.trace
            if number in candidates:
                asked.append(candidates[number])
            elif trace.revision > 1:
                asked.append(Withdrawal(trace.trace_id, trace.revision, trace.closed_at // 1000))
        answers = await self._index.claim(asked) if asked else []
        return dict(zip(passing, answers, strict=True))

    def _counted(self, read: Sequence[_Read], assessed: Sequence[Assessed]) -> list[Counted]:
        """What patterns are made of: runs whose content may be used."""
        found = []
        for one, result in zip(read, assessed, strict=True):
            if result.measured is None or "consent_unknown" in result.failed:
                continue
            outcome = result.measured.outcome
            successful = None if outcome is None else outcome >= self._policy.gates.min_outcome
            found.append(counted(one.offset, result.measured.view, successful))
        return found

    def _decode(self, own: _Partition, messages: Sequence[Message]) -> tuple[list[_Read], list[Outgoing]]:
        traces: list[_Read] = []
        dead: list[Outgoing] = []
        for message in messages:
            try:
                trace = decode(message.value, self._lookup, Trace, message.headers)
            except PermanentError as error:
                dead.append(dead_letter(message, STAGE, error))
                METRICS.dead_letters.labels(STAGE).inc()
                continue
            unsure = message.offset < own.unsure_before or message.offset in own.unsure
            if (unsure or is_replayed(message.headers)) and not trace.redelivered:
                trace = msgspec.structs.replace(trace, redelivered=True)
            traces.append(_Read(message.offset, trace))
        return traces, dead


def _newest_only(read: Sequence[_Read], before: Mapping[str, Settled]) -> list[_Read]:
    """Without older revisions that were published again. What comes a second time is marked, whoever published it: a
    worker that was frozen while another took over does not know that it comes second."""
    newest = {trace_id: entry.revision for trace_id, entry in before.items()}
    kept = []
    for one in read:
        known = newest.get(one.trace.trace_id, 0)
        if one.trace.revision == known and not one.trace.redelivered:
            one = _Read(one.offset, msgspec.structs.replace(one.trace, redelivered=True))
        if one.trace.revision >= known:
            newest[one.trace.trace_id] = one.trace.revision
            kept.append(one)
    return kept


def _candidates(assessed: Sequence[Assessed]) -> list[Candidate]:
    measured = [found.measured for found in assessed if found.measured is not None]
    prints = fingerprints([document_of(one.view) for one in measured])
    return [
        Candidate(
            trace_id=one.view.trace.trace_id,
            revision=one.view.trace.revision,
            closed_ms=one.view.trace.closed_at // 1000,
            scenario=one.view.trace.scenario,
            fingerprint=fingerprint,
            quality_score=one.score,
            summary=twin_summary(one.view),
            task_key=_task_key(one.view.trace),
        )
        for one, fingerprint in zip(measured, prints, strict=True)
    ]


def _task_key(trace: Trace) -> str | None:
    """What the runs have in common that may be slow and fast twins: a simulated run is no measure for a real one."""
    return "\x1f".join((trace.execution_mode, trace.scenario, trace.task_id)) if trace.task_id else None


def _outgoing(result: Curated) -> list[Outgoing]:
    decision = result.decision
    key = decision.trace_id.encode()
    outgoing = [Outgoing("decisions", key, decision)]
    if decision.redelivered:
        retraction = ExampleRetraction(
            trace_id=decision.trace_id,
            revision=decision.revision,
            reason="decided_again",
            retracted_at=decision.decided_at,
        )
        outgoing.append(Outgoing("examples", key, retraction))
    return outgoing + [Outgoing("examples", key, example) for example in result.examples]
