"""Values of spans in one shape, however an exporter spells them: attributes, ids, times."""

import binascii
import re
from collections.abc import Iterable, Iterator

from streams.adapters.tolerant import (
    Json,
    clean,
    in_range,
    items,
    label,
    mapping,
    mappings,
    micros_of_iso,
    micros_of_seconds,
    parsed,
)


def attributes_of(value: object) -> Json:
    """Attributes from a dictionary, or from OTLP's list of `{key, value}`."""
    if isinstance(value, dict):
        return {clean(str(key)): plain_value(item) for key, item in value.items()}
    found: Json = {}
    for item in mappings(value):
        key = item.get("key")
        if isinstance(key, str):
            found[clean(key)] = plain_value(item.get("value"))
    return found


_TYPED = ("stringValue", "intValue", "doubleValue", "boolValue", "bytesValue", "arrayValue", "kvlistValue")
_SNAKE = {re.sub("V", "_v", name): name for name in _TYPED}


def plain_value(value: object) -> object:
    """OTLP's AnyValue as plain JSON; plain JSON stays."""
    if not isinstance(value, dict) or len(value) != 1:
        return value
    kind, inner = next(iter(value.items()))
    kind = _SNAKE.get(kind, kind)
    if kind not in _TYPED:
        return value
    if kind == "intValue" and isinstance(inner, str) and re.fullmatch(r"-?\d{1,18}", inner):
        return int(inner)
    if kind == "arrayValue":
        return [plain_value(item) for item in items(mapping(inner).get("values"))]
    if kind == "kvlistValue":
        return attributes_of(mapping(inner).get("values"))
    return inner


def any_of(record: Json, *names: str) -> object:
    """The first of the fields that is there."""
    return next((record[name] for name in names if record.get(name) is not None), None)


def hex_id(value: object) -> str | None:
    """A trace or span id in one spelling; None for no id and for one of zeros."""
    found = label(value, 512)
    if found is None:
        return None
    found = found.removeprefix("0x")
    is_hex = re.fullmatch(r"[0-9A-Fa-f]+", found) is not None
    found = found.lower() if is_hex else _hex_of_base64(found)
    return found if found.strip("0") else None


def _hex_of_base64(found: str) -> str:
    """Protobuf's own JSON writes the 16 or 8 bytes of an id in base64; any other id stays as it is."""
    if len(found) not in (12, 24):
        return found
    try:
        raw = binascii.a2b_base64(found, strict_mode=True)
    except ValueError:
        return found
    return raw.hex() if len(raw) in (8, 16) else found


def micros(value: object) -> int | None:
    """Time of a span: ISO text, or a number whose size tells its unit (nano- to whole seconds)."""
    if isinstance(value, str) and not re.fullmatch(r"\d{1,20}(\.\d*)?", value):
        return micros_of_iso(value)
    try:
        raw = int(value) if isinstance(value, str | int) and not isinstance(value, bool) else float(str(value))
    except (ValueError, OverflowError):
        return None
    for unit_per_second in (10**9, 10**6, 10**3):
        if raw >= 10**8 * unit_per_second:
            return _scaled(raw, unit_per_second)
    return micros_of_seconds(raw)


_DURATION = re.compile(r"P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?")


def micros_of_duration(value: object) -> int | None:
    """Microseconds of an ISO 8601 duration of days to seconds (`PT1M2.5S`)."""
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or not any(found.groups()):
        return None
    days, hours, minutes = (int(group or 0) for group in found.groups()[:3])
    return ((days * 24 + hours) * 60 + minutes) * 60_000_000 + round(float(found[4] or 0) * 1_000_000)


def _scaled(raw: float, unit_per_second: int) -> int | None:
    try:
        scaled = int(raw) * 10**6 // unit_per_second
    except (ValueError, OverflowError):
        return None
    return micros_of_seconds(scaled / 10**6) if isinstance(raw, float) else in_range(scaled)


def first_of(attributes: Json, *names: str) -> object:
    """The first of the attributes that is there and not empty."""
    return next((attributes[name] for name in names if attributes.get(name) not in (None, "")), None)


def nested(attributes: Json, prefix: str) -> object:
    """The value under a prefix of flat keys (`prefix.0.message.role`), as lists and objects."""
    if prefix in attributes:
        return _without_dots(parsed(attributes[prefix]) or attributes[prefix])
    beyond = len(prefix) + 1
    flat = [(key[beyond:], value) for key, value in attributes.items() if key.startswith(prefix + ".")]
    return _listed(_tree(flat)) if flat else None


_MAX_LEVELS = 16
"""Levels of objects that the conventions may have; what lies deeper is content."""


def _tree(flat: Iterable[tuple[str, object]]) -> Json:
    """Objects in objects, from values under dotted keys."""
    tree: Json = {}
    for key, value in flat:
        *path, last = key.split(".")
        node = tree
        for name in path[:12]:
            child = node.get(name)
            if not isinstance(child, dict):
                child = node[name] = {}
            node = child
        node[last] = value
    return tree


def _listed(node: object, level: int = 0) -> object:
    if not isinstance(node, dict) or level > _MAX_LEVELS:
        return _without_dots(node, level)
    if node and all(key.isdecimal() for key in node):
        return [_listed(node[key], level + 1) for key in sorted(node, key=int)]
    return {key: _listed(value, level + 1) for key, value in node.items()}


def _without_dots(node: object, level: int = 0) -> object:
    """Messages in lists may have dotted keys of their own: `{"message.role": ...}`."""
    if level > _MAX_LEVELS:
        return node
    if isinstance(node, list):
        return [_without_dots(item, level + 1) for item in node]
    if not isinstance(node, dict):
        return node
    fields = _tree(node.items()) if any(key.startswith(_MESSAGE_FIELDS) for key in node) else node
    return {key: value if key in _CONTENTS else _without_dots(value, level + 1) for key, value in fields.items()}


_MESSAGE_FIELDS = ("message.", "message_content.", "tool_call.", "tool.")
_CONTENTS = ("arguments", "content", "json_schema", "parameters", "result", "value")
"""Fields whose objects are content: their keys mean nothing here."""
_ROOTS = ("agent", "gen_ai", "input", "llm", "openinference", "output", "tool")


def flattened(attributes: Json) -> Json:
    """Attributes under the names of the conventions, where an exporter nests them: `{"llm": {"model_name": ...}}`."""
    found: Json = {}
    for key, value in attributes.items():
        found.update(_flat(key, value) if key in _ROOTS else ((key, value),))
    return found


def _flat(name: str, value: object) -> Iterator[tuple[str, object]]:
    *around, last = name.split(".")
    if not isinstance(value, dict) or last in _CONTENTS or len(around) > _MAX_LEVELS:
        yield name, value
        return
    for key, inner in value.items():
        yield from _flat(f"{name}.{clean(key)}", inner)


_COLUMNS = ("attributes", "context", "status")


def folded(record: Json) -> Json:
    """A row of a table, with columns like `context.trace_id` and `attributes.llm.model_name`, as a span's fields."""
    found: Json = {}
    columns: dict[str, Json] = {}
    for key, value in record.items():
        column, dot, rest = key.partition(".")
        if not dot or column not in _COLUMNS:
            found[key] = value
        elif value is not None:  # a table has all columns in every row
            columns.setdefault(column, {})[rest] = value
    return found | {column: mapping(found.get(column)) | fields for column, fields in columns.items()}
