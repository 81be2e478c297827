"""What the curate stage does beside deciding: windows of quality, near-duplicates over batches, patterns."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import replace

import pytest

from schemas.codec import REPLAYED, encode
from schemas.records import Consent, Decision, Example, ExampleRetraction, FeedbackGiven, QualityWindow, Trace
from streams.core.near_duplicates.records import Candidate, Claim, Rules, Withdrawal
from streams.core.patterns.counters import Group
from streams.core.patterns.mine import PatternRules
from streams.core.policy import Policy
from streams.core.windows import HOUR_MICROS
from streams.ports import Message
from streams.stages.curate import CurateStage
from streams.stages.patterns import PatternMiner
from streams.state.near_duplicates_memory import MemoryNearDuplicates
from streams.state.patterns import MemoryPatternStore
from streams.state.port import Change, Lease, StateFull
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


def test_a_run_is_compared_with_runs_of_its_own_mode_and_model_only() -> None:
    world = World(1)
    stage = stage_of(world)

    async def work() -> None:
        await stage.acquire(0)
        await stage.handle(0, messages(world, [trace_of(n, model="small") for n in range(12)]))
        others = [
            trace_of(20, model="small"),
            trace_of(21, model="large"),
            trace_of(22, model=None),
            trace_of(23, model="small", execution_mode="SIMULATION"),
            trace_of(24, model="small", scenario="Other"),
            trace_of(25, model="small"),
            trace_of(30, model="small", hour=HOUR + 1),
        ]
        await stage.handle(0, messages(world, others))
        await stage.tick(0, None)

    run(work())
    compared = {
        decision.trace_id: next(one.value for one in decision.signals if one.name == "relative_calls") is not None
        for decision in world.records("decisions", Decision)
    }
    assert [name for name, found in compared.items() if found] == ["t8", "t9", "t10", "t11", "t20", "t25", "t30"]
    told = world.records("quality-windows", QualityWindow)
    assert {(w.scenario, w.execution_mode, w.model, w.run_count) for w in told} == {
        ("MarketResearchAnalysis", "EXECUTION", "small", 14),
        ("MarketResearchAnalysis", "EXECUTION", "large", 1),
        ("MarketResearchAnalysis", "EXECUTION", None, 1),
        ("MarketResearchAnalysis", "SIMULATION", "small", 1),
        ("Other", "EXECUTION", "small", 1),
    }


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


def test_a_real_run_is_neither_duplicate_nor_slow_twin_of_a_simulated_one() -> None:
    world = World(1)
    asked: list[Candidate] = []

    class Index(MemoryNearDuplicates):
        async def claim(self, found: Sequence[Candidate | Withdrawal]) -> list[Claim]:
            asked.extend(one for one in found if isinstance(one, Candidate))
            return await super().claim(found)

    stage = stage_of(world, Index(Rules()))

    async def work() -> None:
        await stage.acquire(0)
        runs = [
            good_run(name, turns=1).trace(execution_mode=mode, task_id="t")
            for name, mode in (("a", "SIMULATION"), ("b", "EXECUTION"), ("c", "SIMULATION"), ("d", "EXECUTION"))
        ]
        await stage.handle(0, messages(world, runs))

    run(work())
    told = {d.trace_id: d.duplicate_of for d in world.records("decisions", Decision)}
    assert told == {"a": None, "b": None, "c": "a", "d": "b"}
    assert asked[0].task_key == asked[2].task_key != asked[1].task_key == asked[3].task_key


def novelty_of(decision: Decision) -> float | None:
    return next(signal.value for signal in decision.signals if signal.name == "novelty")


def decided(rules: Rules, traces: Sequence[Trace]) -> tuple[dict[str, Decision], set[str | None]]:
    """Decisions by trace id, and the clusters that examples say."""
    world = World(1)
    stage = stage_of(world, MemoryNearDuplicates(rules))

    async def work() -> None:
        await stage.acquire(0)
        await stage.handle(0, messages(world, traces))

    run(work())
    decisions = {decision.trace_id: decision for decision in world.records("decisions", Decision)}
    return decisions, {example.cluster_id for example in world.records("examples", Example)}


def test_a_scenario_gives_no_more_traces_than_its_cap() -> None:
    told, _ = decided(Rules(scenario_cap=2), [good_run(f"t{n}", turns=1 + 2 * n).trace() for n in range(3)])
    assert [one.verdict for one in told.values()] == ["accepted", "accepted", "rejected"]
    assert told["t2"].reasons == ("scenario_cap_reached",)
    assert told["t2"].example_count == 0


def test_novelty_says_how_far_a_run_is_from_what_was_let_in() -> None:
    told, _ = decided(Rules(), [good_run("a", turns=1).trace(), good_run("b", turns=1).trace()])
    assert (novelty_of(told["a"]), novelty_of(told["b"])) == (1.0, 0.0)


def test_a_better_twin_takes_the_place_of_the_first_where_the_rules_say_so() -> None:
    rated = good_run("a", turns=2)
    rated.add(FeedbackGiven(rating=0.8))
    better = [rated.trace(), good_run("b", turns=2).trace()]
    told, clusters = decided(Rules(keep="better", better_by=0.05), better)
    assert (told["b"].verdict, told["b"].duplicate_of, told["b"].reasons) == ("accepted", "a", ("better_twin",))
    assert clusters == {"a", "b"}
    assert (told["a"].quality_score or 0) < (told["b"].quality_score or 0)
    told, clusters = decided(Rules(), better)
    assert (told["b"].verdict, told["b"].duplicate_of, clusters) == ("duplicate", "a", {"a"})


def test_a_failed_and_a_successful_run_of_one_task_both_stay() -> None:
    failed = good_run("f", turns=1)
    failed.events = [event for event in failed.events if not event.agent_ended]
    for order in ((0, 1), (1, 0)):
        runs = [failed.ends("failed").trace(task_id="t"), good_run("a", turns=1).trace(task_id="t")]
        told, _ = decided(Rules(), [runs[place] for place in order])
        assert {name: (one.verdict, one.duplicate_of) for name, one in told.items()} == {
            "f": ("rejected", None),
            "a": ("accepted", None),
        }
        failed.events = [event for event in failed.events if not event.agent_ended]


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


def test_what_was_sent_again_out_of_the_dead_letters_takes_back_what_was_told_before() -> None:
    world = World(1)
    stage = stage_of(world)

    async def work() -> None:
        await stage.acquire(0)
        await stage.handle(0, messages(world, [trace_of(1)]))
        again = messages(world, [trace_of(1)])
        await stage.handle(0, [replace(message, headers=((REPLAYED, b"traces-0-0"),)) for message in again])

    run(work())
    kinds = [type(record) for record in world.published("examples", Example, ExampleRetraction)]
    first = kinds.index(ExampleRetraction)
    assert first == len(kinds) - first - 1 > 0
    assert [decision.redelivered for decision in world.records("decisions", Decision)] == [False, True]


def test_what_comes_a_second_time_unmarked_takes_back_what_was_told_before() -> None:
    world = World(1)
    stage = stage_of(world)

    async def work() -> None:
        await stage.acquire(0)
        await stage.handle(0, messages(world, [trace_of(1), trace_of(2), trace_of(2)]))
        await stage.handle(0, messages(world, [trace_of(1)]))

    run(work())
    decided = [(decision.trace_id, decision.redelivered) for decision in world.records("decisions", Decision)]
    assert decided == [("t1", False), ("t2", False), ("t2", True), ("t1", True)]
    taken_back = [
        one for one in world.published("examples", Example, ExampleRetraction) if isinstance(one, ExampleRetraction)
    ]
    assert [one.trace_id for one in taken_back] == ["t2", "t1"]


def test_verdicts_that_are_old_enough_make_room_in_a_full_redis() -> None:
    world = World(1)
    stage = stage_of(world)
    stage._remember_ms = 1_000

    async def work() -> None:
        await stage.acquire(0)
        await stage.handle(0, messages(world, [trace_of(1)]))
        world.state.full = True
        soon = messages(world, [trace_of(2)])
        with pytest.raises(StateFull):
            await stage.handle(0, soon)
        commit = world.state.commit

        async def room_once_something_went(lease: Lease, change: Change) -> Lease:
            done = await commit(lease, change)
            world.state.full = world.state.full and not change.drop_closed
            return done

        world.state.commit = room_once_something_went  # type: ignore[method-assign]
        late = [replace(message, timestamp_ms=trace_of(1).closed_at // 1000 + 2_000) for message in soon]
        await stage.handle(0, late)

    run(work())
    assert set(world.state.closed) == {"t2"}


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
    names = {
        name for bucket in asyncio.run(store.window(Group("MarketResearchAnalysis"))).buckets for name in bucket.cells
    }
    assert any("Search" in name for name in names)
    assert not any("Secret" in name for name in names)
