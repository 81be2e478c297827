"""Fingerprints of values and of whole rows: 128 bits of XXH3 as hexadecimal text. Pure.

They tell contents apart and say whether a row changed; they are no proof against someone who makes two texts of one
fingerprint on purpose. Files have their sha256 for that.
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from pyarrow import types

from sinks.packages.formats.cells import to_text

_MARK = b"\x1f"
"""Between the columns of a row."""
_NULL = b"\x00\x1e"
"""For null: as long as no number and no boolean is."""


def of_values(column: pa.Array) -> pa.Array:
    """One for each value of a column; null stays null."""
    hashed = xxhash.xxh3_128_hexdigest
    texts = _octets(column).to_pylist()
    return pa.array([None if text is None else hashed(text) for text in texts], pa.string())


def of_rows(columns: Sequence[pa.Array]) -> pa.Array:
    """One for each row of these columns: of their values in their order, with marks between them and for null."""
    rows = pc.binary_join_element_wise(
        *(_octets(column) for column in columns), _MARK, null_handling="replace", null_replacement=_NULL
    )
    return of_values(rows)


def _octets(column: pa.Array) -> pa.Array:
    """Values as bytes: text as it is, numbers and times as they lie in memory, anything else as text."""
    type_ = column.type
    if types.is_binary(type_):
        return column
    if types.is_string(type_):
        return column.cast(pa.binary())
    if types.is_boolean(type_):
        column, type_ = column.cast(pa.int8()), pa.int8()
    if types.is_primitive(type_):
        return column.view(pa.binary(type_.bit_width // 8)).cast(pa.binary())
    return to_text(column).cast(pa.binary())
