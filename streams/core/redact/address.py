"""Join what belongs together: the lines of an address, the words of a name."""

import re

from streams.core.redact.beside import whole_towns, with_neighbours
from streams.core.redact.finding import Finding
from streams.core.redact.places import STREET_WORDS
from streams.core.redact.words import ORDINARY, TECHNICAL

_MISSING = "nan|NaN|None|null|N/A"
"""What programs write for a part that an address does not have."""
PLACES = frozenset({"ADDRESS", "ZIP", "LOCATION"})
_WORD_GAP = re.compile(
    r"[\s,./#?()-]*(?:(?:[^\W\d_a-z][\w'’-]{0,24}\.?|\d{1,6}[A-Za-z]?|"
    + _MISSING
    + r"|[A-Z]{2,3}|de|do|da|del|am|la|sur)[\s,/#?()-]+){0,2}"
)
_MAX_GAP = 40
_MAX_JOINED = 300
"""Characters of a whole address: a list of them is not one."""
_NUMBER_BEFORE = re.compile(r"(?<![\w.,$€£/:#-])(\d{1,6}[A-Za-z]?(?:[-/]\d{1,4})?,?\s{1,2})$")
_NUMBER_AFTER = re.compile(
    r"(?:[\s,]{1,3}(?:[A-Z]{2,3},?"
    r"|" + _MISSING + r")(?=\W))?"
    r"(?:,?\s{1,3}(?:[A-Z]{0,2}-?\d{4,6}(?:-\d{3,4})?|[A-Z]\d[A-Z] ?\d[A-Z]\d))?"
    r"(?:,? \d{1,4}[A-Za-z]?(?=\s|,|$))?(?![\w/-]|[.:]\d)"
)
_CITY_AFTER = re.compile(
    r"[\s,]{1,3}[^\W\d_a-z][\w'’-]*(?:[ -][\w'’-]{1,20}){0,3}\s{0,2},\s{0,2}(?:[A-Z]{2}"
    r"|" + _MISSING + r")(?:,?\s{1,2}\d{4,6})?(?!\w)"
)
_UNIT = (
    r"(?:(?:apt|apartment|suite|ste|unit|floor|flat|rm|room|bldg|building|lot|step|run|line|page)\b\.? ?)?"
    r"#?[a-z]?-?\d{1,6}[a-z]?"
)
_UNITS = re.compile(rf"(?i)[\s,]*{_UNIT}(?:[\s,]+{_UNIT})*")
_STREETS = re.sub(r"\|(?:Way|Close|View)\b", "", STREET_WORDS)
_KNOWN_SHAPE = re.compile(
    rf"(?i)\d (?:[^\W\d_][\w'’.-]* ){{1,4}}(?:{_STREETS})"
    r"\b|\b(?:corner of|box|psc|[adf]po|apt|apartment)\b|stra(?:ß|ss)e"
)
_NAME_WORD = re.compile(r"(?<![\w=<>/`'-])[^\W\d_a-z][^\W\d_A-Z]['’\w-]*")
_MORE_NAME = re.compile(r"[ \t](?:[A-Z]\.?[ \t]|[a-z]\.?[ \t](?=[a-z]))?([^\W\d_][\w'’-]+)(?![\w@])")
_NAME_GAP = re.compile(
    r"[ \t]{1,2}(?:[A-Z]\.?[ \t]{1,2})?(?:(?:de|la|van|von|der|den|del|da|dos|di|bin|al|el|le)[ \t])*"
)
_NAME_BEFORE = re.compile(r"(?<![\w.])[A-Z]\.[ \t]$")


def joined(text: str, findings: list[Finding]) -> list[Finding]:
    """Findings, ascending and apart, with neighbours of an address or a name made one."""
    out: list[Finding] = []
    for finding in whole_towns(text, findings):
        if out:
            last = out[-1]
            if finding.end - last.start > _MAX_JOINED:
                out.append(finding)
                continue
            kind = _one_kind(last.kind, finding.kind, text[last.end : finding.start])
            if kind is not None:
                out[-1] = Finding(kind, last.start, finding.end)
                continue
        out.append(finding)
    out = [finding for finding in out if finding.kind != "ADDRESS" or _is_address(text[finding.start : finding.end])]
    out = with_neighbours(text, out)
    return [_extended(text, finding, out[i - 1].end if i else 0, out[i + 1].start if i + 1 < len(out) else len(text))
            for i, finding in enumerate(out)]  # fmt: skip


def _is_address(value: str) -> bool:
    """Words and a number, of which one is written like a name or names a kind of street: "run 12" does not, and a flat
    alone ("suite 3") is a suite of tests as often."""
    if " " not in value.strip() or value.startswith("-") or "=" in value or _UNITS.fullmatch(value):
        return False
    if _KNOWN_SHAPE.search(value):
        return True
    words = _NAME_WORD.findall(value)
    return any(word.lower() not in ORDINARY and word.lower() not in TECHNICAL for word in words) and (
        any(char.isdigit() for char in value) or len(words) > 1
    )


def _one_kind(first: str, second: str, gap: str) -> str | None:
    if first == second == "PERSON":
        return "PERSON" if _NAME_GAP.fullmatch(gap) or not gap else None
    if first in PLACES and second in PLACES and len(gap) <= _MAX_GAP:
        if "ADDRESS" not in (first, second) and not (first == "LOCATION" and second == "ZIP"):
            return first if first == second and not gap.strip() and "\n" not in gap else None
        return "ADDRESS" if _WORD_GAP.fullmatch(gap) and gap.count("\n") <= 2 else None
    return None


def _extended(text: str, finding: Finding, low: int, high: int) -> Finding:
    kind, start, end = finding
    if kind == "ADDRESS":
        before = _NUMBER_BEFORE.search(text, max(low, start - 12), start)
        if before:
            start = before.start()
        city = _CITY_AFTER.match(text, end, min(high, end + 80))
        if city:
            end = city.end()
        after = _NUMBER_AFTER.match(text, end, min(high, end + 24))
        if after and after.end() > end:
            end = after.end()
    elif kind == "PERSON":
        if _NAME_BEFORE.search(text, max(low, start - 4), start):
            start = max(low, start - 3)
        more = _MORE_NAME.match(text, end, high) if text.count(" ", start, end) < 2 else None
        if more and _is_surname(more, text[start]):
            end = more.end()
    return Finding(kind, start, end)


def _is_surname(more: re.Match[str], first: str) -> bool:
    """A word after a name that belongs to it: with a capital like the name, or behind an initial."""
    word = more.group(1)
    if word.lower() in ORDINARY:
        return False
    behind_initial = more.start(1) - more.start() > 1
    return word[0].isupper() if first.isupper() else behind_initial and word.islower()
