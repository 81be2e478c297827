"""A long run at half load: `make soak MINUTES=60`, or `python -m tests.chaos.soak --minutes 60`.

What the line can do is measured first, then it gets half of that until the time is over, while memory, lag and files
are sampled. At the end growth is judged, over the last two thirds: the first third fills caches and windows. Prints a
table and writes a JSON file with all samples. Exit code 1 when something grows.
"""

import argparse
import itertools
import random
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pyarrow as pa
import redis
from confluent_kafka import Producer

from ops.stack import down, status, up
from ops.status import Status, gather_status
from ops.supervisor import Supervisor
from schemas.codec import encode
from schemas.errors import TransientError
from schemas.records import Event, EventBatch, UserMessage
from schemas.settings import Settings, load_settings
from sinks.maintenance import open_handle
from sinks.tables import TABLES
from streams.kafka import ensure_topics
from tests.integration.line import ROOT, RULES, registered
from tests.integration.ports import free_port_base
from tests.integration.world import TOPIC, World

SAMPLE_SECONDS = 5.0
_TEMPLATES = 200
_REPEATED = 10
"""One run in so many says what another said."""
_WORDS = 60
_BURST = 1_500
_MAX_GROWTH = 0.10
"""Growth of memory that counts as flat, over the judged time, relative to its mean..."""
_SLACK_BYTES = 24 * 2**20
"""...and this much on top."""
_MAX_LAG_SECONDS = 20.0
SOAK = ROOT / "tests" / "policies" / "soak.toml"
_SERVERS = ("kafka", "registry", "redis", "s3")


class Sample(msgspec.Struct, frozen=True):
    """Everything that might grow, at one moment."""

    seconds: float
    resident_bytes: dict[str, int]
    """By process."""
    redis_bytes: int
    lag: dict[str, int]
    """Messages, by stage."""
    files: dict[str, int]
    file_bytes: dict[str, int]
    """By table, of its current version."""
    sent: int
    """Traces."""


class Judgement(msgspec.Struct, frozen=True):
    """What became of one figure over the judged time."""

    name: str
    mean: float
    slope_an_hour: float
    last: float
    bound: float | None
    """On the growth, or on the value where the name says so; None where it is only told."""
    holds: bool


class Load:
    """Sends runs at a pace; nothing of them is kept."""

    def __init__(self, settings: Settings, schema_ids: Any) -> None:
        config = {**settings.kafka_config(), "enable.idempotence": True, "linger.ms": 5, "compression.type": "zstd"}
        world = World(1, None, schema_ids)
        self._producer = Producer(config)
        self._batch_id = world.batch_id
        self._templates = [world.mixed_run() for _ in range(_TEMPLATES)]
        self._random = random.Random(1)
        self._lexicon = ["".join(self._random.choices("abcdefghijklmnop", k=6)) for _ in range(5000)]
        self._numbers = itertools.count()
        self.sent = 0

    def send(self, count: int) -> None:
        """Send so many runs, two messages each."""
        for _ in range(count):
            events = self._fresh(next(self._numbers))
            half = len(events) // 2
            for part in (events[:half], events[half:]):
                batch = EventBatch(trace_id=part[0].trace_id, producer_id="test", events=part)
                while True:
                    try:
                        self._producer.produce(TOPIC, encode(batch, self._batch_id), part[0].trace_id.encode())
                        break
                    except BufferError:
                        self._producer.poll(0.1)
            self._producer.poll(0)
            self.sent += 1

    def flush(self) -> None:
        """Wait until the broker has all."""
        assert self._producer.flush(60) == 0

    def _fresh(self, number: int) -> tuple[Event, ...]:
        name = f"soak-{number}"
        events = [
            msgspec.structs.replace(event, trace_id=name, event_id=f"{name}-{place}")
            for place, event in enumerate(self._templates[number % _TEMPLATES])
        ]
        if number % _REPEATED:
            # Else all runs would repeat the first two hundred, and the index of near-duplicates would stay empty.
            heard = next(place for place, event in enumerate(events) if event.user_message)
            said = " ".join(self._random.choices(self._lexicon, k=_WORDS))
            events[heard] = msgspec.structs.replace(events[heard], user_message=UserMessage(content=said))
        return tuple(events)


def soak(minutes: float, place: Path, say: Callable[[str], None]) -> list[Judgement]:
    """Run it in `place`; the judgements, after writing `report.json` there."""
    home, port_base = place / "home", free_port_base()
    seconds = minutes * 60
    try:
        up(home, port_base)
        windows = {"remember_seconds": max(20.0, seconds / 6), "amend_seconds": min(3600.0, max(10.0, seconds / 12))}
        settings = load_settings(
            home=home, port_base=port_base, policy=SOAK, redaction=RULES, assemble={**windows, "idle_seconds": 20}
        )
        ensure_topics(settings)
        load = Load(settings, registered(settings))
        with Supervisor(settings, home / "logs") as supervisor:
            rate = _capacity(load, settings, supervisor) / 2
            say(f"half load: {rate:.1f} traces/s")
            samples = list(_sampled(settings, supervisor, load, rate, seconds, say))
            load.flush()
            final = supervisor.wait_until_idle(timeout_seconds=300)
        judgements = judge(samples, rate, final)
        report = {"minutes": minutes, "traces_a_second": rate, "judgements": judgements, "samples": samples}
        (place / "report.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1))
        return judgements
    finally:
        down(home)


def _capacity(load: Load, settings: Settings, supervisor: Supervisor) -> float:
    """Traces a second from sent to stored, of a burst, after a smaller one that warms up."""
    rates = []
    for burst in (_BURST // 5, _BURST):
        before = gather_status(settings).traces.stored
        started = time.monotonic()
        load.send(burst)
        load.flush()
        while gather_status(settings).traces.stored - before < 0.8 * burst:  # some are withheld, some wait for an end
            supervisor.look_after()
            time.sleep(0.2)
        rates.append(0.8 * burst / (time.monotonic() - started))
    return rates[-1]


def _sampled(
    settings: Settings, supervisor: Supervisor, load: Load, rate: float, seconds: float, say: Callable[[str], None]
) -> Iterator[Sample]:
    """Send at this rate and look every now and then."""
    started, first = time.monotonic(), load.sent
    due = started
    with redis.Redis.from_url(settings.redis_url()) as client:
        while (now := time.monotonic()) - started < seconds:
            load.send(max(0, int((now - started) * rate) - (load.sent - first)))
            supervisor.look_after()
            if now >= due:
                due += SAMPLE_SECONDS
                try:
                    sample = _sample(settings, supervisor, client, now - started, load.sent)
                except TransientError as error:
                    say(f"no sample: {error}")
                else:
                    yield sample
            time.sleep(0.05)


def _sample(settings: Settings, supervisor: Supervisor, client: "redis.Redis", seconds: float, sent: int) -> Sample:
    pids = supervisor.pids() | {row.name: row.pid for row in status(settings.home) if row.pid and row.name in _SERVERS}
    resident = {name: psutil.Process(pid).memory_info().rss for name, pid in pids.items() if psutil.pid_exists(pid)}
    files: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for name in TABLES:
        column = pa.table(open_handle(settings, name).get_add_actions())["size_bytes"].to_pylist()
        files[name], sizes[name] = len(column), sum(column)
    memory: Any = client.info("memory")
    return Sample(seconds, resident, int(memory["used_memory"]), dict(gather_status(settings).lag), files, sizes, sent)


def judge(samples: Sequence[Sample], rate: float, final: Status) -> list[Judgement]:
    """What grew, over the last two thirds of the samples."""
    judged = samples[len(samples) // 3 :]
    found = [_memory(f"{name} RSS", judged, _resident(name)) for name in ("assemble", "curate", "sink")]
    found += [_memory("redis memory", judged, lambda one: one.redis_bytes)]
    found += [_told(f"{name} RSS", judged, _resident(name)) for name in _SERVERS if name in judged[0].resident_bytes]
    messages = {"assemble": 2.0, "curate": 1.0, "sink": 8.0}
    for stage, a_trace in messages.items():
        found.append(_lag(stage, judged, rate * a_trace * _MAX_LAG_SECONDS))
    for table in TABLES:
        found.append(_told(f"{table} files", judged, lambda one, table=table: one.files[table]))  # type: ignore[misc]
        found.append(_told(f"{table} bytes", judged, lambda one, table=table: one.file_bytes[table]))  # type: ignore[misc]
    found.append(Judgement("balance holds", float(final.balanced), 0.0, float(final.balanced), 1.0, final.balanced))
    return found


def _resident(name: str) -> Callable[[Sample], float]:
    return lambda sample: sample.resident_bytes.get(name, 0)


def _line(judged: Sequence[Sample], value: Callable[[Sample], float]) -> tuple[float, float, float]:
    """Mean, slope an hour and growth over the judged time, of the least squares line."""
    times, values = [one.seconds for one in judged], [float(value(one)) for one in judged]
    slope = statistics.linear_regression(times, values).slope
    return statistics.fmean(values), slope * 3600, slope * (times[-1] - times[0])


def _memory(name: str, judged: Sequence[Sample], value: Callable[[Sample], float]) -> Judgement:
    mean, slope, growth = _line(judged, value)
    bound = mean * _MAX_GROWTH + _SLACK_BYTES
    return Judgement(name, mean, slope, value(judged[-1]), bound, growth <= bound)


def _lag(stage: str, judged: Sequence[Sample], bound: float) -> Judgement:
    """The median of the last third must lie below the bound: peaks pass, growth does not."""
    mean, slope, _ = _line(judged, lambda one: one.lag[stage])
    last = statistics.median(one.lag[stage] for one in judged[len(judged) // 2 :])
    return Judgement(f"{stage} lag, value", mean, slope, last, bound, last <= bound)


def _told(name: str, judged: Sequence[Sample], value: Callable[[Sample], float]) -> Judgement:
    mean, slope, _ = _line(judged, value)
    return Judgement(name, mean, slope, value(judged[-1]), None, True)


def table(judgements: Sequence[Judgement]) -> list[str]:
    """Lines for people; bytes in MiB."""
    lines = [f"{'figure':<22}{'mean':>12}{'an hour':>12}{'last':>12}{'bound':>12}  verdict"]
    for one in judgements:
        scale = 2**20 if any(word in one.name for word in ("RSS", "memory", "bytes")) else 1
        bound = "" if one.bound is None else f"{one.bound / scale:.1f}"
        verdict = "" if one.bound is None else "holds" if one.holds else "GROWS"
        numbers = "".join(f"{value / scale:>12.1f}" for value in (one.mean, one.slope_an_hour, one.last))
        lines.append(f"{one.name:<22}{numbers}{bound:>12}  {verdict}")
    return lines


def main() -> int:
    """Parse arguments, run, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--place", type=Path, default=ROOT / ".tdc" / "soak")
    arguments = parser.parse_args()
    shutil.rmtree(arguments.place, ignore_errors=True)
    arguments.place.mkdir(parents=True)

    def say(words: str) -> None:
        print(words, file=sys.stderr, flush=True)

    judgements = soak(arguments.minutes, arguments.place, say)
    print("\n".join(table(judgements)))
    print(f"report: {arguments.place / 'report.json'}")
    return 0 if all(one.holds for one in judgements) else 1


if __name__ == "__main__":
    sys.exit(main())
