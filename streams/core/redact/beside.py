"""What stands beside a finding and is one too: names in a list, the lines of a signature, the first word of a town."""

import re
from bisect import bisect_left

from streams.core.redact.finding import Finding, start_of
from streams.core.redact.rules_organization import JOBS
from streams.core.redact.words import NOT_ALONE, ORDINARY, TECHNICAL

_WORD = r"[^\W\d_a-z][\w'’-]{1,30}"
_NAME = rf"(?:(?:van|von|der|den|de|da|del|dos|di|la|al|el) ){{0,2}}{_WORD}(?: (?:[A-Z]\. )?{_WORD}){{0,2}}"
_LISTED = re.compile(rf"(?<![\w@/.-]){_NAME}(?:, {_NAME}){{0,12}}(?:,? (?:and|&|or) {_NAME})?(?![\w@/(=-]|\.\w)")
_ITEM = re.compile(_NAME)
_LAST_ITEM = re.compile(r" (?:and|&|or) ")
_JOB_LINE = re.compile(rf"(?i)(?:[a-z][a-z'’,&/-]*,? ){{0,5}}{JOBS}(?: (?:of|for|in) [a-z]+(?: [a-z]+)?)?")
_HEAD_LINE = re.compile(r"(?:Head|Chief|Vice President|VP|Director|Dean|Chair) (?:of )?\w+(?: \w+){0,2}|C[ETFOI]O")
_FIRM_LINE = re.compile(r"[\w'’&.-]+(?:,? [\w'’&.-]+){0,5}")
_NAME_LINE = re.compile(rf"(?m)^[ \t]*({_WORD}(?: [A-Z]\.?)?(?: {_WORD}){{1,2}})[ \t]*$")
_TOWN_START = re.compile(
    r"(?<![\w.@/-])"
    r"(?:New|San|Santa|São|Saint|St\.?|Los|Las|El|La|Le|Port|Fort|Cape|Mount|Lake|Great|Rio de|Sri|Salt Lake)[ ]$"
)
_SMALL_TITLE = re.compile(r"(?<!\w)(?:mr|mrs|ms|dr|prof)\.?(?=[ ]$)")
_BLOCK_ENDS = frozenset({"ADDRESS", "PHONE", "EMAIL", "URL"})
_MAX_LINE = 60


def with_neighbours(text: str, findings: list[Finding]) -> list[Finding]:
    """Findings, ascending and apart, with those that the place of others shows."""
    people = [finding for finding in findings if finding.kind == "PERSON"]
    new = _listed(text, people) if people else []
    new += (title for person in people if (title := _title_before(text, person)) is not None)
    out = _merged(findings, new)
    if "\n" in text:
        out = _merged(out, _signature_lines(text, people, findings))
        above = _names_above(text, out)
        out = _merged(_merged(out, above), _signature_lines(text, above, out))
    return out


def whole_towns(text: str, findings: list[Finding]) -> list[Finding]:
    """Findings, with the word that towns begin with: New, San, Port."""
    out: list[Finding] = []
    for finding in findings:
        kind, start, end = finding
        if kind == "LOCATION":
            before = _TOWN_START.search(text, max(out[-1].end if out else 0, start - 12), start)
            start = before.start() if before else start
        out.append(Finding(kind, start, end))
    return out


def _merged(findings: list[Finding], new: list[Finding]) -> list[Finding]:
    """What is new and free is added."""
    if not new:
        return findings
    out = list(findings)
    for finding in new:
        place = bisect_left(out, finding.end, key=start_of)
        if place == 0 or out[place - 1].end <= finding.start:
            out.insert(place, finding)
    return out


def _title_before(text: str, person: Finding) -> Finding | None:
    title = _SMALL_TITLE.search(text, max(0, person.start - 6), person.start)
    return Finding("TITLE", *title.span()) if title else None


def _listed(text: str, people: list[Finding]) -> list[Finding]:
    """Names in a list of which one is a person's: "Ann Lee, Bo Holm and Cy Reed"."""
    if ", " not in text and _LAST_ITEM.search(text) is None:
        return []
    found: list[Finding] = []
    for match in _LISTED.finditer(text):
        start, end = match.span()
        place = bisect_left(people, start, key=start_of)
        if place == len(people) or people[place].end > end:
            continue
        closed = _LAST_ITEM.search(text, start, end) is not None
        items = list(_ITEM.finditer(text, start, end))
        if len(items) < 2:
            continue
        for item in items:
            words = item.group().lower().split()
            if not any(word in ORDINARY or word in TECHNICAL for word in words) and (
                len(words) > 1 or (closed and words[0] not in NOT_ALONE)
            ):
                found.append(Finding("PERSON", *item.span()))
    return found


def _names_above(text: str, findings: list[Finding]) -> list[Finding]:
    """Lines with nothing but a name in them, above an address or a trade."""
    found: list[Finding] = []
    addresses = {finding.start for finding in findings if finding.kind == "ADDRESS"}
    for match in _NAME_LINE.finditer(text):
        words = match.group(1).lower().split()
        if any(word in ORDINARY or word in TECHNICAL for word in words) or _is_job(match.group(1)):
            continue
        lines = _lines_below(text, match.end())
        if lines and (_is_job(text[lines[0][0] : lines[0][1]]) or lines[0][0] in addresses):
            found.append(Finding("PERSON", *match.span(1)))
    return found


def _signature_lines(text: str, people: list[Finding], findings: list[Finding]) -> list[Finding]:
    """Lines below a name that has a line of its own: what the person is, and for whom."""
    found: list[Finding] = []
    for person in people:
        low = text.rfind("\n", 0, person.start) + 1
        high = text.find("\n", person.end)
        if high < 0 or text[person.end : high].strip() or len(text[low : person.start].strip()) > 5:
            continue
        lines = _lines_below(text, high)
        if lines and _is_job(text[lines[0][0] : lines[0][1]]):
            found.append(Finding("TITLE", *lines.pop(0)))
        if len(lines) > 1 and _may_be_firm(text[lines[0][0] : lines[0][1]]) and _begins_block_end(lines[1], findings):
            found.append(Finding("ORGANIZATION", *lines[0]))
    return found


def _lines_below(text: str, at: int) -> list[tuple[int, int]]:
    """Up to three lines with something in them, until more than one is empty."""
    lines: list[tuple[int, int]] = []
    empty = 0
    while at < len(text) and len(lines) < 3 and empty < 2:
        start = at + 1
        at = text.find("\n", start)
        at = len(text) if at < 0 else at
        line = text[start:at].strip()
        if not line:
            empty += 1
            continue
        empty = 0
        start += text[start:at].index(line[0])
        lines.append((start, start + len(line)))
    return lines


def _is_job(line: str) -> bool:
    return len(line) <= _MAX_LINE and bool(_JOB_LINE.fullmatch(line) or _HEAD_LINE.fullmatch(line))


def _may_be_firm(line: str) -> bool:
    return (
        len(line) <= _MAX_LINE
        and _FIRM_LINE.fullmatch(line) is not None
        and sum(map(str.isalpha, line)) * 2 > len(line)
        and line.split()[0].lower() not in ORDINARY
    )


def _begins_block_end(line: tuple[int, int], findings: list[Finding]) -> bool:
    low, high = (bisect_left(findings, place, key=start_of) for place in line)
    return any(finding.kind in _BLOCK_ENDS for finding in findings[low:high])
