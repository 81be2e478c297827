"""The database of a build: what it may reach, and what its hashes are worth."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from schemas.errors import StorageUnavailable, TdcError
from sinks.packages.engine import Engine, reading_error
from sinks.packages.errors import PackageError, storage_error
from sinks.packages.kinds import KINDS, Kind
from sinks.tables import TABLES


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path, memory_mb=256)
    yield made
    made.close()


def test_no_two_contents_have_one_hash(engine: Engine) -> None:
    """The database's own hash tells 200,000 texts apart only nearly; a row that is lost so is never missed."""
    texts = f"SELECT 'a long enough text with the number ' || n AS messages FROM range({200_000}) r(n)"
    content = KINDS["examples"].narrow["content"]
    assert engine.number(f"SELECT count(DISTINCT {content}) FROM ({texts})") == 200_000


def _source_schema(kind: Kind) -> pa.Schema:
    """Columns of the table, and those that only package rows have."""
    table = TABLES[kind.table].schema
    return pa.schema([*table, *(field for field in kind.schema if field.name not in table.names)])


def test_every_column_of_a_row_is_in_its_digest(engine: Engine) -> None:
    for name, kind in KINDS.items():
        schema = _source_schema(kind)
        row = dict.fromkeys(schema.names)
        seen = set()
        for changed in (None, *kind.schema.names):
            type_ = None if changed is None else kind.schema.field(changed).type
            value: object = "x"
            if type_ is not None and not pa.types.is_string(type_):
                value = ["x"] if pa.types.is_list(type_) else True if pa.types.is_boolean(type_) else 1
            one = row if changed is None else row | {changed: value}
            engine.load("one", schema, [pa.RecordBatch.from_pylist([one], schema)])
            seen.add(engine.all(f"SELECT {kind.digest} FROM one")[0][0])
        assert len(seen) == 1 + len(kind.schema.names), name


@pytest.mark.parametrize(
    "sql",
    ["SELECT * FROM read_csv('/etc/passwd')", "COPY (SELECT 1) TO '/tmp/x'", "ATTACH '/tmp/x.db'", "SET threads = 4"],
)
def test_sql_reaches_nothing_outside(engine: Engine, sql: str) -> None:
    with pytest.raises(TdcError):
        engine.run(sql)


def test_a_failure_of_what_is_loaded_comes_out_as_it_was(engine: Engine) -> None:
    schema = pa.schema([("key", pa.string())])

    def broken(error: Exception) -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"key": ["a"]})
        raise error

    with pytest.raises(PackageError, match="the pinned tables are gone"):
        engine.load("one", schema, broken(PackageError("the pinned tables are gone")), beside=True)
    with pytest.raises(PackageError, match="no space is left"):
        engine.load("one", schema, broken(OSError(28, "full")))
    with pytest.raises(PackageError, match="cleaned up meanwhile"):
        engine.load("one", schema, broken(FileNotFoundError(2, "No such file or directory")))


def test_a_digest_in_sql_is_that_of_the_rows(engine: Engine) -> None:
    """A build hashes batches, a check asks the database."""
    for kind in KINDS.values():
        schema = kind.schema
        rows = pa.RecordBatch.from_pylist(
            [{}, {field.name: "x" for field in schema if pa.types.is_string(field.type)} | {"quality_score": 0.1}],
            schema,
        )
        engine.load("two", schema, [rows])
        content, digest = kind.hashed(rows)
        found = engine.all(f"SELECT {kind.narrow['content']}, {kind.digest} FROM two")
        assert sorted(found, key=str) == sorted(zip(content.to_pylist(), digest.to_pylist(), strict=True), key=str)


def test_failures_are_told_in_words() -> None:
    full = OSError(28, "No space left on device")
    assert isinstance(storage_error(full, "writing"), PackageError)
    assert "no space is left for writing" in str(storage_error(full, "writing"))
    assert isinstance(storage_error(OSError("reset"), "writing"), StorageUnavailable)
    assert "not permitted" in str(storage_error(PermissionError(13, "denied"), "writing"))
    assert "gone" in str(reading_error(FileNotFoundError(2, "No such file or directory")))
    assert "--memory-mb" in str(reading_error(duckdb.OutOfMemoryException("too much")))


def test_text_that_moves_from_one_column_to_the_next_changes_the_digest(engine: Engine) -> None:
    kind = KINDS["examples"]
    schema = _source_schema(kind)
    blank = dict.fromkeys(schema.names)
    rows = [blank | {"context": "ab", "expected_output": "c"}, blank | {"context": "a", "expected_output": "bc"}]
    engine.load("two", schema, [pa.RecordBatch.from_pylist(rows, schema)])
    assert engine.number(f"SELECT count(DISTINCT {kind.digest}) FROM two") == 2
