"""The index of near-duplicates in Redis: as the one in memory, bounded, and safe with many workers."""

import asyncio
import random
from collections.abc import Iterator

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from schemas.errors import StateUnavailable
from streams.core.near_duplicates.records import Candidate, Rules, Withdrawal
from streams.state.near_duplicates import RedisNearDuplicates
from streams.state.near_duplicates_memory import MemoryNearDuplicates
from streams.state.port import StateFull
from tests.contract.near_duplicate_samples import HOUR, RULES, candidate, gone, one, text
from tests.contract.test_state import redis_server


@pytest.fixture(scope="module")
def redis_port() -> Iterator[int]:
    with redis_server() as port:
        yield port


def test_both_indexes_answer_alike_whatever_comes(redis_port: int) -> None:
    async def body() -> None:
        client: Redis = Redis(port=redis_port)
        for seed in range(6):
            made = random.Random(seed)
            rules = Rules(
                keep=made.choice(["first", "better"]),
                window_ms=500,
                max_docs_per_window=made.choice([25, 400]),
                scenario_cap=made.choice([0, 10]),
                exact_window_ms=1_500,
                max_exact_per_window=made.choice([40, 800]),
            )
            await client.flushall()
            memory, redis = MemoryNearDuplicates(rules), RedisNearDuplicates(client, "tdc", rules)
            now = 0
            for _ in range(60):
                now += made.choice([0, 5, 20, 20, -10, 600 if made.random() < 0.1 else 1])
                batch: list[Candidate | Withdrawal] = [
                    candidate(
                        f"t{made.randrange(60)}",
                        text(made.randrange(12), made.choice([0, 0, 3, 6, 25, 40])),
                        revision=made.randrange(1, 4),
                        calls=made.choice([b"the-same", b"the-same", b"others!!"]),
                        quality=made.choice([0.8, 0.85, 0.9, 1.0]),
                        task=made.choice([None, "one", "two"]),
                        seconds=made.choice([1.0, 2.5, 60.0]),
                        scenario=made.choice(["Travel", "Shop"]),
                        at=max(0, now + made.choice([0, 0, 30, 700])),
                    )
                    for _ in range(made.randrange(8))
                ]
                for _withdrawal in range(made.randrange(2)):
                    leaves = gone(f"t{made.randrange(60)}", made.randrange(1, 4), max(0, now))
                    batch.insert(made.randrange(len(batch) + 1), leaves)
                assert await redis.claim(batch) == await memory.claim(batch)
        await client.aclose()

    asyncio.run(body())


def test_claims_at_the_same_time_let_one_in(redis_port: int) -> None:
    async def body() -> None:
        clients = [Redis(port=redis_port) for _ in range(4)]
        await clients[0].flushall()
        indexes = [RedisNearDuplicates(client, "tdc", RULES) for client in clients]
        for number in range(10):
            found = await asyncio.gather(
                *(index.claim([candidate(f"{number}-{n}", text(number))]) for n, index in enumerate(indexes))
            )
            accepted = [claim.trace_id for (claim,) in found if claim.accepted]
            assert len(accepted) == 1
            assert {claim.cluster_id for (claim,) in found} == set(accepted)
        for client in clients:
            await client.aclose()

    asyncio.run(body())


def test_what_is_over_leaves_redis_and_everything_expires(redis_port: int) -> None:
    async def body() -> None:
        client: Redis = Redis(port=redis_port)
        await client.flushall()
        index = RedisNearDuplicates(client, "tdc", RULES)
        sizes = []
        for window in range(8):
            await index.claim(
                [candidate(f"{window}-{n}", text(1_000 * window + n), at=window * HOUR) for n in range(50)]
            )
            for _ in range(5):
                await index.claim([candidate(f"{window}-0", text(1_000 * window), at=window * HOUR)])
            sizes.append(await client.dbsize())
            for key in await client.keys("*"):
                assert 0 < await client.pttl(key) <= 8 * HOUR + HOUR, key
        assert max(sizes[3:]) <= 1.1 * sizes[2]
        assert len(await client.keys("*:traces")) == len(await client.keys("*:scenarios")) == 2
        assert len(await client.keys("*:exact:*")) == 2
        await client.aclose()

    asyncio.run(body())


def test_a_full_redis_changes_nothing_and_goes_on_later() -> None:
    async def body(port: int) -> None:
        client: Redis = Redis(port=port)
        index = RedisNearDuplicates(client, "tdc", RULES)
        await one(index, candidate("a", text(1)))
        before = {key: await client.dump(key) for key in await client.keys("*")}
        await client.config_set("maxmemory", "1")
        with pytest.raises(StateFull):
            await one(index, candidate("b", text(2)))
        await client.config_set("maxmemory", "0")
        assert {key: await client.dump(key) for key in await client.keys("*")} == before
        assert (await one(index, candidate("b", text(2)))).accepted
        await client.aclose()

    with redis_server() as port:
        asyncio.run(body(port))
    index = MemoryNearDuplicates(RULES)
    index.full = True
    with pytest.raises(StateFull):
        asyncio.run(index.claim([candidate("a", text(1))]))


def test_a_redis_that_is_away_is_transient() -> None:
    async def body(port: int) -> None:
        client: Redis = Redis(port=port, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0))
        with pytest.raises(StateUnavailable):
            await one(RedisNearDuplicates(client, "tdc", RULES), candidate("a", text(1)))
        await client.aclose()

    with redis_server() as port:
        pass
    asyncio.run(body(port))
