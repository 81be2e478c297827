"""What the curate stage does beside deciding: windows of quality, near-duplicates over batches, patterns."""

import asyncio
from collections.abc import Awaitable, Sequence

from schemas.codec import encode
from schemas.records import Consent, Decision, Example, ExampleRetraction, QualityWindow, Trace
from streams.core.near_duplicates.records import Rules
from streams.core.patterns.mine import PatternRules
from streams.core.policy import Policy
from streams.core.windows import HOUR_MICROS
from streams.ports import Message
from streams.stages.curate import CurateStage
from streams.stages.patterns import PatternMiner
from streams.state.near_duplicates_memory import MemoryNearDuplicates
from streams.state.patterns import MemoryPatternStore
from tests.simulation.world import LOOKUP, SCHEMA_IDS, World
from tests.unit.core.build import Run, good_run

HOUR = 500_000
"""An hour of 2027, counted from 1970."""


def stage_of(world: World, index: MemoryNearDuplicates | None = None, miner: PatternMiner | None = None) -> CurateStage:
    return CurateStage(
        owner="a",
        state_of=lambda _: world.state,
        publisher=world,
        log=world,
        lookup=LOOKUP,
        policy=Policy(),
        remember_ms=10**12,
        index=index,
        miner=miner,
    )


def messages(world: World, traces: Sequence[Trace]) -> list[Message]:
    """These traces, appended to the topic."""
    start = len(world.topics.get("traces", []))
    for trace in traces:
        world.append("traces", trace.trace_id.encode(), encode(trace, SCHEMA_IDS["Trace"]))
    return world.topics["traces"][start:]


def trace_of(number: int, *, hour: int = HOUR, **more: object) -> Trace:
    return good_run(f"t{number}", turns=1 + number % 3).trace(
        closed_at=hour * HOUR_MICROS + HOUR_MICROS // 2 + number, **more
    )


def run(work: Awaitable[None]) -> None:
    async def main() -> None:
        await work

    asyncio.run(main())


def test_an_hour_is_published_once_it_is_over_and_again_when_a_run_came_late() -> None:
    world = World(1)
    stage = stage_of(world)

    async def work() -> None:
        await stage.acquire(0)
        await stage.handle(0, messages(world, [trace_of(n) for n in range(5)]))
        await stage.tick(0, None)
        assert world.records("quality-windows", QualityWindow) == []
        await stage.handle(0, messages(world, [trace_of(9, hour=HOUR + 1), trace_of(10, hour=HOUR + 2)]))
        await stage.tick(0, None)
        await stage.handle(0, messages(world, [trace_of(11), trace_of(12, hour=HOUR + 3)]))
        await stage.tick(0, None)

    run(work())
    told = world.records("quality-windows", QualityWindow)
    assert [(w.started_at // HOUR_MICROS - HOUR, w.revision, w.run_count, w.succeeded_count) for w in told] == [
        (0, 1, 5, 5),
        (1, 1, 1, 1),
        (0, 2, 6, 6),
        (2, 1, 1, 1),
    ]


def test_a_worker_that_takes_over_measures_against_what_the_one_before_had_seen() -> None:
    def signals_of_last(split: bool) -> dict[str, float | None]:
        world = World(1)

        async def work() -> None:
            stage = stage_of(world)
            await stage.acquire(0)
            await stage.handle(0, messages(world, [trace_of(n) for n in range(12)]))
            if split:
                stage = stage_of(world)
                await stage.acquire(0)
            await stage.handle(0, messages(world, [trace_of(20)]))

        run(work())
        last = world.records("decisions", Decision)[-1]
        return {signal.name: signal.value for signal in last.signals}

    whole = signals_of_last(False)
    assert whole["relative_calls"] is not None
    assert signals_of_last(True) == whole


def test_a_run_that_comes_twice_enters_its_window_once() -> None:
    world = World(1)
    stage = stage_of(world)

    async def work() -> None:
        await stage.acquire(0)
        once = trace_of(1)
        await stage.handle(0, messages(world, [once, once]))
        await stage.handle(0, messages(world, [once, trace_of(1, revision=2), trace_of(2, hour=HOUR + 1)]))
        await stage.tick(0, None)

    run(work())
    assert [w.run_count for w in world.records("quality-windows", QualityWindow)] == [1]


def test_what_repeats_an_accepted_run_is_a_duplicate_and_what_failed_is_not_looked_at() -> None:
    world = World(1)
    stage = stage_of(world, MemoryNearDuplicates(Rules()))

    async def work() -> None:
        await stage.acquire(0)
        failed = good_run("f", turns=1)
        failed.events = [event for event in failed.events if not event.agent_ended]
        first = [failed.ends("failed").trace(), good_run("a", turns=1).trace(), good_run("b", turns=1).trace()]
        await stage.handle(0, messages(world, first))
        await stage.handle(0, messages(world, [good_run("c", turns=1).trace(), good_run("d", turns=3).trace()]))

    run(work())
    told = {d.trace_id: (d.verdict, d.duplicate_of) for d in world.records("decisions", Decision)}
    assert told == {
        "f": ("rejected", None),
        "a": ("accepted", None),
        "b": ("duplicate", "a"),
        "c": ("duplicate", "a"),
        "d": ("accepted", None),
    }
    assert {e.trace_id for e in world.records("examples", Example)} == {"a", "d"}
    assert {e.cluster_id for e in world.records("examples", Example)} == {"a", "d"}


def test_a_revision_that_fails_sets_its_twins_free() -> None:
    world = World(1)
    stage = stage_of(world, MemoryNearDuplicates(Rules()))

    async def work() -> None:
        await stage.acquire(0)
        worse = good_run("a", turns=1)
        worse.events = [event for event in worse.events if not event.agent_ended]
        batch = [good_run("a", turns=1).trace(), worse.ends("failed").trace(revision=2), good_run("b", turns=1).trace()]
        await stage.handle(0, messages(world, batch))

    run(work())
    told = [(d.trace_id, d.revision, d.verdict) for d in world.records("decisions", Decision)]
    assert told == [("a", 1, "accepted"), ("a", 2, "rejected"), ("b", 1, "accepted")]


def test_what_is_told_again_takes_back_what_was_told_before() -> None:
    world = World(1)
    stage = stage_of(world)

    async def work() -> None:
        await stage.acquire(0)
        await stage.handle(0, messages(world, [trace_of(1), trace_of(1, redelivered=True)]))

    run(work())
    kinds = [type(record) for record in world.published("examples", Example, ExampleRetraction)]
    first = kinds.index(ExampleRetraction)
    assert kinds.count(ExampleRetraction) == 1
    assert first == len(kinds) - first - 1 > 0


def test_patterns_are_made_of_runs_whose_content_may_be_used() -> None:
    world = World(1)
    store = MemoryPatternStore(clock=lambda: 10**15)
    stage = stage_of(world, miner=PatternMiner(store, world, PatternRules()))

    async def work() -> None:
        await stage.acquire(0)
        secret = [Run(f"u{n}").says("x").calls("Secret").returns().ends() for n in range(4)]
        unknown = [run.trace(consent=Consent(status="unknown"), closed_at=trace_of(0).closed_at) for run in secret]
        await stage.handle(0, messages(world, [*unknown, *(trace_of(n) for n in range(6))]))

    run(work())
    names = {name for bucket in asyncio.run(store.window("MarketResearchAnalysis")).buckets for name in bucket.cells}
    assert any("Search" in name for name in names)
    assert not any("Secret" in name for name in names)
