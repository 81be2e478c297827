"""A policy and the detectors it asks for, put together: what redacts traces, lines and texts."""

from dataclasses import dataclass, field
from functools import cached_property

from streams.core.redact.find import Finder
from streams.core.redact.policy import RedactionPolicy
from streams.core.redact.ports import Recognizer, SecretScanner
from streams.core.redact.rules import RULES_VERSION


@dataclass(frozen=True)
class Redactor:
    """How to redact. Without detectors it is rules alone."""

    policy: RedactionPolicy = field(default_factory=RedactionPolicy)
    recognizer: Recognizer | None = None
    secrets: SecretScanner | None = None

    @cached_property
    def finder(self) -> Finder:
        """Looks for what is to be replaced."""
        return Finder(self.policy.replaced, self.recognizer, self.secrets)

    @cached_property
    def full_finder(self) -> Finder:
        """Looks for all kinds that are not off, also for those that stay."""
        return Finder(self.policy.found, self.recognizer, self.secrets)

    @cached_property
    def version(self) -> str:
        """Rules, detectors and policy that a report speaks of."""
        ner = self.recognizer.name if self.recognizer is not None else "off"
        secrets = self.secrets.name if self.secrets is not None else "off"
        return f"{RULES_VERSION} ner={ner} secrets={secrets} policy={self.policy.hash[:12]}"


RULES_ALONE = Redactor()
"""The default policy without detectors."""
