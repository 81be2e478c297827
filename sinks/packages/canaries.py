"""A last look for what must never be in a package: e-mail addresses, keys, cards, account numbers. Pure.

Redaction has done this long before, and better; this scan is its check, and knows only kinds that can be told from
their own form. What it finds is named by kind and place, never shown.
"""

import re
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

_SAFE_MAIL = re.compile(r"@(?:[^@]*\.)?(?:invalid|test|example|localhost|local|example\.(?:com|org|net|edu))$", re.I)


def _mail(text: str) -> bool:
    return not _SAFE_MAIL.search(text)


def _card(text: str) -> bool:
    digits = [int(char) for char in text if char.isdigit()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    return len(set(digits)) > 3 and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _iban(text: str) -> bool:
    plain = text.replace(" ", "")
    moved = plain[4:] + plain[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def _always(_: str) -> bool:
    return True


_START = r"(?:(?<![A-Za-z0-9_])|(?<=\\u[0-9a-fA-F]{4}))"
"""Where a key may begin: after anything but a letter or digit, or after an escape of JSON text, which ends with one."""

_MAIL = (
    r"[A-Za-z0-9](?:[A-Za-z0-9._%+\-]*[A-Za-z0-9_%+])?"
    r"@[A-Za-z0-9][A-Za-z0-9\-]*(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,24}"
)
_KINDS: tuple[tuple[str, str, str, Callable[[str], bool]], ...] = (
    ("EMAIL", "", _MAIL, _mail),
    ("PRIVATE_KEY", "", r"-----BEGIN [A-Z ]*PRIVATE KEY", _always),
    ("AWS_KEY", _START, r"(?:AKIA|ASIA)[A-Z2-7]{16}\b", _always),
    ("GITHUB_TOKEN", _START, r"(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,90})", _always),
    ("API_KEY", _START, r"sk-(?:ant-|proj-|live-|or-)?[A-Za-z0-9_\-]{32,}", _always),
    ("GOOGLE_KEY", _START, r"AIza[A-Za-z0-9_\-]{35}\b", _always),
    ("SLACK_TOKEN", _START, r"xox[abprs]-[A-Za-z0-9\-]{20,}", _always),
    ("STRIPE_KEY", _START, r"[rs]k_(?:live|test)_[A-Za-z0-9]{20,}", _always),
    ("JWT", _START, r"eyJ[A-Za-z0-9_\-]{10,}\.eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{20,}", _always),
    ("CARD", _START, r"(?:4[0-9]{3}|5[1-5][0-9]{2}|6011)(?:[ \-]?[0-9]{4}){3}\b", _card),
    ("CARD", _START, r"3[47][0-9]{2}[ \-]?[0-9]{6}[ \-]?[0-9]{5}\b", _card),
    ("IBAN", _START, r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b", _iban),
)  # fmt: skip

_ESCAPED = re.compile(r"\\+u00([2-7][0-9a-fA-F])")
"""An ASCII character that JSON text, or JSON within it, writes as an escape."""
_SPACE = re.compile(r"\\+[bfnrt]")
"""An escaped line break or the like: its letter is not part of the word after it."""
_ANY = "|".join([*(f"(?:{pattern})" for _, _, pattern, _ in _KINDS), r"\\u00[2-7]"])
_COMPILED = tuple((kind, re.compile(start + pattern), real) for kind, start, pattern, real in _KINDS)


def kinds_in(text: str) -> Iterator[str]:
    """Kinds that stand in a text, each once. JSON text may escape what it says, also twice over."""
    if "\\" in text:
        text = _SPACE.sub(" ", _ESCAPED.sub(lambda match: chr(int(match.group(1), 16)), text))
    found = set()
    for kind, pattern, real in _COMPILED:
        if kind not in found and any(real(match.group()) for match in pattern.finditer(text)):
            found.add(kind)
            yield kind


def scan(column: pa.Array) -> Iterator[tuple[int, str]]:
    """Rows of a text column with a finding, and its kind. Most rows are passed over without Python."""
    for row in pc.indices_nonzero(pc.fill_null(pc.match_substring_regex(column, _ANY), False)).to_pylist():
        for kind in kinds_in(column[row].as_py()):
            yield row, kind
