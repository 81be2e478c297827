"""Groups of related rows in the engine: clusters, traces and tasks joined, each group in one split. Ids only."""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from sinks.packages.engine import Engine
from sinks.packages.facts import LeakProof
from sinks.packages.recipe import Splits
from sinks.packages.splits import Components, split_sql


def assign_splits(engine: Engine, splits: Splits) -> None:
    """From the engine's table `kept` make `grouped`: for each trace its split, and the number of its group.

    Most traces are their own cluster and nobody else's: such a trace goes with its task, or stands alone. Only what
    ties tasks and traces together beyond that is walked through link by link.
    """
    engine.run(
        """CREATE TABLE links AS SELECT DISTINCT trace, trace_id, cluster,
            CASE WHEN task_id IS NOT NULL THEN coalesce(scenario, '') || chr(31) || task_id END AS task FROM kept"""
    )
    engine.run(
        """CREATE TABLE ties AS
        WITH knots AS (
            SELECT trace_id AS name FROM links GROUP BY trace_id HAVING count(*) > 1
            UNION SELECT cluster FROM links WHERE cluster <> trace_id),
        marked AS (SELECT l.*, k.name IS NOT NULL AS knot FROM links l LEFT JOIN knots k ON k.name = l.trace_id)
        SELECT 'trace' AS kind, cluster AS name, 'task' AS other_kind, task AS other FROM marked
            WHERE NOT knot AND cluster <> trace_id AND task IS NOT NULL
        UNION SELECT 'trace', trace_id, 'trace', cluster FROM marked WHERE knot AND cluster <> trace_id
        UNION SELECT 'trace', trace_id, 'task', task FROM marked WHERE knot AND task IS NOT NULL"""
    )
    _untangle(engine)
    engine.run(
        """CREATE TABLE keyed AS SELECT DISTINCT l.trace, coalesce(own.key, of_cluster.key, of_task.key,
            'task' || chr(31) || l.task, 'trace' || chr(31) || l.cluster) AS key
        FROM links l LEFT JOIN tied own ON own.kind = 'trace' AND own.name = l.trace_id
        LEFT JOIN tied of_cluster ON of_cluster.kind = 'trace' AND of_cluster.name = l.cluster
        LEFT JOIN tied of_task ON of_task.kind = 'task' AND of_task.name = l.task"""
    )
    engine.run(
        f"""CREATE TABLE grouped AS SELECT k.trace, h.split, h.grp FROM keyed k JOIN (
            SELECT key, {split_sql("key", splits.seed, splits.shares())} AS split, row_number() OVER () AS grp
            FROM (SELECT DISTINCT key FROM keyed)) h ON h.key = k.key"""
    )
    for name in ("links", "ties", "tied", "keyed"):
        engine.run(f"DROP TABLE {name}")


def _untangle(engine: Engine) -> None:
    """From `ties` make `tied`: for each name in them the key of its group, which is its smallest task, or where it has
    none its smallest cluster."""
    engine.run(
        """CREATE TABLE nodes AS SELECT kind, name, row_number() OVER (ORDER BY level, name) - 1 AS id FROM (
            SELECT kind, name, CASE WHEN kind = 'task' THEN 0 WHEN name IN (SELECT cluster FROM links) THEN 1 ELSE 2 END
                AS level
            FROM (SELECT kind, name FROM ties UNION SELECT other_kind, other FROM ties))"""
    )
    found = Components(engine.number("SELECT count(*) FROM nodes"))
    pairs = """SELECT a.id AS a, b.id AS b FROM ties t JOIN nodes a ON a.kind = t.kind AND a.name = t.name
        JOIN nodes b ON b.kind = t.other_kind AND b.name = t.other"""
    for batch in engine.stream(pairs):
        found.join(zip(batch.column(0).to_pylist(), batch.column(1).to_pylist(), strict=True))
    schema = pa.schema([("id", pa.int64()), ("root", pa.int64())])
    engine.load("members", schema, _batches(schema, enumerate(found.roots())))
    engine.run(
        """CREATE TABLE tied AS SELECT n.kind, n.name, r.kind || chr(31) || r.name AS key
        FROM nodes n JOIN members m ON m.id = n.id JOIN nodes r ON r.id = m.root"""
    )
    for name in ("nodes", "members"):
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
