"""Arrow values as text and as JSON values, and back, exactly. Pure.

Text of a value: numbers in the shortest form that reads back the same, times in ISO 8601 (with zone: in UTC), durations
as a number of their unit, bytes in base64, lists and structs as JSON. JSON values are the same, with numbers and
booleans as such; a float that JSON has no word for is `"NaN"`, `"Infinity"` or `"-Infinity"`.
"""

import base64
import math
from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from schemas.errors import UsageError

_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder()


def check_columns(schema: pa.Schema) -> None:
    """Raises UsageError for a column whose type no text format here can hold."""
    for column in schema:
        if not _known(column.type):
            raise UsageError(
                f"column {column.name} has the type {column.type}, which csv, jsonl and tfrecord cannot hold"
            )


def _known(type_: pa.DataType) -> bool:
    if _is_list(type_):
        return _known(type_.value_type)
    if types.is_struct(type_):
        return all(_known(type_.field(place).type) for place in range(type_.num_fields))
    if types.is_dictionary(type_):
        return _known(type_.value_type)
    return bool(
        _is_text(type_)
        or _is_bytes(type_)
        or types.is_boolean(type_)
        or types.is_integer(type_)
        or types.is_floating(type_)
        or types.is_decimal(type_)
        or types.is_null(type_)
        or _is_time(type_)
        or types.is_duration(type_)
    )


def _is_text(type_: pa.DataType) -> bool:
    return bool(types.is_string(type_) or types.is_large_string(type_) or types.is_string_view(type_))


def _is_bytes(type_: pa.DataType) -> bool:
    return bool(types.is_binary(type_) or types.is_large_binary(type_) or types.is_fixed_size_binary(type_))


def _is_time(type_: pa.DataType) -> bool:
    return bool(types.is_timestamp(type_) or types.is_date(type_) or types.is_time(type_))


def _is_list(type_: pa.DataType) -> bool:
    return bool(types.is_list(type_) or types.is_large_list(type_) or types.is_fixed_size_list(type_))


def _is_nested(type_: pa.DataType) -> bool:
    return _is_list(type_) or bool(types.is_struct(type_))


def to_text(array: pa.Array) -> pa.Array:
    """Values as strings; nulls stay null."""
    type_ = array.type
    if types.is_dictionary(type_):
        return to_text(array.dictionary_decode())
    if types.is_timestamp(type_):
        if type_.tz is not None:
            array = array.cast(pa.timestamp(type_.unit, "UTC"))
        return pc.replace_substring(array.cast(pa.string()), " ", "T", max_replacements=1)
    if types.is_duration(type_):
        return array.cast(pa.int64()).cast(pa.string())
    if _is_bytes(type_):
        return pa.array(_base64(array), pa.string())
    if _is_nested(type_):
        texts = (None if value is None else _ENCODER.encode(value).decode() for value in to_json(array))
        return pa.array(texts, pa.string())
    if types.is_float16(type_):
        array = array.cast(pa.float32())
    return array.cast(pa.string())


def from_text(texts: pa.Array, type_: pa.DataType) -> pa.Array:
    """The values of `to_text`, of this type. Raises pa.ArrowInvalid or ValueError for any other text."""
    if types.is_dictionary(type_):
        return from_text(texts, type_.value_type).dictionary_encode().cast(type_)
    if types.is_timestamp(type_) and type_.tz is not None:
        return texts.cast(pa.timestamp(type_.unit, "UTC")).cast(type_)
    if types.is_duration(type_):
        return texts.cast(pa.int64()).cast(type_)
    if _is_bytes(type_):
        return pa.array([None if text is None else base64.b64decode(text) for text in texts.to_pylist()], type_)
    if _is_nested(type_):
        return from_json([None if text is None else _DECODER.decode(text) for text in texts.to_pylist()], type_)
    if types.is_float16(type_):
        return texts.cast(pa.float32()).cast(type_)
    if types.is_null(type_):
        return pa.nulls(len(texts))
    return texts.cast(type_)


def to_json(array: pa.Array) -> list[object]:
    """Values that JSON can write."""
    type_ = array.type
    if _is_text(type_) or types.is_boolean(type_) or types.is_integer(type_) or types.is_null(type_):
        return list(array.to_pylist())
    if types.is_floating(type_):
        values = array.cast(pa.float64()).to_pylist()
        if pc.all(pc.is_finite(array.cast(pa.float64())), min_count=0).as_py() is False:
            return [_word(value) for value in values]
        return list(values)
    if types.is_dictionary(type_):
        return to_json(array.dictionary_decode())
    if _is_list(type_):
        return _json_lists(array)
    if types.is_struct(type_):
        names = [type_.field(place).name for place in range(type_.num_fields)]
        columns = [to_json(child) for child in array.flatten()]
        rows = zip(*columns, strict=True) if columns else (() for _ in range(len(array)))
        valid = array.is_valid().to_pylist()
        return [dict(zip(names, row, strict=True)) if there else None for row, there in zip(rows, valid, strict=True)]
    return list(to_text(array).to_pylist())


def from_json(values: Sequence[object], type_: pa.DataType) -> pa.Array:
    """The values of `to_json`, as an array of this type. Raises pa.ArrowInvalid, TypeError or ValueError otherwise."""
    if types.is_floating(type_):
        numbers = [_SPECIAL[value] if isinstance(value, str) else value for value in values]
        return pa.array(numbers, pa.float64()).cast(type_)
    if types.is_dictionary(type_):
        return from_json(values, type_.value_type).dictionary_encode().cast(type_)
    if _is_list(type_):
        return _list_array(values, type_)
    if types.is_struct(type_):
        return _struct_array(values, type_)
    if types.is_boolean(type_) or types.is_integer(type_) or _is_text(type_) or types.is_null(type_):
        return pa.array(values, type_)
    return from_text(pa.array(values, pa.string()), type_)


def _base64(array: pa.Array) -> list[str | None]:
    return [None if value is None else base64.b64encode(value).decode() for value in array.to_pylist()]


def _word(value: float | None) -> object:
    if value is None or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _json_lists(array: pa.Array) -> list[object]:
    lengths = [0 if length is None else length for length in pc.list_value_length(array).to_pylist()]
    items = to_json(array.flatten())
    ends = [0]
    for length in lengths:
        ends.append(ends[-1] + length)
    valid = array.is_valid().to_pylist()
    return [items[start:end] if there else None for (start, end), there in zip(pairwise(ends), valid, strict=True)]


def _list_array(values: Sequence[object], type_: pa.DataType) -> pa.Array:
    lists = [value if isinstance(value, list) else None for value in values]
    if types.is_fixed_size_list(type_):
        absent = [None] * type_.list_size
        items = from_json([item for value in lists for item in (absent if value is None else value)], type_.value_type)
        mask = pa.array([value is None for value in lists], pa.bool_())
        return pa.FixedSizeListArray.from_arrays(items, type=type_, mask=mask)
    items = from_json([item for value in lists for item in value or ()], type_.value_type)
    offsets: list[int | None] = []
    position = 0
    for value in lists:
        offsets.append(None if value is None else position)
        position += len(value or ())
    offsets.append(position)
    large = types.is_large_list(type_)
    kind = pa.LargeListArray if large else pa.ListArray
    return kind.from_arrays(pa.array(offsets, pa.int64() if large else pa.int32()), items, type=type_)


def _struct_array(values: Sequence[object], type_: pa.DataType) -> pa.Array:
    fields = [type_.field(place) for place in range(type_.num_fields)]
    rows = [value if isinstance(value, dict) else {} for value in values]
    children = [from_json([row.get(field.name) for row in rows], field.type) for field in fields]
    mask = pa.array([value is None for value in values], pa.bool_())
    if not fields:
        return pa.array([None if value is None else {} for value in values], type_)
    return pa.StructArray.from_arrays(children, fields=fields, mask=mask)
