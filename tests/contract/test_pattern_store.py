"""What the sums of tool sequences promise, in memory and on a real Redis."""

import asyncio
import itertools
import random
from collections.abc import Callable, Coroutine, Iterator

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from schemas.errors import StateUnavailable
from streams.core.patterns.counters import TOTAL, Counted, Group, Window, merged
from streams.state.patterns import MemoryPatternStore, PatternStore, StoreLimits
from streams.state.patterns_redis import RedisPatternStore
from streams.state.port import StateFull
from tests.contract.test_state import redis_server

HOUR = 3_600_000_000
NOW = 480_000 * HOUR
Make = Callable[[StoreLimits], PatternStore]
Scenario = Callable[[Make], Coroutine[None, None, None]]
Run = Callable[[Scenario], None]
_PREFIXES = itertools.count()
DEFAULT = StoreLimits(publish_seconds=0)
S = Group("s")


@pytest.fixture(scope="module")
def redis_port() -> Iterator[int]:
    with redis_server() as port:
        yield port


@pytest.fixture(params=["memory", "redis"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a scenario on stores that are empty at first."""
    if request.param == "memory":
        return lambda scenario: asyncio.run(scenario(lambda limits: MemoryPatternStore(limits, lambda: NOW)))
    port = request.getfixturevalue("redis_port")

    def on_redis(scenario: Scenario) -> None:
        async def body() -> None:
            client: Redis = Redis(port=port)
            try:
                await scenario(lambda limits: RedisPatternStore(client, f"t{next(_PREFIXES)}", limits))
            finally:
                await client.aclose()

        asyncio.run(body())

    return on_redis


def trace(offset: int, trace_id: str | None = None, *, hour: int = 0, group: Group = S, **counts: int) -> Counted:
    return counted(offset, trace_id or f"t{offset}", hour, group, counts)


def counted(offset: int, trace_id: str, hour: int, group: Group, counts: dict[str, int]) -> Counted:
    own = {TOTAL: [1, 0, 0], **{f"p\x1f{name}": [1, times, 0, 0, times, 0, 0, 0, 0] for name, times in counts.items()}}
    return Counted(offset, trace_id, group, NOW + hour * HOUR, own)


def sums(window: Window) -> dict[str, list[int]]:
    """Sums of a window by name, traces and occurrences of each."""
    return {name.removeprefix("p\x1f"): cell.sums[:2] for name, cell in sorted(merged(window.buckets).items())}


def test_what_is_applied_twice_counts_once(run: Run) -> None:
    async def scenario(make: Make) -> None:
        store = make(DEFAULT)
        batch = [trace(0, a=1), trace(1, a=2, b=1)]
        assert await store.apply(0, batch) == {S}
        assert await store.apply(0, batch) == {S}  # it may not have been published
        await store.apply(0, [trace(1, a=2, b=1), trace(2, b=5)])
        await store.apply(1, [trace(0, "other", a=7)])  # offsets of another partition are other offsets
        assert sums(await store.window(S)) == {"a": [3, 10], "b": [2, 6], TOTAL: [4, 0]}

    run(scenario)


def test_a_trace_counts_once_whatever_its_revisions_and_offsets(run: Run) -> None:
    async def scenario(make: Make) -> None:
        store = make(DEFAULT)
        await store.apply(0, [trace(0, "t", a=1), trace(1, "t", a=1), trace(2, "u", a=1)])
        await store.apply(0, [trace(3, "t", hour=1, a=9)])
        assert sums(await store.window(S)) == {"a": [2, 2], TOTAL: [2, 0]}

    run(scenario)


def test_any_order_of_partitions_gives_the_same_window(run: Run) -> None:
    async def scenario(make: Make) -> None:
        lanes = {
            lane: [counted(n, f"{lane}-{n}", (n * 7 + lane) % 5, S, {"abc"[n % 3]: 1 + n}) for n in range(12)]
            for lane in range(3)
        }
        found = []
        for seed in range(4):
            store, chance = make(DEFAULT), random.Random(seed)
            left = {lane: list(items) for lane, items in lanes.items()}
            while any(left.values()):
                lane = chance.choice([lane for lane, items in left.items() if items])
                size = chance.randint(1, 5)
                await store.apply(lane, left[lane][:size])
                left[lane] = left[lane][size:]
            found.append((await store.window(S)).buckets)
        assert all(buckets == found[0] for buckets in found)
        assert [bucket.number for bucket in found[0]] == [480_000 + n for n in range(5)]
        assert all(len(cell.samples) <= 3 for bucket in found[0] for cell in bucket.cells.values())
        assert len(found[0][0].cells["p\x1fa"].samples) == min(3, found[0][0].cells["p\x1fa"].sums[0])

    run(scenario)


def test_samples_are_kept_by_digest_and_not_by_arrival(run: Run) -> None:
    async def scenario(make: Make) -> None:
        kept = []
        for order in (range(9), reversed(range(9))):
            store = make(DEFAULT)
            for offset, number in enumerate(order):
                await store.apply(0, [trace(offset, f"trace-{number}", a=1)])
            kept.append((await store.window(S)).buckets[0].cells["p\x1fa"].samples)
        assert kept[0] == kept[1]
        assert len(kept[0]) == 3

    run(scenario)


def test_what_leaves_the_window_is_gone_and_what_comes_too_late_is_not_counted(run: Run) -> None:
    async def scenario(make: Make) -> None:
        store = make(StoreLimits(publish_seconds=0, buckets=3))
        await store.apply(0, [trace(0, hour=0, a=1), trace(1, hour=1, a=1)])
        await store.apply(0, [trace(2, hour=3, a=1)])
        await store.apply(0, [trace(3, hour=0, a=1)])
        window = await store.window(S)
        assert window.newest == 480_003
        assert [bucket.number for bucket in window.buckets] == [480_001, 480_003]
        await store.apply(0, [trace(4, hour=90, a=1), trace(5, hour=0, a=1)])
        assert sums(await store.window(S))[TOTAL] == [1, 0]

    run(scenario)


def test_rare_names_are_dropped_within_a_stated_bound(run: Run) -> None:
    async def scenario(make: Make) -> None:
        store = make(StoreLimits(publish_seconds=0, max_names=40))
        truth: dict[str, int] = {}
        chance = random.Random(7)
        for offset in range(300):
            names = {"often"} | {f"rare{chance.randint(0, 400)}" for _ in range(3)}
            for name in names:
                truth[name] = truth.get(name, 0) + 1
            await store.apply(0, [counted(offset, f"t{offset}", 0, S, dict.fromkeys(names, 1))])
        (bucket,) = (await store.window(S)).buckets
        assert len(bucket.cells) <= 40
        assert bucket.cells[TOTAL].sums[0] == 300
        assert bucket.cells["p\x1foften"].sums[0] == 300
        assert 0 < bucket.lost < 100
        for name, times in truth.items():
            cell = bucket.cells.get(f"p\x1f{name}")
            assert times - bucket.lost <= (cell.sums[0] if cell else 0) <= times

    run(scenario)


def test_only_so_many_traces_are_remembered(run: Run) -> None:
    async def scenario(make: Make) -> None:
        store = make(StoreLimits(publish_seconds=0, max_traces=2))
        await store.apply(0, [trace(n, f"t{n}", hour=n, a=1) for n in range(4)])
        await store.apply(0, [trace(4, "t3", hour=4, a=1), trace(5, "t0", hour=4, a=1)])
        assert sums(await store.window(S))["a"] == [5, 5]  # t3 is known, t0 is not any more

    run(scenario)


def test_a_replay_counts_nothing_even_when_its_traces_are_forgotten(run: Run) -> None:
    async def scenario(make: Make) -> None:
        store = make(StoreLimits(publish_seconds=0, max_traces=1))
        items = [trace(n, a=1) for n in range(6)]
        await store.apply(0, items)
        await store.apply(0, items[:3])
        await store.apply(0, items[2:])
        assert sums(await store.window(S))["a"] == [6, 6]

    run(scenario)


def test_runs_of_other_modes_and_scenarios_are_counted_apart(run: Run) -> None:
    async def scenario(make: Make) -> None:
        store = make(DEFAULT)
        simulated, odd = Group("s", "SIMULATION"), Group("SIMULATION\x1fs", "OPTIMIZATION")
        items = [trace(0, a=1), trace(1, group=simulated, a=2, b=1), trace(2, group=odd, a=3)]
        assert await store.apply(0, items) == {S, simulated, odd}
        assert sums(await store.window(S)) == {"a": [1, 1], TOTAL: [1, 0]}
        assert sums(await store.window(simulated)) == {"a": [1, 2], "b": [1, 1], TOTAL: [1, 0]}
        assert sums(await store.window(odd)) == {"a": [1, 3], TOTAL: [1, 0]}
        assert {await store.take(), await store.take(), await store.take()} == {S, simulated, odd}
        await store.follow(simulated, ["p\x1fa"])
        assert (await store.window(S)).followed == frozenset()
        await store.published(await store.window(simulated), ())
        assert await store.waiting() == 2

    run(scenario)


def test_a_group_waits_until_it_was_published_without_news_since(run: Run) -> None:
    async def scenario(make: Make) -> None:
        store = make(DEFAULT)
        assert await store.take() is None
        await store.apply(0, [trace(0, a=1), trace(1, group=Group("other"), a=1)])
        assert await store.waiting() == 2
        taken = {await store.take(), await store.take()}
        assert taken == {S, Group("other")}
        assert await store.take() is None  # both are held
        window = await store.window(S)
        await store.apply(0, [trace(2, a=1)])
        await store.published(window, ())
        assert await store.take() == S
        await store.published(await store.window(S), ())
        assert (await store.waiting(), await store.take()) == (1, None)

    run(scenario)


def test_news_waits_for_a_while_so_that_publishing_is_not_frequent(run: Run) -> None:
    async def scenario(make: Make) -> None:
        store = make(StoreLimits(publish_seconds=50))
        await store.apply(0, [trace(0, a=1)])
        assert await store.take() is None
        assert await store.waiting() == 1

    run(scenario)


def test_revisions_rise_and_go_by_the_clock_so_that_they_survive_a_loss(run: Run) -> None:
    async def scenario(make: Make) -> None:
        store = make(DEFAULT)
        await store.apply(0, [trace(0, a=1)])
        first, second = await store.window(S), await store.window(S)
        assert second.revision > first.revision >= 1_700_000_000
        assert first.version == second.version
        assert first.read_at // 1_000_000 == pytest.approx(first.revision, abs=3)

    run(scenario)


def test_followed_patterns_are_known_until_they_are_dropped(run: Run) -> None:
    async def scenario(make: Make) -> None:
        store = make(DEFAULT)
        await store.apply(0, [trace(0, a=1)])
        await store.follow(S, ["p\x1fa", "p\x1fb"])
        window = await store.window(S)
        assert window.followed == {"p\x1fa", "p\x1fb"}
        await store.published(window, ["p\x1fb"])
        assert (await store.window(S)).followed == {"p\x1fa"}

    run(scenario)


def test_workers_that_race_for_one_partition_count_once(redis_port: int) -> None:
    async def body() -> None:
        client: Redis = Redis(port=redis_port)
        stores = [RedisPatternStore(client, "race", DEFAULT) for _ in range(4)]
        items = [trace(n, a=1) for n in range(60)]
        for start in range(0, 60, 6):
            await asyncio.gather(*(store.apply(0, items[start : start + 6]) for store in stores))
        assert sums(await stores[0].window(S))["a"] == [60, 60]
        keys = [key async for key in client.scan_iter("race:{patterns:*")]
        assert keys
        assert all([0 < await client.ttl(key) <= 2 * 24 * 3600 for key in keys])
        assert len({key.split(b"}")[0] for key in keys}) == 1
        await client.aclose()

    asyncio.run(body())


def test_buckets_that_left_the_window_take_no_memory(redis_port: int) -> None:
    async def body() -> None:
        client: Redis = Redis(port=redis_port)
        store = RedisPatternStore(client, "gone", StoreLimits(publish_seconds=0, buckets=3))
        for hour in range(12):
            await store.apply(0, [trace(hour, hour=hour, a=1)])
        names = {key.rsplit(b":", 1)[1] async for key in client.scan_iter("gone:{patterns:*")}
        assert names == {b"meta", b"seen", b"480009", b"480010", b"480011"}
        assert await client.zcard(next(iter([key async for key in client.scan_iter("gone:*:seen")]))) == 3
        await client.aclose()

    asyncio.run(body())


def test_a_redis_that_is_away_is_a_transient_error() -> None:
    async def body(port: int) -> None:
        store = RedisPatternStore(Redis(port=port, retry=Retry(NoBackoff(), 0)), "t")
        attempts = (store.apply(0, [trace(0, a=1)]), store.take(), store.window(S), store.waiting())
        found = await asyncio.gather(*attempts, return_exceptions=True)
        assert [type(error) for error in found] == [StateUnavailable] * 4

    asyncio.run(body(1))


def test_a_full_redis_takes_nothing_until_there_is_room() -> None:
    async def body(port: int) -> None:
        client: Redis = Redis(port=port)
        store = RedisPatternStore(client, "t", DEFAULT)
        await store.apply(0, [trace(0, a=1)])
        await client.set("ballast", b"x" * 3_000_000)
        await client.config_set("maxmemory", "1mb")
        with pytest.raises(StateFull):
            await store.apply(0, [trace(1, a=1), trace(2, "other", group=Group("new"), a=1)])
        await client.config_set("maxmemory", "0")
        assert await store.apply(0, [trace(1, a=1), trace(2, "other", group=Group("new"), a=1)]) == {S, Group("new")}
        assert sums(await store.window(S))["a"] == [2, 2]
        assert sums(await store.window(Group("new")))["a"] == [1, 1]
        await client.aclose()

    with redis_server() as port:
        asyncio.run(body(port))
