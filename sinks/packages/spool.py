"""More rows than memory holds, put on the disk as they come and fetched in order of their keys.

Rows are spread over files by ranges of their keys, so that what is fetched together lies together: every row is written
once and read once, however many there are. Which row lies where does not depend on its content only (the ranges follow
from a sample), the order in which they come out does.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

RANGE_BYTES = 32 * 2**20
"""About what one range holds."""
MAX_RANGES = 256
"""Files that are open at once; beyond that ranges grow."""
HELD_BYTES = 16 * 2**20
"""Rows that are spread together: the more, the longer are the pieces of a range."""
_WRITE_BYTES = 64 * 2**10
"""Bytes of a range that are written together: a piece of it has many small buffers."""
_RANGE_SHIFT = 40
"""A place is the number of a range, and below this bit the position in it."""


def bounds_of(sample: Sequence[str], size_bytes: int) -> list[str]:
    """Least keys of the second and every later range, so that each holds about `RANGE_BYTES` of `size_bytes`.

    `sample`: keys of some of the rows, in order.
    """
    ranges = max(1, min(MAX_RANGES, -(-size_bytes // RANGE_BYTES), len(sample)))
    return list(dict.fromkeys(sample[number * len(sample) // ranges] for number in range(1, ranges)))


class Spool:
    """Rows in files of a directory that someone else clears away. Raises OSError when the disk is full."""

    def __init__(self, directory: Path, schema: pa.Schema, key: str, bounds: Sequence[str]) -> None:
        self._directory = directory
        self._schema = schema
        self._key = key
        self._bounds = pa.array(bounds, schema.field(key).type)
        self._files: dict[int, tuple[pa.NativeFile, pa.ipc.RecordBatchStreamWriter]] = {}
        self._counts = [0] * (len(bounds) + 1)
        self._open: tuple[int, pa.Table] | None = None

    def add(self, rows: pa.RecordBatch) -> pa.Array:
        """Put rows here that are in order of their keys; the place of each, a whole number."""
        cuts = pc.search_sorted(rows.column(self._key), self._bounds, side="left").to_pylist()
        places: list[pa.Array] = [pa.array([], pa.int64())]
        for number, (start, end) in enumerate(zip([0, *cuts], [*cuts, rows.num_rows], strict=True)):
            if end == start:
                continue
            self._file(number).write_batch(rows.slice(start, end - start))
            first = (number << _RANGE_SHIFT) + self._counts[number]
            places.append(pa.arange(first, first + end - start))
            self._counts[number] += end - start
        return pa.concat_arrays(places)

    def rows(self, places: pa.Array, groups: pa.Array) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Name of the group and rows, in the order of `places`, those of each group together.

        Places must follow the order of the keys, from one call to the next as well; a range is gone when a later one
        was fetched. No more rows come together than one range holds.
        """
        self._close()
        ranges = pc.shift_right(places, _RANGE_SHIFT)
        start = 0
        for found in pc.value_counts(ranges):
            number, count = found["values"].as_py(), found["counts"].as_py()
            positions = pc.subtract(places.slice(start, count), number << _RANGE_SHIFT)
            names = groups.slice(start, count)
            start += count
            stored = self._range(number)
            for name in pc.unique(names).to_pylist():
                for rows in stored.take(positions.filter(pc.equal(names, name))).to_batches():
                    yield name, rows

    def _range(self, number: int) -> pa.Table:
        if self._open is None or self._open[0] != number:
            if self._open is not None:
                self._path(self._open[0]).unlink()
                self._open = None
            with pa.memory_map(str(self._path(number))) as file, pa.ipc.open_stream(file) as stream:
                self._open = number, stream.read_all().combine_chunks()
        return self._open[1]

    def _file(self, number: int) -> pa.ipc.RecordBatchStreamWriter:
        if number not in self._files:
            out = pa.BufferedOutputStream(pa.OSFile(str(self._path(number)), "wb"), _WRITE_BYTES)
            self._files[number] = (out, pa.ipc.new_stream(out, self._schema))
        return self._files[number][1]

    def _path(self, number: int) -> Path:
        return self._directory / f"range-{number}.arrow"

    def _close(self) -> None:
        for out, stream in self._files.values():
            stream.close()
            out.close()
        self._files.clear()


def in_order(batches: Iterator[pa.RecordBatch], key: str) -> Iterator[pa.RecordBatch]:
    """The rows in larger batches, about `HELD_BYTES` each, each in order of its keys."""
    held: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        held.append(batch)
        size += batch.nbytes
        if size >= HELD_BYTES:
            yield from _sorted(held, key)
            held, size = [], 0
    if held:
        yield from _sorted(held, key)


def _sorted(batches: list[pa.RecordBatch], key: str) -> Iterator[pa.RecordBatch]:
    rows = pa.Table.from_batches(batches)
    yield from rows.take(pc.sort_indices(rows.column(key))).combine_chunks().to_batches()
