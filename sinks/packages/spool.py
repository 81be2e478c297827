"""Putting more rows in order than memory holds: spread them over files by ranges of their keys, then sort each range.

Every row is written to the disk once and read once, however many there are.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

RANGE_BYTES = 64 * 2**20
"""About what one range holds, bytes of text."""
MAX_RANGES = 256
"""Files that are open at once; beyond that ranges grow."""
_HELD_BYTES = 32 * 2**20
_BATCH_ROWS = 8192


def in_order(
    batches: Iterable[pa.RecordBatch], key: str, range_column: str, directory: Path
) -> Iterator[pa.RecordBatch]:
    """The rows in order of `key`. `range_column` numbers their ranges from 0, in the order of the keys; it is left out
    of what comes out. Raises OSError when the disk is full."""
    writers: dict[int, tuple[Path, pa.NativeFile, pa.ipc.RecordBatchStreamWriter]] = {}
    try:
        for rows in _held(batches):
            numbers = rows.column(range_column)
            for number in pc.unique(numbers).to_pylist():
                part = rows.filter(pc.equal(numbers, number)).drop_columns([range_column])
                if number not in writers:
                    path = directory / f"range-{number}.arrow"
                    out = pa.OSFile(str(path), "wb")
                    writers[number] = (path, out, pa.ipc.new_stream(out, part.schema))
                writers[number][2].write_table(part)
    finally:
        for _, out, writer in writers.values():
            writer.close()
            out.close()
    for number in sorted(writers):
        path = writers[number][0]
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
            rows = stream.read_all()
            ordered = rows.take(pc.sort_indices(rows.column(key)))
        path.unlink()
        yield from ordered.combine_chunks().to_batches(max_chunksize=_BATCH_ROWS)


def _held(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += batch.nbytes
        if size >= _HELD_BYTES:
            yield pa.Table.from_batches(held)
            held, size = [], 0
    if held:
        yield pa.Table.from_batches(held)
