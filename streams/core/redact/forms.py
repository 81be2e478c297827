"""The same number or day, written as others write it: what is found once is looked for in all of these."""

import re
from collections.abc import Iterator
from datetime import date

MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:T.*)?")
_YEAR_LAST = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})")
_MONTH_FIRST = re.compile(r"([a-z]{3,9})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})")
_DAY_FIRST = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?(?: of |[ -])([a-z]{3,9})(?:\.?,? |-)(\d{4})")


def days_of(text: str) -> list[date]:
    """The day that a text says; two where day and month may be either; none where it is no whole date."""
    text = " ".join(text.casefold().split())
    if found := _YEAR_FIRST.fullmatch(text):
        readings = [(int(found[1]), int(found[2]), int(found[3]))]
    elif found := _YEAR_LAST.fullmatch(text):
        one, other, year = int(found[1]), int(found[2]), int(found[3])
        readings = [(year, other, one), (year, one, other)]
    elif found := _MONTH_FIRST.fullmatch(text):
        readings = [(int(found[3]), _month(found[1]), int(found[2]))]
    elif found := _DAY_FIRST.fullmatch(text):
        readings = [(int(found[3]), _month(found[2]), int(found[1]))]
    else:
        return []
    days: list[date] = []
    for reading in dict.fromkeys(readings):
        try:
            days.append(date(*reading))
        except ValueError:
            continue
    return days


def days_written(text: str) -> Iterator[str]:
    """Other ways to write the day of a text; figures alone only with all four of the year."""
    for day in days_of(text):
        year, month, number = day.year, day.month, day.day
        name = MONTHS[month - 1]
        yield from (
            f"{year}-{month:02d}-{number:02d}", f"{year}{month:02d}{number:02d}", f"{year}/{month:02d}/{number:02d}",
            f"{month:02d}/{number:02d}/{year}", f"{month}/{number}/{year}", f"{number:02d}/{month:02d}/{year}",
            f"{number:02d}.{month:02d}.{year}", f"{number}.{month}.{year}", f"{number:02d}-{month:02d}-{year}",
        )  # fmt: skip
        for word in {name, name[:3]}:
            yield from (f"{word} {number}, {year}", f"{number} {word} {year}", f"{number:02d}-{word}-{year}")


def numbers_written(kind: str, text: str) -> Iterator[str]:
    """Other ways to write the number of a text: in other groups, and in none."""
    digits = "".join(char for char in text if char.isdigit())
    if kind == "SSN" and len(digits) == 9:
        yield from _grouped(digits, (3, 2, 4), "- ")
    elif kind == "CARD" and len(digits) >= 13:
        yield from _grouped(digits, (4,) * (len(digits) // 4) + ((len(digits) % 4,) if len(digits) % 4 else ()), "- ")
    elif kind == "PHONE" and (len(digits) == 10 or (len(digits) == 11 and digits[0] == "1")) and text[:1] != "0":
        national = digits[-10:]
        yield from _grouped(national, (3, 3, 4), "-. ")
        yield from (
            f"({national[:3]}) {national[3:6]}-{national[6:]}",
            f"({national[:3]}){national[3:6]}-{national[6:]}",
        )
        yield from (f"+1{national}", f"1{national}")
    elif kind == "PHONE" and len(digits) >= 9:
        yield digits


def _grouped(digits: str, sizes: tuple[int, ...], separators: str) -> Iterator[str]:
    groups, at = [], 0
    for size in sizes:
        groups.append(digits[at : at + size])
        at += size
    yield digits
    for separator in separators:
        yield separator.join(groups)


def _month(word: str) -> int:
    """0 where it is no month, which is no date either."""
    for number, name in enumerate(MONTHS, start=1):
        if word in (name, name[:3]) or (word == "sept" and number == 9):
            return number
    return 0
