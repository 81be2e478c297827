"""Safe snapshots of whatever an agent hands over.

Values are turned into JSON text, numbers and strings at once, in the caller's thread: a dict that the agent changes
afterwards must not change the record. What JSON cannot say (NaN, cycles, objects, odd keys) becomes something it can,
and is counted; nothing here raises.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

_DEEPEST = 64
_LONGEST_REPR = 2_000


class Values:
    """Converts values and counts the ones that had to be repaired."""

    def __init__(self) -> None:
        self.repaired = 0
        encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=self._object)
        self._encode = encoder.encode

    def json(self, value: object) -> str | None:
        """JSON text of a value; None stays None."""
        if value is None:
            return None
        try:
            return self._encode(value)
        except Exception:  # NaN, a cycle, too deep, a key that is no string, a dict changing under us
            self.repaired += 1
        try:
            return self._encode(self._plain(value, 0))
        except Exception:
            return self._encode(_typed(value))

    def required_json(self, value: object) -> str:
        """Like `json`, with None as the JSON `null`."""
        return self.json(value) or "null"

    def arguments(self, value: object) -> str:
        """JSON text of call arguments; text that already is a JSON object (as model APIs give it) is kept."""
        if isinstance(value, str):
            try:
                if isinstance(json.loads(value), dict):
                    return value
            except (ValueError, RecursionError):
                pass
        return "{}" if value is None else self.required_json(value)

    def text(self, value: object) -> str | None:
        """A string as it is; anything else as JSON text."""
        return value if value is None or type(value) is str else self.required_text(value)

    def required_text(self, value: object) -> str:
        """Like `text`, with None as the empty string."""
        if isinstance(value, str):
            return str(value)
        return self.json(value) or ""

    def model(self, value: object) -> dict[str, Any] | None:
        """A pair of provider and name, or a name alone, as the record `ModelRef` has it."""
        if value is None:
            return None
        if isinstance(value, (tuple, list)) and len(value) == 2:
            return {"provider": self.text(value[0]), "name": self.text(value[1])}
        return {"provider": None, "name": self.text(value)}

    def number(self, value: object) -> float | None:
        """A finite float, or None."""
        if value is None:
            return None
        try:
            number = float(value)  # type: ignore[arg-type]
            if math.isfinite(number):
                return number
        except Exception:
            pass
        self.repaired += 1
        return None

    def integer(self, value: object, bits: int = 64) -> int | None:
        """An integer that fits, or None."""
        if value is None:
            return None
        try:
            number = int(value)  # type: ignore[call-overload]
            if -(1 << (bits - 1)) <= number < 1 << (bits - 1):
                return int(number)
        except Exception:
            pass
        self.repaired += 1
        return None

    def flag(self, value: object) -> bool | None:
        """True, False or None."""
        if value is None or value is True or value is False:
            return value
        try:
            return bool(value)
        except Exception:
            self.repaired += 1
            return None

    def one_of(self, value: object, allowed: tuple[str, ...], otherwise: str) -> str:
        """`value` where it is allowed, else `otherwise`."""
        if isinstance(value, str) and value in allowed:
            return value
        self.repaired += 1
        return otherwise

    def _object(self, value: object) -> object:
        for method in ("model_dump", "to_dict", "_asdict"):  # pydantic (the SDKs of model providers), and their kin
            dump = getattr(value, method, None)
            if callable(dump) and not isinstance(value, type):
                try:
                    return dump()
                except Exception:
                    break
        self.repaired += 1
        return _typed(value)

    def _plain(self, value: object, depth: int) -> Any:
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else None
        if depth >= _DEEPEST:
            return {"__type__": type(value).__qualname__, "repr": None}
        if isinstance(value, Mapping):
            return {_key(key): self._plain(item, depth + 1) for key, item in list(value.items())}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self._plain(item, depth + 1) for item in list(value)]
        return _typed(value)


def _key(key: object) -> str:
    return key if isinstance(key, str) else (_typed(key)["repr"] or "?")


def _typed(value: object) -> dict[str, str | None]:
    kind = type(value)
    try:
        shown: str | None = repr(value)[:_LONGEST_REPR]
    except Exception:
        shown = None
    return {"__type__": f"{kind.__module__}.{kind.__qualname__}", "repr": shown}


def clean_text(text: str) -> str:
    """Text that UTF-8 can hold: surrogate pairs joined, lone surrogates replaced by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
