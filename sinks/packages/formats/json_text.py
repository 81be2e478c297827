"""JSON text inside JSON text, carried over without being read into numbers and written again. Pure.

Values are spliced: digits, key order, escapes and duplicate keys of tool arguments stay as the model wrote them.
"""

import json
import re
from collections.abc import Sequence

import msgspec

from schemas.seed_text import nests_too_deep
from sinks.packages.formats.base import Unfit

_LONE_SURROGATE = re.compile(
    r"(?<!\\)((?:\\\\)*)"
    r"(?:(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u([dD][89a-fA-F][0-9a-fA-F]{2}))"
)
_LONG_NUMBER = re.compile(r"\d{19}|[eE]\+?\d{3}")
_ENCODER = msgspec.json.Encoder()
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_FIRST_SURROGATE = 0xD800
_SURROGATES = 0x800
_PRIVATE_BLOCKS = tuple(range(0x10F800, 0xF0000, -_SURROGATES))
MAX_INTEGER = 2**64 - 1
MIN_INTEGER = -(2**63)


def json_text(value: object) -> str:
    """Compact JSON text; keys keep the order they were built in."""
    return _ENCODER.encode(value).decode()


def splice(text: str) -> msgspec.Raw:
    """JSON text, to stand in other JSON as it is."""
    return msgspec.Raw(text.encode())


def arguments_object(text: str) -> msgspec.Raw:
    """The arguments of a call as a JSON object: the very text. No text at all is an empty object.

    Raises Unfit where they are no object (models write broken JSON too), or nest so deep that readers give up.
    """
    if not text.strip():
        return msgspec.Raw(b"{}")
    if nests_too_deep(text):
        raise Unfit("nests_too_deep")
    try:
        _OBJECT.decode(text)
    except msgspec.DecodeError:
        try:
            _OBJECT.decode(Stand.of((text,)).put(text))
        except msgspec.DecodeError:
            raise Unfit("arguments_are_no_object") from None
    return msgspec.Raw(text.encode())


def check_numbers(text: str) -> None:
    """Raises Unfit where a number is beyond what readers with 64 bits hold: they refuse the whole file, or wrap it."""
    if not _LONG_NUMBER.search(text):
        return
    try:
        json.loads(text, parse_int=_integer, parse_float=_float)
    except RecursionError:
        raise Unfit("nests_too_deep") from None
    except ValueError:
        return  # not JSON: for others to say


def _integer(digits: str) -> None:
    if len(digits) > 20 or not MIN_INTEGER <= int(digits) <= MAX_INTEGER:
        raise Unfit("number_out_of_range")


def _float(digits: str) -> None:
    if float(digits) in (float("inf"), float("-inf")):
        raise Unfit("number_out_of_range")


class Stand:
    """Stand-ins for lone surrogates (`\\ud800` without its partner), which JSON allows but no UTF-8 text can hold.

    Each becomes one private-use character while a row is reshaped, and its escape again in what comes out.
    """

    def __init__(self, block: int) -> None:
        self._block = block
        self._back = re.compile(f"[{chr(block)}-{chr(block + _SURROGATES - 1)}]")

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Stand":
        """Stand-ins that occur in none of these JSON texts, neither as characters nor as escapes."""
        used: set[int] = set()
        for text in texts:
            used |= {ord(char) // _SURROGATES for char in text if char >= "\U000f0000"}
            for high, low in re.findall(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", text, re.IGNORECASE):
                code = 0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00
                used.add(code // _SURROGATES)
        return cls(next(block for block in _PRIVATE_BLOCKS if block // _SURROGATES not in used))

    def put(self, text: str) -> str:
        """JSON text without lone surrogates."""
        return _LONE_SURROGATE.sub(self._replaced, text)

    def taken_back(self, text: str) -> str:
        """JSON text with the escapes in place of the stand-ins."""
        return self._back.sub(lambda match: f"\\u{ord(match.group()) - self._block + _FIRST_SURROGATE:04x}", text)

    def _replaced(self, match: re.Match[str]) -> str:
        backslashes, pair, lone = match.groups()
        if pair:
            return match.group()
        return str(backslashes) + chr(self._block + int(lone, 16) - _FIRST_SURROGATE)
