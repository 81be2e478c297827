"""Findings in one text."""

from dataclasses import dataclass

from streams.core.redact.rules import hinted


@dataclass(frozen=True)
class Finding:
    """A span of a text; offsets count characters, end excluded."""

    kind: str
    start: int
    end: int


def find(text: str) -> list[Finding]:
    """Findings in order, none overlapping; where two overlap, the rule listed first wins."""
    found: list[Finding] = []
    taken: bytearray | None = None
    for rule in hinted(text):
        for match in rule.pattern.finditer(text):
            start, end = match.span(1 if match.re.groups else 0)
            if not rule.accept(text[start:end]):
                continue
            if taken is None:
                taken = bytearray(len(text))
            if taken.find(1, start, end) >= 0:
                continue
            taken[start:end] = b"\x01" * (end - start)
            found.append(Finding(rule.kind, start, end))
    return sorted(found, key=lambda finding: finding.start)
