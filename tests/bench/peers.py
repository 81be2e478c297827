"""Assembly by one process on one core, against stream engines that do the same join: `python -m tests.bench.peers`.

Input and output are the same for all: envelopes on one partition of `agent-events`, one joined record a trace on
`traces`, through the same real broker. One message in ten of some traces comes twice or before its predecessor; the
end of a run comes last. What an engine gave is compared with what was sent (traces, and each one's event ids in
order) before its figure counts. Each runs in an environment of its own with its usual durable state: ours Redis, Quix
Streams RocksDB and a changelog topic, Bytewax SQLite. Warm-up traces go through first and do not count.

Figures: events for each second of CPU time of the engine's own process (`events_per_cpu_second`: the machine's other
work does not show in it), the same with the CPU time of Redis added, and events for each second of the clock. In
addition to the join ours validates each event, counts steps and costs, stores offsets with the state, remembers closed
traces, and redacts, with rules or (`ours_without_redaction`) not. `bare_loop` is the join with no engine, no state that
lasts and our own codec: what any engine that runs Python could reach at best.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from confluent_kafka import Consumer, Producer
from fastavro import parse_schema, schemaless_reader

from schemas.codec import encode, split_frame
from schemas.contracts import registered_schema
from schemas.registry import RegistryClient
from schemas.settings import Settings
from streams.core.redact.kinds import KINDS
from tests.bench._assembly import BLOCK, Sending, as_json, event_ids_of, events_of_trace, sendings, trace_id_of
from tests.bench._environment import PEERS, interpreter
from tests.bench._spread import spread
from tests.bench._stack import (
    TookTooLong,
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
from tests.integration.line import RULES

_EVENTS_EACH = 60
_QUIET_SECONDS = 2.0
_TICKER = 10**9
"""Number of a trace that never ends: a message of it now and then moves the partition's time on."""


@dataclass(frozen=True)
class Engine:
    """One way to do the join."""

    name: str
    script: str | None = None
    """File in `_peers`, or one of our modules; None: our stage."""
    environment: str = ""
    variant: str = ""
    redacts: bool = False


ENGINES = (
    Engine("ours", redacts=True),
    Engine("ours_without_redaction"),
    Engine("quix_session_window", "quix_join.py", "quix", "session"),
    Engine("quix_stateful_function", "quix_join.py", "quix", "stateful"),
    Engine("bytewax", "bytewax_join.py", "bytewax", "batch"),
    Engine("bare_loop", "tests.bench._bare_join"),
)


@dataclass(frozen=True)
class Figures:
    """One run of one engine."""

    seconds: float
    cpu: Mapping[str, float]
    """CPU seconds of `engine` and of each server."""

    def rates(self, events: int) -> dict[str, float]:
        """Events a second, by each of the three clocks."""
        own = self.cpu["engine"]
        return {
            "events_per_cpu_second": events / own,
            "events_per_cpu_second_with_redis": events / (own + self.cpu["redis"]),
            "events_per_second": events / self.seconds,
        }


class Bench:
    """A stack, and what is sent to each engine on it."""

    def __init__(self, stack: tuple[Path, int], traces: int, per_message: int, place: Path) -> None:
        self._stack, self._traces, self._per_message, self._place = stack, traces, per_message, place
        self.events = traces * _EVENTS_EACH
        self._sent: dict[tuple[int, int, int], list[Sending]] = {}

    def run(self, engine: Engine, name: str) -> Figures:
        """One run. Raises TookTooLong, also when the output is not the input joined."""
        home, _ = self._stack
        settings = settings_on(
            self._stack,
            name,
            redaction=RULES if engine.redacts else self._nothing_redacted(),
            kafka={"partitions": 1},
            assemble={"quiet_seconds": _QUIET_SECONDS},
            worker={"clock_slack_seconds": 0.1},
        )
        ids = RegistryClient.from_settings(settings).register_all()
        event_id, batch_id = ids["agent-events", "Event"], ids["agent-events", "EventBatch"]
        warm, measured = max(BLOCK, self._traces // 10), self._traces
        first = self._encoded(0, warm, event_id, batch_id)
        rest = self._encoded(warm, measured, event_id, batch_id)
        producer = Producer({**settings.kafka_config(), "compression.type": "zstd", "linger.ms": 5})
        consumer = Consumer({**settings.kafka_config(), "group.id": "bench", "auto.offset.reset": "earliest"})
        arguments, own = self._program(engine, settings, {event_id: "Event", batch_id: "EventBatch"}, name)
        with process(arguments, self._place / f"{name}.log", own, core=0) as pid, _ticking(producer, event_id):
            pids = {"engine": pid, **server_pids(home)}
            send(producer, "agent-events", first)
            wait_until(lambda: messages_in(consumer, "traces") >= warm, 120, f"{name}: warm-up")
            before, began = cpu_seconds(pids), time.perf_counter()
            send(producer, "agent-events", rest)
            wait_until(lambda: messages_in(consumer, "traces") >= warm + measured, 300, name)
            figures = Figures(time.perf_counter() - began, spent(before, cpu_seconds(pids)))
        self._check(engine, consumer, warm + measured)
        consumer.close()
        return figures

    def _encoded(self, first: int, count: int, event_id: int, batch_id: int) -> list[Sending]:
        """Made once: all engines get the same bytes."""
        key = (first, event_id, batch_id)
        if key not in self._sent:
            self._sent[key] = sendings(
                first, count, _EVENTS_EACH, self._per_message, event_id=event_id, batch_id=batch_id
            )
        return self._sent[key]

    def _program(
        self, engine: Engine, settings: Settings, records: Mapping[int, str], name: str
    ) -> tuple[list[str], Settings | None]:
        if engine.script is None:
            return tdc("worker", "assemble"), settings
        schemas = self._place / "schemas.json"
        known: dict[object, object] = {number: _plain_schema(record) for number, record in records.items()}
        schemas.write_text(json.dumps({**known, "joined": _joined_schema()}), encoding="utf-8")
        options = {
            "servers": str(settings.kafka_config()["bootstrap.servers"]), "source": "agent-events",
            "target": "traces", "quiet-seconds": str(_QUIET_SECONDS), "variant": engine.variant,
            "state": str(self._place / f"state-{name}"), "schemas": str(schemas),
        }  # fmt: skip
        flags = [word for option, value in options.items() for word in (f"--{option}", value)]
        if not engine.environment:
            return [sys.executable, "-m", engine.script, *flags], None
        return [str(interpreter(engine.environment)), str(PEERS / engine.script), *flags], None

    def _nothing_redacted(self) -> Path:
        path = self._place / "off.toml"
        modes = "\n".join(f'{kind} = "off"' for kind in KINDS)
        path.write_text(f'[ner]\nuse = "off"\n[secrets]\ncatalogue = "off"\n[modes]\n{modes}\n', encoding="utf-8")
        return path

    def _check(self, engine: Engine, consumer: Consumer, traces: int) -> None:
        """Hold the output against what was sent."""
        read = _reader(_plain_schema("Trace"), True) if engine.script is None else _reader(_joined_schema(), False)
        consumer.subscribe(["traces"])
        found: dict[str, tuple[str, ...]] = {}
        count = 0
        while len(found) < traces and (part := consumer.consume(1000, 20)):
            for message in part:
                trace_id, event_ids = read(message.value() or b"")
                if trace_id != trace_id_of(_TICKER):  # where nothing came for a while, an engine may have closed it
                    found[trace_id] = event_ids
                    count += 1
        if count != traces:
            raise TookTooLong(f"{engine.name} gave {count} records of {len(found)} traces for {traces} traces")
        for number in range(traces):
            if found.get(trace_id_of(number)) != event_ids_of(number, _EVENTS_EACH):
                raise TookTooLong(f"{engine.name} joined trace {number} in another way")


class _ticking:  # noqa: N801 - reads as a word after `with`
    """An event of the trace that never ends, five times a second."""

    def __init__(self, producer: Producer, event_id: int) -> None:
        self._producer, self._event_id = producer, event_id
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _tick(self) -> None:
        event = events_of_trace(_TICKER, 2)[0]
        sequence = 0
        while not self._over.wait(0.2):
            sequence += 1
            value = msgspec.structs.replace(event, event_id=f"tick-{sequence}", sequence=sequence)
            self._producer.produce("agent-events", key=event.trace_id.encode(), value=encode(value, self._event_id))
            self._producer.poll(0)


def _reader(schema: object, framed: bool) -> Callable[[bytes], tuple[str, tuple[str, ...]]]:
    parsed = parse_schema(schema)  # type: ignore[arg-type]

    def read(value: bytes) -> tuple[str, tuple[str, ...]]:
        payload = split_frame(value)[1] if framed else value
        record = schemaless_reader(io.BytesIO(payload), parsed, None)
        assert isinstance(record, dict)
        return record["trace_id"], tuple(event["event_id"] for event in record["events"])

    return read


def _plain_schema(record: str) -> object:
    """A registered schema without logical types: times stay integers, for all alike."""

    def plain(node: object) -> object:
        if isinstance(node, dict):
            return {key: plain(value) for key, value in node.items() if key != "logicalType"}
        return [plain(item) for item in node] if isinstance(node, list) else node

    return plain(json.loads(registered_schema(record)))


def _joined_schema() -> object:
    events = {"type": "array", "items": _plain_schema("Event")}
    fields = [{"name": "trace_id", "type": "string"}, {"name": "events", "type": events}]
    return {"type": "record", "name": "Joined", "namespace": "tdc", "fields": fields}


def _engines(names: Sequence[str]) -> Iterator[tuple[Engine, str]]:
    """Those that can be made here; for others the reason."""
    for engine in ENGINES:
        if names and engine.name not in names:
            continue
        reason = ""
        if engine.environment:
            try:
                interpreter(engine.environment)
            except (subprocess.CalledProcessError, OSError) as error:
                reason = f"its environment cannot be made ({type(error).__name__})"
        yield engine, reason


def measure(options: argparse.Namespace) -> dict[str, object]:
    """All engines in turn, round by round."""
    found: dict[str, list[Figures]] = {}
    missing: dict[str, str] = {}
    engines = list(_engines(options.engines))
    with fresh_stack() as stack, tempfile.TemporaryDirectory() as place:
        bench = Bench(stack, options.traces, options.per_message, Path(place))
        for round_ in range(options.rounds):
            for number, (engine, reason) in enumerate(engines):
                if reason or engine.name in missing:
                    missing.setdefault(engine.name, reason)
                    continue
                print(f"round {round_ + 1}: {engine.name}", file=sys.stderr)
                try:
                    found.setdefault(engine.name, []).append(bench.run(engine, f"b{round_}-{number}"))
                except TookTooLong as error:
                    missing[engine.name] = str(error)
    return report(found, missing, bench.events, options)


def report(
    found: Mapping[str, Sequence[Figures]], missing: Mapping[str, str], events: int, options: argparse.Namespace
) -> dict[str, object]:
    """Rates, the ratios of ours to each peer round by round, and the CPU share of the servers."""
    rates = {name: [run.rates(events) for run in runs] for name, runs in found.items() if name not in missing}
    ratios: dict[str, object] = {}
    for ours in ("ours", "ours_without_redaction", "bare_loop"):
        for peer in rates:
            if ours in rates and ours != peer and not peer.startswith("ours"):
                ratios[f"{ours}_by_{peer}"] = {
                    clock: spread([a[clock] / b[clock] for a, b in zip(rates[ours], rates[peer], strict=True)], 2)
                    for clock in rates[peer][0]
                }
    return {
        "events": events,
        "events_per_message": options.per_message,
        "engines": {
            name: {
                **{clock: spread([run[clock] for run in runs]) for clock in runs[0]},
                "cpu_seconds": {part: spread([run.cpu[part] for run in found[name]], 2) for part in found[name][0].cpu},
                "seconds": spread([run.seconds for run in found[name]], 2),
            }
            for name, runs in rates.items()
        },
        "ratios": ratios,
        "not_measured": dict(missing),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=1600)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--per-message", type=int, default=20, help="events in a message")
    parser.add_argument("--engines", nargs="*", default=[], help=", ".join(engine.name for engine in ENGINES))
    print(as_json(measure(parser.parse_args())))


if __name__ == "__main__":
    main()
