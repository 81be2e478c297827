"""Replace many values in a text in one pass: every value found anywhere in a trace goes everywhere in it."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from schemas.records import Record
from streams.core.redact.pseudonyms import Pseudonyms


class Replace:
    """Replaces every found value, and counts by kind.

    A regular expression of all values would try each at every place. Here one of their first characters leads to the
    few values that may stand there; what is compared then depends on their lengths, not on their number.
    """

    def __init__(self, kinds: Mapping[str, str], pseudonyms: Pseudonyms, counts: Counter[str]) -> None:
        self._kinds = kinds
        self._names = {value: pseudonyms.of(kind, value) for value, kind in kinds.items()}
        self._counts = counts
        # A long common start is the quicker to look for, but there must not be thousands of them.
        self._start = min(3 if len(kinds) > 500 else 8, *(len(value) for value in kinds))
        lengths: dict[str, set[int]] = {}
        for value in kinds:
            lengths.setdefault(value[: self._start], set()).add(len(value))
        self._lengths = {start: sorted(found, reverse=True) for start, found in lengths.items()}
        self._pattern = re.compile(_any_of(sorted(self._lengths)))
        # In a record encoded as JSON these starts stand as they are, unless their characters may be escaped.
        simple = all(
            start.isascii() and start.isprintable() and not set(start) & set('"\\/') for start in self._lengths
        )
        self._encoded = re.compile(self._pattern.pattern.encode()) if simple else None
        self.growth_chars = 0
        """By how much the texts have grown."""

    def __call__(self, text: str) -> str:
        parts: list[str] = []
        last = at = 0
        while match := self._pattern.search(text, at):
            at = match.start()
            value = self._longest_at(text, at, self._lengths[match.group()])
            if value is None:
                at += 1
                continue
            name = self._names[value]
            self._counts[self._kinds[value]] += 1
            self.growth_chars += len(name) - len(value)
            parts += (text[last:at], name)
            last = at = at + len(value)
        return "".join((*parts, text[last:])) if parts else text

    def may_touch(self, record: Record) -> bool:
        """False when no value stands in any field of the record: a quick look that spares most records the walk."""
        if self._encoded is None:
            return True
        encoded = msgspec.json.encode(record)
        return self._encoded.search(encoded) is not None or b"\\\\u" in encoded

    def _longest_at(self, text: str, at: int, lengths: Iterable[int]) -> str | None:
        for length in lengths:
            value = text[at : at + length]
            if value in self._names:
                return value
        return None

    def named(self, key: str, text: str) -> None:
        """What stands under a key was found before."""

    def may_skip(self, json_text: str) -> bool:
        """No value begins in it. With escapes in it nobody can say."""
        return "\\" not in json_text and not self._pattern.search(json_text)


def _any_of(words: list[str]) -> str:
    """A pattern of sorted words of one length, shared starts written once."""
    if len(words) == 1:
        return re.escape(words[0])
    by_first: dict[str, list[str]] = {}
    for word in words:
        by_first.setdefault(word[0], []).append(word[1:])
    if not any(by_first[first][0] for first in by_first):
        return "[" + "".join(map(re.escape, by_first)) + "]"
    return "(?:" + "|".join(re.escape(first) + _any_of(rest) for first, rest in by_first.items()) + ")"
