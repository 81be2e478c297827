"""What holds for every input: output parses, nothing found stays, the same key gives the same, once is enough."""

import json
from collections import Counter
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import ToolCalled, UserMessage
from streams.core.redact.filter import redact_line
from streams.core.redact.leaves import map_text
from streams.core.redact.names import variants
from streams.core.redact.pseudonyms import Pseudonyms
from streams.core.redact.redactor import RULES_ALONE
from streams.core.redact.replace import Replace
from streams.core.redact.rules import RULES
from streams.core.redact.search import Search
from tests.unit.streams.redact.samples import AWS, GITHUB, KEY, params, redacted

VALUES = (
    "ottokar.vonderau@example.com", "4111 1111 1111 1111", "+49 30 5550 1234", "123-45-6789", "203.0.113.7",
    "DE89370400440532013000", GITHUB, AWS, "12 Oak Street, Springfield, IL 62704",
)  # fmt: skip
words = st.text(st.characters(codec="utf-8"), max_size=12)
personal = st.sampled_from(VALUES)


def documents_of(numbers: st.SearchStrategy[int], keys: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """JSON texts with personal values in any place, also in JSON inside of texts."""
    mixed = st.tuples(words, personal, words).map(" ".join)
    leaves = st.one_of(words, personal, mixed, numbers, st.booleans())
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3), inner.map(json.dumps)
        ),
        max_leaves=8,
    ).map(json.dumps)


telling = st.sampled_from(["email", "phone", "note"])
documents = documents_of(st.integers(), st.one_of(words, personal, telling))
# A number under a key like "phone" stays a number of as many digits, so that schemas still hold: what stands for it
# cannot be told from a real one, and a second pass replaces it again.
without_long_numbers = documents_of(st.integers(-999, 999), st.one_of(personal, telling))
NAMES = Pseudonyms(KEY, "laws")
STARTED = [rule for rule in RULES if rule.start is not None]
pieces = st.one_of(
    st.sampled_from((
        *VALUES, "SSN", "ssn", "\u017fsn ", "passport no. is ", "Driving licence", "insurance", "call me at ", "cell",
        "\u0130mei ", "4 Elm", " St", "12 Any Lane Apt. 3", "+1 415-555-0134", "(415) 555-0134", "030/123456", "a@b.co",
        "%40", "@", "1.2.3.4", "::1", "X1234567", "3782 822463 10005", "x" * 70, "ni QQ 12 34 56 C", "mrn: ", "2", "0",
        "-", ".", "/", "Group no ", "member id ", "savings account ", "a/c ", "BSB ", "health record ", "chart id ",
    )),
    st.text("0123456789 .-+()/@aisk\n_", max_size=4),
)  # fmt: skip


@settings(max_examples=400, deadline=None, derandomize=True)
@given(st.lists(pieces, max_size=8).map("".join))
def test_looking_where_a_match_may_begin_finds_what_looking_everywhere_finds(text: str) -> None:
    for rule in STARTED:
        everywhere = [match.span() for match in rule.pattern.finditer(text)]
        assert [match.span() for match in rule.matches(text)] == everywhere, rule.pattern.pattern


@pytest.mark.parametrize("cue", [
    "patient id", "chart id", "encounter no", "health record id", "mrn", "member id", "subscriber id", "beneficiary id",
    "policy number", "health plan", "insurance", "Medicare", "group no", "bank account", "checking account",
    "savings account", "customer account", "account", "acct.", "a/c", "routing", "sort code", "BSB", "ABA", "passport",
    "driving licence", "DL", "serial no", "device id", "udi", "imsi", "tax id", "vat", "nric", "certificate", "npi",
    "dea",
])  # fmt: skip
def test_each_word_that_tells_of_a_value_is_where_a_match_may_begin(cue: str) -> None:
    text = f"{cue} 1234567890"
    everywhere = [[match.span() for match in rule.pattern.finditer(text)] for rule in STARTED]
    assert any(spans and spans[0][0] == 0 for spans in everywhere)
    assert [[match.span() for match in rule.matches(text)] for rule in STARTED] == everywhere


def test_many_rules_know_where_a_match_may_begin() -> None:
    kinds = {rule.kind for rule in STARTED}
    assert {"PHONE", "CARD", "IP", "ADDRESS", "NATIONAL_ID", "PASSPORT", "HEALTH_PLAN"} <= kinds


@settings(max_examples=80, deadline=None, derandomize=True)
@given(documents)
def test_output_parses_and_the_same_key_gives_the_same(text: str) -> None:
    once = redact_line(text, NAMES)
    json.loads(once)
    assert redact_line(text, Pseudonyms(KEY, "laws")) == once


@settings(max_examples=80, deadline=None, derandomize=True)
@given(without_long_numbers)
def test_a_second_pass_finds_nothing_new(text: str) -> None:
    once = redact_line(text, NAMES)
    assert redact_line(once, NAMES) == once


@settings(max_examples=60, deadline=None, derandomize=True)
@given(personal, st.lists(words, min_size=2, max_size=4))
def test_a_found_value_is_gone_from_the_whole_trace(value: str, around: list[str]) -> None:
    text = f" {value} ".join(around)
    nested = json.dumps({"in": json.dumps([text])})
    events, counts = redacted(
        UserMessage(content=f"It is {value} ."), ToolCalled(tool="T", parameters_json=nested)
    )  # fmt: skip
    assert counts
    found = {value[f.start : f.end] for f in RULES_ALONE.finder.find(value)}
    assert found
    for one in found:
        assert one not in str(events)
    json.loads(params(events[1]))


@pytest.mark.parametrize("value", [" +49 30 5550 1234 ", GITHUB, "4111 1111 1111 1111"])
def test_what_stands_under_the_key_of_a_phone_is_replaced_once(value: str) -> None:
    once = redact_line(json.dumps({"phone": value}), NAMES)
    assert value not in once
    assert redact_line(once, NAMES) == once


keyed_leaves = st.sampled_from(["first_name", "age", "city", "address", "zip", "note"])
common = st.one_of(
    st.sampled_from(["Will", "34", "7", "Ann Berg", "TX", 'a"b', "x\ny", "Σας", "34 Will", "\\u0057"]), personal
)
keyed = st.recursive(
    st.one_of(common, st.integers(0, 99_999)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(keyed_leaves, inner, max_size=4), inner.map(json.dumps)
    ),
    max_leaves=10,
).flatmap(lambda value: st.booleans().map(lambda ascii_only: json.dumps(value, ensure_ascii=ascii_only)))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(keyed)
def test_leaves_that_are_passed_over_would_not_have_changed(text: str) -> None:
    search = Search(RULES_ALONE.finder)
    map_text(text, search)
    search.finish()
    found = {**search.found, "Ann Berg": "PERSON", "x\ny": "ADDRESS", 'a"b': "SECRET"}
    outcomes = []
    for every_leaf in (False, True):
        counts: Counter[str] = Counter()
        replace = Replace(found, {**search.local, "TX": "ADDRESS"}, RULES_ALONE.policy.mode_of, NAMES, counts)
        touched = replace.touched([text])
        if every_leaf:
            replace._marks = None
        outcomes.append((map_text(text, replace), counts, replace.growth_chars))
        assert touched or outcomes[-1][0] == text
    assert outcomes[0] == outcomes[1]


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(st.one_of(st.sampled_from("aZ9 é_-/+%.~"), st.characters(codec="utf-8")), max_size=12))
def test_a_value_is_looked_for_as_addresses_quote_it(value: str) -> None:
    found = {variant.text for variant in variants({value: "LOCATION"})}
    escaped = {quote(value, safe=""), quote_plus(value)} - {value}
    assert found == ({value} if value.isalnum() else {value, *escaped})
