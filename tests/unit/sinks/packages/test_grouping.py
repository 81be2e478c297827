"""Groups of related rows, and the split of each, as the database makes them: against the plain definition."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sinks.packages.engine import Engine
from sinks.packages.grouping import assign_splits
from sinks.packages.recipe import Splits
from sinks.packages.splits import split_of, split_sql

SCHEMA = pa.schema(
    [
        ("trace", pa.int64()),
        ("trace_id", pa.string()),
        ("cluster", pa.string()),
        ("scenario", pa.string()),
        ("task_id", pa.string()),
    ]
)
SPLITS = Splits(train=0.5, validation=0.25, test=0.25, seed=3)
Row = tuple[int, int, int | None]
"""Trace, cluster (named after a trace), task."""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    made = Engine(Path(tmp_path_factory.mktemp("engine")), memory_mb=256)
    yield made
    made.close()


def by_hand(rows: list[Row]) -> dict[int, tuple[str, frozenset[int]]]:
    """Split of each trace and the traces of its group, walked through link by link."""
    nodes: dict[tuple[str, str], set[tuple[str, str]]] = {}
    clusters = {f"t{cluster}" for _, cluster, _ in rows}
    for trace, cluster, task in rows:
        linked = [("trace", f"t{trace}"), ("trace", f"t{cluster}")]
        if task is not None:
            linked.append(("task", f"s\x1fk{task}"))
        for node in linked:
            nodes.setdefault(node, set()).update(linked)
    found: dict[int, tuple[str, frozenset[int]]] = {}
    for trace in {trace for trace, _, _ in rows}:
        group, rest = set(), [("trace", f"t{trace}")]
        while rest:
            node = rest.pop()
            if node not in group:
                group.add(node)
                rest += nodes[node]
        kind, name = min(group, key=lambda node: (0 if node[0] == "task" else 1 if node[1] in clusters else 2, node[1]))
        members = frozenset(other for other, _, _ in rows if ("trace", f"t{other}") in group)
        found[trace] = split_of(f"{kind}\x1f{name}", SPLITS.seed, SPLITS.shares()), members
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 12), st.none() | st.integers(0, 4)), min_size=1, max_size=14)
)
@example([(1, 1, 0), (2, 1, None), (3, 2, 1), (4, 4, 1)])
@example([(1, 1, None), (2, 1, None), (5, 5, 0), (6, 9, 0), (7, 9, 2)])
def test_groups_and_splits_are_those_of_the_definition(engine: Engine, rows: list[Row]) -> None:
    batch = pa.RecordBatch.from_pylist(
        [
            {
                "trace": trace,
                "trace_id": f"t{trace}",
                "cluster": f"t{cluster}",
                "scenario": "s",
                "task_id": None if task is None else f"k{task}",
            }
            for trace, cluster, task in rows
        ],
        SCHEMA,
    )
    engine.load("kept", SCHEMA, [batch])
    engine.run("DROP TABLE IF EXISTS grouped")
    assign_splits(engine, SPLITS)
    found = engine.all("SELECT trace, split, grp FROM grouped")
    assert len(found) == len({trace for trace, _, _ in rows})
    members: dict[int, set[int]] = {}
    for trace, _, group in found:
        members.setdefault(group, set()).add(trace)
    assert {trace: (split, frozenset(members[group])) for trace, split, group in found} == by_hand(rows)


@pytest.mark.parametrize("shares", [(0.8, 0.1, 0.1), (0.0, 0.5, 0.5), (0.7, 0.3, 0.0), (1.0, 0.0, 0.0)])
def test_the_database_splits_as_the_law_says(engine: Engine, shares: tuple[float, float, float]) -> None:
    keys = [f"task\x1fscenario é\x1f{number}" for number in range(2000)]
    engine.load("keys", pa.schema([("key", pa.string())]), [pa.record_batch({"key": keys})])
    found = dict(engine.all(f"SELECT key, {split_sql('key', 7, shares)} FROM keys"))
    assert found == {key: split_of(key, 7, shares) for key in keys}
