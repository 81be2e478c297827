"""What `emit` costs the agent: median and 99th percentile per event, with the broker up and with it gone.

Run: `python tests/bench/emit.py BOOTSTRAP_SERVERS REGISTRY_URL [EVENTS_PER_SECOND]`, or without arguments for an
address where nobody listens. The floor is `json.dumps` alone under the same pace: after a sleep caches are cold, and
its tail is the machine's. Events are paced (default 500 a second), as an agent would emit them; then unpaced.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from training_data_producer import Producer

PACED_EVENTS = 4_000
UNPACED_EVENTS = 20_000


@dataclass(frozen=True)
class Cost:
    """Microseconds per event."""

    case: str
    events: int
    median: float
    p99: float
    worst: float


def measure(case: str, emit: Callable[[], object], events: int, per_second: float | None) -> Cost:
    """Time single calls of `emit`."""
    seconds = []
    for number in range(events):
        if per_second and number % 10 == 0:
            time.sleep(10 / per_second)
        begun = time.perf_counter()
        emit()
        seconds.append(time.perf_counter() - begun)
    micros = sorted(1e6 * one for one in seconds)
    return Cost(case, events, statistics.median(micros), micros[int(len(micros) * 0.99)], micros[-1])


def run(bootstrap_servers: str, registry_url: str, per_second: float, topic: str = "agent-events") -> list[Cost]:
    """All cases against one destination."""
    variables = {"customer": "c-17", "items": [{"sku": n, "price": 9.5} for n in range(5)], "note": "x" * 200}
    with tempfile.TemporaryDirectory() as spool:
        producer = Producer(bootstrap_servers, registry_url, topic=topic, spool_directory=spool, flush_seconds=10)
        with producer.trace(scenario="bench", agent="bench") as trace:
            trace.user_message("warm up")
            producer.flush(3)
            costs = [
                measure("floor: json.dumps, paced", lambda: json.dumps(variables), PACED_EVENTS, per_second),
                measure("message, paced", lambda: trace.user_message("y" * 200), PACED_EVENTS, per_second),
                measure("variables (JSON), paced", lambda: trace.state(variables=variables), PACED_EVENTS, per_second),
                measure("message, unpaced", lambda: trace.user_message("y" * 200), UNPACED_EVENTS, None),
            ]
        begun = time.perf_counter()
        producer.close()
        print(json.dumps({"close_seconds": round(time.perf_counter() - begun, 2), **asdict(producer.stats())}))
    return costs


if __name__ == "__main__":
    servers, registry, *rest = [*sys.argv[1:], *["127.0.0.1:9", "http://127.0.0.1:9"][len(sys.argv) - 1 :]]
    for cost in run(servers, registry, float(rest[0]) if rest else 500.0, *rest[1:]):
        print(f"{cost.case:28} median {cost.median:7.1f} us   p99 {cost.p99:7.1f} us   worst {cost.worst:9.1f} us")
