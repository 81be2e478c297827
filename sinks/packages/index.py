"""The index of a version: key, split and digest of every row. Versions are compared by it, without reading content."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sinks.packages.engine import Engine
from sinks.packages.facts import RowChanges
from sinks.packages.manifest import INDEX
from sinks.packages.place import Place, reading

SCHEMA = pa.schema(
    [pa.field("key", pa.string(), False), pa.field("split", pa.string(), False), pa.field("digest", pa.string(), False)]
)
"""`digest` is the fingerprint of all columns of the row; see `Kind.hashed`."""

GROUP_ROWS = 65_536


@contextmanager
def writer(path: Path) -> Iterator[Callable[[pa.RecordBatch], None]]:
    """Writes the index as a local Parquet file, about 40 bytes a row: call it with batches of `GROUP_ROWS` in order."""
    with pq.ParquetWriter(path, SCHEMA, compression="zstd", use_dictionary=["split"]) as file:
        yield lambda batch: file.write_batch(batch, row_group_size=GROUP_ROWS)


def read(place: Place, name: str, version: str) -> Iterator[pa.RecordBatch]:
    """The index of a published version. Raises StorageUnavailable."""
    path = f"{name}/{version}/{INDEX}"
    with reading(path), place.files.open_input_file(path) as source, pq.ParquetFile(source) as file:
        for batch in file.iter_batches(batch_size=GROUP_ROWS):
            yield batch.cast(SCHEMA)


def compare(engine: Engine, before: str, now: str) -> tuple[RowChanges, int]:
    """Rows by key between two tables with the columns of an index, and how many changed their split."""
    found = engine.all(
        f"""SELECT count(*) FILTER (b.key IS NULL), count(*) FILTER (n.key IS NULL),
            count(*) FILTER (b.digest <> n.digest), count(*) FILTER (b.digest = n.digest),
            count(*) FILTER (b.split <> n.split)
        FROM {before} b FULL JOIN {now} n ON n.key = b.key"""
    )
    added, removed, changed, kept, moved = found[0]
    return RowChanges(added=added, removed=removed, changed=changed, kept=kept), moved
