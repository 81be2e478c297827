"""Rows on the disk: out in order, whatever way they came in."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sinks.packages import spool
from sinks.packages.spool import Spool, bounds_of

SCHEMA = pa.schema([("key", pa.string()), ("text", pa.string())])


def batch(keys: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"key": keys, "text": [key * 3 for key in keys]}, SCHEMA)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    keys=st.lists(st.text(min_size=1, max_size=5), max_size=60, unique=True),
    bounds=st.sets(st.text(max_size=3), max_size=6),
    cut=st.integers(1, 25),
    fetched=st.integers(1, 25),
)
def test_rows_come_out_in_order_whatever_the_batches_and_ranges(
    tmp_path: Path, keys: list[str], bounds: set[str], cut: int, fetched: int
) -> None:
    def octets(text: str) -> bytes:
        return text.encode()

    made = Spool(tmp_path, SCHEMA, "key", sorted(bounds, key=octets))
    places: dict[str, int] = {}
    for start in range(0, len(keys), cut):
        some = sorted(keys[start : start + cut], key=octets)
        places |= zip(some, made.add(batch(some)).to_pylist(), strict=True)
    ordered = sorted(keys, key=octets)
    assert sorted(places.values()) == [places[key] for key in sorted(keys, key=lambda key: places[key])]
    assert len(set(places.values())) == len(keys)
    wanted = [key for number, key in enumerate(ordered) if number % 3]  # not all that lie there are asked for
    groups = ["odd" if len(key) % 2 else "even" for key in wanted]
    found: dict[str, list[str]] = {"odd": [], "even": []}
    for start in range(0, len(wanted), fetched):
        asked = pa.array([places[key] for key in wanted[start : start + fetched]], pa.int64())
        for name, rows in made.rows(asked, pa.array(groups[start : start + fetched])):
            found[name] += rows.column("key").to_pylist()
            assert rows.column("text").to_pylist() == [key * 3 for key in rows.column("key").to_pylist()]
    assert found == {name: [k for k, g in zip(wanted, groups, strict=True) if g == name] for name in found}


def test_only_the_range_that_is_read_lies_on_the_disk_in_the_end(tmp_path: Path) -> None:
    keys = [f"{number:03d}" for number in range(100)]
    made = Spool(tmp_path, SCHEMA, "key", ["025", "050", "075"])
    places = made.add(batch(keys))
    assert len(list(tmp_path.iterdir())) == 4
    assert sum(rows.num_rows for _, rows in made.rows(places, pa.array(["train"] * 100))) == 100
    assert len(list(tmp_path.iterdir())) == 1


def test_ranges_are_as_many_as_their_size_asks_for_and_no_more_than_may_be_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sample = [f"{number:05d}" for number in range(1000)]
    assert bounds_of(sample, 0) == []
    assert bounds_of([], 10 * spool.RANGE_BYTES) == []
    assert bounds_of(sample, 4 * spool.RANGE_BYTES) == ["00250", "00500", "00750"]
    assert len(bounds_of(sample, 10_000 * spool.RANGE_BYTES)) == spool.MAX_RANGES - 1
    assert bounds_of(["a"] * 5, 4 * spool.RANGE_BYTES) == ["a"]
