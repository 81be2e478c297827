"""Times `emit` of the SDK in a process of its own: `python -m tests.bench._emitting`, see `emit.py`. Prints JSON."""

import argparse
import json
import tempfile
import time
from dataclasses import asdict

from tests.bench._peers.paced import micros, percentiles
from training_data_producer import Producer


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--servers", required=True)
    parser.add_argument("--registry", required=True)
    parser.add_argument("--events", type=int, required=True)
    parser.add_argument("--per-second", type=float, required=True)
    options = parser.parse_args()
    variables = {"customer": "c-17", "items": [{"sku": n, "price": 9.5} for n in range(5)], "note": "x" * 200}
    with tempfile.TemporaryDirectory() as spool:
        producer = Producer(options.servers, options.registry, spool_directory=spool, flush_seconds=10)
        with producer.trace(scenario="bench", agent="bench") as trace:
            trace.user_message("warm up")
            producer.flush(3)
            calls = {
                "floor": lambda: json.dumps(variables),
                "message": lambda: trace.user_message("y" * 200),
                "variables": lambda: trace.state(variables=variables),
            }
            found: dict[str, object] = {
                name: percentiles(micros(call, options.events, options.per_second)) for name, call in calls.items()
            }
            found["message_unpaced"] = percentiles(micros(calls["message"], 5 * options.events, None))
        began = time.perf_counter()
        producer.close()
        found["close_seconds"] = round(time.perf_counter() - began, 2)
        found["stats"] = asdict(producer.stats())
    print(json.dumps(found))


if __name__ == "__main__":
    main()
