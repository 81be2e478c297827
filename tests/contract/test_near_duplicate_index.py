"""What an index of near-duplicates promises, in memory and on a real Redis."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine, Iterator

import msgspec
import pytest
from redis.asyncio import Redis

from streams.core.near_duplicates.records import Candidate, Claim, Rules, TwinSummary, Withdrawal
from streams.state.near_duplicates import NearDuplicates, RedisNearDuplicates
from streams.state.near_duplicates_memory import MemoryNearDuplicates
from tests.contract.near_duplicate_samples import HOUR, RULES, candidate, gone, one, text
from tests.contract.test_state import redis_server

Flush = Callable[[], Awaitable[None]]
Scenario = Callable[[NearDuplicates, Flush], Coroutine[None, None, None]]
Run = Callable[[Scenario, Rules], None]


@pytest.fixture(scope="module")
def redis_port() -> Iterator[int]:
    with redis_server() as port:
        yield port


@pytest.fixture(params=["memory", "redis"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a scenario on an empty index."""
    if request.param == "memory":

        def in_memory(scenario: Scenario, rules: Rules) -> None:
            index = MemoryNearDuplicates(rules)

            async def flush() -> None:
                index.flush()

            asyncio.run(scenario(index, flush))

        return in_memory
    port = request.getfixturevalue("redis_port")

    def on_redis(scenario: Scenario, rules: Rules) -> None:
        async def body() -> None:
            client: Redis = Redis(port=port)
            try:
                await client.flushall()

                async def flush() -> None:
                    await client.flushall()

                await scenario(RedisNearDuplicates(client, "tdc", rules), flush)
            finally:
                await client.aclose()

        asyncio.run(body())

    return on_redis


def test_the_first_claim_wins_and_a_copy_is_its_exact_duplicate(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        first, second, other = await index.claim(
            [candidate("a", text(1)), candidate("b", text(1)), candidate("c", text(2))]
        )
        assert first == Claim("a", 1.0, "a")
        assert first.accepted
        assert second == Claim("b", 0.0, "a", duplicate_of="a", similarity=1.0, exact=True)
        assert not second.accepted
        assert other.accepted
        assert other.cluster_id == "c"
        assert other.novelty == 1.0

    run(scenario, RULES)


def test_near_copies_are_duplicates_and_distant_ones_are_not(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        await one(index, candidate("a", text(1)))
        near = await one(index, candidate("b", text(1, changed=8)))
        assert near.duplicate_of == "a"
        assert not near.exact
        assert near.similarity is not None
        assert 0.85 < near.similarity <= 1
        assert near.novelty == pytest.approx(1 - near.similarity)
        far = await one(index, candidate("c", text(1, changed=50)))
        assert far.accepted
        assert 0.25 < far.novelty < 0.7
        nearest = await one(index, candidate("d", text(1, changed=51)))
        assert nearest.duplicate_of == "c"

    run(scenario, RULES)


def test_other_tool_calls_are_never_a_duplicate(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        await one(index, candidate("a", text(1)))
        other = await one(index, candidate("b", text(1), calls=b"others!!"))
        assert other.accepted
        assert other.novelty == 0.0
        assert (await one(index, candidate("c", text(1), calls=b"others!!"))).duplicate_of == "b"

    run(scenario, RULES)


def test_the_same_trace_again_gets_the_very_same_answer(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        asked = [
            candidate("a", text(1), task="t", seconds=9.0),
            candidate("b", text(1, changed=5)),
            candidate("c", text(2), task="t", seconds=2.0),
            candidate("d", text(3)),
            candidate("e", text(4)),
        ]
        first = await index.claim(asked)
        assert [claim.over_cap for claim in first] == [False, False, False, False, True]
        assert first[2].twin is not None
        assert first[2].twin.trace_id == "a"
        await index.claim([candidate("f", text(5), task="t", seconds=99.0, scenario="Another")])
        assert await index.claim(list(reversed(asked))) == list(reversed(first))
        # Also from the window before.
        await index.claim([candidate("g", text(6), task="t", scenario="Another", at=1_000 + HOUR)])
        assert await index.claim(asked) == first

    run(scenario, msgspec.structs.replace(RULES, scenario_cap=3))


def test_a_higher_revision_takes_the_place_of_the_one_before(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        await one(index, candidate("a", text(1)))
        amended = await one(index, candidate("a", text(1, changed=3), revision=2))
        assert amended.accepted
        assert amended.cluster_id == "a"
        assert amended.novelty == 1.0
        await one(index, candidate("a", text(2), revision=3))
        # Nothing of the revisions before is left, neither exact nor near; the new one is there.
        assert (await one(index, candidate("b", text(1)))).accepted
        assert (await one(index, candidate("c", text(2)))).duplicate_of == "a"

    run(scenario, RULES)


def test_an_older_revision_that_comes_again_changes_nothing(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        await one(index, candidate("a", text(1)))
        await one(index, candidate("a", text(2), revision=2))
        assert (await one(index, candidate("a", text(1)))).accepted
        assert (await one(index, candidate("b", text(1)))).accepted
        assert (await one(index, candidate("c", text(2)))).duplicate_of == "a"

    run(scenario, RULES)


def test_a_duplicate_may_become_new_by_a_revision(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        await one(index, candidate("a", text(1)))
        assert (await one(index, candidate("b", text(1)))).duplicate_of == "a"
        assert (await one(index, candidate("b", text(2), revision=2))).accepted
        assert (await one(index, candidate("c", text(2)))).duplicate_of == "b"

    run(scenario, RULES)


def test_a_withdrawn_trace_has_no_duplicates(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        await one(index, candidate("a", text(1), task="t", seconds=50.0))
        (claim,) = await index.claim([gone("a", 2), candidate("b", text(1), task="t")])
        assert claim.accepted
        assert claim.twin is None
        # What was withdrawn stays so for older revisions; the same one may come back under another policy.
        assert (await one(index, candidate("a", text(1)))).duplicate_of == "b"
        assert await index.claim([gone("b", 1), gone("unknown", 7)]) == []
        assert (await one(index, candidate("a", text(1), revision=2))).accepted
        assert (await one(index, candidate("b", text(1), revision=2))).duplicate_of == "a"
        # A withdrawal of an older revision comes too late.
        await index.claim([gone("a", 1)])
        assert (await one(index, candidate("c", text(1)))).duplicate_of == "a"

    run(scenario, RULES)


def test_a_better_twin_stands_for_the_cluster_where_the_policy_says_so(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        await one(index, candidate("a", text(1), quality=0.7))
        equal = await one(index, candidate("b", text(1, changed=3), quality=0.75))
        assert equal.duplicate_of == "a"
        assert equal.supersedes is None
        better = await one(index, candidate("c", text(1, changed=4), quality=0.95))
        assert better.accepted
        assert better.supersedes == "a"
        assert better.cluster_id == "c"
        assert better.similarity is not None
        assert better.novelty < 0.2
        # What is like the first one belongs to the cluster of the one that stands for it now.
        later = await one(index, candidate("d", text(1), quality=0.96))
        assert later.duplicate_of == "a"
        assert later.exact
        assert later.cluster_id == "c"
        # Its own next revision keeps its place.
        again = await one(index, candidate("c", text(1, changed=5), quality=0.5, revision=2))
        assert again.supersedes == "a"
        # And when it is gone, the first one stands for itself again.
        await index.claim([gone("c", 3)])
        assert (await one(index, candidate("e", text(1), quality=0.7))).cluster_id == "a"

    run(scenario, msgspec.structs.replace(RULES, keep="better", better_by=0.1))


def test_a_better_twin_is_a_duplicate_where_the_first_is_kept(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        await one(index, candidate("a", text(1), quality=0.1))
        assert (await one(index, candidate("b", text(1), quality=1.0))).duplicate_of == "a"

    run(scenario, RULES)


def test_a_scenario_has_its_cap_in_a_window(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        found = await index.claim([candidate(f"t{n}", text(n)) for n in range(4)])
        assert [claim.over_cap for claim in found] == [False, False, True, True]
        assert not found[2].accepted
        assert found[2].duplicate_of is None
        # What the cap kept out is no obstacle to others, and other scenarios have their own.
        assert (await one(index, candidate("u", text(2), scenario="Other"))).accepted
        # A place is free when somebody leaves it.
        await index.claim([gone("t0", 2)])
        assert (await one(index, candidate("v", text(9)))).accepted
        assert (await one(index, candidate("w", text(10)))).over_cap
        # Duplicates are called so, and take no place; the next window begins at nothing.
        assert (await one(index, candidate("x", text(9)))).duplicate_of == "v"
        assert (await one(index, candidate("y", text(11), at=1_000 + HOUR))).accepted

    run(scenario, msgspec.structs.replace(RULES, scenario_cap=2))


def test_the_slowest_earlier_run_of_a_task_is_named(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        assert (await one(index, candidate("a", text(1), task="t", seconds=5.0))).twin is None
        second = await one(index, candidate("b", text(2), task="t", seconds=60.0))
        assert second.twin is not None
        assert second.twin.trace_id == "a"
        third = await one(index, candidate("c", text(3), task="t", seconds=7.0))
        assert third.twin is not None
        assert (third.twin.trace_id, third.twin.revision) == ("b", 1)
        assert third.twin.summary == TwinSummary(60.0, 0.5, 100, 2, ("search", "book"))
        assert (await one(index, candidate("d", text(4), task="other"))).twin is None
        assert (await one(index, candidate("e", text(5)))).twin is None
        # It is known as long as the task goes on.
        for window in range(1, 5):
            later = await one(index, candidate(f"f{window}", text(90 + window), task="t", at=1_000 + window * HOUR))
            assert later.twin is not None
            assert later.twin.trace_id == "b"

    run(scenario, RULES)


def test_the_current_window_and_the_one_before_count(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        await one(index, candidate("a", text(1)))
        assert (await one(index, candidate("b", text(1, changed=3), at=HOUR + 1_000))).duplicate_of == "a"
        # A time that lies back opens no window.
        assert (await one(index, candidate("c", text(1, changed=4), at=5))).duplicate_of == "a"
        assert (await one(index, candidate("d", text(2), at=2 * HOUR + 1_000))).accepted
        assert (await one(index, candidate("e", text(1, changed=5), at=2 * HOUR + 2_000))).accepted
        # The exact hash lives longer.
        exact = await one(index, candidate("f", text(1), at=2 * HOUR + 3_000))
        assert exact.duplicate_of == "a"
        assert exact.exact
        # After a long silence nothing is recent, and after a longer one nothing is known at all.
        assert (await one(index, candidate("g", text(2, changed=3), at=7 * HOUR))).accepted
        assert (await one(index, candidate("h", text(1), at=100 * HOUR))).accepted

    run(scenario, RULES)


def test_a_full_window_makes_room_for_the_most_recent(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        for start in range(0, 50, 10):
            found = await index.claim([candidate(f"t{n}", text(n)) for n in range(start, start + 10)])
            assert all(claim.accepted for claim in found)
        # Windows of 20: the third is current, the first is gone.
        assert (await one(index, candidate("u", text(25, changed=2)))).duplicate_of == "t25"
        assert (await one(index, candidate("v", text(45, changed=2)))).duplicate_of == "t45"
        assert (await one(index, candidate("w", text(5, changed=2)))).accepted

    run(scenario, msgspec.structs.replace(RULES, max_docs_per_window=20))


def test_a_flushed_index_is_an_empty_one(run: Run) -> None:
    async def scenario(index: NearDuplicates, flush: Flush) -> None:
        await one(index, candidate("a", text(1)))
        await flush()
        assert (await one(index, candidate("b", text(1)))).accepted
        assert (await one(index, candidate("a", text(1)))).duplicate_of == "b"
        assert await index.claim([]) == []

    run(scenario, RULES)


def test_names_may_be_any_text(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        names = ["Ünï✓", "a b\n", "{x}", "名前", "a:b@c", "x" * 512]
        found = await index.claim([candidate(n, text(i), task=n, scenario=n) for i, n in enumerate(names)])
        assert all(claim.accepted for claim in found)
        copies = await index.claim([candidate(f"copy {n}", text(i)) for i, n in enumerate(names)])
        assert [claim.duplicate_of for claim in copies] == names
        twins = await index.claim([candidate(f"twin {n}", text(50 + i), task=n) for i, n in enumerate(names)])
        assert [claim.twin.trace_id for claim in twins if claim.twin] == names

    run(scenario, RULES)


def test_a_window_that_ends_inside_a_batch_ends_at_its_trace(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        found = await index.claim(
            [
                candidate("a", text(1)),
                candidate("b", text(2), at=HOUR),
                candidate("c", text(1, changed=3), at=HOUR + 1_000),
                candidate("d", text(2, changed=3), at=2 * HOUR + 1_000),
                candidate("e", text(1, changed=5), at=2 * HOUR + 1_000),
            ]
        )
        # The second window begins at c: a is still known then, and at d and e only what came after.
        assert [claim.duplicate_of for claim in found] == [None, None, "a", None, None]
        full = [candidate(f"t{n}", text(100 + n), at=9 * HOUR) for n in range(5)]
        copies = [candidate(f"u{n}", text(100 + n, changed=3), at=9 * HOUR) for n in range(5)]
        # Windows of four: the second begins at t4, the third at u3, and t3 is gone then.
        twins = [claim.duplicate_of for claim in await index.claim([*full, *copies])]
        assert twins == [None] * 5 + ["t0", "t1", "t2", None, "t4"]

    run(scenario, msgspec.structs.replace(RULES, max_docs_per_window=4))


def test_what_comes_again_moves_no_window(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        asked = [candidate(f"t{n}", text(n), at=n * HOUR // 3) for n in range(9)]
        first = await index.claim(asked)
        for _again in range(3):
            assert (await index.claim(asked[6:])) == first[6:]
            await index.claim([gone("t8", 0, 50 * HOUR), gone("unknown", 3, 50 * HOUR)])
        assert (await one(index, candidate("u", text(7, changed=3), at=8 * HOUR // 3))).duplicate_of == "t7"
        await index.claim([gone("t8", 2, 3 * HOUR)])
        for _again in range(3):
            await index.claim([gone("t8", 2, 50 * HOUR)])
        assert (await one(index, candidate("v", text(7, changed=4), at=3 * HOUR))).duplicate_of == "t7"

    run(scenario, RULES)


def test_what_comes_again_ends_no_full_window(run: Run) -> None:
    async def scenario(index: NearDuplicates, _: Flush) -> None:
        asked = [candidate(f"t{n}", text(n), revision=2) for n in range(6)]
        first = await index.claim(asked)
        for _again in range(3):
            assert await index.claim(asked[3:]) == first[3:]
        # Two full windows, and a revision that is only answered: it finds what the older one holds.
        assert (await one(index, candidate("t5", text(1, changed=3)))).duplicate_of == "t1"

    run(scenario, msgspec.structs.replace(RULES, max_docs_per_window=3))


@pytest.mark.parametrize("seed", range(4))
def test_answers_do_not_depend_on_where_batches_begin(run: Run, seed: int) -> None:
    made = random.Random(seed)
    rules = Rules(
        keep=made.choice(["first", "better"]),
        window_ms=500,
        max_docs_per_window=made.choice([15, 400]),
        scenario_cap=made.choice([0, 6]),
        exact_window_ms=1_500,
        max_exact_per_window=made.choice([25, 800]),
    )
    asked: list[Candidate | Withdrawal] = []
    now = 0
    for _ in range(150):
        now += made.choice([0, 5, 20, 40, -10, 600 if made.random() < 0.05 else 1])
        name, revision = f"t{made.randrange(70)}", made.randrange(1, 4)
        asked.append(
            gone(name, revision, now)
            if made.random() < 0.1
            else candidate(
                name, text(made.randrange(12), made.choice([0, 0, 3, 25])), revision=revision, at=now,
                quality=made.choice([0.8, 0.95]), task=made.choice([None, "one"]), seconds=made.choice([1.0, 60.0]),
            )
        )  # fmt: skip
    cuts = {size: list(range(0, len(asked), size)) for size in (1, 7, len(asked))}
    answers: dict[int, list[Claim]] = {}

    async def scenario(index: NearDuplicates, flush: Flush) -> None:
        for size, starts in cuts.items():
            await flush()
            answers[size] = [claim for start in starts for claim in await index.claim(asked[start : start + size])]
            # A batch whose answer was lost is asked again, and nothing comes of it.
            await index.claim(asked[starts[-1] :])

    run(scenario, rules)
    assert answers[1] == answers[7] == answers[len(asked)]
    verdicts = answers[1]
    assert any(claim.duplicate_of for claim in verdicts)
    assert any(claim.accepted for claim in verdicts)
