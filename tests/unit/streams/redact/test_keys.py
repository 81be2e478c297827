"""What keys say of their values, and what they do not."""

import pytest

from streams.core.redact.keys import Keyed, kind_by_key, plain_key

SAID = [
    ("billing_first_name", "Nkechi", "PERSON"),
    ("guestLastName", "Featherstonehaugh", "PERSON"),
    ("full_name", "BELLO, Hadiza", "PERSON"),
    ("nachname", "Huber", "PERSON"),
    ("reporter", "Ximena Quispe", "PERSON"),
    ("customer_dob", "1987-03-14", "DATE_OF_BIRTH"),
    ("fecha_nacimiento", "14/03/1987", "DATE_OF_BIRTH"),
    ("customer_phone", "415-555-0134", "PHONE"),
    ("mobilePhoneNumber", "4155550134", "PHONE"),
    ("employee_ssn", "219-09-9999", "SSN"),
    ("billing_zip_code", "94110", "ZIP"),
    ("strasse", "Hauptstr. 5", "ADDRESS"),
    ("session_token", "Kx81ppzQ7w3Rt5Yu8Io2LpAs", "SECRET"),
    ("X-Auth", "Kx81ppzQ7w3Rt5Yu8Io2LpAs", "SECRET"),
    ("cookie", "Kx81ppzQ7w3Rt5Yu8Io2LpAs", "SECRET"),
    ("dbPass", "kestrel7moon", "SECRET"),
    ("Authorization", "Kx81ppzQ7w3Rt5Yu8Io2LpAs", "TOKEN"),
]
UNSAID = [
    ("owner", "Product Team"),
    ("author", "Code Review"),
    ("customer_name", "New Customer"),
    ("address", "0x7ffe12ab34cd"),
    ("address", "Address not found"),
    ("password", "incorrect"),
    ("token", "hello"),
    ("next_page_token", "Kx81ppzQ7w3Rt5Yu8Io2LpAs"),
    ("session_id", "550e8400-e29b-41d4-a716-446655440000"),
    ("signature", "EuUDCkYICRgCKkBu5IyCcQDd1JQ5rIXSdG4TN41w"),
    ("file_name", "Nkechi"),
    ("token_count", "4096"),
]


@pytest.mark.parametrize(("key", "text", "kind"), SAID)
def test_a_key_says_what_its_value_is(key: str, text: str, kind: str) -> None:
    assert kind_by_key(plain_key(key), None, text) == Keyed(kind)


@pytest.mark.parametrize(("key", "text"), UNSAID)
def test_a_key_says_nothing_of_what_is_no_such_value(key: str, text: str) -> None:
    assert kind_by_key(plain_key(key), None, text) is None


@pytest.mark.parametrize(
    ("key", "text", "kind"), [("pin", "4829", "SECRET"), ("otp", "582913", "SECRET"), ("ssn_last4", "9999", "SSN")]
)
def test_a_short_code_is_replaced_only_where_its_key_stands(key: str, text: str, kind: str) -> None:
    assert kind_by_key(key, None, text) == Keyed(kind, local=True)
    assert kind_by_key(key, None, "13") != Keyed(kind)
