"""What a partition's state promises, in memory and on a real Redis."""

import asyncio
import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from ops.stack.redis import find_redis
from schemas.errors import LeaseLost, StateUnavailable
from streams.state.memory import MemoryPartitionState
from streams.state.port import Change, PartitionState, StateFull, StateLost
from streams.state.redis import RedisPartitionState

Scenario = Callable[[PartitionState, Callable[[], Awaitable[None]]], Coroutine[None, None, None]]
"""What happens to a state; the second argument makes it forget everything."""


@contextlib.contextmanager
def redis_server(*options: str) -> Iterator[int]:
    """A Redis of its own on a free port, gone afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with tempfile.TemporaryDirectory() as home:
        arguments = [
            str(find_redis()),
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            home,
            *options,
        ]
        log = Path(home) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(arguments, stdout=out, stderr=out)
        try:
            for _ in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
                    connection.sendall(b"PING\r\n")
                    if connection.recv(16).startswith(b"+PONG"):
                        break
                time.sleep(0.05)
            else:
                raise RuntimeError(log.read_text())
            yield port
        finally:
            process.terminate()
            process.wait(10)


@pytest.fixture(scope="module")
def redis_port() -> Iterator[int]:
    with redis_server() as port:
        yield port


Run = Callable[[Scenario], None]


@pytest.fixture(params=["memory", "redis"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a scenario on a fresh state."""
    if request.param == "memory":

        def in_memory(scenario: Scenario) -> None:
            state = MemoryPartitionState()

            async def flush() -> None:
                fresh = MemoryPartitionState()
                state.__dict__.update(fresh.__dict__)

            asyncio.run(scenario(state, flush))

        return in_memory
    port = request.getfixturevalue("redis_port")

    def on_redis(scenario: Scenario) -> None:
        async def body() -> None:
            client: Redis = Redis(port=port)
            try:
                await client.flushall()

                async def flush() -> None:
                    await client.flushall()

                await scenario(RedisPartitionState(client, "tdc", "agent-events", 3), flush)
            finally:
                await client.aclose()

        asyncio.run(body())

    return on_redis


def test_a_new_state_knows_nothing(run: Run) -> None:
    async def scenario(state: PartitionState, _: object) -> None:
        lease = await state.acquire("a")
        assert lease.applied is None
        assert await state.entries(lease, ["t"]) == ({}, {})
        assert await state.entries(lease, []) == ({}, {})
        assert await state.messages(lease, ["t"]) == {"t": []}
        assert await state.due(10**15, 10) == []
        assert (await state.counts())["open_traces"] == 0

    run(scenario)


def test_what_is_kept_beside_traces_moves_with_the_change_and_is_read_under_the_lease(run: Run) -> None:
    async def scenario(state: PartitionState, _: object) -> None:
        lease = await state.acquire("a")
        assert await state.kept(lease) == {}
        lease = await state.commit(lease, Change(applied=5, keep=[("w1", b"\x00\xff"), ("w2", b"2")]))
        lease = await state.commit(lease, Change(applied=6, keep=[("w1", b"new")], drop_kept=["w2", "never"]))
        assert await state.kept(lease) == {"w1": b"new"}
        await state.acquire("b")
        with pytest.raises(LeaseLost):
            await state.kept(lease)
        with pytest.raises(LeaseLost):
            await state.commit(lease, Change(keep=[("w1", b"stale")]))

    run(scenario)


def test_one_change_moves_everything(run: Run) -> None:
    async def scenario(state: PartitionState, _: object) -> None:
        lease = await state.acquire("a")
        binary = bytes(range(256))
        change = Change(
            applied=2**40,
            append=[("t", binary), ("u", b""), ("t", b"second")],
            put_open=[("t", binary, 30), ("u", b"U", 1_700_000_000_123)],
            put_closed=[("c", binary, 10)],
            counts={"pending": 3, "open_bytes": 2**50},
        )
        lease = await state.commit(lease, change)
        assert lease.applied == 2**40
        assert await state.entries(lease, ["t", "u", "c", "x"]) == ({"t": binary, "u": b"U"}, {"c": binary})
        assert await state.messages(lease, ["u", "t", "x"]) == {"u": [b""], "t": [binary, b"second"], "x": []}
        lease = await state.commit(
            lease, Change(drop_open=["t", "x"], put_closed=[("t", b"T", 5)], counts={"pending": -2})
        )
        assert lease.applied == 2**40
        assert await state.entries(lease, ["t"]) == ({}, {"t": b"T"})
        assert await state.messages(lease, ["t"]) == {"t": []}
        assert await state.counts() == {"pending": 1, "open_bytes": 2**50, "open_traces": 1, "applied": 2**40}
        assert (await state.acquire("b")).applied == 2**40

    run(scenario)


def test_due_and_aged_come_in_order_of_time(run: Run) -> None:
    async def scenario(state: PartitionState, _: object) -> None:
        lease = await state.acquire("a")
        times = {"late": 300, "soon": 100, "b": 200, "a": 200}
        puts = [(trace_id, b"", at) for trace_id, at in times.items()]
        lease = await state.commit(lease, Change(put_open=puts, put_closed=puts))
        assert await state.due(200, 10) == ["soon", "a", "b"]
        assert await state.due(10**15, 2) == ["soon", "a"]
        assert await state.due(99, 10) == []
        assert await state.aged(100, 10) == ["soon"]
        lease = await state.commit(lease, Change(put_open=[("soon", b"", 400)], drop_closed=["soon"]))
        assert await state.due(10**15, 10) == ["a", "b", "late", "soon"]
        assert await state.aged(10**15, 1) == ["a"]

    run(scenario)


def test_trace_ids_may_be_any_text(run: Run) -> None:
    async def scenario(state: PartitionState, _: object) -> None:
        ids = ["Ünï✓", "a b\n", "{x}", "名前", "", "a:b", "x" * 512]
        lease = await state.acquire("a")
        lease = await state.commit(
            lease, Change(append=[(i, i.encode()) for i in ids], put_open=[(i, b"1", 5) for i in ids])
        )
        assert set(await state.due(5, 100)) == set(ids)
        assert await state.messages(lease, ids) == {i: [i.encode()] for i in ids}
        lease = await state.commit(lease, Change(drop_open=ids))
        assert await state.due(5, 100) == []
        assert await state.messages(lease, ids) == {i: [] for i in ids}

    run(scenario)


def test_a_change_of_thousands_of_items(run: Run) -> None:
    async def scenario(state: PartitionState, _: object) -> None:
        ids = [f"t{n}" for n in range(2_000)]
        lease = await state.acquire("a")
        lease = await state.commit(
            lease,
            Change(
                applied=1,
                append=[(i, b"m" * 100) for i in ids],
                put_open=[(i, i.encode(), n) for n, i in enumerate(ids)],
                put_closed=[(i, i.encode(), n) for n, i in enumerate(ids)],
                counts={f"c{n}": n for n in range(100)},
            ),
        )
        opened, closed = await state.entries(lease, ids)
        assert opened == closed == {i: i.encode() for i in ids}
        await state.commit(lease, Change(drop_open=ids, drop_closed=ids))
        assert (await state.counts())["open_traces"] == 0

    run(scenario)


def test_a_new_owner_shuts_the_older_one_out(run: Run) -> None:
    async def scenario(state: PartitionState, _: object) -> None:
        old = await state.commit(await state.acquire("a"), Change(put_open=[("t", b"T", 1)], append=[("t", b"m")]))
        new = await state.acquire("b")
        for attempt in (
            lambda: state.commit(old, Change(drop_open=["t"])),
            lambda: state.entries(old, ["t"]),
            lambda: state.messages(old, ["t"]),
        ):
            with pytest.raises(LeaseLost):
                await attempt()
        assert await state.messages(new, ["t"]) == {"t": [b"m"]}
        # The same worker again: its first lease is over, too.
        again = await state.acquire("b")
        with pytest.raises(StateLost):
            await state.commit(new, Change())
        await state.commit(again, Change())

    run(scenario)


def test_a_state_that_was_flushed_or_went_back_is_noticed(run: Run) -> None:
    async def scenario(state: PartitionState, flush: Callable[[], Awaitable[None]]) -> None:
        before = await state.acquire("a")
        lease = await state.commit(before, Change(applied=7))
        with pytest.raises(StateLost):
            await state.commit(before, Change(applied=8))
        await flush()
        for attempt in (lambda: state.commit(lease, Change(applied=8)), lambda: state.messages(lease, ["t"])):
            with pytest.raises(StateLost):
                await attempt()
        assert (await state.counts())["open_traces"] == 0
        assert (await state.acquire("a")).applied is None

    run(scenario)


def test_a_full_redis_takes_nothing_but_lets_traces_close() -> None:
    async def body(port: int) -> None:
        client: Redis = Redis(port=port)
        state = RedisPartitionState(client, "tdc", "agent-events", 0)
        lease = await state.acquire("a")
        await client.config_set("maxmemory", "4mb")
        held = 0
        full = False
        while not full:
            trace_id = f"t{held}"
            fill = Change(
                applied=held,
                append=[(trace_id, b"x" * 50_000)],
                put_open=[(trace_id, b"e", held)],
                counts={"n": 1},
            )
            try:
                lease = await state.commit(lease, fill)
                held += 1
            except StateFull:
                full = True
        counts = await state.counts()
        assert counts["n"] == counts["open_traces"] == held  # the refused change left no trace
        # What is decided in order to make room goes through.
        await state.commit(lease, Change(makes_room=True, put_open=[("t0", b"evicted", 0)]))
        # A worker that starts now can still become the owner, and close what fills the memory.
        lease = await state.acquire("b")
        assert lease.applied == held - 1
        for n in range(held):
            lease = await state.commit(
                lease, Change(drop_open=[f"t{n}"], put_closed=[(f"t{n}", b"c", n)], counts={"n": -1})
            )
        lease = await state.commit(lease, Change(append=[("new", b"x" * 1_000)], put_open=[("new", b"e", 1)]))
        assert await state.due(5, 5) == ["new"]
        await client.aclose()

    with redis_server() as port:
        asyncio.run(body(port))


def test_a_redis_that_is_away_is_a_transient_error() -> None:
    async def body(port: int) -> None:
        state = RedisPartitionState(Redis(port=port), "tdc", "agent-events", 0)
        with pytest.raises(StateUnavailable):
            await state.acquire("a")
        with pytest.raises(StateUnavailable):
            await state.counts()

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        asyncio.run(body(int(probe.getsockname()[1])))
