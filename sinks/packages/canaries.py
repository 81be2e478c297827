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


_KINDS: tuple[tuple[str, str, Callable[[str], bool]], ...] = (
    ("EMAIL", r"[A-Za-z0-9][A-Za-z0-9._%+\-]*@[A-Za-z0-9][A-Za-z0-9\-]*(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,24}", _mail),
    ("PRIVATE_KEY", r"-----BEGIN [A-Z ]*PRIVATE KEY", _always),
    ("AWS_KEY", r"\b(?:AKIA|ASIA)[A-Z2-7]{16}\b", _always),
    ("GITHUB_TOKEN", r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{60,90})", _always),
    ("API_KEY", r"\bsk-(?:ant-|proj-|live-|or-)?[A-Za-z0-9_\-]{32,}", _always),
    ("GOOGLE_KEY", r"\bAIza[A-Za-z0-9_\-]{35}\b", _always),
    ("SLACK_TOKEN", r"\bxox[abprs]-[A-Za-z0-9\-]{20,}", _always),
    ("STRIPE_KEY", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{20,}", _always),
    ("JWT", r"\beyJ[A-Za-z0-9_\-]{10,}\.eyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{20,}", _always),
    ("CARD", r"\b(?:4[0-9]{3}|5[1-5][0-9]{2}|6011)(?:[ \-]?[0-9]{4}){3}\b", _card),
    ("CARD", r"\b3[47][0-9]{2}[ \-]?[0-9]{6}[ \-]?[0-9]{5}\b", _card),
    ("IBAN", r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b", _iban),
)  # fmt: skip

_ANY = "|".join(f"(?:{pattern})" for _, pattern, _ in _KINDS)
_COMPILED = tuple((kind, re.compile(pattern), real) for kind, pattern, real in _KINDS)


def kinds_in(text: str) -> Iterator[str]:
    """Kinds that stand in a text, each once."""
    for kind, pattern, real in _COMPILED:
        if any(real(match.group()) for match in pattern.finditer(text)):
            yield kind


def scan(column: pa.Array) -> Iterator[tuple[int, str]]:
    """Rows of a text column with a finding, and its kind. Most rows are passed over without Python."""
    for row in pc.indices_nonzero(pc.fill_null(pc.match_substring_regex(column, _ANY), False)).to_pylist():
        for kind in kinds_in(column[row].as_py()):
            yield row, kind
