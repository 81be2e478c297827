"""Curation with crashes, lost state and zombies: each trace has one verdict, and its examples are told once."""

import asyncio
import random
from collections.abc import Sequence

import msgspec
import pytest

from schemas.codec import encode
from schemas.errors import StateUnavailable
from schemas.records import DeadLetter, Decision, Example, ExampleRetraction, Trace
from streams.core.curate import curate
from streams.core.near_duplicates.records import Candidate, Claim, Rules, Withdrawal
from streams.core.policy import NearDuplicateRules, Policy, WindowRules
from streams.stages.curate import CurateStage
from streams.state.memory import MemoryPartitionState
from streams.state.near_duplicates_memory import MemoryNearDuplicates
from tests.simulation.world import LOOKUP, SCHEMA_IDS, TroubledState, Worker, World
from tests.unit.core.build import good_run

POLICY = Policy(near_duplicates=NearDuplicateRules(enabled=False), windows=WindowRules(enabled=False))
"""A decision depends on its trace alone."""
COMPARING = Policy()
"""A decision depends on the traces before it too."""
REMEMBER_MS = 10**12
HOUR_MS = 3_600_000


def make_traces(rng: random.Random) -> list[Trace]:
    """What assemble may publish: revisions in order, each perhaps repeated from any earlier point, flagged."""
    published: list[Trace] = []
    for number in range(rng.randrange(3, 8)):
        for revision in range(1, rng.choice([2, 2, 2, 3, 4])):
            run = good_run(f"t{number}", turns=rng.randrange(1, 4))
            fields: dict[str, object] = {"revision": revision}
            if rng.random() < 0.2:
                fields["completion_status"] = "failed"
                run.events = [e for e in run.events if not e.agent_ended]
                run.ends("failed")
            if rng.random() < 0.15:
                fields["withheld"] = rng.choice(["consent_denied", "redaction_failed"])
            published.append(run.trace(**fields))
    order = sorted(range(len(published)), key=lambda n: (published[n].revision, rng.random()))
    published = [published[n] for n in order]
    for _ in range(rng.randrange(3)):
        start = rng.randrange(len(published))
        again = [msgspec.structs.replace(trace, redelivered=True) for trace in published[start:][:3]]
        published[start + len(again) : start + len(again)] = again
    return published


class TroubledIndex:
    """The index as one worker sees it, faults included."""

    def __init__(self, world: World, index: MemoryNearDuplicates) -> None:
        self._world = world
        self._index = index

    async def claim(self, asked: Sequence[Candidate | Withdrawal]) -> list[Claim]:
        return await self._world.effect(lambda: self._index.claim(asked), StateUnavailable)


def decide(
    seed: int, *, trouble: float, loses_state: bool = False, policy: Policy = POLICY, flush_at: int | None = None
) -> tuple[World, list[Trace]]:
    """Run the stage over the traces of a seed. `flush_at`: everything is forgotten before this trace."""
    world = World(seed, trouble)
    index = MemoryNearDuplicates(Rules())
    traces = make_traces(random.Random(seed))

    def make(owner: str) -> CurateStage:
        return CurateStage(
            owner=owner, state_of=lambda _: TroubledState(world), publisher=world, log=world, lookup=LOOKUP,
            policy=policy, remember_ms=REMEMBER_MS,
            index=TroubledIndex(world, index) if policy.near_duplicates.enabled else None,
        )  # fmt: skip

    async def run() -> None:
        worker = Worker(world, "traces", make, loses_state=loses_state)
        for number, trace in enumerate(traces):
            world.now_ms += 100
            if number == flush_at:
                world.state.__dict__.update(MemoryPartitionState().__dict__)
                index.flush()
            world.append("traces", trace.trace_id.encode(), encode(trace, SCHEMA_IDS["Trace"]))
            if number == 1:
                world.append("traces", b"junk", b"junk")
            while world.rng.random() < 0.3:
                await worker.step(world.rng.randrange(1, 4))
        while await worker.step(world.rng.randrange(1, 9)):
            pass

    asyncio.run(run())
    return world, traces


def check(world: World, traces: list[Trace]) -> None:
    """What holds after any run."""
    latest: dict[str, Trace] = {}
    for trace in traces:
        if trace.trace_id not in latest or trace.revision >= latest[trace.trace_id].revision:
            latest[trace.trace_id] = trace
    want = {trace_id: curate(trace, POLICY) for trace_id, trace in latest.items()}
    rows: dict[str, list[Decision]] = {}
    seen: set[tuple[str, int]] = set()
    for decision in world.records("decisions", Decision):
        key = (decision.trace_id, decision.revision)
        assert decision.redelivered or key not in seen, "decided twice and not said so"
        seen.add(key)
        stored = rows.setdefault(decision.trace_id, [])
        if decision.redelivered or decision.revision > 1:
            if all(decision.revision >= row.revision for row in stored):
                stored[:] = [decision]
        else:
            stored.append(decision)
    examples: dict[str, Example] = {}
    for example in world.records("examples", Example):
        assert example.redelivered or example.example_id not in examples, "an example twice and not said so"
        examples[example.example_id] = example
    for trace_id, result in want.items():
        (row,) = rows[trace_id]
        assert msgspec.structs.replace(row, redelivered=False) == msgspec.structs.replace(
            result.decision, redelivered=False
        )
        told = {e.example_id for e in examples.values() if e.trace_id == trace_id and e.revision == row.revision}
        assert told == {e.example_id for e in result.examples}
    counts = world.state.counters
    verdicts = [result.decision.verdict for result in want.values()]
    assert counts["decided"] == len(want)
    for verdict in ("accepted", "rejected", "duplicate", "quarantined"):
        assert counts.get(verdict, 0) == verdicts.count(verdict)
    assert counts.get("examples", 0) == sum(len(result.examples) for result in want.values())
    assert counts.get("withheld", 0) == sum(trace.withheld is not None for trace in latest.values())
    assert len({(r.offset, r.stage) for r in world.records("dead-letters", DeadLetter)}) == 1


@pytest.mark.parametrize("loses_state", [False, True])
def test_crashes_change_no_verdict_and_no_count(loses_state: bool) -> None:
    repeated = 0
    for seed in range(30):
        try:
            calm, traces = decide(seed, trouble=0)
            check(calm, traces)
            world, _ = decide(seed, trouble=0.04, loses_state=loses_state)
            check(world, traces)
            assert {k: v for k, v in world.state.counters.items() if v} == {
                k: v for k, v in calm.state.counters.items() if v
            }
            repeated += len(world.topics["decisions"]) - len(calm.topics["decisions"])
        except BaseException:
            print(f"seed {seed}")
            raise
    assert repeated > 10, "the faults hit nothing: the test proves nothing"


def final(world: World) -> tuple[dict[str, Decision], dict[str, set[str]]]:
    """What tables hold in the end: the latest decision of each trace, and its examples."""
    rows: dict[str, Decision] = {}
    for decision in world.records("decisions", Decision):
        if decision.trace_id not in rows or decision.revision >= rows[decision.trace_id].revision:
            rows[decision.trace_id] = msgspec.structs.replace(decision, redelivered=False)
    examples: dict[str, Example] = {}
    for record in world.published("examples", Example, ExampleRetraction):
        if isinstance(record, ExampleRetraction):
            for old in list(examples.values()):
                if old.trace_id == record.trace_id and old.revision <= record.revision:
                    del examples[old.example_id]
        elif isinstance(record, Example):
            examples[record.example_id] = record
    told: dict[str, set[str]] = {trace_id: set() for trace_id in rows}
    for example in examples.values():
        if example.revision == rows[example.trace_id].revision:
            told[example.trace_id].add(example.example_id)
    return rows, told


@pytest.mark.parametrize("loses_state", [False, True])
def test_with_an_index_and_windows_crashes_change_nothing_either(loses_state: bool) -> None:
    repeated = duplicates = 0
    for seed in range(30):
        try:
            calm, _ = decide(seed, trouble=0, policy=COMPARING)
            world, _ = decide(seed, trouble=0.04, loses_state=loses_state, policy=COMPARING)
            assert final(world) == final(calm)
            assert {k: v for k, v in world.state.counters.items() if v} == {
                k: v for k, v in calm.state.counters.items() if v
            }
            rows, told = final(calm)
            assert all(len(told[trace_id]) == row.example_count for trace_id, row in rows.items())
            repeated += len(world.topics["decisions"]) - len(calm.topics["decisions"])
            duplicates += sum(row.verdict == "duplicate" for row in rows.values())
        except BaseException:
            print(f"seed {seed}")
            raise
    assert repeated > 10, "the faults hit nothing: the test proves nothing"
    assert duplicates > 10, "nothing was a duplicate: the test proves nothing"


def test_after_everything_was_forgotten_the_tables_hold_what_the_counters_say() -> None:
    for seed in range(30):
        world, traces = decide(seed, trouble=0.03, policy=COMPARING, flush_at=seed % 5)
        rows, told = final(world)
        assert set(rows) == {trace.trace_id for trace in traces}, seed
        assert all(len(told[trace_id]) == row.example_count for trace_id, row in rows.items()), seed
        counts = world.state.counters
        assert counts["decided"] == len(rows), seed
        assert counts.get("examples", 0) == sum(row.example_count for row in rows.values()), seed
        for verdict in ("accepted", "rejected", "duplicate", "quarantined"):
            assert counts.get(verdict, 0) == sum(row.verdict == verdict for row in rows.values()), seed


def cut(seed: int, size: int) -> World:
    """Run the stage over the traces of a seed in batches of a size, with windows that end now and then."""
    rng = random.Random(seed)
    world = World(seed, 0)
    rules = Rules(
        window_ms=rng.choice([40, 120]) * 60_000,
        max_docs_per_window=rng.choice([4, 8]),
        scenario_cap=rng.choice([0, 1]),
        exact_window_ms=rng.choice([HOUR_MS, 9 * HOUR_MS]),
        keep=rng.choice(["first", "better"]),
    )
    index = MemoryNearDuplicates(rules)
    stage = CurateStage(
        owner="worker", state_of=lambda _: world.state, publisher=world, log=world, lookup=LOOKUP, policy=COMPARING,
        remember_ms=REMEMBER_MS, index=index,
    )  # fmt: skip
    at = 1_728_000_000_000_000
    for trace in make_traces(rng):
        at += rng.choice([0, 1_000_000, 600_000_000, 1_500_000_000])
        world.append("traces", trace.trace_id.encode(), encode(closed(trace, at), SCHEMA_IDS["Trace"]))

    async def run() -> None:
        await stage.acquire(0)
        log = world.topics["traces"]
        for start in range(0, len(log), size):
            await stage.handle(0, log[start : start + size])

    asyncio.run(run())
    return world


def closed(trace: Trace, closed_at: int) -> Trace:
    return msgspec.structs.replace(trace, closed_at=closed_at)


def test_cutting_into_other_batches_changes_nothing() -> None:
    reasons: set[str] = set()
    for seed in range(20):
        whole = cut(seed, 10**6)
        for size in (1, 2, 5):
            world = cut(seed, size)
            for topic in ("decisions", "examples"):
                told = [message.value for message in world.topics.get(topic, [])]
                assert told == [message.value for message in whole.topics.get(topic, [])], (seed, size, topic)
            assert world.state.counters == whole.state.counters, (seed, size)
            assert world.state.kept_entries == whole.state.kept_entries, (seed, size)
        reasons.update(reason for row in whole.records("decisions", Decision) for reason in row.reasons)
    assert {"near_duplicate", "scenario_cap_reached"} <= reasons, "windows and caps were not reached"
