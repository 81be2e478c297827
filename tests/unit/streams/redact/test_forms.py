"""A value found once is found again as others write it."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import ToolCalled, UserMessage
from streams.core.redact.forms import days_of, days_written, numbers_written
from tests.unit.streams.redact.samples import redacted, said


@given(st.dates(date(1900, 1, 1), date(2030, 12, 31)))
def test_every_way_to_write_a_day_is_read_as_that_day(day: date) -> None:
    written = list(days_written(day.isoformat()))
    assert len(written) > 10
    for text in written:
        assert text.isdigit() or day in days_of(text)


@pytest.mark.parametrize("text", ["13/13/1987", "1987-02-30", "March 1987", "19870314", "12345", "", "99/99/9999"])
def test_what_is_no_whole_day_is_written_in_no_other_way(text: str) -> None:
    assert not list(days_written(text))


def test_numbers_are_written_in_other_groups_and_in_none() -> None:
    assert set(numbers_written("SSN", "219-09-9999")) == {"219099999", "219-09-9999", "219 09 9999"}
    assert {"4155550134", "(415) 555-0134", "415.555.0134", "+14155550134"} <= set(
        numbers_written("PHONE", "+1 415-555-0134")
    )
    assert "4111-1111-1111-1111" in set(numbers_written("CARD", "4111 1111 1111 1111"))
    assert not list(numbers_written("SSN", "9999"))


@pytest.mark.parametrize(
    ("known", "elsewhere"),
    [
        ('{"ssn": "219-09-9999"}', "it is 219099999"),
        ('{"dob": "1987-03-14"}', "born March 14, 1987, so 03/14/1987"),
        ('{"phone": "415-555-0134"}', "ring (415)5550134 or 415.555.0134"),
        ('{"full_name": "Jos\u00e9 Garc\u00eda"}', "Jose Garcia, jose_garcia_4471"),
        ('{"full_name": "Sean O\'Shaughnessy"}', "sean.oshaughnessy_22 and O&#39;Shaughnessy"),
        ('{"full_name": "Grace Youngblood"}', "YOUNGBLOOD/GRACE and Youngblood,Grace"),
    ],
)
def test_a_value_known_from_a_key_goes_in_every_form(known: str, elsewhere: str) -> None:
    events, _ = redacted(ToolCalled(tool="T", parameters_json=known), UserMessage(content=elsewhere))
    left = said(events[1]).lower()
    for word in ("219099999", "march 14", "03/14/1987", "5550134", "555.0134", "garcia", "shaughnessy", "youngblood"):
        assert word not in left


def test_a_number_in_json_goes_where_its_text_is_known() -> None:
    events, counts = redacted(
        ToolCalled(tool="T", parameters_json='{"ssn": "219-09-9999"}'),
        ToolCalled(tool="T", parameters_json='{"value": 219099999}'),
    )
    assert "219099999" not in str(events)
    assert counts == {"SSN": 2}


def test_a_birthday_has_one_pseudonym_however_it_is_written() -> None:
    events, _ = redacted(
        ToolCalled(tool="T", parameters_json='{"dob": "1987-03-14"}'),
        UserMessage(content="03/14/1987 or March 14, 1987"),
    )
    year = str(events[0].tool_called)[str(events[0].tool_called).index('"dob": "') + 8 :][:4]
    assert said(events[1]).count(year) == 2
