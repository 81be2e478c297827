"""Rows divided into groups of about one size, wherever the batches that bring them end. Pure.

A rebuild may get the same rows in other batches; its files must have the same bytes. So the size of a row is counted
from its values, never from how Arrow happens to hold them, and a group ends with the row that fills it.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

GROUP_BYTES = 16 * 2**20
"""Content that is held in memory before it is written, and the size of a Parquet row group."""
GROUP_ROWS = 65_536
_FIXED_BYTES = 8


def _is_sized(type_: pa.DataType) -> bool:
    return bool(
        types.is_string(type_) or types.is_large_string(type_) or types.is_binary(type_) or types.is_large_binary(type_)
    )


def total_bytes(column: pa.Array) -> int:
    """Content of a column in bytes, about: the sum of its `row_bytes`, for less work."""
    if _is_sized(column.type):
        return _values_bytes(column)
    if types.is_list(column.type) or types.is_large_list(column.type):
        return total_bytes(column.flatten())
    if types.is_struct(column.type):
        return sum(total_bytes(child) for child in column.flatten())
    return _FIXED_BYTES * len(column)


def _values_bytes(column: pa.Array) -> int:
    if column.null_count == 0 and len(column):
        # Without nulls the values lie side by side: the offsets around them say it all.
        ends = memoryview(column.buffers()[1]).cast("q" if _is_large(column.type) else "i")
        return int(ends[column.offset + len(column)] - ends[column.offset])
    return 0 if column.null_count == len(column) else pc.sum(pc.binary_length(column)).as_py()


def _is_large(type_: pa.DataType) -> bool:
    return bool(types.is_large_string(type_) or types.is_large_binary(type_))


def row_bytes(column: pa.Array) -> pa.Array | int:
    """Content of each value in bytes, about; one number where all are the same."""
    if _is_sized(column.type):
        return pc.fill_null(pc.binary_length(column).cast(pa.int64()), 0)
    if types.is_list(column.type) or types.is_large_list(column.type):
        return _list_bytes(column)
    if types.is_struct(column.type):
        return _added([row_bytes(child) for child in column.flatten()])
    return _FIXED_BYTES


def _list_bytes(column: pa.Array) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(column).cast(pa.int64()), 0)
    of_items = row_bytes(column.flatten())
    if isinstance(of_items, int):
        return pc.multiply(lengths, of_items)
    running = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(of_items)])
    ends = pc.cumulative_sum(lengths)
    return pc.subtract(running.take(ends), running.take(pc.subtract(ends, lengths)))


def _added(sizes: list[pa.Array | int]) -> pa.Array | int:
    total: pa.Array | int = sum(size for size in sizes if isinstance(size, int))
    for size in sizes:
        if not isinstance(size, int):
            total = pc.add(size, total)
    return total


class Groups:
    """Collects rows; gives them out in groups."""

    def __init__(self, max_bytes: int, max_rows: int = GROUP_ROWS) -> None:
        self._max_bytes = max_bytes
        self._max_rows = max_rows
        self._held: list[pa.RecordBatch] = []
        self._bytes = 0
        self._rows = 0

    def add(self, batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        """Take rows in; the groups that they fill."""
        while batch.num_rows:
            content = sum(total_bytes(column) for column in batch.columns)
            if self._bytes + content < self._max_bytes and self._rows + batch.num_rows < self._max_rows:
                self._hold(batch, content)
                return
            taken, content = self._filling(batch)
            self._hold(batch.slice(0, taken), content)
            if self._bytes >= self._max_bytes or self._rows >= self._max_rows:
                yield self._together()
            batch = batch.slice(taken)

    def _filling(self, batch: pa.RecordBatch) -> tuple[int, int]:
        """How many of these rows the group takes, and their content."""
        sizes = _added([row_bytes(column) for column in batch.columns])
        if isinstance(sizes, int):
            sizes = pa.array([sizes] * batch.num_rows, pa.int64())
        running = pc.cumulative_sum(sizes)
        fitting = pc.sum(pc.less(running, self._max_bytes - self._bytes)).as_py()
        taken = min(fitting + 1, self._max_rows - self._rows, batch.num_rows)
        return taken, running[taken - 1].as_py()

    def _hold(self, rows: pa.RecordBatch, content: int) -> None:
        self._held.append(rows)
        self._bytes += content
        self._rows += rows.num_rows

    def rest(self) -> pa.RecordBatch | None:
        """What fills no group, at the end."""
        return self._together() if self._held else None

    def _together(self) -> pa.RecordBatch:
        held, self._held = self._held, []
        self._bytes = self._rows = 0
        return held[0] if len(held) == 1 else pa.concat_batches(held)
