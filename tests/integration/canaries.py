"""Canaries: made-up people and secrets, other ones for every field of every event, and where they may turn up.

The fields are found by walking the record types, so that a new field of text is planted without anyone thinking of it.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import ahocorasick
import msgspec

from schemas.records import BODY_TYPES, KIND_OF, Body, Event
from streams.core.redact.checks import luhn

IDENTIFIERS = frozenset({"event_id", "trace_id", "span_id", "parent_span_id", "producer_id", "target_span_id"})
"""Opaque by contract: they stay as they are, and a run in which one shows a person is held back."""
VOCABULARIES = frozenset({"kind"})
"""Words of a fixed list, though Avro calls them strings."""
_FIRST = [
    "Alice",
    "Bruno",
    "Carla",
    "Derek",
    "Elena",
    "Fabian",
    "Greta",
    "Hugo",
    "Irene",
    "Jonas",
    "Klara",
    "Lukas",
    "Marta",
    "Nils",
    "Olga",
    "Pedro",
    "Rosa",
    "Stefan",
    "Tilda",
    "Viktor",
]
_SYLLABLES = [
    "bran",
    "dov",
    "fel",
    "gur",
    "hask",
    "jor",
    "kel",
    "lun",
    "mir",
    "nov",
    "pol",
    "quen",
    "rask",
    "stol",
    "tov",
    "und",
    "var",
    "wex",
    "yor",
    "zel",
]


@dataclass
class Planter:
    """Makes canaries, and knows where each was planted."""

    planted: dict[str, str] = field(default_factory=dict)
    """Needle in lower case to its kind and place."""
    _made: int = 0

    def text(self, place: str) -> str:
        """Prose that holds one canary of each kind."""
        self._made += 1
        number = self._made
        first, last = _FIRST[number % len(_FIRST)], _surname(number)
        login = f"{first}_{last}_{1000 + number}".lower()
        email = f"{first}.{last}{number}@mail.example".lower()
        phone, card = f"+49 151 {4000 + number} 7781", _card(number)
        ssn, iban = f"521-4{number % 10}-{1000 + number}", _iban(number)
        key, password = _made_up("ghp_", number, 36), f"Tr0ub4dor{number}xQ"
        street = f"{100 + number} {_surname(number + 5_000)} Street"
        for kind, value in (
            ("PERSON", f"{first} {last}"), ("PERSON", last), ("USERNAME", login), ("EMAIL", email), ("PHONE", phone),
            ("CARD", card), ("SSN", ssn), ("IBAN", iban), ("API_KEY", key), ("SECRET", password), ("ADDRESS", street),
        ):  # fmt: skip
            self._plant(kind, value, place)
        return (
            f"My name is {first} {last}, login {login}. Mail {email} or call {phone}. I live at {street}. "
            f"Card {card}, SSN {ssn}, IBAN {iban}. Key {key}. Traceback: no /home/{login}/data for "
            f"https://svc:{password}@db.example/q?user={email}&name={first}%20{last}"
        )

    def short(self, place: str) -> str:
        """A name of a thing that shows a person, as careless producers make them."""
        self._made += 1
        email, key = f"desk{self._made}.{_surname(self._made)}@mail.example".lower(), _made_up("ghp_", self._made, 36)
        self._plant("EMAIL", email, place)
        self._plant("API_KEY", key, place)
        return f"Desk of {email} with {key}"

    def in_json(self, place: str) -> str:
        """JSON text with canaries under telling keys, in a text, as a key, and in JSON inside a string."""
        self._made += 1
        number = self._made
        first, last, email = _FIRST[number % len(_FIRST)], _surname(number), f"k{number}@keys.example"
        self._plant("PERSON", f"{first} {last}", place)
        self._plant("PERSON", last, place)
        self._plant("EMAIL", email, place)
        self._plant("SECRET", f"hunter{number}Zq", place)
        person = {"first_name": first, "last_name": last, "password": f"hunter{number}Zq", "email": email}
        inner = json.dumps({"deep": [self.text(place)]})
        return json.dumps({"user": person, "inner": inner, f"for {first} {last}": 1, email: True})

    def _plant(self, kind: str, value: str, place: str) -> None:
        lowered = value.lower()
        forms = {lowered, lowered.replace(" ", "%20"), lowered.replace(" ", "+"), lowered.replace(" ", "_")}
        bare = "".join(char for char in lowered if char.isalnum())
        if bare.isdigit() or kind in ("IBAN", "PERSON"):
            forms.add(bare)
        for form in forms:
            self.planted[form] = f"{kind} of {place}"

    def body(self, kind: str, *, root: bool) -> Body:
        """A body with canaries in each of its texts, however deep."""
        made: Body = self._filled(BODY_TYPES[kind], kind, root)
        return made

    def envelope(self, event: Event, place: str) -> Event:
        """The event with canaries in the texts around its body."""
        changes = {}
        for one in _fields(Event):
            if one.name in BODY_TYPES or one.name in IDENTIFIERS | VOCABULARIES:
                continue
            value = self._value(one.type, f"{place}.{one.name}", one.name, root=False, around=True)
            if isinstance(value, str | msgspec.Struct):
                changes[one.name] = value
        return msgspec.structs.replace(event, **changes)

    def _filled(self, record_type: type[Any], place: str, root: bool, around: bool = False) -> Any:
        values: dict[str, Any] = {}
        for one in _fields(record_type):
            if one.name in VOCABULARIES | IDENTIFIERS:
                if one.required:
                    values[one.name] = "none"
                continue
            value = self._value(one.type, f"{place}.{one.name}", one.name, root, around)
            if value is not None:
                values[one.name] = value
        return record_type(**values)

    def _value(self, kind: Any, place: str, name: str, root: bool, around: bool) -> Any:
        inspected = msgspec.inspect
        if isinstance(kind, inspected.UnionType):
            return next(
                (v for one in kind.types if (v := self._value(one, place, name, root, around)) is not None), None
            )
        if isinstance(kind, inspected.StrType):
            if name.endswith("_json"):
                return self.in_json(place)
            return self.short(place) if around else self.text(place)
        if isinstance(kind, inspected.VarTupleType):
            return (self._value(kind.item_type, place, name, root, around),)
        if isinstance(kind, inspected.StructType):
            return self._filled(kind.cls, place, root, around)
        if isinstance(kind, inspected.LiteralType):
            return kind.values[0]
        if isinstance(kind, inspected.BoolType):
            return root if name == "root" else True
        return 1 if isinstance(kind, inspected.IntType | inspected.FloatType) else None

    def found_in(self, data: bytes | str) -> dict[str, str]:
        """Canaries that stand in these data. Whatever is planted after the first search is not looked for."""
        text = (data if isinstance(data, str) else data.decode("latin-1")).lower()
        return {needle: self.planted[needle] for _, needle in self._automaton.iter(text)}

    @cached_property
    def _automaton(self) -> "ahocorasick.Automaton":
        automaton = ahocorasick.Automaton()
        for needle in self.planted:
            automaton.add_word(needle, needle)
        automaton.make_automaton()
        return automaton


def planted_places(record_type: type[Any]) -> Iterator[str]:
    """Names of all fields of text below a record type: what must be planted."""
    for one in _fields(record_type):
        kinds = one.type.types if isinstance(one.type, msgspec.inspect.UnionType) else (one.type,)
        for kind in kinds:
            held = kind.item_type if isinstance(kind, msgspec.inspect.VarTupleType) else kind
            if isinstance(held, msgspec.inspect.StructType) and held.cls not in KIND_OF:
                yield from (f"{one.name}.{name}" for name in planted_places(held.cls))
            elif isinstance(held, msgspec.inspect.StrType) and one.name not in IDENTIFIERS | VOCABULARIES:
                yield one.name


def _fields(record_type: type[Any]) -> Any:
    return msgspec.inspect.type_info(record_type).fields  # type: ignore[attr-defined]


def _surname(number: int) -> str:
    """A surname that nobody has."""
    base = len(_SYLLABLES)
    parts = (_SYLLABLES[number % base], _SYLLABLES[number // base % base], _SYLLABLES[number * 7 % base])
    return "".join(parts).capitalize() + "wyth"


def _card(number: int) -> str:
    start = f"4539{number:011d}"
    digits = next(start + str(last) for last in range(10) if luhn(start + str(last)))
    return " ".join(digits[at : at + 4] for at in range(0, 16, 4))


def _iban(number: int) -> str:
    account = f"37040044{number:010d}"
    check = 98 - int(account + "131400") % 97
    return f"DE{check:02d} {account[:4]} {account[4:8]} {account[8:12]} {account[12:16]} {account[16:]}"


def _made_up(prefix: str, number: int, length: int) -> str:
    return prefix + hashlib.sha256(str(number).encode()).hexdigest()[:length]
