"""How a found value may stand elsewhere in its trace: other cases and escapes, parts of a name, handles made of it."""

import unicodedata
from collections.abc import Iterator, Mapping
from itertools import permutations
from typing import NamedTuple
from urllib.parse import quote, quote_plus

from streams.core.redact.forms import days_written, numbers_written
from streams.core.redact.words import NOT_ALONE, ORDINARY, PLACEHOLDERS, ROBOTS, word_set

_ANY_CASE = frozenset({"EMAIL", "USERNAME", "ADDRESS", "LOCATION", "ORGANIZATION", "IBAN", "URL"})
_UNBOUNDED = frozenset({"SECRET", "API_KEY", "TOKEN", "PRIVATE_KEY", "URL_CREDENTIALS", "EMAIL"})
_REGROUPED = frozenset({"SSN", "CARD", "PHONE"})
_ROLES = word_set(
    """info support admin sales contact hello noreply no-reply help office team mail service billing user users
    webmaster postmaster press jobs security abuse git dev test news hr legal"""
)
_PARTICLES = word_set("de la van von der den del da di bin al el le jr sr")
_MIN_HANDLE = 6
NAME_ENDS = ".,'’"


class Variant(NamedTuple):
    """One way in which a value may be written."""

    text: str
    kind: str
    any_case: bool = False
    """Whatever the case of its letters; else as it stands, with capitals first, or in capitals."""
    bounded: bool = True
    """No letter or digit may follow or go before."""
    digits: int = 0
    """1: digits may follow and belong to it, with a separator before them; 2: they must."""


def variants(found: Mapping[str, str]) -> Iterator[Variant]:
    """All ways to look for; `found` maps values to their kinds."""
    for value, kind in found.items():
        if kind == "PERSON":
            yield from _of_person(value)
            continue
        any_case, bounded = kind in _ANY_CASE, kind not in _UNBOUNDED
        yield Variant(value, kind, any_case, bounded)
        if kind == "DATE_OF_BIRTH":
            yield from (Variant(written, kind, any_case=True) for written in days_written(value))
        elif kind in _REGROUPED:
            yield from (Variant(written, kind) for written in numbers_written(kind, value))
        if kind == "EMAIL":
            local = value.replace("%40", "@").partition("@")[0]
            if len(local) >= 5 and local.lower() not in _ROLES and not _is_word(local):
                yield Variant(local, "USERNAME", any_case=True)
        if not value.isalnum() and len(value) <= 256:
            for escaped in {_quoted(value, plus=False), _quoted(value, plus=True)} - {value}:
                yield Variant(escaped, kind, any_case=True, bounded=bounded)


def _of_person(value: str) -> Iterator[Variant]:
    """Of the name as it stands, and as those write it who leave accents and apostrophes out."""
    yield from _of_spelled(value)
    if value.isascii() and not any(char in value for char in "'-"):
        return
    folded = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode()
    spellings = {unicodedata.normalize("NFD", value), value.replace("'", "").replace("’", "")}
    spellings |= {value.replace("'", entity) for entity in ("&#39;", "&apos;")}
    if len(folded) >= len(value):  # of letters that are no accented ones nothing would be left
        spellings.add(folded)
    for spelling in sorted(spellings - {value}):
        yield from _of_spelled(spelling)
    if "-" in value:
        yield Variant(value.replace("-", " "), "PERSON", any_case=True)


def _of_spelled(value: str) -> Iterator[Variant]:
    words = value.split()
    if len(words) == 1:
        if value.lower() in PLACEHOLDERS or value.lower() in ROBOTS:
            return
        yield Variant(value, "PERSON", any_case=len(value) >= 5 and not _is_word(value))
        if len(value) >= 4 and value.isalpha() and not _is_word(value):
            yield Variant(value, "USERNAME", any_case=True, digits=2)
        return
    yield Variant(value, "PERSON", any_case=True)
    if " " in value:
        for escaped in {_quoted(value, plus=False), _quoted(value, plus=True), value.replace(" ", "")} - {value}:
            yield Variant(
                escaped, "PERSON" if "%" in escaped or "+" in escaped else "USERNAME", any_case=True, digits=1
            )
    long = [word.strip(".,'’") for word in words]
    long = [word for word in long if len(word) > 1 and word.lower() not in _PARTICLES]
    for word in long:
        if len(word) >= 3 and not _is_word(word):
            yield Variant(word, "PERSON")
    if len(long) >= 2:
        first, last = long[0], long[-1]
        for comma in (", ", ",", "/"):
            yield Variant(f"{last}{comma}{first}", "PERSON", any_case=True)
        if len(long) > 2:
            yield Variant(f"{first} {last}", "PERSON", any_case=True)
        for one, other in permutations((first, last)):
            for separator in ("_", ".", "-", ""):
                handle = f"{one}{separator}{other}"
                if separator or len(handle) >= _MIN_HANDLE:
                    yield Variant(handle, "USERNAME", any_case=True, digits=1)
            if len(other) >= 5 and not _is_word(f"{one[0]}{other}"):
                yield Variant(f"{one[0]}{other}", "USERNAME", any_case=True, digits=1)
            yield Variant(f"{one[0]}.{other}", "USERNAME", any_case=True, digits=1)
            yield Variant(f"{one[0]}_{other}", "USERNAME", any_case=True, digits=1)
            yield Variant(f"{one[0]}. {other}", "PERSON")


def _is_word(text: str) -> bool:
    lowered = text.lower()
    return lowered in NOT_ALONE or lowered in ORDINARY


def _quoted(value: str, plus: bool) -> str:
    if value.isascii() and value.replace(" ", "").isalnum():  # most names, many times faster
        return value.replace(" ", "+" if plus else "%20")
    raw = value.encode("utf-8", "surrogatepass")
    return quote_plus(raw) if plus else quote(raw, safe="")
