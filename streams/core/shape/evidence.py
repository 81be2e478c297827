"""Which earlier events a turn refers to: values of its words and arguments that those events were the first to show.

A value is telling where it can hardly be there by chance: it holds a digit, or looks like a path, a file or an address.
Names of fields and common words are none. Linear: each text is read once, and only its beginning.
"""

import re
from dataclasses import dataclass, field

import msgspec

MAX_INDEXED_CHARS = 8_000
"""Of each text."""
MAX_INDEXED_VALUES = 50_000
"""Of each trace."""
MAX_EVIDENCE = 5
MAX_VALUES = 3
_MAX_VALUE_CHARS = 64
_CANDIDATE = re.compile(r"(?<![\w./@#-])[^\W\d]*+[\d./@#-][\w./@#-]*+")
"""Whole words with anything but letters in them; possessive, so that long runs of letters are read once."""
_TELLING = re.compile(r"\d|\w[@/.]\w")


class Evidence(msgspec.Struct, frozen=True):
    """An earlier event and the values that lead back to it."""

    event_id: str
    kind: str
    values: tuple[str, ...]


def _telling(text: str) -> dict[str, None]:
    """Telling values of a text, in order."""
    words = (word.rstrip("./-#@") for word in _CANDIDATE.findall(text[:MAX_INDEXED_CHARS]))
    return dict.fromkeys(
        word for word in words if 4 <= len(word) <= _MAX_VALUE_CHARS and _TELLING.search(word) is not None
    )


@dataclass
class EvidenceIndex:
    """Values that one agent has seen so far, and the event that showed each first."""

    _first: dict[str, tuple[str, str]] = field(default_factory=dict)

    def add(self, event_id: str, kind: str, text: str | None) -> None:
        """The agent has now seen this text of this event."""
        if not text or len(self._first) >= MAX_INDEXED_VALUES:
            return
        source = (event_id, kind)
        for value in _telling(text):
            self._first.setdefault(value, source)

    def of(self, *texts: str | None) -> tuple[Evidence, ...]:
        """Events that these texts refer to, in the order in which the texts do."""
        found: dict[tuple[str, str], list[str]] = {}
        for value in dict.fromkeys(value for text in texts if text for value in _telling(text)):
            source = self._first.get(value)
            if source is None:
                continue
            if source in found or len(found) < MAX_EVIDENCE:
                found.setdefault(source, []).append(value)
        return tuple(Evidence(name, kind, tuple(values[:MAX_VALUES])) for (name, kind), values in found.items())
