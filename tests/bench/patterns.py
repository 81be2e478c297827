"""What counting tool sequences costs a trace of about 20 events, in microseconds, and in proportion to reading it.

Prints JSON: `observe` turns a trace's view into counters, `apply_client` adds a batch of them, both in processor time
of the worker, `redis_cpu` is that of the server; `counting` is all three. `apply_wall` is what a worker waits for.
`view` is the time to join the trace's steps, which the stage needs anyway; `ratio` is counting over it. `mine` is the
time in milliseconds to read a full window and find its patterns. Medians of the rounds.
`python -m tests.bench.patterns [--traces N] [--rounds N]`
"""

import argparse
import asyncio
import gc
import json
import random
import statistics
import time

from redis.asyncio import Redis

from schemas.records import Trace
from streams.core.patterns.mine import PatternRules, mine
from streams.core.view import view_of
from streams.stages.patterns import counted
from streams.state.patterns import StoreLimits
from streams.state.patterns_redis import RedisPatternStore
from tests.contract.test_state import redis_server
from tests.unit.core.build import Run

TOOLS = ("search", "get_order", "get_user", "update_order", "send_message", "think", "read_file", "write_file")
BATCH = 250


def runs(count: int, seed: int) -> list[Trace]:
    """Traces of about 20 events: six turns with a tool call each, that follow habits."""
    chance = random.Random(seed)
    found = []
    for number in range(count):
        run = Run(f"{seed:08x}{number:024x}").starts(goal="g").hears("please")
        at = chance.randrange(len(TOOLS))
        for turn in range(6):
            at = (at + chance.choice((0, 1, 1, 1, 2, 3))) % len(TOOLS)
            run.says(f"turn {turn}").calls(TOOLS[at], {"id": f"A{number}", "path": "src/a.py", "limit": turn})
            run.returns({"ok": turn}, success=chance.random() < 0.95, latency_seconds=chance.random())
        found.append(run.says("done").ends().trace(closed_at=1_728_000_000_000_000 + number * 20_000_000))
    return found


async def measure(traces: int, rounds: int) -> dict[str, object]:
    """Medians over the rounds."""
    times: dict[str, list[float]] = {}

    def note(name: str, seconds: float, items: int) -> None:
        times.setdefault(name, []).append(seconds / items * 1e6)

    with redis_server() as port:
        client: Redis = Redis(port=port)
        store = RedisPatternStore(client, "bench", StoreLimits(publish_seconds=0))
        events = 0
        for round_ in range(rounds):
            made = runs(traces, round_)
            gc.freeze()  # a worker holds the traces of one batch, not of all
            events = sum(len(trace.events) for trace in made) // len(made)
            spent = dict.fromkeys(("view", "observe", "apply_client", "apply_wall", "redis_cpu"), 0.0)
            for start in range(0, traces, BATCH):
                batch = made[start : start + BATCH]
                began = time.process_time()
                views = [view_of(trace) for trace in batch]
                viewed = time.process_time()
                items = [counted(round_ * traces + start + n, view, True) for n, view in enumerate(views)]
                spent["view"] += viewed - began
                spent["observe"] += time.process_time() - viewed
                server, began, wall = await _server_seconds(client), time.process_time(), time.perf_counter()
                await store.apply(0, items)
                spent["apply_wall"] += time.perf_counter() - wall
                spent["apply_client"] += time.process_time() - began
                spent["redis_cpu"] += await _server_seconds(client) - server
            for name, seconds in spent.items():
                note(name, seconds, traces)
            group = items[0].group
            began = time.perf_counter()
            window = await store.window(group)
            patterns = mine(window, PatternRules())
            note("mine", time.perf_counter() - began, 1000)
        memory = sum([await client.memory_usage(key) or 0 async for key in client.scan_iter("bench:{patterns:*")])
        await client.aclose()
    found: dict[str, object] = {name: round(statistics.median(values), 1) for name, values in times.items()}
    counting = sum(statistics.median(times[name]) for name in ("observe", "apply_client", "redis_cpu"))
    return found | {
        "counting": round(counting, 1),
        "ratio": round(counting / statistics.median(times["view"]), 2),
        "events_a_trace": events,
        "names": sum(len(bucket.cells) for bucket in window.buckets),
        "patterns": len(patterns),
        "redis_bytes": memory,
        "redis_bytes_a_trace": round(memory / (traces * rounds)),
    }


async def _server_seconds(client: Redis) -> float:
    cpu = await client.info("cpu")
    return float(cpu["used_cpu_user"]) + float(cpu["used_cpu_sys"])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--traces", type=int, default=2000, help="traces of a round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(measure(arguments.traces, arguments.rounds))))


if __name__ == "__main__":
    main()
