"""Rows per second and memory of a package build, against `pyarrow` copying the same columns, in one run.

Prints JSON. `rows_per_second` is the whole build to Parquet: pinning, choosing, splitting, sorting, counting for the
quality report, writing and documents; `bare_rows_per_second` reads the same columns of the same files in the order
they have and writes them with zstd. Both also per second of processor time, which says what one core does on a shared
machine. `peak_mb` is what each process held at most, for a quarter of the rows and for all: memory is flat where the
two are alike. `python -m tests.bench.packages [--rows N] [--message-bytes N] [--memory-mb N]`
"""

import argparse
import hashlib
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable, WriterProperties, write_deltalake

from schemas.settings import Settings, StorageSettings
from sinks.flush import open_tables
from sinks.packages.build import build
from sinks.packages.columns import EXAMPLE_ROWS
from sinks.packages.place import open_place
from sinks.packages.plan import Plan
from sinks.packages.recipe import parse_recipe
from sinks.packages.terms import read_terms
from sinks.tables import TABLES

PER_TRACE = 10
"""Examples of one run."""
PER_TASK = 3
"""Runs of one task."""
BATCH = 20_000
NOW = datetime(2026, 1, 1, tzinfo=UTC)
RECIPE = 'name = "bench"\nformats = ["parquet"]\n'
TOOLS = json.dumps(
    [
        {"type": "function", "function": {"name": f"tool_{n}", "description": "Does one thing.", "parameters": {}}}
        for n in range(4)
    ]
)


def settings_at(path: Path) -> Settings:
    """Tables in a directory."""
    return Settings(storage=StorageSettings.model_validate({"root": str(path)}))


def fill(settings: Settings, rows: int, message_bytes: int) -> None:
    """Tables with `rows` examples, in no order of their keys."""
    for table in open_tables(settings).values():
        table.create()
    for name, batches in (
        ("examples", examples(rows, message_bytes)),
        ("traces", runs(rows // PER_TRACE, "traces")),
        ("decisions", runs(rows // PER_TRACE, "decisions")),
    ):
        schema = TABLES[name].schema
        write_deltalake(
            f"{settings.storage_root()}/{name}",
            pa.RecordBatchReader.from_batches(schema, batches),
            mode="append",
            writer_properties=WriterProperties(compression="ZSTD", max_row_group_size=TABLES[name].row_group_rows),
        )


def examples(rows: int, message_bytes: int) -> Iterator[pa.RecordBatch]:
    """Batches of the table `examples`."""
    random_ = random.Random(1)
    words = ["".join(random_.choices("abcdefghijklmnop", k=random_.randint(2, 9))) for _ in range(5000)]
    texts = [" ".join(random_.choices(words, k=message_bytes // 6)) for _ in range(500)]
    for start in range(0, rows, BATCH):
        numbers = range(start, min(start + BATCH, rows))
        made: dict[str, list[object]] = {
            "example_id": [hashlib.sha256(str(n).encode()).hexdigest()[:32] for n in numbers],
            "trace_id": [f"{n // PER_TRACE:032x}" for n in numbers],
            "revision": [1 for _ in numbers],
            "type": [("agent_execution", "tool_selection")[n % 2] for n in numbers],
            "packages": [["tool_selection"] for _ in numbers],
            "scenario": [f"scenario-{n // PER_TRACE % 20}" for n in numbers],
            "execution_mode": ["EXECUTION" for _ in numbers],
            "task_id": [f"task-{n // (PER_TRACE * PER_TASK)}" for n in numbers],
            "quality_score": [0.8 + random_.random() / 5 for _ in numbers],
            "human_validated": [False for _ in numbers],
            "execution_successful": [True for _ in numbers],
            "training_weight": [0.9 for _ in numbers],
            "provider": ["acme" for _ in numbers],
            "model": [f"model-{n % 3}" for n in numbers],
            "messages": [chat(random_.choice(texts), n) for n in numbers],
            "tools": [TOOLS for _ in numbers],
            "context": ['{"scenario":"s","goal":"g","available_tools":["tool_1"]}' for _ in numbers],
            "expected_output": ['{"action":"tool_request","tool":"tool_1","parameters":{"n":1}}' for _ in numbers],
            "outcome": ["success" for _ in numbers],
            "cluster_id": [f"{n // PER_TRACE:032x}" for n in numbers],
            "policy_hash": ["0" * 64 for _ in numbers],
            "event_ids": [[f"{n:032x}"] for n in numbers],
            "source_offsets": [offsets(n // PER_TRACE) for n in numbers],
            "created_at": [NOW for _ in numbers],
        }
        yield batch("examples", made, len(numbers))


def chat(text: str, number: int) -> str:
    """A question and a tool call."""
    return (
        f'[{{"role":"user","content":"{number} {text}"}},{{"role":"assistant","content":null,"tool_calls":[{{"id":"c1",'
        f'"type":"function","function":{{"name":"tool_{number % 4}","arguments":"{{\\"n\\": {number}}}"}}}}]}}]'
    )


def offsets(number: int) -> str:
    """Where a run came from."""
    return f'[{{"topic":"agent-events","partition":{number % 4},"first_offset":{number},"last_offset":{number + 9}}}]'


def runs(count: int, table: str) -> Iterator[pa.RecordBatch]:
    """Batches of `traces` or `decisions`: only what a build looks at is filled."""
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        made: dict[str, list[object]] = {"trace_id": [f"{n:032x}" for n in numbers], "revision": [1 for _ in numbers]}
        if table == "traces":
            made |= {
                "scenario": [f"scenario-{n % 20}" for n in numbers],
                "execution_mode": ["EXECUTION" for _ in numbers],
                "task_id": [f"task-{n // PER_TASK}" for n in numbers],
                "provider": ["acme" for _ in numbers],
                "model": [f"model-{n % 3}" for n in numbers],
                "consent_status": ["granted" for _ in numbers],
                "consent_basis": ["contract" for _ in numbers],
                "redaction_counts": ['{"EMAIL":1}' for _ in numbers],
                "offsets": [offsets(n) for n in numbers],
                "closed_at": [NOW for _ in numbers],
            }
        else:
            made |= {"verdict": ["accepted" for _ in numbers], "reasons": [[] for _ in numbers]}
        yield batch(table, made, len(numbers))


def batch(table: str, made: dict[str, list[object]], count: int) -> pa.RecordBatch:
    """With nulls in every other column."""
    schema = TABLES[table].schema
    columns = [pa.array(made.get(field.name, [None] * count), field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def built(root: Path, memory_mb: int) -> int:
    """Build; rows."""
    settings = settings_at(root)
    terms, text = read_terms()
    plan = Plan(parse_recipe(RECIPE, "bench"), terms, text, "internal-research", memory_mb=memory_mb)
    return build(settings, open_place(settings), plan).manifest.rows


def copied(root: Path, _: int) -> int:
    """Read the same columns, and write them; rows."""
    dataset = DeltaTable(f"{root}/examples").to_pyarrow_dataset()
    scanner = dataset.scanner(
        columns=EXAMPLE_ROWS.names, batch_size=2048, batch_readahead=1, fragment_readahead=1, use_threads=False
    )
    rows = 0
    with pq.ParquetWriter(root / "bare.parquet", scanner.projected_schema, compression="zstd") as writer:
        for found in scanner.to_batches():
            writer.write_batch(found, row_group_size=32_768)
            rows += found.num_rows
    return rows


def child(what: str, root: Path, memory_mb: int) -> None:
    """One way, in a process of its own."""
    began, processor = time.perf_counter(), time.process_time()
    rows = {"build": built, "copy": copied}[what](root, memory_mb)
    seconds, processor_seconds = time.perf_counter() - began, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"rows": rows, "seconds": seconds, "processor_seconds": processor_seconds, "peak_mb": peak}))


def measured(what: str, root: Path, memory_mb: int) -> dict[str, float]:
    """Figures of a child process."""
    command = [sys.executable, "-m", "tests.bench.packages", "--child", what, str(root), "--memory-mb", str(memory_mb)]
    found: dict[str, float] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return found


def measure(rows: int, message_bytes: int, memory_mb: int) -> dict[str, object]:
    """Both ways, for a quarter of the rows and for all."""
    with tempfile.TemporaryDirectory() as place:
        results = {}
        for name, count in (("quarter", rows // 4), ("all", rows)):
            root = Path(place) / name
            fill(settings_at(root), count, message_bytes)
            results[name] = {what: measured(what, root, memory_mb) for what in ("copy", "build")}
    bare, ours = results["all"]["copy"], results["all"]["build"]
    if bare["rows"] != rows or ours["rows"] != rows:
        raise SystemExit(f"{rows} rows were made, {bare['rows']} copied and {ours['rows']} built")
    return {
        "rows": ours["rows"],
        "ratio": round(bare["seconds"] / ours["seconds"], 3),
        "processor_ratio": round(bare["processor_seconds"] / ours["processor_seconds"], 3),
        "rows_per_second": round(ours["rows"] / ours["seconds"]),
        "rows_per_processor_second": round(ours["rows"] / ours["processor_seconds"]),
        "bare_rows_per_second": round(bare["rows"] / bare["seconds"]),
        "bare_rows_per_processor_second": round(bare["rows"] / bare["processor_seconds"]),
        "peak_mb": {name: {what: found["peak_mb"] for what, found in both.items()} for name, both in results.items()},
        "message_bytes": message_bytes,
        "memory_mb": memory_mb,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--message-bytes", type=int, default=1000)
    parser.add_argument("--memory-mb", type=int, default=512)
    parser.add_argument("--child", nargs=2, metavar=("WHAT", "ROOT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        child(arguments.child[0], Path(arguments.child[1]), arguments.memory_mb)
    else:
        print(json.dumps(measure(arguments.rows, arguments.message_bytes, arguments.memory_mb)))


if __name__ == "__main__":
    main()
