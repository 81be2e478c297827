"""Tables in every container: any columns come back exactly, to us and to readers that know nothing of us."""

import csv
import datetime
import importlib
import math
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow.fs import LocalFileSystem

from schemas.errors import InvalidRecord, UsageError
from sinks.packages.columns import EXAMPLE_ROWS
from sinks.packages.formats import FORMATS, read_rows
from sinks.tables import TABLES
from tests.unit.sinks.packages_formats.written import EXAMPLES, write, write_batches

CONTAINERS = [name for name in FORMATS if "/" not in name]
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10) | st.sampled_from(
    [
        "",
        "=1+1",
        "+",
        "-2",
        "@x",
        "\t",
        "\r",
        "\n=",
        "'=1",
        "''",
        '"',
        'a"b,c',
        "x\r\ny",
        "\x00",
        "😀",
        "＝1",
        "null",
        "NaN",
    ]
)
WHEN = st.datetimes(datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1))
COLUMNS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), TEXT),
    (pa.large_string(), TEXT),
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.int8(), st.integers(-128, 127)),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.bool_(), st.booleans()),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.float32(), st.floats(allow_nan=False, width=32)),
    (pa.timestamp("us", "UTC"), WHEN.map(lambda when: when.replace(tzinfo=datetime.UTC))),
    (pa.timestamp("ms"), WHEN.map(lambda when: when.replace(microsecond=when.microsecond // 1000 * 1000))),
    (pa.date32(), st.dates(datetime.date(1700, 1, 1), datetime.date(2200, 1, 1))),
    (pa.duration("s"), st.integers(-(10**9), 10**9).map(lambda seconds: datetime.timedelta(seconds=seconds))),
    (pa.decimal128(20, 4), st.integers(-(10**15), 10**15).map(lambda units: Decimal(units).scaleb(-4))),
    (pa.binary(), st.binary(max_size=6)),
    (pa.list_(pa.string()), st.lists(TEXT | st.none(), max_size=3)),
    (pa.list_(pa.list_(pa.float64())), st.lists(st.none() | st.lists(st.floats(allow_nan=False)), max_size=2)),
    (
        pa.struct([("a", pa.int64()), ("b", pa.list_(pa.timestamp("us", "UTC")))]),
        st.fixed_dictionaries({"a": st.none() | st.integers(-9, 9), "b": st.none() | st.just([])}),
    ),
    (pa.dictionary(pa.int32(), pa.string()), TEXT),
]


@st.composite
def tables(draw: st.DrawFn) -> pa.RecordBatch:
    """A batch of some columns, nulls among the values."""
    chosen = draw(st.lists(st.sampled_from(range(len(COLUMNS))), min_size=1, max_size=5))
    count = draw(st.integers(1, 6))
    arrays, fields = [], []
    for place, number in enumerate(chosen):
        type_, values = COLUMNS[number]
        cells = draw(st.lists(st.none() | values, min_size=count, max_size=count))
        plain = type_.value_type if pa.types.is_dictionary(type_) else type_
        array = pa.array(cells, plain)
        arrays.append(array.dictionary_encode() if pa.types.is_dictionary(type_) else array)
        fields.append(pa.field(f"=c{place}" if place == 0 else f"c,{place}", type_))
    return pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))


def values(table: pa.Table) -> list[dict[str, object]]:
    return list(table.to_pylist())


@pytest.mark.parametrize("name", CONTAINERS)
@settings(max_examples=60, deadline=None)
@given(batch=tables())
def test_any_table_comes_back_as_it_was(name: str, batch: pa.RecordBatch) -> None:
    with tempfile.TemporaryDirectory() as folder:
        written = write_batches(Path(folder), name, [batch], batch.schema)
        back = written.table(batch.schema)
        assert back.schema == batch.schema
        assert values(back) == batch.to_pylist()
        assert written.counted() == batch.num_rows


@pytest.mark.parametrize("name", CONTAINERS)
def test_numbers_without_a_word_in_json_come_back(name: str, tmp_path: Path) -> None:
    schema = pa.schema([("x", pa.float64()), ("y", pa.list_(pa.float32()))])
    rows: list[dict[str, object]] = [
        {"x": math.nan, "y": [math.inf]},
        {"x": -math.inf, "y": None},
        {"x": -0.0, "y": []},
        {"x": 1e-320, "y": [0.1]},
    ]
    back = values(write(tmp_path, name, rows, schema).table(schema))
    assert math.isnan(back[0]["x"])  # type: ignore[arg-type]
    assert repr(back[1:]) == repr(pa.Table.from_pylist(rows, schema).to_pylist()[1:])
    assert back[0]["y"] == [math.inf]


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("table", sorted(TABLES))
def test_every_table_of_the_sink_fits_every_container(name: str, table: str, tmp_path: Path) -> None:
    schema = TABLES[table].schema
    when = datetime.datetime(2024, 1, 15, 10, 0, 0, 123, datetime.UTC)
    sample: dict[str, object] = {}
    for column in schema:
        if pa.types.is_timestamp(column.type):
            sample[column.name] = when
        elif pa.types.is_list(column.type):
            sample[column.name] = ["a", "=b"]
        elif pa.types.is_string(column.type):
            sample[column.name] = '{"k": "v\\n"}'
        else:
            sample[column.name] = True if pa.types.is_boolean(column.type) else 3
    rows: list[dict[str, object]] = [sample, dict.fromkeys(schema.names)]
    written = write(tmp_path, name, rows, schema)
    assert written.table(schema).equals(pa.Table.from_pylist(rows, schema))


def test_parquet_is_read_by_pyarrow_polars_and_duckdb(tmp_path: Path) -> None:
    for name in ("parquet", "huggingface"):
        [path] = write(tmp_path, name, EXAMPLES).paths
        assert pq.read_table(path).to_pylist() == EXAMPLES
        assert polars.read_parquet(path).to_dicts() == EXAMPLES
        found = duckdb.execute(f"SELECT messages, quality_score, rejected FROM '{path}'").fetchall()
        assert found == [(row["messages"], row["quality_score"], row["rejected"]) for row in EXAMPLES]


HOSTILE_CELLS = [
    "=1+1",
    "+1",
    "-1",
    "@sum",
    "\tx",
    "\rx",
    "\nx",
    "'x",
    "''",
    "",
    'say "hi"',
    "a,b",
    "x\r\ny",
    "é😀",
    "＝1",
    "1",
]


def test_csv_is_read_by_csv_polars_and_duckdb(tmp_path: Path) -> None:
    schema = pa.schema([("text", pa.string()), ("number", pa.int64()), ("other", pa.string())])
    rows: list[dict[str, object]] = [{"text": text, "number": -5, "other": None} for text in HOSTILE_CELLS]
    [path] = write(tmp_path, "csv", rows, schema).paths

    def unmarked(cell: str) -> str:
        return cell[1:] if cell.startswith("'") else cell

    with open(path, newline="", encoding="utf-8") as file:
        header, *plain = list(csv.reader(file, strict=True))
    assert header == ["text", "number", "other"]
    assert [unmarked(row[0]) for row in plain] == HOSTILE_CELLS
    assert not [row[0] for row in plain if row[0][:1] in tuple("=+-@\t\r\n＝")]
    assert {(row[1], row[2]) for row in plain} == {("-5", "")}
    frame = polars.read_csv(path, schema={"text": polars.String, "number": polars.Int64, "other": polars.String})
    assert [unmarked(cell) for cell in frame["text"]] == HOSTILE_CELLS
    assert frame["number"].to_list() == [-5] * len(rows)
    assert frame["other"].null_count() == len(rows)
    options = "header = true, all_varchar = true, allow_quoted_nulls = false, delim = ',', quote = '\"', escape = '\"'"
    found = duckdb.execute(f"SELECT text, number, other FROM read_csv('{path}', {options})").fetchall()
    assert [unmarked(row[0]) for row in found] == HOSTILE_CELLS
    assert {row[1:] for row in found} == {("-5", None)}


def test_a_csv_row_larger_than_a_block_is_read_back(tmp_path: Path) -> None:
    schema = pa.schema([("text", pa.string())])
    rows: list[dict[str, object]] = [
        {"text": "a"},
        {"text": "\n" * 3 + "é" * 20_000_000},
        {"text": None},
        {"text": "b"},
    ]
    written = write(tmp_path, "csv", rows, schema)
    assert written.counted() == 4
    assert written.table(schema).to_pylist() == rows


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tfrecord_is_what_an_independent_writer_writes(tmp_path: Path) -> None:
    writer: Any = importlib.import_module("tfrecord.writer").TFRecordWriter(str(tmp_path / "theirs"))
    rows: list[dict[str, object]] = [{"t": "né", "n": -5, "b": True}, {"t": "x" * 300, "n": 2**40, "b": False}]
    for row in rows:
        writer.write({"t": (str(row["t"]).encode(), "byte"), "n": (row["n"], "int"), "b": (int(bool(row["b"])), "int")})
    writer.close()
    schema = pa.schema([("t", pa.string()), ("n", pa.int64()), ("b", pa.bool_())])
    ours = write(tmp_path, "tfrecord", rows, schema)
    theirs = [
        row
        for batch in read_rows("tfrecord", schema, LocalFileSystem(), str(tmp_path / "theirs"))
        for row in batch.to_pylist()
    ]
    assert theirs == rows
    # A map has no order, so the messages may differ; what frames them, given the same, may not.
    for path in (*ours.paths, str(tmp_path / "theirs")):
        data = Path(path).read_bytes()
        length = int.from_bytes(data[:8], "little")
        theirs_crc = importlib.import_module("tfrecord.writer").TFRecordWriter.masked_crc
        assert data[8:12] == theirs_crc(data[:8])
        assert data[12 + length : 16 + length] == theirs_crc(data[12 : 12 + length])


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tfrecord_is_read_by_an_independent_reader(tmp_path: Path) -> None:
    tfrecord_loader: Any = importlib.import_module("tfrecord.reader").tfrecord_loader
    written = write(tmp_path, "tfrecord", EXAMPLES)
    wanted = {
        "example_id": "byte",
        "messages": "byte",
        "human_validated": "int",
        "quality_score": "float",
        "quality_score/text": "byte",
    }
    found = list(tfrecord_loader(written.paths[0], None, wanted))
    assert [bytes(row["messages"]).decode() for row in found] == [row["messages"] for row in EXAMPLES]
    assert [float(bytes(row["quality_score/text"])) for row in found] == [row["quality_score"] for row in EXAMPLES]
    assert [row["quality_score"][0] for row in found] == pytest.approx([0.93, 0.3, 0.93, 0.93], rel=1e-6)
    assert [row["human_validated"][0] for row in found] == [1, 1, 1, 1]


def test_a_damaged_tfrecord_is_refused(tmp_path: Path) -> None:
    written = write(tmp_path, "tfrecord", EXAMPLES)
    path = Path(written.paths[0])
    data = bytearray(path.read_bytes())
    for place in (3, 9, 40, len(data) - 2):
        path.write_bytes(bytes(data[:place]) + bytes([data[place] ^ 1]) + bytes(data[place + 1 :]))
        with pytest.raises(InvalidRecord):
            written.counted()
    path.write_bytes(bytes(data[:-10]))
    with pytest.raises(InvalidRecord):
        written.table(EXAMPLE_ROWS)


def test_a_column_that_text_cannot_hold_is_a_usage_error(tmp_path: Path) -> None:
    schema = pa.schema([("m", pa.map_(pa.string(), pa.int64()))])
    for name in ("csv", "jsonl", "tfrecord"):
        with pytest.raises(UsageError, match="column m has the type map"):
            write(tmp_path, name, [], schema)
    assert write(tmp_path, "parquet", [{"m": [("a", 1)]}], schema).counted() == 1
