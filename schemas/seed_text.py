"""How the original description writes times, durations, money and seconds, and JSON text as values."""

import re
from datetime import UTC, datetime, timedelta

import msgspec

MAX_NESTING = 200
"""JSON nested deeper stays text: how deep Python can read depends on who calls, and output must not."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|([\[{])|([\]}])', re.DOTALL)


def iso_time(micros: int) -> str:
    """`2024-01-15T10:00:00Z`; a fraction of a second only where there is one."""
    text = (_EPOCH + timedelta(microseconds=micros)).isoformat()
    return text.removesuffix("+00:00") + "Z"


def clock_duration(seconds: float) -> str:
    """`02:30:00`, to the nearest second; hours may pass 99. A clock that ran backwards counts as nothing."""
    whole = max(0, round(seconds))
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def money(usd: float | None) -> str | None:
    """`$0.15`; fractions of a cent are kept down to a millionth of a dollar."""
    if usd is None:
        return None
    dollars, _, rest = f"{abs(usd):.6f}".partition(".")
    return f"{'-' if usd < 0 else ''}${dollars}.{rest.rstrip('0'):0<2}"


def seconds_text(seconds: float | None) -> str | None:
    """`45s`, `1.2s`; to the millisecond."""
    if seconds is None:
        return None
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def whole_if_whole(number: float | None) -> int | float | None:
    """10 rather than 10.0, as people write it."""
    return int(number) if number is not None and number == number // 1 else number


def json_value(text: str | None) -> object:
    """The value of JSON text. Text that is not JSON, or nests too deep to be read, stays text; None stays None."""
    if text is None:
        return None
    if nests_too_deep(text):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):  # the latter: a lone surrogate
        return text


def nests_too_deep(text: str) -> bool:
    """Whether JSON text nests deeper than `MAX_NESTING`."""
    if text.count("[") + text.count("{") <= MAX_NESTING:
        return False
    depth = 0
    for match in _BRACKETS.finditer(text):
        if match.group(1):
            depth += 1
            if depth > MAX_NESTING:
                return True
        elif match.group(2):
            depth -= 1
    return False


def json_object(text: str | None) -> dict[str, object]:
    """The object of JSON text; `{}` where there is none, `{"value": ...}` where it is anything else."""
    value = json_value(text)
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    return {"value": value}
