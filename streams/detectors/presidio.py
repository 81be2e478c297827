"""Presidio as another back-end of recognition. It is not a dependency: whoever chooses it installs it, with a model."""

import importlib
import importlib.metadata
from typing import Any

from schemas.errors import UsageError
from streams.core.redact.finding import Finding

_KINDS = {
    "PERSON": "PERSON",
    "LOCATION": "LOCATION",
    "GPE": "LOCATION",
    "NRP": "NATIONALITY",
    "ORGANIZATION": "ORGANIZATION",
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "US_PASSPORT": "PASSPORT",
    "US_DRIVER_LICENSE": "DRIVER_LICENSE",
    "MEDICAL_LICENSE": "LICENSE",
    "US_SSN": "SSN",
    "US_ITIN": "SSN",
    "UK_NHS": "NATIONAL_ID",
    "CREDIT_CARD": "CARD",
    "IBAN_CODE": "IBAN",
    "IP_ADDRESS": "IP",
    "US_BANK_NUMBER": "ACCOUNT",
}


class PresidioRecognizer:
    """A Presidio AnalyzerEngine, as it is configured by default, behind the port `Recognizer`."""

    def __init__(self, min_score: float = 0.5, engine: Any = None) -> None:
        """`engine` replaces the default AnalyzerEngine. Raises UsageError that says what is missing."""
        if engine is None:
            engine = _engine()
        self._engine = engine
        self._min_score = min_score
        try:
            self.name = f"presidio-{importlib.metadata.version('presidio-analyzer')}"
        except importlib.metadata.PackageNotFoundError:
            self.name = "presidio"

    def find(self, text: str) -> tuple[Finding, ...]:
        """Findings, the surest first where two overlap."""
        results = self._engine.analyze(
            text=text, language="en", entities=sorted(_KINDS), score_threshold=self._min_score
        )
        found: list[Finding] = []
        for result in sorted(results, key=lambda one: (-one.score, one.start, -one.end)):
            if all(result.end <= other.start or result.start >= other.end for other in found):
                found.append(Finding(_KINDS[result.entity_type], result.start, result.end))
        return tuple(sorted(found, key=lambda finding: finding.start))


def _engine() -> Any:
    try:
        analyzer = importlib.import_module("presidio_analyzer")
    except ImportError:
        raise UsageError(
            "the redaction policy asks for Presidio, which is not installed: pip install presidio-analyzer and a model"
            ' of spaCy, or set ner.backend = "rampart"'
        ) from None
    try:
        return analyzer.AnalyzerEngine()
    except (Exception, SystemExit) as error:
        raise UsageError(
            f"Presidio cannot be started ({type(error).__name__}): is a model of spaCy installed?"
        ) from None
