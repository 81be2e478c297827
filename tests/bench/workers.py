"""One, two and four assemble workers on the four partitions of `agent-events`: `python -m tests.bench.workers`.

Each worker is a process of its own, as in deployment, with Kafka and Redis on the same machine. Envelopes of twenty
events are sent at once; figures are for the time from then until all traces are on `traces`, warm-up excluded: events
for each second of the clock, events for each second of CPU time of the workers (which should not fall with their
number), and cores used by the workers, Redis and Kafka. Where these add up to the cores of the machine, the machine is
the limit; where they do not and one worker is near a whole core, the fullest partition is. Prints JSON.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import Consumer, Producer

from schemas.registry import RegistryClient
from tests.bench._assembly import BLOCK, as_json, sendings
from tests.bench._spread import spread
from tests.bench._stack import (
    cpu_seconds,
    fresh_stack,
    messages_in,
    process,
    send,
    server_pids,
    settings_on,
    spent,
    tdc,
    wait_until,
)

_PARTITIONS = 4
_EVENTS_EACH = 60


@dataclass(frozen=True)
class Run:
    """One run with some workers."""

    seconds: float
    workers: Sequence[float]
    """CPU seconds of each."""
    redis: float
    kafka: float


def run(stack: tuple[Path, int], workers: int, traces: int, name: str, place: Path) -> Run:
    """Send everything once to so many workers."""
    settings = settings_on(
        stack,
        name,
        kafka={"partitions": _PARTITIONS},
        assemble={"quiet_seconds": 0.5},
        worker={"clock_slack_seconds": 0.1},
    )
    ids = RegistryClient.from_settings(settings).register_all()
    known = {"event_id": ids["agent-events", "Event"], "batch_id": ids["agent-events", "EventBatch"]}
    first = sendings(0, BLOCK, _EVENTS_EACH, 20, **known)
    rest = sendings(BLOCK, traces, _EVENTS_EACH, 20, **known)
    producer = Producer({**settings.kafka_config(), "compression.type": "zstd", "linger.ms": 5})
    consumer = Consumer({**settings.kafka_config(), "group.id": "bench"})
    with contextlib.ExitStack() as running:
        own = {
            f"worker {number}": running.enter_context(
                process(tdc("worker", "assemble"), place / f"{name}-{number}.log", settings)
            )
            for number in range(workers)
        }
        pids = {**own, **server_pids(stack[0])}
        send(producer, "agent-events", first)
        wait_until(lambda: messages_in(consumer, "traces", _PARTITIONS) >= BLOCK, 180, f"{name}: warm-up")
        before, began = cpu_seconds(pids), time.perf_counter()
        send(producer, "agent-events", rest)
        wait_until(lambda: messages_in(consumer, "traces", _PARTITIONS) >= BLOCK + traces, 300, name)
        seconds, cost = time.perf_counter() - began, spent(before, cpu_seconds(pids))
    consumer.close()
    return Run(seconds, [cost[worker] for worker in own], cost["redis"], cost["kafka"])


def report(runs: Sequence[Run], events: int) -> dict[str, object]:
    """Rates and cores."""
    return {
        "events_per_second": spread([events / run.seconds for run in runs]),
        "events_per_cpu_second": spread([events / sum(run.workers) for run in runs]),
        "cores": {
            "workers": spread([sum(run.workers) / run.seconds for run in runs], 2),
            "busiest_worker": spread([max(run.workers) / run.seconds for run in runs], 2),
            "redis": spread([run.redis / run.seconds for run in runs], 2),
            "kafka": spread([run.kafka / run.seconds for run in runs], 2),
        },
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=1600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    options = parser.parse_args()
    runs: dict[int, list[Run]] = {count: [] for count in options.workers}
    with fresh_stack() as stack, tempfile.TemporaryDirectory() as place:
        for round_ in range(options.rounds):
            for count in options.workers:
                print(f"round {round_ + 1}: {count} workers", file=sys.stderr)
                runs[count].append(run(stack, count, options.traces, f"w{round_}-{count}", Path(place)))
    events = options.traces * _EVENTS_EACH
    print(as_json({str(count): report(found, events) for count, found in runs.items()} | {"partitions": _PARTITIONS}))


if __name__ == "__main__":
    main()
