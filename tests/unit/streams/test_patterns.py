"""Publishing of patterns beside the curate stage: what is followed, repeated and left out."""

import asyncio
from collections.abc import Sequence

import pytest

from schemas.errors import BrokerUnavailable
from schemas.records import Pattern
from streams.core.patterns.counters import Counted, Group
from streams.core.patterns.mine import PatternRules
from streams.core.view import view_of
from streams.ports import Outgoing
from streams.stages.patterns import PatternMiner, counted
from streams.state.patterns import MemoryPatternStore, StoreLimits
from tests.unit.core.build import good_run

SECOND = 1_000_000


class World:
    """A store with a clock to move by hand, and a publisher that notes what it gets."""

    def __init__(self) -> None:
        self.now = 1_800_000_000 * SECOND
        self.store = MemoryPatternStore(StoreLimits(publish_seconds=2, hold_seconds=60), lambda: self.now)
        self.published: list[Pattern] = []
        self.keys: set[bytes | None] = set()
        self.broken = False
        self.takes_seconds = 0.0

    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        self.now += int(self.takes_seconds * SECOND)
        if self.broken:
            raise BrokerUnavailable("away")
        for item in outgoing:
            assert item.topic == "patterns"
            assert isinstance(item.record, Pattern)
            self.keys.add(item.key)
            self.published.append(item.record)

    def miner(self, rules: PatternRules | None = None) -> PatternMiner:
        return PatternMiner(self.store, self, rules or PatternRules(), lambda: self.now / SECOND)

    async def later(self, miner: PatternMiner, seconds: float = 3) -> list[Pattern]:
        """What is published when so much time has gone by."""
        self.now += int(seconds * SECOND)
        before = len(self.published)
        found = await miner.tick()
        assert found == len(self.published) - before
        return self.published[before:]


def items(first: int, count: int, **changed: object) -> list[Counted]:
    return [counted(first + n, view_of(good_run(f"t{first + n}").trace(**changed)), True) for n in range(count)]


def test_what_stands_out_is_published_after_a_while_under_its_id() -> None:
    async def body() -> None:
        world = World()
        miner = world.miner()
        await miner.apply(0, items(0, 5))
        assert await world.later(miner, 1) == []
        (pattern,) = await world.later(miner)
        assert (pattern.tools, pattern.trace_count, pattern.revision) == (("Search",), 5, world.now // SECOND)
        assert world.keys == {pattern.pattern_id.encode()}
        assert await world.later(miner, 100) == []
        assert await world.store.waiting() == 0

    asyncio.run(body())


def test_news_gives_a_higher_revision_and_no_news_gives_none() -> None:
    async def body() -> None:
        world = World()
        miner = world.miner()
        await miner.apply(0, items(0, 5))
        (first,) = await world.later(miner)
        await miner.apply(0, items(0, 5))  # the same again
        assert await world.later(miner) == []
        await miner.apply(0, items(5, 1))
        (second,) = await world.later(miner)
        assert (second.trace_count, second.revision > first.revision) == (6, True)

    asyncio.run(body())


def test_a_broker_that_is_away_delays_a_pattern_and_loses_none() -> None:
    async def body() -> None:
        world = World()
        miner = world.miner()
        await miner.apply(0, items(0, 5))
        world.broken = True
        with pytest.raises(BrokerUnavailable):
            await world.later(miner)
        world.broken = False
        assert await world.later(miner, 30) == []  # held: whoever took it may still be at it
        assert len(await world.later(world.miner(), 31)) == 1

    asyncio.run(body())


def test_two_workers_share_the_work() -> None:
    async def body() -> None:
        world = World()
        one, two = world.miner(), world.miner()
        await one.apply(0, items(0, 5))
        await two.apply(1, [*items(0, 5), *items(100, 5)])
        assert sorted([len(await world.later(two)), len(await world.later(one))]) == [0, 1]
        assert world.published[0].trace_count == 10

    asyncio.run(body())


def test_simulated_runs_have_patterns_of_their_own() -> None:
    async def body() -> None:
        world = World()
        miner = world.miner()
        await miner.apply(0, [*items(0, 5), *items(5, 3, execution_mode="SIMULATION")])
        found = [*await world.later(miner), *await world.later(miner)]
        assert sorted((one.execution_mode, one.trace_count, one.support) for one in found) == [
            ("EXECUTION", 5, 1.0),
            ("SIMULATION", 3, 1.0),
        ]
        assert len(world.keys) == 2

    asyncio.run(body())


def test_a_pattern_that_leaves_is_published_as_inactive_once() -> None:
    async def body() -> None:
        world = World()
        miner = world.miner(PatternRules(min_support=0.5))
        await miner.apply(0, items(0, 5))
        (pattern,) = await world.later(miner)
        other = [
            Counted(n, f"o{n}", Group(pattern.scenario, pattern.execution_mode), item.closed_at, {"s": [1, 0, 0]})
            for n, item in enumerate(items(10, 9), 10)
        ]
        await miner.apply(0, other)
        (last,) = await world.later(miner)
        assert (last.pattern_id, last.active, last.trace_count) == (pattern.pattern_id, False, 5)
        await miner.apply(0, items(50, 1))
        assert await world.later(miner) == []

    asyncio.run(body())


def test_mining_takes_a_fifth_of_a_workers_time_at_most() -> None:
    async def body() -> None:
        world = World()
        world.takes_seconds = 3
        miner = world.miner()
        await miner.apply(0, items(0, 5))
        assert len(await world.later(miner)) == 1
        await miner.apply(0, items(5, 5))
        assert await world.later(miner, 11) == []
        assert len(await world.later(miner, 2)) == 1

    asyncio.run(body())
