"""What `emit` costs the agent, with the broker up, slow and down, against an OpenTelemetry span: `tests.bench.emit`.

Median, 99th and 99.9th percentile of single calls in microseconds, paced as an agent would make them (default 500 a
second); then the ratio to a span of the OpenTelemetry SDK with its batch processor and OTLP exporter, under the same
pace, in turn, round by round. Slow: a TCP proxy passes on what goes to and from Kafka half a second later (for spans:
to the taker of spans). Down: nobody listens, neither Kafka nor the registry. `floor` is `json.dumps` of the variables
alone under the same pace: after a sleep caches are cold, and its tail is the machine's. Prints JSON.

`python -m tests.bench.emit [--events N] [--rounds N] [--per-second N] [--only-down]`
"""

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench._assembly import as_json
from tests.bench._environment import PEERS, interpreter
from tests.bench._spread import spread
from tests.bench._stack import fresh_stack, process, settings_on

_ROOT = Path(__file__).parents[2]
_SLOW_SECONDS = 0.5
_NOBODY = 9
_MEASURES = ("median", "p99", "p999", "worst")


@dataclass(frozen=True)
class Place:
    """Where a condition's events and spans go."""

    servers: str
    registry: str
    spans: str


@contextlib.contextmanager
def places(only_down: bool) -> Iterator[dict[str, Place]]:
    """Servers for each condition."""
    down = Place(f"127.0.0.1:{_NOBODY}", f"http://127.0.0.1:{_NOBODY}", f"http://127.0.0.1:{_NOBODY}/v1/traces")
    if only_down:
        yield {"down": down}
        return
    with fresh_stack(slow_listener=True) as stack, tempfile.TemporaryDirectory() as directory:
        settings = settings_on(stack, "emit")
        base = stack[1]
        taker, slow_kafka, slow_taker = base + 12, base + 11, base + 13
        module = [sys.executable, "-m", "tests.bench._delay"]
        log = Path(directory) / "log"
        with (
            process([*module, "taker", str(taker)], log),
            process([*module, "proxy", str(slow_kafka), str(base + 10), str(_SLOW_SECONDS)], log),
            process([*module, "proxy", str(slow_taker), str(taker), str(_SLOW_SECONDS)], log),
        ):
            registry = settings.registry_url()
            yield {
                "up": Place(f"127.0.0.1:{base}", registry, f"http://127.0.0.1:{taker}/v1/traces"),
                "slow": Place(f"127.0.0.1:{slow_kafka}", registry, f"http://127.0.0.1:{slow_taker}/v1/traces"),
                "down": down,
            }


def run(place: Place, options: argparse.Namespace, otel: Path | None) -> dict[str, Mapping[str, float]]:
    """One round under one condition: percentiles by case."""
    pace = ["--events", str(options.events), "--per-second", str(options.per_second)]
    ours = [sys.executable, "-m", "tests.bench._emitting", "--servers", place.servers, "--registry", place.registry]
    found = _told([*ours, *pace])
    if otel is not None:
        found["otel_span"] = _told([str(otel), str(PEERS / "otel_span.py"), "--endpoint", place.spans, *pace])
    return found


def _told(command: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=_ROOT)
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def report(rounds: Mapping[str, Sequence[Mapping[str, Mapping[str, float]]]]) -> dict[str, object]:
    """Percentiles of each case under each condition, and ratios to the span round by round."""
    found: dict[str, object] = {}
    ratios: dict[str, object] = {}
    for condition, told in rounds.items():
        cases = [case for case in told[0] if case not in ("stats", "close_seconds")]
        found[condition] = {
            case: {measure: spread([one[case][measure] for one in told], 1) for measure in _MEASURES} for case in cases
        } | {"close_seconds": [one["close_seconds"] for one in told], "stats": told[-1]["stats"]}
        if "otel_span" in cases:
            ratios[condition] = {
                measure: spread([one["message"][measure] / one["otel_span"][measure] for one in told], 3)
                for measure in _MEASURES
            }
    return {**found, "ratios": ratios}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--per-second", type=float, default=500)
    parser.add_argument("--only-down", action="store_true", help="no servers and no peer")
    options = parser.parse_args()
    otel = None if options.only_down else interpreter("opentelemetry")
    with places(options.only_down) as conditions:
        rounds: dict[str, list[Mapping[str, Mapping[str, float]]]] = {name: [] for name in conditions}
        for number in range(options.rounds):
            for name, place in conditions.items():
                print(f"round {number + 1}: {name}", file=sys.stderr)
                rounds[name].append(run(place, options, otel))
    print(as_json(report(rounds)))


if __name__ == "__main__":
    main()
