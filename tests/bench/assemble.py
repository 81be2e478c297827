"""Assembly of one worker core against its floor, in one run: `python -m tests.bench.assemble`.

The stage gets messages and gives encoded traces: decode, validate, hold in Redis, read back, join, redact, encode.
The floor does the unavoidable only, in a bare loop: decode each message, append it in Redis with one Lua call a
batch, read it back, decode it again. Both use the same Redis server, which runs beside them on another core. Kafka
and Faust are not in it. Prints JSON: events/s as minimum, median and maximum over the rounds, and `ratio`, the median
of stage / floor round by round.
"""

import argparse
import asyncio
import io
import statistics
import time
from collections.abc import Sequence

from fastavro import schemaless_reader
from redis.asyncio import Redis

from schemas.codec import split_frame
from streams.ports import Message
from tests.bench._assembly import Encoding, Schemas, as_json, messages, new_stage
from tests.bench._spread import spread
from tests.contract.test_state import redis_server

_APPEND = "for i = 1, #KEYS do redis.call('RPUSH', KEYS[i], ARGV[i]) end"
_BATCH = 500


async def run_stage(client: Redis, sent: Sequence[Message], name: str) -> float:
    """Seconds to turn the messages into encoded traces."""
    publisher = Encoding()
    stage = new_stage(client, publisher, name)
    await stage.acquire(0)
    began = time.perf_counter()
    for start in range(0, len(sent), _BATCH):
        await stage.handle(0, sent[start : start + _BATCH])
    await stage.tick(0, 2_000_000)
    seconds = time.perf_counter() - began
    assert publisher.records == len({message.key for message in sent})
    return seconds


async def run_floor(client: Redis, sent: Sequence[Message], name: str) -> float:
    """Seconds for the bare loop over the same messages."""
    lookup = Schemas()

    def decode(value: bytes) -> None:
        schema_id, payload = split_frame(value)
        schemaless_reader(io.BytesIO(payload), lookup.writer_schema(schema_id).schema, None)

    append = client.register_script(_APPEND)
    began = time.perf_counter()
    for start in range(0, len(sent), _BATCH):
        part = sent[start : start + _BATCH]
        for message in part:
            decode(message.value or b"")
        await append(keys=[f"{name}:{(m.key or b'').decode()}" for m in part], args=[m.value or b"" for m in part])
    keys = sorted({message.key or b"" for message in sent})
    for start in range(0, len(keys), 64):
        async with client.pipeline(transaction=False) as pipe:
            for key in keys[start : start + 64]:
                pipe.lrange(f"{name}:{key.decode()}", 0, -1)
            for held in await pipe.execute():
                for value in held:
                    decode(value)
    return time.perf_counter() - began


async def measure(port: int, traces: int, rounds: int, per_message: int) -> dict[str, object]:
    """Both ways in turn, after one round that does not count."""
    client = Redis(port=port)
    sent = messages(traces, 60, per_message)
    events = traces * 60
    stage: list[float] = []
    floor: list[float] = []
    for number in range(rounds + 1):
        await client.flushall()
        floor.append(events / await run_floor(client, sent, "floor"))
        await client.flushall()
        stage.append(events / await run_stage(client, sent, f"stage-{number}"))
    await client.aclose()
    ratios = [ours / bare for ours, bare in zip(stage[1:], floor[1:], strict=True)]
    return {
        "events": events,
        "bytes_per_event": round(sum(len(m.value or b"") for m in sent) / events),
        "stage_events_per_second": spread(stage[1:]),
        "floor_events_per_second": spread(floor[1:]),
        "ratio": round(statistics.median(ratios), 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with redis_server() as port:
        found = {
            "envelopes_of_20": asyncio.run(measure(port, options.traces, options.rounds, 20)),
            "single_events": asyncio.run(measure(port, max(1, options.traces // 4), options.rounds, 1)),
        }
    print(as_json(found))


if __name__ == "__main__":
    main()
