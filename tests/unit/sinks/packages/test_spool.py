from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sinks.packages import spool
from sinks.packages.spool import in_order

SCHEMA = pa.schema([("key", pa.string()), ("text", pa.string()), ("range", pa.int32())])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(keys=st.sets(st.text(min_size=1, max_size=5), max_size=60), per_range=st.integers(1, 20), cut=st.integers(1, 25))
def test_rows_come_out_in_order_whatever_the_batches_and_ranges(
    tmp_path: Path, keys: set[str], per_range: int, cut: int
) -> None:
    ordered = sorted(keys, key=lambda key: key.encode())
    rows = [{"key": key, "text": key * 3, "range": place // per_range} for place, key in enumerate(ordered)]
    shuffled = sorted(rows, key=lambda row: hash(row["key"]))
    batches = [pa.RecordBatch.from_pylist(shuffled[at : at + cut], SCHEMA) for at in range(0, len(rows), cut)]
    found = [row for batch in in_order(batches, "key", "range", tmp_path) for row in batch.to_pylist()]
    assert found == [{"key": row["key"], "text": row["text"]} for row in rows]
    assert list(tmp_path.iterdir()) == []


def test_many_batches_are_spread_piece_by_piece(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "_HELD_BYTES", 1000)
    rows = [{"key": f"{number:05d}", "text": "x" * 50, "range": number // 100} for number in range(1000)]
    batches = [pa.RecordBatch.from_pylist(rows[start::7], SCHEMA) for start in range(7)]
    found = [key for batch in in_order(batches, "key", "range", tmp_path) for key in batch.column("key").to_pylist()]
    assert found == [f"{number:05d}" for number in range(1000)]
