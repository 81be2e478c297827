"""What grows with the amount that is held, and what must not: `python -m tests.bench.growth`.

Open traces: traces of one small event (about 400 bytes; one that does not end) are taken in until so many are open in
one partition. At each level probes of twenty events in two messages come in, end and are closed; `cost` is the CPU time
of worker and Redis for one of them in microseconds, over the rounds; beside it the worker's resident memory and the
memory of Redis. The worker holds nothing of a trace between batches, so its memory should stay flat, and the cost too.

Tables: rows of `decisions` are committed in equal batches until the table has so many, and compacted as often as the
sink does it. `commit` is the CPU time of a commit of new rows: the first ones, the last ones before a compaction, when
the table has the most files, and those right after the last; `replace` of one that replaces rows that are there (they
are looked up), in milliseconds; then seconds of two queries over the table, through `tdc query`'s own function.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import psutil
from redis.asyncio import Redis

from schemas.codec import encode
from schemas.records import AgentStarted
from schemas.settings import Settings, StorageSettings
from sinks.buffer import Batch, Buffer
from sinks.flush import TableSink, open_tables
from sinks.maintenance import compact
from sinks.plan import decision_entry
from sinks.query import query
from streams.core.timers import Windows
from streams.ports import Message
from streams.stages.assemble import AssembleStage
from tests.bench._assembly import (
    SCHEMA_IDS,
    Encoding,
    as_json,
    event_ids_of,
    events_of_trace,
    messages,
    new_stage,
    trace_id_of,
)
from tests.bench._spread import spread
from tests.contract.test_state import redis_server
from tests.unit.sinks.samples import decision

_BATCH = 500
_PROBE_EVENTS = 20
_PROBES_FIRST = 10**9
_TEMPLATE = 0xABCDEF98_ABCDEF98_ABCDEF98_ABCDEF98
"""Number of the trace whose message is copied for the others: its id stands nowhere else in it."""
_NOW_MS = 1_000_000
_WINDOWS = Windows(quiet_ms=1, idle_ms=10**9, max_age_ms=10**10, max_open_traces=10**8, max_open_bytes=2**40)
_PORTION = 20_000
"""Rows of a commit: what the sink flushes at most by default."""


class Partition:
    """One partition of a stage, its Redis, and the position in its log."""

    def __init__(self, client: Redis, stage: AssembleStage) -> None:
        self._client, self.stage = client, stage
        self._offset = self._probes = 0
        template = events_of_trace(_TEMPLATE, 2)[0]
        small = msgspec.structs.replace(template, agent_started=AgentStarted(root=True, goal="g" * 160))
        self._ids = (trace_id_of(_TEMPLATE).encode(), event_ids_of(_TEMPLATE, 1)[0].encode())
        self._template = encode(small, SCHEMA_IDS["Event"])

    async def fill(self, first: int, upto: int) -> None:
        """Open the traces of these numbers."""
        for start in range(first, upto, _BATCH):
            await self._take([self._small(number) for number in range(start, min(upto, start + _BATCH))])

    async def probe(self, count: int) -> float:
        """CPU microseconds of worker and Redis for a trace that comes, ends and is closed."""
        self._probes += count
        sent = messages(count, _PROBE_EVENTS, _PROBE_EVENTS // 2, _PROBES_FIRST + self._probes)
        before = await self._cpu()
        for start in range(0, len(sent), _BATCH):
            await self._take([(message.key or b"", message.value or b"") for message in sent[start : start + _BATCH]])
        while self.stage.open_traces(0) > 0:
            held = self.stage.open_traces(0)
            await self.stage.tick(0, _NOW_MS + 2)
            if self.stage.open_traces(0) == held:
                break
        return (await self._cpu() - before) / count * 1e6

    async def memory(self) -> int:
        """Bytes that Redis uses."""
        return int((await self._client.info("memory"))["used_memory"])

    async def _take(self, sent: Sequence[tuple[bytes, bytes]]) -> None:
        offset, self._offset = self._offset, self._offset + len(sent)
        await self.stage.handle(
            0, [Message("agent-events", 0, offset + at, _NOW_MS, *pair) for at, pair in enumerate(sent)]
        )

    def _small(self, number: int) -> tuple[bytes, bytes]:
        trace_id, event_id = trace_id_of(number).encode(), event_ids_of(number, 1)[0].encode()
        return trace_id, self._template.replace(self._ids[1], event_id, 1).replace(self._ids[0], trace_id, 1)

    async def _cpu(self) -> float:
        used = await self._client.info("cpu")
        return time.process_time() + float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


async def open_traces(port: int, levels: Sequence[int], probes: int, rounds: int) -> dict[str, object]:
    """Cost and memory at each level."""
    client = Redis(port=port)
    stage = new_stage(client, Encoding(), "growth", _WINDOWS)
    await stage.acquire(0)
    partition = Partition(client, stage)
    await partition.probe(probes)  # loads code
    empty, opened = await partition.memory(), 0
    steps: list[dict[str, object]] = []
    costs: list[float] = []
    for level in levels:
        await partition.fill(opened + 1, level + 1)
        opened = level
        held = (await partition.memory() - empty) / level
        cost = [await partition.probe(probes) for _ in range(rounds)]
        assert stage.open_traces(0) == level, "a probe was not closed, or a filler was"
        costs.append(statistics.median(cost))
        steps.append(
            {
                "open_traces": level,
                "cost": spread(cost, 1),
                "worker_mib": round(psutil.Process().memory_info().rss / 2**20, 1),
                "redis_bytes_per_trace": round(held),
            }
        )
    await client.aclose()
    last = steps[-1]
    return {
        "levels": steps,
        "cost_most_by_fewest": round(costs[-1] / costs[0], 3),
        "cost_most_by_fewest_range": round(max(costs) / min(costs), 3),
        "redis_bytes_per_trace": last["redis_bytes_per_trace"],
        "worker_mib": last["worker_mib"],
    }


def batch_of(first: int, count: int, revision: int = 1) -> Batch:
    """So many decisions."""
    buffer = Buffer(10**9, 10**12, 1)
    template = decision("t")
    for number in range(first, first + count):
        row = msgspec.structs.replace(template, trace_id=trace_id_of(number), revision=revision)
        buffer.add(decision_entry(row, 0, number + (revision - 1) * 10**9), 0)
    return buffer.batch()


def tables(rows: int, rounds: int) -> dict[str, object]:
    """Commits at both ends of the growth, and queries."""
    portion = min(_PORTION, max(1, rows // (rounds * 3)))
    with tempfile.TemporaryDirectory() as place:
        settings = Settings(storage=StorageSettings.model_validate({"root": str(Path(place) / "tables")}))
        sink = TableSink(open_tables(settings))
        sink.create_tables()
        sink.take_lanes([0])
        commits: list[float] = []
        for first in range(0, rows, portion):
            commits.append(_milliseconds(sink, batch_of(first, portion)))
            if len(commits) % settings.sink.compact_every_commits == 0:
                compact(settings, "decisions")
        held = len(commits) * portion
        files = commits[-rounds:] if len(commits) % settings.sink.compact_every_commits else commits[-rounds - 1 : -1]
        compact(settings, "decisions")
        late = [_milliseconds(sink, batch_of(held + number * portion, portion)) for number in range(rounds)]
        few = max(1, portion // 20)
        replaced = [_milliseconds(sink, batch_of(number * few, few, 2 + number)) for number in range(rounds)]
        small = _replacing_in_a_small_table(Path(place) / "small", portion, few, rounds)
        count, one = "SELECT verdict, count(*) FROM decisions GROUP BY 1", trace_id_of(rows // 2)
        counted = [_seconds(lambda: query(settings, count)) for _ in range(rounds)]
        lookup = [
            _seconds(lambda: query(settings, f"SELECT * FROM decisions WHERE trace_id = '{one}'"))
            for _ in range(rounds)
        ]
    early = commits[1 : rounds + 1]  # the first loads code
    return {
        "rows": held,
        "rows_of_a_commit": portion,
        "commit_milliseconds_first": spread(early, 1),
        "commit_milliseconds_before_compaction": spread(files, 1),
        "commit_milliseconds_last": spread(late, 1),
        "commit_last_by_first": round(statistics.median(late) / statistics.median(early), 3),
        "rows_replaced": few,
        "replace_milliseconds_small_table": spread(small, 1),
        "replace_milliseconds": spread(replaced, 1),
        "replace_last_by_first": round(statistics.median(replaced) / statistics.median(small), 2),
        "count_seconds": spread(counted, 3),
        "lookup_seconds": spread(lookup, 3),
    }


def _replacing_in_a_small_table(root: Path, portion: int, few: int, rounds: int) -> list[float]:
    sink = TableSink(open_tables(Settings(storage=StorageSettings.model_validate({"root": str(root)}))))
    sink.create_tables()
    sink.take_lanes([0])
    sink.flush(batch_of(0, portion))
    return [_milliseconds(sink, batch_of(number * few % portion, few, 2 + number)) for number in range(rounds)]


def _milliseconds(sink: TableSink, batch: Batch) -> float:
    """CPU time of a commit, that of threads included."""
    began = time.process_time()
    sink.flush(batch)
    return (time.process_time() - began) * 1000


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--open-traces", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--probes", type=int, default=400, help="traces of a round at each level")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000, help="of the large table")
    options = parser.parse_args()
    with redis_server() as port:
        opened = asyncio.run(open_traces(port, sorted(options.open_traces), options.probes, options.rounds))
    print(as_json({"open_traces": opened, "tables": tables(options.rows, options.rounds)}))


if __name__ == "__main__":
    main()
