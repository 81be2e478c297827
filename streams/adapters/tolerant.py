"""Reading values of foreign JSON without trusting their types: what does not fit is `None` or empty, never an error.

Everything that leaves here can be encoded: text without lone surrogates, JSON text of any parsed value, times that
lie in the range an event may have.
"""

import json
import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from streams.adapters.base import content_id, stable_id

Json = dict[str, object]

_LATEST_MICROS = 7_258_118_400_000_000  # 2200-01-01, the end of what an event may state
_MAX_COUNT = 2**53
_FRACTION = re.compile(r"(\.\d{6})\d+")


def mapping(value: object) -> Json:
    """The value if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: object) -> list[object]:
    """The value if it is a JSON array, else an empty one."""
    return value if isinstance(value, list) else []


def mappings(value: object) -> list[Json]:
    """The objects of a JSON array."""
    return [item for item in items(value) if isinstance(item, dict)]


def text(value: object) -> str | None:
    """Non-empty text, or None. Lone surrogates become question marks: no encoding has them."""
    if not isinstance(value, str) or not value:
        return None
    return clean(value)


def clean(value: str) -> str:
    """Text that can be encoded."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return value.encode("utf-8", "replace").decode("utf-8")
    return value


def label(value: object, limit: int = 200) -> str | None:
    """A short name: text without null characters, or a number as text."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return clean(str(value)).replace("\x00", "")[:limit].strip() or None


def first_text(*values: object) -> str | None:
    """The first of the values that is non-empty text."""
    return next((found for value in values if (found := text(value)) is not None), None)


def number(value: object) -> float | None:
    """A finite number; digits in a string count."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def count(value: object) -> int | None:
    """A non-negative whole number that fits a long."""
    found = number(value)
    return int(found) if found is not None and 0 <= found < _MAX_COUNT else None


def total(*values: int | None) -> int | None:
    """Sum of what is known; None when nothing is."""
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def as_json(value: object) -> str:
    """JSON text of a parsed value, whatever it holds (huge integers, lone surrogates, NaN)."""
    try:
        return msgspec.json.encode(value).decode("utf-8")
    except (ValueError, OverflowError, TypeError, RecursionError):
        pass
    try:
        return json.dumps(value, ensure_ascii=True, default=str)
    except (ValueError, RecursionError):
        return '"(a value that JSON cannot hold)"'


def json_argument(value: object) -> str:
    """Tool arguments as JSON text: text that already is JSON stays as it is, any other value is encoded."""
    if isinstance(value, str):
        return clean(value) if parsed(value) is not None else as_json(value)
    return as_json({} if value is None else value)


def parsed(value: object) -> object:
    """A JSON object or array from text; None when the text is neither."""
    if isinstance(value, dict | list):
        return value
    if not isinstance(value, str) or value[:64].lstrip()[:1] not in ("{", "["):
        return None
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def identity(value: object) -> str:
    """32 hex digits of a parsed value's content."""
    try:
        return content_id(value)
    except (ValueError, OverflowError, TypeError, RecursionError):
        return stable_id(as_json(value))


def micros_of_iso(value: object) -> int | None:
    """Microseconds of an ISO 8601 text; without a zone it is taken as UTC. None when it is no time of 1970 to 2200."""
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(_FRACTION.sub(r"\1", value.strip()))
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        elapsed = moment - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return in_range(elapsed.days * 86_400_000_000 + elapsed.seconds * 1_000_000 + elapsed.microseconds)


def micros_of_seconds(value: object) -> int | None:
    """Microseconds of seconds since 1970 (number or digits), None when out of range."""
    found = number(value)
    return in_range(int(found * 1_000_000)) if found is not None and abs(found) < 1e11 else None


def in_range(micros: int) -> int | None:
    """The time, or None when no event may state it."""
    return micros if 0 < micros < _LATEST_MICROS else None


def walk_texts(parts: object) -> Iterator[str]:
    """Texts of a message content: a string, or parts that are strings or `{"text": ...}`."""
    if isinstance(parts, str):
        parts = [parts]
    for part in items(parts):
        if isinstance(part, str):
            yield clean(part)
        elif isinstance(part, dict):
            found = part.get("text")
            if isinstance(found, str):
                yield clean(found)
            elif isinstance(part.get("type"), str):
                yield f"[{label(part['type'])}]"


def content_text(content: object) -> str | None:
    """Text of a message content; a part that is no text (an image) stands as its type in brackets."""
    return "\n".join(walk_texts(content)) or None
