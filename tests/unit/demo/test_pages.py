"""The local pages answer and fail as the library says."""

import json
import urllib.error
import urllib.request

import pytest

from ops.demo.library import CASES, OUTDATED, UNREADABLE, subject
from ops.demo.planted import CARD, EMAIL


def get(url: str, visitor: str = "0" * 32, timeout_seconds: float = 2.0) -> str:
    request = urllib.request.Request(url, headers={"traceparent": f"00-{visitor}-{'0' * 16}-01"})
    with urllib.request.urlopen(request, timeout=timeout_seconds) as response:
        return str(response.read().decode())


def failing(url: str, visitor: str = "0" * 32) -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as caught:
        get(url, visitor)
    with caught.value:
        return caught.value.code, caught.value.read().decode()


def test_a_search_finds_the_sources(pages: str) -> None:
    found = json.loads(get(f"{pages}/search?q=0"))
    assert [hit["url"] for hit in found["results"]] == ["/0/statistics-office", "/0/trade-journal", "/0/market-notes"]


def test_a_page_holds_the_figure_and_a_contact(pages: str) -> None:
    text = get(f"{pages}/0/statistics-office")
    assert f"stood at {subject(0).value:g} " in text
    assert EMAIL in text


def test_blocked_and_missing_and_unknown_pages(pages: str) -> None:
    assert failing(f"{pages}/3/statistics-office")[0] == 403
    assert failing(f"{pages}/4/trade-journal")[0] == 404
    assert failing(f"{pages}/4/no-such-source")[0] == 404
    assert failing(f"{pages}/search?q=x")[0] == 404


def test_a_flaky_page_answers_each_visitor_the_second_time(pages: str) -> None:
    url = f"{pages}/2/statistics-office"
    for visitor in ("a" * 32, "b" * 32):
        code, text = failing(url, visitor)
        assert code == 500
        assert CARD in text
        assert "stood at" in get(url, visitor)


def test_a_hanging_page_outlasts_patience(pages: str) -> None:
    with pytest.raises(TimeoutError):
        get(f"{pages}/1/statistics-office", timeout_seconds=0.2)


@pytest.mark.parametrize(("value", "reward"), [("right", 1.0), ("1", 0.0), ("about ten", 0.0)])
def test_answers_are_graded(value: str, reward: float, pages: str) -> None:
    given = str(subject(6).value) if value == "right" else value.replace(" ", "+")
    assert json.loads(get(f"{pages}/grade?subject=6&value={given}"))["reward"] == reward


def test_subjects_differ_and_stay_the_same() -> None:
    assert subject(17) == subject(17)
    assert len({subject(number).slug for number in range(60)}) == 60
    assert {source.behaviour for source in subject(UNREADABLE).sources} == {"hangs", "blocked", "fails"}
    readable = [source for source in subject(OUTDATED).sources if source.behaviour == "ok"]
    assert all(source.value != subject(OUTDATED).value for source in readable)
    assert CASES == 8
