"""Times single calls under a pace, alike for all: what a call costs the program that makes it."""

import gc
import time
from collections.abc import Callable


def micros(call: Callable[[], object], events: int, per_second: float | None) -> list[float]:
    """Microseconds of each call. Calls come in tens, with a sleep between, as from an agent that does other things."""
    call()
    gc.collect()
    taken = []
    for number in range(events):
        if per_second and number % 10 == 0:
            time.sleep(10 / per_second)
        began = time.perf_counter_ns()
        call()
        taken.append((time.perf_counter_ns() - began) / 1000)
    return taken


def percentiles(taken: list[float]) -> dict[str, float]:
    """Median, 99th, 99.9th percentile and the worst."""
    ordered = sorted(taken)
    at = {"median": 0.5, "p99": 0.99, "p999": 0.999}
    found = {name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 1) for name, share in at.items()}
    return {**found, "worst": round(ordered[-1], 1)}
