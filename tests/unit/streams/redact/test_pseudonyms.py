"""Pseudonyms keep shape, so that arguments of tools still satisfy their schemas, and are nobody's."""

import json
import re

import jsonschema_rs
import pytest

from schemas.records import ToolCalled, UserMessage
from streams.core.redact import checks
from streams.core.redact.redactor import RULES_ALONE
from tests.unit.streams.redact.samples import NAMES, params, redacted, said

SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "user_id": {"type": "string", "pattern": "^[a-z]+_[a-z]+_[0-9]{4}$"},
        "first_name": {"type": "string", "pattern": "^[A-Z][a-z]+$"},
        "last_name": {"type": "string", "pattern": "^[A-Z][a-z]+$"},
        "email": {"type": "string", "format": "email"},
        "dob": {"type": "string", "format": "date"},
        "zip": {"type": "integer", "minimum": 10000, "maximum": 99999},
        "phone": {"type": "string", "pattern": "^\\+?[0-9 ()-]{7,20}$"},
        "ip": {"type": "string", "format": "ipv4"},
        "card_number": {"type": "string", "pattern": "^[0-9]{16}$"},
        "payment_id": {"type": "string", "pattern": "^(credit_card|gift_card|certificate)_[0-9]{7}$"},
        "ssn": {"type": "string", "pattern": "^[0-9]{3}-[0-9]{2}-[0-9]{4}$"},
        "iban": {"type": "string", "pattern": "^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$"},
    },
}
ARGUMENTS = {
    "user_id": "mia_li_3668", "first_name": "Mia", "last_name": "Li", "email": "mia.li3818@example.com",
    "dob": "1990-04-05", "zip": 90210, "phone": "+1 (415) 555-2671", "ip": "203.0.113.7",
    "card_number": "4111111111111111", "payment_id": "credit_card_4421486", "ssn": "123-45-6789",
    "iban": "GB82WEST12345698765432",
}  # fmt: skip


def test_redacted_arguments_still_satisfy_their_schema() -> None:
    (event,), counts = redacted(ToolCalled(tool="T", parameters_json=json.dumps(ARGUMENTS)))
    made = json.loads(params(event))
    validator = jsonschema_rs.validator_for(SCHEMA, validate_formats=True)
    assert [error.message for error in validator.iter_errors(made)] == []
    assert all(made[key] != value for key, value in ARGUMENTS.items())
    assert sum(counts.values()) == len(ARGUMENTS)


@pytest.mark.parametrize(
    ("kind", "value", "shape"),
    [
        ("PHONE", "(415) 555-2671", r"\(000\) \d{3}-\d{4}"),
        ("PHONE", "+49 30 5550 1234", r"\+99 9\d \d{4} \d{4}"),
        ("CARD", "4111 1111 1111 1111", r"0\d{3} \d{4} \d{4} \d{4}"),
        ("DATE_OF_BIRTH", "May 5, 1990", r"[A-Z][a-z]{2,8} \d\d, 19\d\d"),
        ("DATE_OF_BIRTH", "5.4.1990", r"\d\d\.\d\d\.19\d\d"),
        ("IP", "2001:db8:85a3::8a2e:370:7334", r"100::[0-9a-f:]+"),
        ("PERSON", "MIA LI", r"XA[A-Z]+ Xa[a-z]+"),
        ("PASSPORT", "C01X00T47", r"[A-Z]\d\d[A-Z]\d\d[A-Z]\d\d"),
    ],
)
def test_shapes(kind: str, value: str, shape: str) -> None:
    assert re.fullmatch(shape, NAMES.of(kind, value))


def test_what_was_made_is_not_found_again() -> None:
    values = ("a@b.example", "+49 30 5550 1234", "(415) 555-2671", "4111 1111 1111 1111", "203.0.113.7", "123-45-6789")
    text = ";\n".join((*values, "GB82WEST12345698765432"))
    (event,), counts = redacted(UserMessage(content=text))
    assert len(counts) == 6
    assert RULES_ALONE.finder.find(said(event)) == []


def test_a_card_never_passes_its_checksum() -> None:
    cards = [NAMES.of("CARD", f"41111111111{n:05d}") for n in range(300)]
    assert not any(checks.luhn(card) for card in cards)
    assert len(set(cards)) == 300


def test_a_first_name_alone_is_the_first_name_of_the_whole() -> None:
    assert NAMES.of("PERSON", "Mia Li").split()[0] == NAMES.of("PERSON", "Mia")
