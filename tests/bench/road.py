"""The whole road with its servers on this machine: agents, Kafka, assemble, curate, sink, tables in the object store.

`python -m tests.bench.road [--traces N] [--seconds S] [--without-model]`. A process of agents emits traces of twenty
events through the SDK; one process of each stage and one sink work on them, under the default settings. Two loads, each
after a warm-up that does not count:

full load: all traces as fast as the agents can; traces/s from the first emit until the last trace and its decision are
in the tables. `cpu_share` is each process' part of all CPU time, `cpu_milliseconds_per_trace` what a trace costs it,
idle turns included. `traces_per_second_if_alone` is what two cores could do at that cost.

floor: what bare loops cost that read and write the same messages on the same servers (`_bare_road.py`), with what the
agents and the servers took at full load; `road_by_bare` is the road's cost by theirs.

half load: traces at half the rate just measured; seconds from the end of a trace in its agent until it is in the tables
(its row in `traces`, and in `decisions`). The assemble stage waits `assemble.quiet_seconds` after the end and the sink
up to `sink.flush_seconds`: both are in it, and are printed. When it was is the time of the commit in the table's log.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from confluent_kafka import Producer
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError
from redis import Redis

from ops.stack import endpoints
from ops.stack.versions import S3_BUCKET
from ops.supervisor import Supervisor
from schemas.registry import RegistryClient
from schemas.settings import Settings
from sinks.tables import table_uri
from streams.redaction import DEFAULT_REDACTION
from tests.bench._agents import EVENTS_EACH
from tests.bench._assembly import as_json, messages
from tests.bench._bare_road import BareRoad
from tests.bench._stack import cpu_seconds, fresh_stack, server_pids, settings_on, spent, wait_until
from tests.integration.line import RULES

_TABLES = ("traces", "decisions")
_OPEN_TRACES = 400
_OPEN_FIRST = 10**8


@dataclass
class Watch:
    """What is in the tables, and since when."""

    settings: Settings
    tables: dict[str, DeltaTable] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_TABLES, 0))

    def look(self) -> int:
        """Traces that are in both tables now, as far as their rows tell."""
        for name in _TABLES:
            try:
                if name not in self.tables:
                    uri = table_uri(self.settings.storage_root(), name)
                    self.tables[name] = DeltaTable(uri, storage_options=self.settings.storage_options())
                before = self.tables[name].version()
                self.tables[name].update_incremental()
            except DeltaError:
                continue
            if self.tables[name].version() != before or not self.rows[name]:
                self.rows[name] = self.tables[name].count()
        return min(self.rows.values())

    def visible(self) -> dict[str, float]:
        """By trace id: the time of the later of the commits that put it into the tables, as their logs have it."""
        both: list[dict[str, float]] = []
        for table in self.tables.values():
            found: dict[str, float] = {}
            known: set[str] = set()
            for entry in sorted(table.history(), key=lambda entry: int(entry["version"])):
                table.load_as_version(int(entry["version"]))
                for part in table.to_pyarrow_dataset().get_fragments():
                    if part.path not in known:
                        known.add(part.path)
                        for trace_id in part.to_table(columns=["trace_id"])["trace_id"].to_pylist():
                            found.setdefault(trace_id, entry["timestamp"] / 1000)
            both.append(found)
        return {trace_id: max(found[trace_id] for found in both) for trace_id in both[0]}


class Road:
    """The pipeline on a stack, with its own topics and tables."""

    def __init__(self, stack: tuple[Path, int], name: str, redaction: Path, place: Path) -> None:
        self._home, self._place = stack[0], place
        store = endpoints(self._home)
        storage: dict[str, str | None] = {"root": str(place / "tables")}
        if store.s3_endpoint is not None:
            storage = {
                "root": f"s3://{S3_BUCKET}/{name}", "endpoint_url": store.s3_endpoint,
                "access_key_id": store.s3_access_key, "secret_access_key": store.s3_secret_key,
            }  # fmt: skip
        self.settings = settings_on(stack, name, redaction=redaction, storage=storage)
        self.ids = RegistryClient.from_settings(self.settings).register_all()
        self.watch = Watch(self.settings)
        self._sent = 0

    def load(self, pipeline: Supervisor, traces: int, per_second: float | None, seconds: float) -> "Load":
        """Emit so many traces and wait until all are in the tables."""
        first, self._sent = self._sent, self._sent + traces
        command = [
            sys.executable, "-m", "tests.bench._agents",
            "--servers", str(self.settings.kafka_config()["bootstrap.servers"]),
            "--registry", self.settings.registry_url(), "--traces", str(traces), "--first", str(first),
            *(["--per-second", str(per_second)] if per_second else []),
        ]  # fmt: skip
        pids = {**pipeline.pids(), **server_pids(self._home), "benchmark": psutil.Process().pid}
        before = cpu_seconds(pids)
        said: list[str] = []
        agents = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        reader = threading.Thread(target=lambda: said.append(agents.communicate()[0]))
        reader.start()

        def done() -> bool:
            pipeline.look_after()
            return self.watch.look() >= self._sent

        try:
            wait_until(done, seconds, f"{traces} traces in the tables", every=0.5)
        finally:
            agents.terminate()
        cost = spent(before, cpu_seconds(pids))
        reader.join()
        told = json.loads(said[0])
        cost["producer"] = told["cpu_seconds"]
        return Load(traces, told["began"], told["ended"], self.watch.visible(), cost)

    def redis_bytes_per_open_trace(self) -> dict[str, float]:
        """What Redis holds more for traces that have not ended."""
        redis = Redis.from_url(self.settings.redis_url())
        before = int(redis.info("memory")["used_memory"])
        sent = messages(
            _OPEN_TRACES, EVENTS_EACH, EVENTS_EACH, _OPEN_FIRST, False,
            event_id=self.ids["agent-events", "Event"], batch_id=self.ids["agent-events", "EventBatch"],
        )  # fmt: skip
        producer = Producer(self.settings.kafka_config())
        for message in sent:
            producer.produce("agent-events", key=message.key, value=message.value)
        producer.flush(30)
        pattern = f"{self.settings.redis.key_prefix}:*held:*"
        wait_until(lambda: sum(1 for _ in redis.scan_iter(pattern, 5000)) >= _OPEN_TRACES, 60, "open traces in Redis")
        used = int(redis.info("memory")["used_memory"]) - before
        content = sum(len(message.value or b"") for message in sent)
        redis.close()
        return {
            "bytes_per_open_trace": round(used / _OPEN_TRACES),
            "content_bytes_per_trace": round(content / _OPEN_TRACES),
        }


@dataclass(frozen=True)
class Load:
    """What became of one load."""

    traces: int
    began: float
    ended: Mapping[str, float]
    """By trace id: when its agent ended it."""
    visible: Mapping[str, float]
    """By trace id: when it was in both tables; those of loads before are in it too."""
    cpu: Mapping[str, float]
    """CPU seconds by process; `benchmark` is this one, which watches the tables."""

    @property
    def seconds(self) -> float:
        """From the first emit until the last trace was in the tables."""
        return max(self.visible[trace_id] for trace_id in self.ended) - self.began

    def throughput(self) -> dict[str, object]:
        """Rates and shares."""
        seconds = self.seconds
        working = {name: cost for name, cost in self.cpu.items() if name != "benchmark"}
        total = sum(working.values())
        return {
            "traces": self.traces,
            "seconds": round(seconds, 2),
            "traces_per_second": round(self.traces / seconds, 1),
            "events_per_second": round(self.traces * EVENTS_EACH / seconds),
            "traces_per_second_if_alone": round(2 * self.traces / total, 1),
            "cores_used": round(total / seconds, 2),
            "cpu_share": {name: round(cost / total, 3) for name, cost in sorted(working.items())},
            "cpu_milliseconds_per_trace": {name: round(cost, 3) for name, cost in sorted(self.milliseconds().items())},
        }

    def milliseconds(self) -> dict[str, float]:
        """CPU milliseconds of each process for one trace."""
        return {name: cost / self.traces * 1000 for name, cost in self.cpu.items()}

    def latency(self) -> dict[str, float]:
        """Seconds from a trace's end until it is queryable."""
        waits = sorted(self.visible[trace_id] - ended for trace_id, ended in self.ended.items())
        return {
            "p50": round(statistics.median(waits), 2),
            "p95": round(at_share(waits, 0.95), 2),
            "p99": round(at_share(waits, 0.99), 2),
            "max": round(waits[-1], 2),
        }


def at_share(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of the values lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Both loads under each way to redact."""
    ways = {"rules": RULES} if options.without_model else {"rules": RULES, "model": DEFAULT_REDACTION}
    full: dict[str, object] = {}
    half: dict[str, object] = {}
    redis: dict[str, float] = {}
    floor: dict[str, object] = {}
    with fresh_stack() as stack, tempfile.TemporaryDirectory() as place:
        for way, redaction in ways.items():
            road = Road(stack, f"road-{way}", redaction, Path(place) / way)
            traces = options.traces if way == "rules" else max(20, options.traces // 10)
            with Supervisor(road.settings, Path(place) / way / "logs") as pipeline:
                print(f"{way}: warm-up", file=sys.stderr)
                road.load(pipeline, max(20, traces // 10), None, 240)
                print(f"{way}: full load", file=sys.stderr)
                loaded = road.load(pipeline, traces, None, 900)
                full[way] = loaded.throughput()
                rate = traces / loaded.seconds / 2
                print(f"{way}: {rate:.0f} traces/s", file=sys.stderr)
                paced = road.load(pipeline, max(10, int(rate * options.seconds)), rate, 900)
                half[way] = {
                    "offered_traces_per_second": round(rate, 1),
                    "latency_seconds": paced.latency(),
                    "cores_used": paced.throughput()["cores_used"],
                }
                if way == "rules":
                    print("rules: bare loops", file=sys.stderr)
                    floor = BareRoad(road.settings, road.ids).measure().floor(loaded.milliseconds())
                    redis = road.redis_bytes_per_open_trace()
    assemble, sink = road.settings.assemble, road.settings.sink
    return {
        "events_per_trace": EVENTS_EACH,
        "quiet_seconds": assemble.quiet_seconds,
        "flush_seconds": sink.flush_seconds,
        "full": full,
        "floor": floor,
        "half_load": half,
        "redis": redis,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=4000, help="of full load by rules; a tenth with the model")
    parser.add_argument("--seconds", type=float, default=30, help="of half load")
    parser.add_argument("--without-model", action="store_true")
    print(as_json(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
