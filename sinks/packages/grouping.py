"""Groups of related rows in the engine: clusters, traces and tasks joined, each group in one split. Ids only."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from sinks.packages.engine import Engine
from sinks.packages.facts import LeakProof
from sinks.packages.recipe import Splits
from sinks.packages.splits import Components, split_of


def assign_splits(engine: Engine, splits: Splits) -> None:
    """From the engine's table `kept` make `grouped`: for each trace its split, and the number of its group."""
    engine.run(
        """CREATE TABLE links AS SELECT DISTINCT trace_id, cluster,
            CASE WHEN task_id IS NOT NULL THEN coalesce(scenario, '') || chr(31) || task_id END AS task FROM kept"""
    )
    engine.run(
        """CREATE TABLE nodes AS SELECT kind, name, row_number() OVER (ORDER BY level, name) - 1 AS id FROM (
            SELECT DISTINCT 'task' AS kind, task AS name, 0 AS level FROM links WHERE task IS NOT NULL
            UNION ALL
            SELECT 'trace', name, min(level) FROM (
                SELECT cluster AS name, 1 AS level FROM links UNION ALL SELECT trace_id, 2 FROM links) GROUP BY name)"""
    )
    found = Components(engine.number("SELECT count(*) FROM nodes"))
    one = "JOIN nodes a ON a.kind = 'trace' AND a.name = l.trace_id"
    for other in ("b.kind = 'trace' AND b.name = l.cluster", "b.kind = 'task' AND b.name = l.task"):
        for batch in engine.stream(f"SELECT a.id AS a, b.id AS b FROM links l {one} JOIN nodes b ON {other}"):
            found.join(zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True))
    schema = pa.schema([("id", pa.int64()), ("root", pa.int64())])
    engine.load("members", schema, _batches(schema, enumerate(found.roots())))
    heads = engine.stream(
        "SELECT n.id, n.kind || chr(31) || n.name FROM nodes n JOIN members m ON m.id = n.id WHERE m.root = n.id",
        beside=True,
    )
    shares = splits.shares()
    assigned = pa.schema([("root", pa.int64()), ("split", pa.string())])
    pairs = (
        (number, split_of(name, splits.seed, shares))
        for batch in heads
        for number, name in zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True)
    )
    engine.load("heads", assigned, _batches(assigned, pairs))
    engine.run(
        """CREATE TABLE grouped AS SELECT n.name AS trace_id, h.split, m.root AS grp FROM nodes n
        JOIN members m ON m.id = n.id JOIN heads h ON h.root = m.root WHERE n.kind = 'trace'"""
    )
    for name in ("links", "nodes", "members", "heads"):
        engine.run(f"DROP TABLE {name}")


def leak_proof(engine: Engine, table: str) -> LeakProof:
    """What stands in more than one split of a table with cluster, scenario, task_id, content and split."""
    found = []
    for what in ("cluster", "scenario || chr(31) || task_id", "content"):
        sql = (
            f"SELECT {what} AS name, count(DISTINCT split) AS splits FROM {table} GROUP BY ALL HAVING name IS NOT NULL"
        )
        found.append(engine.all(f"SELECT count(*), count(*) FILTER (splits > 1) FROM ({sql})")[0])
    (clusters, leaking), (tasks, leaking_tasks), (contents, leaking_contents) = found
    return LeakProof(
        clusters=clusters,
        clusters_in_two_splits=leaking,
        tasks=tasks,
        tasks_in_two_splits=leaking_tasks,
        contents=contents,
        contents_in_two_splits=leaking_contents,
    )


def _batches(schema: pa.Schema, rows: Iterable[tuple[object, ...]], size: int = 65_536) -> Iterator[pa.RecordBatch]:
    held: list[tuple[object, ...]] = []
    for row in rows:
        held.append(row)
        if len(held) == size:
            yield _batch(schema, held)
            held = []
    if held:
        yield _batch(schema, held)


def _batch(schema: pa.Schema, rows: list[tuple[object, ...]]) -> pa.RecordBatch:
    columns = zip(*rows, strict=True)
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
