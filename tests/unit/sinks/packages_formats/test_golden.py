"""The bytes of every format for the same four examples. A change here changes what published packages rebuild to."""

import gzip
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sinks.packages.formats import FORMATS
from tests.unit.sinks.packages_formats.written import EXAMPLES, Written, write

GOLDEN = Path(__file__).parent / "golden"


def shown(written: Written) -> bytes:
    """The file; of Parquet, whose bytes are its library's, the schema and the rows."""
    [path] = written.paths
    if path.endswith(".gz"):
        return gzip.decompress(Path(path).read_bytes())
    if path.endswith(".parquet"):
        table = pq.read_table(path)
        columns = [f"{field.name}: {field.type}" for field in table.schema]
        return "\n".join([*columns, *(repr(row) for row in table.to_pylist())]).encode() + b"\n"
    return Path(path).read_bytes()


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_format_writes_what_it_always_wrote(format_name: str, tmp_path: Path) -> None:
    written = write(tmp_path, format_name, EXAMPLES)
    golden = GOLDEN / format_name.replace("/", "-")
    assert shown(written) == golden.read_bytes()
    assert written.counted() == sum(file.rows for file in written.files)


def test_every_golden_file_belongs_to_a_format() -> None:
    assert sorted(path.name for path in GOLDEN.iterdir()) == sorted(name.replace("/", "-") for name in FORMATS)
