"""Provider terms: for which purpose the output of which model may be trained on. Rules come from a file of people.

Purposes are ordered, each wider than the one before. A rule allows everything up to one of them. Where several rules
speak of a model (a reseller and a maker), the strictest holds; where none does, only the narrowest purpose is left. The
widest is left only where it is known who served the model: a licence of weights says nothing of a host's own terms.
"""

import hashlib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

import msgspec

from schemas.errors import UsageError
from sinks.packages.toml_text import read_toml

Purpose = Literal["internal-research", "internal-fine-tuning", "commercial-model", "competing-model"]
PURPOSES: tuple[Purpose, ...] = ("internal-research", "internal-fine-tuning", "commercial-model", "competing-model")
"""From narrow to wide."""

SHIPPED = Path(__file__).with_name("terms.toml")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one provider says about training on the output of its models."""

    provider: str
    allows: Purpose
    summary: str
    providers: tuple[str, ...] = ()
    """Patterns of provider names, `*` and `?`, case does not matter."""
    models: tuple[str, ...] = ()
    """Patterns of model names."""
    restrictions: tuple[str, ...] = ()
    url: str | None = None
    checked: str | None = None
    """Day on which the source was last held against this rule."""

    def speaks_of(self, provider: str | None, model: str | None) -> bool:
        """Whether a pattern fits the provider's or the model's name."""
        return _fits(provider, self.providers) or _fits(model, self.models)


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file."""

    reviewed: str
    rule: tuple[Rule, ...]
    unknown: str = "no terms are known for this model: the narrowest purpose only"
    own_hosts: tuple[str, ...] = ()
    """Patterns of providers that are one's own machines."""

    @property
    def hash(self) -> str:
        """sha256 of the values."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    def governing(self, provider: str | None, model: str | None) -> Rule:
        """The strictest rule that speaks of the model."""
        found = [rule for rule in self.rule if rule.speaks_of(provider, model)]
        if not found:
            return Rule(provider="unknown", allows=PURPOSES[0], summary=self.unknown)
        return min(found, key=lambda rule: PURPOSES.index(rule.allows))

    def allow(self, purpose: Purpose, provider: str | None, model: str | None) -> bool:
        """Whether output of this model may be used for the purpose."""
        if purpose == PURPOSES[-1] and not self._knows(provider):
            return False
        return PURPOSES.index(purpose) <= PURPOSES.index(self.governing(provider, model).allows)

    def _knows(self, provider: str | None) -> bool:
        """Whether it is known whose terms come on top of a model's licence."""
        return _fits(provider, self.own_hosts) or any(_fits(provider, rule.providers) for rule in self.rule)


def read_terms(path: Path = SHIPPED) -> tuple[Terms, str]:
    """The terms of a file, and its text. Raises UsageError with line and key."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read the provider terms {path}: {error}") from None
    return parse_terms(text, str(path)), text


def parse_terms(text: str, source: str) -> Terms:
    """The terms of TOML text. Raises UsageError with line and key."""
    return read_toml(text, source, Terms, "provider terms file")


def _fits(name: str | None, patterns: tuple[str, ...]) -> bool:
    return name is not None and any(fnmatchcase(name.casefold(), pattern.casefold()) for pattern in patterns)
