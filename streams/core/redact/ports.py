"""What redaction asks of the world around the core. Implementations live in `streams.detectors`."""

from collections.abc import Sequence
from typing import Protocol

from streams.core.redact.finding import Finding


class Recognizer(Protocol):
    """Finds people, places and the like in natural language, by a model."""

    @property
    def name(self) -> str:
        """Name and version, for reports."""
        ...

    def find(self, text: str) -> Sequence[Finding]:
        """Findings in a short text, in order, none overlapping; the same for the same text, always."""
        ...


class SecretScanner(Protocol):
    """Finds secrets by a catalogue of rules."""

    @property
    def name(self) -> str:
        """Name and version, for reports."""
        ...

    def find(self, text: str) -> Sequence[str]:
        """Secrets that stand in the text, as they stand there."""
        ...
