"""Rows per second of the sink against a bare `pyarrow.parquet.write_table` of the same columns, in one run.

Prints JSON: `ratio` is sink / bare, the median over the rounds. Both start from the same rows and end on the same
disk with zstd; the sink's share holds the conversion to Arrow, planning and the Delta commit, the bare one the
conversion and the file. `python -m tests.bench.sink [--rows N] [--rounds N]`
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from pathlib import Path

import msgspec
import pyarrow.parquet as pq

from schemas.settings import Settings, StorageSettings
from sinks.buffer import Batch, Buffer
from sinks.flush import TableSink, open_tables
from sinks.plan import decision_entry, example_entry, trace_entry
from sinks.rows import arrow_table
from tests.unit.sinks.samples import decision, example, trace


def batch_of_runs(count: int, first: int, seed: int) -> Batch:
    """A batch of `count` runs: a trace of about 20 KB, a decision and an example of about 10 KB each run."""
    random_ = random.Random(seed)
    words = ["".join(random_.choices("abcdefghijklmnop", k=random_.randint(2, 9))) for _ in range(5000)]
    buffer = Buffer(10**9, 10**12, 1)
    for number in range(first, first + count):
        text = " ".join(random_.choices(words, k=700))
        run = trace(f"{number:032x}", text=text)
        sample = msgspec.structs.replace(
            example(run.trace_id), messages=json.dumps([{"role": "user", "content": text}])
        )
        buffer.add(trace_entry(run, 0, number), 0)
        buffer.add(decision_entry(decision(run.trace_id), 0, number), 0)
        buffer.add(example_entry(sample, 0, number), 0)
    return buffer.batch()


def measure(rows: int, rounds: int) -> dict[str, object]:
    """Seconds of both ways, round by round."""
    ours: list[float] = []
    bare: list[float] = []
    with tempfile.TemporaryDirectory() as place:
        sink = TableSink(open_tables(Settings(storage=StorageSettings.model_validate({"root": f"{place}/tables"}))))
        sink.create_tables()
        sink.take_lanes([0])
        for round_ in range(rounds + 1):
            batch = batch_of_runs(rows, round_ * rows, seed=round_)
            began = time.perf_counter()
            for topic, entries in batch.entries.items():
                table = arrow_table(topic, [entry.row for entry in entries if entry.row is not None])
                pq.write_table(table, Path(place) / f"{topic}.parquet", compression="zstd")
            bare.append(time.perf_counter() - began)
            began = time.perf_counter()
            sink.flush(batch)
            ours.append(time.perf_counter() - began)
    ours, bare = ours[1:], bare[1:]  # the first round loads code
    ratios = [theirs / mine for theirs, mine in zip(bare, ours, strict=True)]
    return {
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(ratio, 3) for ratio in ratios],
        "sink_rows_per_second": round(3 * rows / statistics.median(ours)),
        "bare_rows_per_second": round(3 * rows / statistics.median(bare)),
        "rows_per_flush": 3 * rows,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000, help="runs in a flush; three rows each")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(json.dumps(measure(arguments.rows, arguments.rounds)))


if __name__ == "__main__":
    main()
