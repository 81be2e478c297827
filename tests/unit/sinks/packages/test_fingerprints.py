"""What a fingerprint tells apart."""

from datetime import UTC, datetime

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sinks.packages import fingerprints

TEXTS = st.lists(st.none() | st.text(max_size=8), min_size=1, max_size=12)


def test_no_two_of_many_texts_have_one_fingerprint() -> None:
    texts = pa.array([f"a long enough text with the number {number}" for number in range(200_000)])
    assert len(set(fingerprints.of_values(texts).to_pylist())) == 200_000


def test_a_fingerprint_is_the_same_for_ever() -> None:
    """A change here makes every row of published packages look changed."""
    assert fingerprints.of_values(pa.array(["text", "", None])).to_pylist() == [
        "c5a64efff9224e392680525687aac7c5",
        "99aa06d3014798d86001c324468d497f",
        None,
    ]
    columns = [pa.array(["a", None]), pa.array([0.5, None]), pa.array([False, None]), pa.array([["x"], None])]
    assert fingerprints.of_rows(columns).to_pylist() == [
        "f63228fa37b504d63eb47b6416d9f349",
        "a8bd9cdff12dd857ed9bfbd4998bc518",
    ]


def test_null_is_no_value() -> None:
    for values, type_ in (
        (["", None], pa.string()),
        ([False, None], pa.bool_()),
        ([0, None], pa.int32()),
        ([0.0, None], pa.float64()),
        ([datetime(1970, 1, 1, tzinfo=UTC), None], pa.timestamp("us", "UTC")),
        ([[], None], pa.list_(pa.string())),
    ):
        assert len(set(fingerprints.of_rows([pa.array(values, type_)]).to_pylist())) == 2, type_


@given(TEXTS, TEXTS)
def test_rows_have_one_fingerprint_where_all_their_columns_are_the_same(
    one: list[str | None], other: list[str | None]
) -> None:
    rows = list(zip(one, other, strict=False))
    first, second = (pa.array([row[place] for row in rows], pa.string()) for place in (0, 1))
    found = fingerprints.of_rows([first, second]).to_pylist()
    clean = [row for row in rows if not any("\x1f" in (text or "") or "\x00\x1e" in (text or "") for text in row)]
    if len(clean) == len(rows):
        assert len(set(found)) == len(set(rows))


def test_a_slice_is_hashed_as_what_it_holds() -> None:
    columns = [pa.array(["a", "b", "c"]), pa.array([1.0, 2.0, None]), pa.array([True, None, False])]
    whole = fingerprints.of_rows(columns).to_pylist()
    assert fingerprints.of_rows([column.slice(1) for column in columns]).to_pylist() == whole[1:]
