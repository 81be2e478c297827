"""Replace many values in a text in one pass: every value found anywhere in a trace goes everywhere in it."""

import re
from collections import Counter
from collections.abc import Collection, Mapping

import ahocorasick
import msgspec

from schemas.records import Record
from streams.core.redact.finding import Finding
from streams.core.redact.keys import kind_by_key, kind_of_object_key
from streams.core.redact.kinds import Mode
from streams.core.redact.leaves import Frame
from streams.core.redact.names import Variant, variants
from streams.core.redact.pseudonyms import Pseudonyms

_DIGITS_AFTER = re.compile(r"[._-]?\d{1,8}(?![\w])")
_MAX_KEY = 128
"""Characters of a value that stand in the automaton, the rest is compared: it is freed by recursion, node by node, and
a key of many thousand characters would end the process."""
_MIN_NUMBER = 5
"""Digits from which a JSON number is looked up among the found values."""


class Replace:
    """Replaces every found value, and counts by kind.

    All variants of all values stand in one automaton (Aho-Corasick), so a text is read once, however many there are.
    """

    def __init__(
        self,
        found: Mapping[str, str],
        local: Mapping[str, str],
        modes: Mapping[str, Mode],
        pseudonyms: Pseudonyms,
        counts: Counter[str],
    ) -> None:
        self._modes = modes
        self._pseudonyms = pseudonyms
        self._counts = counts
        self._local = local
        self._found = found
        self._made: dict[tuple[str, str], str] = {}
        self._variants: dict[str, list[Variant]] = {}
        for variant in variants(found):
            if variant.text:
                self._variants.setdefault(_lowered(variant.text)[:_MAX_KEY], []).append(variant)
        self._automaton = _automaton(self._variants)
        # In a record encoded as JSON values stand as they are, unless their characters may be escaped.
        looked_for = [*self._variants, *(_lowered(text)[:_MAX_KEY] for text in local)]
        self._simple = all(not set(text) & set('"\\/') and text.isprintable() for text in looked_for)
        self._quick = _automaton(looked_for) if self._simple else None
        self.growth_chars = 0
        """By how much the texts have grown."""

    def __call__(self, text: str) -> str:
        parts: list[str] = []
        at = 0
        for finding in self.spans(text):
            parts += (text[at : finding.start], self._replacement(finding.kind, text[finding.start : finding.end]))
            at = finding.end
        return "".join((*parts, text[at:])) if parts else text

    def spans(self, text: str) -> list[Finding]:
        """Where values stand in a text, in order, none overlapping; of those that begin together the longest."""
        lowered = _lowered(text)
        candidates: list[tuple[int, int, str]] = []
        for last, key in self._automaton.iter(lowered):
            start = last + 1 - len(key)
            for variant in self._variants[key]:
                end = start + len(variant.text)
                if len(variant.text) > _MAX_KEY and lowered[start:end] != _lowered(variant.text):
                    continue
                end = _fits(variant, text, start, end)
                if end:
                    candidates.append((start, -end, variant.kind))
        candidates.sort()
        found: list[Finding] = []
        at = 0
        for start, minus_end, kind in candidates:
            if start >= at:
                found.append(Finding(kind, start, -minus_end))
                at = -minus_end
        return found

    def may_touch(self, record: Record) -> bool:
        """False when no value stands in any field of the record: a quick look that spares most records the walk."""
        if self._quick is None:
            return True
        try:
            encoded = msgspec.json.encode(record)
        except UnicodeEncodeError:  # half a surrogate pair
            return True
        return b"\\\\u" in encoded or _stands_in(self._quick, _lowered(encoded.decode()))

    def named(self, frame: Frame, text: str) -> str | None:
        """A leaf that is personal by its key, but too ordinary to be replaced elsewhere."""
        if text not in self._local or frame.key is None:
            return None
        keyed = kind_by_key(frame.key, frame.parent, text)
        return self._replacement(keyed.kind, text) if keyed is not None and keyed.local else None

    def number(self, frame: Frame | None, digits: str) -> str | None:
        """A number stays a number, of as many digits."""
        kind = self._found.get(digits) if len(digits) >= _MIN_NUMBER else None
        if kind is None and digits in self._local and frame is not None and frame.key is not None:
            keyed = kind_by_key(frame.key, frame.parent, digits)
            kind = keyed.kind if keyed is not None and keyed.local else None
        if kind is None:
            return None
        self._counts[kind] += 1
        return self._pseudonyms.number(kind, digits) if self._modes[kind] == "pseudonymise" else "0"

    def object_key(self, frame: Frame, key: str) -> None:
        """What stands in keys was found before."""

    def closed(self, frame: Frame) -> None:
        """Nothing to do."""

    def may_skip(self, json_text: str) -> bool:
        """No value stands in it. With escapes in it nobody can say."""
        if "\\" in json_text:
            return False
        return not _stands_in(self._quick or self._automaton, _lowered(json_text)) and (
            self._quick is not None or not self._local
        )

    def _replacement(self, kind: str, value: str) -> str:
        self._counts[kind] += 1
        new = self._made.get((kind, value))
        if new is None:
            mode = self._modes[kind]
            masked = f"[{kind}]" if mode == "mask" else ""
            new = self._pseudonyms.of(kind, value) if mode == "pseudonymise" else masked
            self._made[kind, value] = new
        self.growth_chars += len(new) - len(value)
        return new


def of_object_key(frame: Frame, key: str) -> str | None:
    """Kind of an object key that is itself a value."""
    keyed = kind_of_object_key(frame.parent, key)
    return keyed.kind if keyed is not None else None


def _automaton(texts: Collection[str]) -> "ahocorasick.Automaton":
    automaton = ahocorasick.Automaton()
    for text in texts or ("\x00nothing\x00",):
        automaton.add_word(text, text)
    automaton.make_automaton()
    return automaton


def _stands_in(automaton: "ahocorasick.Automaton", text: str) -> bool:
    return next(automaton.iter(text), None) is not None


def _fits(variant: Variant, text: str, start: int, end: int) -> int:
    """End of the variant in the text, 0 where it does not stand there."""
    if not variant.any_case:
        here = text[start:end]
        wanted = variant.text
        if here != wanted and (
            variant.kind != "PERSON" or here not in (wanted.capitalize(), wanted.upper(), wanted.title())
        ):
            return 0
    if variant.digits:
        more = _DIGITS_AFTER.match(text, end)
        if more:
            end = more.end()
        elif variant.digits == 2:
            return 0
    if variant.bounded:
        if start and text[start - 1].isalnum() and text[start].isalnum() and not _after_escape(text, start):
            return 0
        if end < len(text) and text[end].isalnum() and text[end - 1].isalnum():
            return 0
    return end


def _after_escape(text: str, start: int) -> bool:
    """The letter or digit before is the end of an escape: \\n, %20."""
    return text[start - 2 : start - 1] == "\\" or text[start - 3 : start - 2] == "%"


def _lowered(text: str) -> str:
    """In lower case, every character in its place."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := char.lower()) == 1 else char for char in text)
