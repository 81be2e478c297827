import pytest

from schemas.seed_text import (
    MAX_NESTING,
    clock_duration,
    iso_time,
    json_object,
    json_value,
    money,
    seconds_text,
)


def test_times_have_a_z_and_a_fraction_only_where_there_is_one() -> None:
    assert iso_time(1_705_312_800_000_000) == "2024-01-15T10:00:00Z"
    assert iso_time(1_705_312_800_120_000) == "2024-01-15T10:00:00.120000Z"


@pytest.mark.parametrize(
    ("seconds", "text"), [(9000, "02:30:00"), (29.6, "00:00:30"), (-5, "00:00:00"), (360_000, "100:00:00")]
)
def test_durations(seconds: float, text: str) -> None:
    assert clock_duration(seconds) == text


@pytest.mark.parametrize(
    ("usd", "text"), [(0.15, "$0.15"), (5, "$5.00"), (0.0031, "$0.0031"), (-0.1, "-$0.10"), (0.1 + 0.2, "$0.30")]
)
def test_money(usd: float, text: str) -> None:
    assert money(usd) == text


@pytest.mark.parametrize(("seconds", "text"), [(45, "45s"), (1.2, "1.2s"), (0, "0s"), (0.0004, "0s")])
def test_seconds(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize("text", ["not json", "NaN", "1e400", "[" * 100_000, '{"a": ' * (MAX_NESTING + 1)])
def test_what_is_not_json_stays_text(text: str) -> None:
    assert json_value(text) == text


def test_nesting_is_counted_outside_of_strings_only() -> None:
    assert json_value('["' + "[" * 1000 + '"]') == ["[" * 1000]
    deep = "[" * MAX_NESTING + "]" * MAX_NESTING
    assert json_value(deep) != deep
    assert json_value("[" + deep + "]") == "[" + deep + "]"


def test_objects_are_made_of_anything() -> None:
    assert json_object('{"a":1}') == {"a": 1}
    assert json_object("3") == {"value": 3}
    assert json_object(None) == {}
