"""Names of replacements: keyed, the same for the same value within a trace, and of the value's shape where useful.

A replacement can be used where the value could: an e-mail stays one, a date a date, a number keeps its length and
grouping, so that arguments of tools still satisfy their JSON schemas. It never is a value that somebody could have:
phones begin with 000 or +999, cards with 0 or 9 and a wrong check digit, addresses lie in reserved ranges.
"""

import hashlib
import hmac
import re
from collections.abc import Callable

from streams.core.redact.forms import MONTHS, days_of
from streams.core.redact.words import word_set

_CONSONANTS, _VOWELS = "bdfgklmnprstvzjh", "aeiou"
_WORD = re.compile(r"[^\W_]+")
_DATE_PART = re.compile(r"[^\W\d_]{3,}|\d+")
_ORDINALS = ("st", "nd", "rd", "th")


class Pseudonyms:
    """Pseudonym = HMAC-SHA256(key, scope, kind, normalised value), in the shape of the value.

    `scope` is the trace id: the same person in two traces cannot be linked without the key.
    """

    def __init__(self, key: bytes, scope: str) -> None:
        self._key = key
        self._scope = scope

    def of(self, kind: str, value: str) -> str:
        """Replacement text; it never holds quotes or backslashes, so it may stand inside JSON text."""
        shape = _SHAPES.get(kind)
        if shape is not None:
            new = shape(_Source(self, kind), value)
            if new is not None and new.casefold() != value.casefold():
                return new
        return f"[{kind}-{self.mark(kind, value)}]"

    def number(self, kind: str, digits: str) -> str:
        """Replacement of a JSON number: as many digits, the first not 0."""
        new = "9" + _Source(self, kind).digits(digits, len(digits) - 1)
        return new if new != digits else "8" + new[1:]

    def subject(self, data_subject_id: str) -> str:
        """Pseudonym of a data subject: without scope, so that all data of one subject can be found."""
        return hmac.new(self._key, b"data-subject\x1f" + data_subject_id.encode(), hashlib.sha256).hexdigest()[:32]

    def mark(self, kind: str, value: str) -> str:
        """10 hex digits."""
        return self.bytes(kind, _normalised(kind, value)).hex()[:10]

    def bytes(self, kind: str, value: str) -> bytes:
        """32 bytes that only the key, the scope, the kind and the value decide."""
        text = f"{self._scope}\x1f{kind}\x1f{value}"
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).digest()


class _Source:
    """Digits and letters that follow from a value."""

    def __init__(self, pseudonyms: Pseudonyms, kind: str) -> None:
        self._pseudonyms = pseudonyms
        self.kind = kind

    def stream(self, value: str, length: int) -> bytes:
        out = b""
        while len(out) < length:
            out += self._pseudonyms.bytes(self.kind, f"{value}\x1f{len(out)}" if out else value)
        return out[:length]

    def digits(self, value: str, length: int) -> str:
        return "".join(str(byte % 10) for byte in self.stream(value, length))

    def mark(self, value: str) -> str:
        return self._pseudonyms.mark(self.kind, value)


def _normalised(kind: str, value: str) -> str:
    if kind == "EMAIL":
        return value.replace("%40", "@").casefold()
    if kind in _BY_DIGITS:
        return "".join(char for char in value if char.isalnum()).casefold()
    if kind in ("PERSON", "USERNAME", "ADDRESS", "LOCATION", "ORGANIZATION"):
        return " ".join(value.casefold().split())
    return value


_BY_DIGITS = word_set("""CARD PHONE SSN NATIONAL_ID PASSPORT DRIVER_LICENSE IBAN ACCOUNT MEDICAL_RECORD HEALTH_PLAN""")


def _email(source: _Source, value: str) -> str:
    return f"user-{source.mark(value)}@redacted.invalid"


def _person(source: _Source, value: str) -> str | None:
    """Each word its own, so that a first name alone is the first name of the whole."""

    def word(match: re.Match[str]) -> str:
        text = match.group()
        raw = source.stream(text.casefold(), 9)
        made = "Xa" + "".join(_CONSONANTS[raw[i] % 16] + _VOWELS[raw[i + 1] % 5] for i in range(0, 8, 2))
        if len(text) == 1:
            made = "X"
        return made.lower() if text.islower() else made.upper() if text.isupper() and len(text) > 2 else made

    new = _WORD.sub(word, value)
    return new if _WORD.search(value) and "\\" not in value and '"' not in value else None


def _with_digits(source: _Source, value: str, first: str) -> str:
    """The value with other digits, of which the first are given; letters and signs stay."""
    count = sum(char.isdigit() for char in value)
    fresh = iter((first + source.digits(_normalised(source.kind, value), count))[:count])
    return "".join(next(fresh) if char.isdigit() else char for char in value)


def _phone(source: _Source, value: str) -> str:
    return _with_digits(source, value, "999" if value.startswith("+") else "000")


def _card(source: _Source, value: str) -> str:
    digits = "0" + source.digits(_normalised(source.kind, value), sum(char.isdigit() for char in value) - 1)
    numbers = [int(char) for char in digits]
    rest = (sum(numbers[-1::-2]) + sum(sum(divmod(2 * number, 10)) for number in numbers[-2::-2])) % 10
    if rest == 0:
        digits = digits[:-1] + str((numbers[-1] + 1) % 10)
    fresh = iter(digits)
    return "".join(next(fresh) if char.isdigit() else char for char in value)


def _ssn(source: _Source, value: str) -> str:
    return _with_digits(source, value, "000")


def _ip(source: _Source, value: str) -> str:
    raw = source.stream(value.casefold(), 8)
    if ":" in value:
        return "100::" + ":".join(f"{0x1000 | raw[i] << 8 & 0xF00 | raw[i + 1]:x}" for i in range(0, 8, 2))
    return f"240.{raw[0]}.{raw[1]}.{raw[2]}"


def _iban(source: _Source, value: str) -> str:
    return "XX00" + _same_classes(source, value)[4:]


def _record(source: _Source, value: str) -> str | None:
    """Characters of the same classes. Words in an id whose number is what identifies (credit_card_4421486) stay."""
    if not any(char.isalnum() for char in value) or '"' in value or "\\" in value:
        return None
    if source.kind == "PAYMENT_ID" and sum(char.isdigit() for char in value) >= 4:
        return _with_digits(source, value, "")
    return _same_classes(source, value)


def _same_classes(source: _Source, value: str) -> str:
    raw = source.stream(_normalised(source.kind, value), len(value))
    out: list[str] = []
    for char, byte in zip(value, raw, strict=True):
        if char.isdigit():
            out.append(str(byte % 10 if char == "0" or (out and out[-1].isdigit()) else byte % 9 + 1))
        elif char.islower():
            out.append(chr(97 + byte % 26))
        elif char.isalpha():
            out.append(chr(65 + byte % 26))
        else:
            out.append(char)
    return "".join(out)


def _date(source: _Source, value: str) -> str | None:
    """A day of the years 1930 to 1999, written alike; None when it is no whole date."""
    days = days_of(value)
    raw = source.stream(days[0].isoformat() if days else " ".join(value.casefold().split()), 3)
    year, month, day = str(1930 + raw[0] % 70), raw[1] % 12 + 1, raw[2] % 28 + 1
    parts = [(match, match.group()) for match in _DATE_PART.finditer(value.partition("T")[0])]
    parts = [(match, part) for match, part in parts if part.lower() not in (*_ORDINALS, "of")]
    named = [part for _, part in parts if part.isalpha()]
    figures = [part for _, part in parts if part.isdigit()]
    if len(figures) + len(named) < 3 or len(named) > 1 or (named and _month(named[0]) is None):
        return None
    order = ["year", "month", "day"] if len(figures[0]) == 4 else ["day", "month", "year"]
    if not named and order[0] == "day" and int(figures[1]) > 12:
        order[:2] = ["month", "day"]
    if named:
        order.remove("month")
    if not named and order[0] == "day":
        day = min(day, 12)  # it reads as a date both ways
    new = {"year": year, "month": f"{month:02d}", "day": f"{day:02d}"}
    out: list[str] = []
    last = 0
    for match, part in parts[:3]:
        if part.isalpha():
            text = MONTHS[month - 1].capitalize()[: 3 if len(part) == 3 else None]
            text = text.upper() if part.isupper() else text
        else:
            name = order.pop(0)
            text = year[-len(part) :] if name == "year" else new[name]
        out += (value[last : match.start()], text)
        last = match.end()
    return "".join((*out, value[last:]))


def _month(word: str) -> int | None:
    return next((place for place, name in enumerate(MONTHS) if name.startswith(word.lower()[:3])), None)


_SHAPES: dict[str, Callable[[_Source, str], str | None]] = {
    "EMAIL": _email,
    "PERSON": _person,
    "PHONE": _phone,
    "CARD": _card,
    "SSN": _ssn,
    "IP": _ip,
    "IBAN": _iban,
    "DATE_OF_BIRTH": _date,
    "DATE": _date,
    "ZIP": _record,
    "USERNAME": _record,
    "PAYMENT_ID": _record,
    "ACCOUNT": _record,
    "NATIONAL_ID": _record,
    "PASSPORT": _record,
    "DRIVER_LICENSE": _record,
    "LICENSE": _record,
    "MEDICAL_RECORD": _record,
    "HEALTH_PLAN": _record,
    "VEHICLE": _record,
    "DEVICE": _record,
    "BIOMETRIC": _record,
    "AGE": _record,
}
