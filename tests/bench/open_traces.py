"""Memory with many open traces: `python -m tests.bench.open_traces [--traces N]`.

Traces of five events that do not end are taken in, in steps. Prints JSON: resident memory of the worker process and
memory of Redis at each step, bytes of Redis for each open trace, and microseconds of each message. The worker holds
nothing of a trace between batches, so its memory should stay flat.
"""

import argparse
import asyncio
import time

import psutil
from redis.asyncio import Redis

from tests.bench._assembly import Encoding, as_json, messages, new_stage
from tests.contract.test_state import redis_server

_EVENTS = 5
_CHUNK = 1000


async def measure(port: int, traces: int) -> dict[str, object]:
    """Memory at tenths of the way."""
    client = Redis(port=port)
    stage = new_stage(client, Encoding(), "open")
    await stage.acquire(0)
    process = psutil.Process()
    empty = int((await client.info("memory"))["used_memory"])
    steps: list[dict[str, int | float]] = []
    offset = sent_bytes = 0
    spent = 0.0
    for first in range(0, traces, _CHUNK):
        sent = [
            type(message)(message.topic, 0, offset + index, 1_000_000, message.key, message.value)
            for index, message in enumerate(messages(_CHUNK, _EVENTS, _EVENTS, first, ended=False))
        ]
        offset += len(sent)
        sent_bytes += sum(len(message.value or b"") for message in sent)
        began = time.perf_counter()
        for start in range(0, len(sent), 500):
            await stage.handle(0, sent[start : start + 500])
        spent += time.perf_counter() - began
        if (first + _CHUNK) % max(_CHUNK, traces // 5) == 0:
            used = int((await client.info("memory"))["used_memory"]) - empty
            steps.append(
                {
                    "open_traces": stage.open_traces(0),
                    "worker_mib": round(process.memory_info().rss / 2**20, 1),
                    "redis_mib": round(used / 2**20, 1),
                    "redis_bytes_per_trace": round(used / stage.open_traces(0)),
                    "content_bytes_per_trace": round(sent_bytes / offset),
                    "microseconds_per_message": round(spent / offset * 1e6, 1),
                }
            )
    await client.aclose()
    return {"steps": steps}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=100_000)
    with redis_server() as port:
        print(as_json(asyncio.run(measure(port, parser.parse_args().traces))))


if __name__ == "__main__":
    main()
