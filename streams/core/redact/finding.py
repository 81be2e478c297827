"""A finding: what was found, and where."""

from typing import NamedTuple


class Finding(NamedTuple):
    """A span of a text; offsets count characters, end excluded."""

    kind: str
    start: int
    end: int
