"""Files of a split: their names, sizes, checksums, and that their bytes depend on the rows alone."""

import base64
import hashlib
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import UsageError
from sinks.packages.columns import EXAMPLE_ROWS
from sinks.packages.formats import FORMATS, TRAINING_TYPE, count_rows, format_named, open_writer, read_rows
from sinks.packages.formats.groups import Groups
from tests.unit.sinks.packages_formats.written import EXAMPLES, USER, asks, call, example, write, write_batches

NOISE = [base64.b64encode(random.Random(number).randbytes(2000)).decode() for number in range(120)]
ROWS = [
    example(
        [USER, asks(call(f'{{"why":"{noise}"}}'))],
        example_id=f"e{number}",
        context=f'{{"goal":"{noise}"}}',
    )
    for number, noise in enumerate(NOISE)
]
BATCH = pa.RecordBatch.from_pylist(ROWS, schema=EXAMPLE_ROWS)


@pytest.mark.parametrize("name", FORMATS)
def test_files_are_divided_by_size_and_named_by_their_number(name: str, tmp_path: Path) -> None:
    written = write_batches(tmp_path, name, [BATCH], EXAMPLE_ROWS, shard_bytes=20_000, split="test")
    if name.endswith(("trl-preference", "trl-reward")):
        assert written.files == ()
        assert written.skipped == {"no_rejected_answer": 120}
        return
    total = len(written.files)
    assert total > 1
    suffix = format_named(name).suffix
    names = [f"test-{number:05d}-of-{total:05d}{suffix}" for number in range(total)]
    assert [Path(file.path).name for file in written.files] == names
    for file, path in zip(written.files, written.paths, strict=True):
        data = Path(path).read_bytes()
        assert (file.size_bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert (file.format, file.split) == (name, "test")
        assert file.rows == count_rows(name, pafs.LocalFileSystem(), path)
    assert sum(file.rows for file in written.files) == 120
    assert all(file.size_bytes >= 20_000 for file in written.files[:-1])
    assert {str(path) for path in tmp_path.rglob("*") if path.is_file()} == set(written.paths)


@pytest.mark.parametrize("name", ["parquet", "jsonl", "csv", "tfrecord", "huggingface/trl", "jsonl/openai"])
def test_the_same_rows_in_other_batches_give_the_same_bytes(name: str, tmp_path: Path) -> None:
    whole = write_batches(tmp_path / "a", name, [BATCH], EXAMPLE_ROWS, shard_bytes=20_000)
    # Values copied next to each other, and a null bitmap where there need be none: Arrow holds them otherwise.
    pieces = [pa.RecordBatch.from_pylist(ROWS[start : start + 7], schema=EXAMPLE_ROWS) for start in range(0, 120, 7)]
    other = write_batches(tmp_path / "b", name, pieces, EXAMPLE_ROWS, shard_bytes=20_000)
    assert other.files == whole.files


SIZES = st.lists(st.integers(0, 40), max_size=30)


@given(SIZES, st.lists(st.integers(1, 9), min_size=1, max_size=5), st.integers(1, 200))
def test_groups_end_at_the_same_rows_whatever_the_batches(sizes: list[int], steps: list[int], limit: int) -> None:
    texts = [None if size % 5 == 0 else "é" * size for size in sizes]
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array(texts, pa.string()),
            pa.array([[text, None] if text else None for text in texts], pa.list_(pa.string())),
        ],
        ["a", "b"],
    )
    whole = Groups(limit, max_rows=7)
    expected = [group.num_rows for group in whole.add(batch)]
    rest = whole.rest()
    groups = Groups(limit, max_rows=7)
    found: list[int] = []
    start = number = 0
    while start < batch.num_rows:
        step = steps[number % len(steps)]
        found += [group.num_rows for group in groups.add(batch.slice(start, step))]
        start, number = start + step, number + 1
    assert found == expected
    last = groups.rest()
    assert (last.num_rows if last else 0) == (rest.num_rows if rest else 0)
    assert sum(found) + (last.num_rows if last else 0) == len(sizes)
    assert all(count <= 7 for count in found)


def test_an_empty_split_has_no_file(tmp_path: Path) -> None:
    for name in FORMATS:
        assert write(tmp_path, name, []).files == ()
    assert list(tmp_path.iterdir()) == []


def test_giving_up_leaves_nothing_behind(tmp_path: Path) -> None:
    for name in ("parquet", "jsonl", "csv"):
        writer = open_writer(name, EXAMPLE_ROWS, pafs.LocalFileSystem(), str(tmp_path), "train", 5_000)
        writer.write(BATCH.slice(0, 12))
        assert [path for path in tmp_path.rglob("*") if path.is_file()]
        writer.abort()
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
        complete = open_writer(name, EXAMPLE_ROWS, pafs.LocalFileSystem(), str(tmp_path), "train", 5_000)
        complete.write(BATCH.slice(0, 12))
        assert complete.close()
        complete.abort()  # another format of the package failed
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_shard_is_never_visible_under_its_name_before_all_are_complete(tmp_path: Path) -> None:
    writer = open_writer("jsonl/trl", EXAMPLE_ROWS, pafs.LocalFileSystem(), str(tmp_path), "train", 5_000)
    writer.write(BATCH)
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".part"}
    assert {Path(file.path).suffix for file in writer.close()} == {".gz"}


def test_wrong_use_is_told_in_words(tmp_path: Path) -> None:
    local = pafs.LocalFileSystem()
    with pytest.raises(UsageError, match="no format 'xml'"):
        open_writer("xml", EXAMPLE_ROWS, local, str(tmp_path), "train", 1)
    with pytest.raises(UsageError, match="jsonl/trl needs the columns messages, tools"):
        open_writer("jsonl/trl", pa.schema([("trace_id", pa.string())]), local, str(tmp_path), "train", 1)
    with pytest.raises(UsageError, match="not 0"):
        open_writer("csv", EXAMPLE_ROWS, local, str(tmp_path), "train", 0)
    with pytest.raises(UsageError, match="other columns"):
        open_writer("csv", EXAMPLE_ROWS, local, str(tmp_path), "train", 1).write(BATCH.select(["messages"]))
    with pytest.raises(UsageError, match="not read back"):
        read_rows("jsonl/trl", EXAMPLE_ROWS, local, "x")


def test_the_training_type_is_that_of_the_package(tmp_path: Path) -> None:
    schema = EXAMPLE_ROWS.with_metadata({TRAINING_TYPE: b"decision_making"})
    [row] = write(tmp_path, "jsonl/conversation_example", EXAMPLES[:1], schema).objects()
    example_ = row["conversation_example"]
    assert isinstance(example_, dict)
    assert example_["metadata"]["training_type"] == "decision_making"
