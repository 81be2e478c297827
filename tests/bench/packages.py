"""Rows per second and memory of a package build on one core, against `pyarrow` alone, in one run.

Prints JSON. `build` is the whole build of a package: pinning, choosing, splitting, putting in order, counting for the
quality report, writing and documents. `copy` reads the same columns of the same files in the order they have and writes
them with the build's compression. `write` only writes these columns, out of memory: `pyarrow`'s floor. Each runs in a
process of its own, held on one core. Figures are per second of the clock, and per second of processor time, which says
what one core does on a shared machine.

`peak_mb` is what each process held at most, for a tenth, half and all of the rows; `bounded` builds with 128 MB for
what grows with the rows: memory is flat where half and all are alike (`write` holds its rows, of course). `formats`
builds a tenth of the rows in other formats.
`python -m tests.bench.packages [--rows N] [--message-bytes N] [--memory-mb N] [--format F]`
"""

import argparse
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
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
BOUNDED_MB = 128
"""For what grows with the rows; what is beyond it lies on the disk."""
OTHER_FORMATS = ("jsonl", "jsonl/trl", "jsonl/openai", "parquet/trl", "csv")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
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


def built(root: Path, memory_mb: int, format_: str) -> int:
    """Build; rows."""
    settings = settings_at(root)
    terms, text = read_terms()
    recipe = parse_recipe(f'name = "bench"\nformats = ["{format_}"]\n', "bench")
    plan = Plan(recipe, terms, text, "internal-research", memory_mb=memory_mb)
    return build(settings, open_place(settings), plan).manifest.rows


def stored(root: Path) -> pa.RecordBatchReader:
    """The columns of package rows, out of the table."""
    names = [name for name in EXAMPLE_ROWS.names if name in TABLES["examples"].schema.names]
    scanner = (
        DeltaTable(f"{root}/examples")
        .to_pyarrow_dataset()
        .scanner(columns=names, batch_size=2048, batch_readahead=1, fragment_readahead=1, use_threads=False)
    )
    return scanner.to_reader()


def written(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
    """Write batches to Parquet; rows."""
    rows = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for found in batches:
            writer.write_batch(found, row_group_size=32_768)
            rows += found.num_rows
    return rows


def timed(what: str, root: Path, memory_mb: int, format_: str) -> dict[str, float]:
    """One way, on one core; figures of this process."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    pa.set_cpu_count(1)
    held: list[pa.RecordBatch] = []
    if what == "write":
        held = stored(root).read_all().combine_chunks().to_batches(max_chunksize=8192)
    began, processor = time.perf_counter(), time.process_time()
    if what == "build":
        rows = built(root, memory_mb, format_)
    else:
        reader = stored(root)
        rows = written(root / f"{what}.parquet", reader.schema, held or reader)
    seconds, processor_seconds = time.perf_counter() - began, time.process_time() - processor
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"rows": rows, "seconds": seconds, "processor_seconds": processor_seconds, "peak_mb": peak}


def measured(what: str, root: Path, memory_mb: int, format_: str) -> dict[str, float]:
    """Figures of a child process."""
    options = ["--memory-mb", str(memory_mb), "--format", format_]
    command = [sys.executable, "-m", "tests.bench.packages", "--child", what, str(root), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{what} ended with {done.returncode}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def measure(rows: int, message_bytes: int, memory_mb: int, format_: str) -> dict[str, object]:
    """All ways and formats; rows are made once for each size."""
    with tempfile.TemporaryDirectory() as place:
        results: dict[str, dict[str, dict[str, float]]] = {}
        for name, count, ways in (
            ("tenth", rows // 10, ("build",)),
            ("half", rows // 2, ("build", "bounded")),
            ("all", rows, ("copy", "build", "bounded", "write")),
        ):
            root = Path(place) / name
            fill(settings_at(root), count, message_bytes)
            results[name] = {}
            for what in ways:
                way, memory = ("build", BOUNDED_MB) if what == "bounded" else (what, memory_mb)
                results[name][what] = measured(way, root, memory, format_)
                shutil.rmtree(root / "packages", ignore_errors=True)  # the next build must not find this one
            if name == "tenth":
                others = {}
                for other in OTHER_FORMATS:
                    others[other] = measured("build", root, memory_mb, other)
                    shutil.rmtree(root / "packages")
            shutil.rmtree(root)
    found = results["all"]
    if any(figures["rows"] != rows for figures in found.values()):
        raise SystemExit(f"{rows} rows were made, and {[figures['rows'] for figures in found.values()]} came out")
    peaks = {name: {what: figures["peak_mb"] for what, figures in each.items()} for name, each in results.items()}
    return {
        "rows": rows,
        "format": format_,
        "rows_per_second": {what: round(rows / figures["seconds"]) for what, figures in found.items()},
        "rows_per_processor_second": {
            what: round(rows / figures["processor_seconds"]) for what, figures in found.items()
        },
        "processor_ratio": {
            what: round(found[what]["processor_seconds"] / found["build"]["processor_seconds"], 3)
            for what in ("copy", "write")
        },
        "formats": {
            name: round(figures["rows"] / figures["processor_seconds"]) for name, figures in sorted(others.items())
        },
        "peak_mb": peaks,
        "peak_all_by_half": round(peaks["all"]["bounded"] / peaks["half"]["bounded"], 3),
        "message_bytes": message_bytes,
        "memory_mb": memory_mb,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--message-bytes", type=int, default=1000)
    parser.add_argument("--memory-mb", type=int, default=512)
    parser.add_argument("--format", default="parquet")
    parser.add_argument("--child", nargs=2, metavar=("WHAT", "ROOT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        what, root = arguments.child
        print(json.dumps(timed(what, Path(root), arguments.memory_mb, arguments.format)))
    else:
        print(json.dumps(measure(arguments.rows, arguments.message_bytes, arguments.memory_mb, arguments.format)))


if __name__ == "__main__":
    main()
