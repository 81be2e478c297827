"""A finding: what was found, and where."""

from typing import NamedTuple


class Finding(NamedTuple):
    """A span of a text; offsets count characters, end excluded."""

    kind: str
    start: int
    end: int


def start_of(finding: Finding) -> int:
    """Where it begins: what findings are ordered by."""
    return finding.start
