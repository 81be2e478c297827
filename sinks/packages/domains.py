"""Domains: which scenarios belong to healthcare, legal, marketing... by rules that people write in a file."""

from fnmatch import fnmatchcase

import msgspec

from sinks.packages.toml_text import read_toml


class Domain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One domain. Patterns hold `*` and `?`, and are compared without regard to case."""

    name: str
    scenarios: tuple[str, ...]
    description: str = ""


class Domains(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole file: `[[domain]]` entries."""

    domain: tuple[Domain, ...]

    def of(self, scenario: str) -> str | None:
        """The first domain that knows the scenario."""
        name = scenario.casefold()
        for domain in self.domain:
            if any(fnmatchcase(name, pattern.casefold()) for pattern in domain.scenarios):
                return domain.name
        return None


def read_domains(text: str, source: str) -> Domains:
    """The domains of TOML text. Raises UsageError with line and key."""
    return read_toml(text, source, Domains, "domain rules file")
