"""Replace many values in a text in one pass: every value found anywhere in a trace goes everywhere in it."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import accumulate

import ahocorasick

from streams.core.redact.finding import Finding
from streams.core.redact.keys import kind_by_key
from streams.core.redact.kinds import Mode
from streams.core.redact.leaves import is_json, leaf_of, map_text, map_tokens, quoted
from streams.core.redact.names import Variant, variants
from streams.core.redact.pseudonyms import Pseudonyms

_DIGITS_AFTER = re.compile(r"[._-]?\d{1,8}(?![\w])")
_MAX_KEY = 128
"""Characters of a value that stand in the automaton, the rest is compared: it is freed by recursion, node by node, and
a key of many thousand characters would end the process."""
_MIN_NUMBER = 5
"""Digits from which a JSON number is looked up among the found values."""
_BATCH_CHARS = 1 << 18
_MAX_COMPARED = 200
_SHORT, _MAX_KNOWN = 200, 20_000
_NUMBER_CHARS = frozenset("0123456789.eE+-")
_BEFORE_NUMBER = (*'":,[ \n\t\r', "n", "t", "r")
"""What may stand before a number of JSON, also of JSON in a text, where a line end is written \\n; or a quote."""


class Replace:
    """Replaces every found value, and counts by kind.

    All variants of all values stand in one automaton (Aho-Corasick), so a text is read once, however many there are.
    A second one holds marks: what of a value stands in JSON text as it is, however deep that is nested. Where no mark
    stands nothing is replaced, and a token of JSON without one is not even looked at.
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
        self._made: dict[tuple[str, str], str] = {}
        self._known: dict[str, tuple[str, list[str]]] = {}
        """Short texts as they become, with the kinds of what is replaced: an id stands in many places."""
        self._variants: dict[str, dict[int, dict[str, list[Variant]]]] = {}
        """By what stands in the automaton, then by length, then by the whole text in lower case."""
        self._numbers: dict[str, str] = {}
        """Kinds of the values that a JSON number may be."""
        for variant in dict.fromkeys(variants(found)):
            if variant.text:
                if variant.text.isdigit():
                    self._numbers.setdefault(variant.text, variant.kind)
                lowered = _lowered(variant.text)
                by_length = self._variants.setdefault(lowered[:_MAX_KEY], {})
                by_length.setdefault(len(lowered), {}).setdefault(lowered, []).append(variant)
        self._automaton = _automaton(self._variants)
        marks = {_mark(key) for key in self._variants}.union(*map(_local_marks, local))
        self._marks = _automaton(_shortest(marks)) if all(marks) else None
        self.growth_chars = 0
        """By how much the texts have grown."""

    def touched(self, texts: Iterable[str]) -> set[str]:
        """Those of the texts in which something may have to be replaced. They are read in a few large pieces."""
        if self._marks is None:
            return set(texts)
        touched: set[str] = set()
        batch: list[str] = []
        size = 0
        for text in texts:
            if "\\u" in text:
                touched.add(text)
                continue
            batch.append(text)
            size += len(text) + 1
            if size > _BATCH_CHARS:
                touched.update(self._marked(batch))
                batch, size = [], 0
        touched.update(self._marked(batch))
        return touched

    def _marked(self, texts: list[str]) -> Iterator[str]:
        assert self._marks is not None
        ends = list(accumulate(len(text) + 1 for text in texts))
        beyond = -1
        for last, _ in self._marks.iter(_lowered("\n".join(texts))):  # no mark holds a line end
            if last >= beyond:
                place = bisect_right(ends, last)
                beyond = ends[place]
                yield texts[place]

    def __call__(self, text: str) -> str:
        known = self._known.get(text)
        if known is None:
            known = self._written(text)
            if len(text) <= _SHORT and len(self._known) < _MAX_KNOWN:
                self._known[text] = known
        new, kinds = known
        for kind in kinds:
            self._counts[kind] += 1
        self.growth_chars += len(new) - len(text)
        return new

    def _written(self, text: str) -> tuple[str, list[str]]:
        """The text with everything replaced, and the kinds of what was."""
        parts: list[str] = []
        kinds: list[str] = []
        at = 0
        for finding in self.spans(text):
            parts += (text[at : finding.start], self._replacement(finding.kind, text[finding.start : finding.end]))
            kinds.append(finding.kind)
            at = finding.end
        return "".join((*parts, text[at:])) if parts else text, kinds

    def spans(self, text: str) -> list[Finding]:
        """Where values stand in a text, in order, none overlapping; of those that begin together the longest."""
        lowered = _lowered(text)
        candidates: list[tuple[int, int, str]] = []
        for last, key in self._automaton.iter(lowered):
            start = last + 1 - len(key)
            for length, by_text in self._variants[key].items():
                for variant in by_text.get(lowered[start : start + length], ()):
                    end = _fits(variant, text, start, start + length)
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

    def json(self, text: str, depth: int) -> str | None:
        """JSON text with the leaves changed in which a value stands; None when it is no JSON."""
        if self._marks is None:
            return map_tokens(text, self, depth, None) if is_json(text) else None
        spots = self._spots(text)
        if not spots:
            return text
        if not is_json(text):
            return None
        tokens = list(_tokens_at(text, spots))
        if self._local and any(_value_of(text[start:end]) in self._local for start, end in tokens):
            # What the keys around it are decides: all of the text is walked.
            return map_tokens(text, self, depth, frozenset(start for start, _ in tokens))
        parts: list[str] = []
        last = 0
        for start, end in tokens:
            token = text[start:end]
            if token[0] == '"':
                leaf = leaf_of(token)
                new_leaf = map_text(leaf, self, depth + 1)
                if new_leaf == leaf:
                    continue
                new: str | None = quoted(new_leaf)
            else:
                new = self.number(None, None, token)
            if new is not None and new != token:
                parts += (text[last:start], new)
                last = end
        return "".join((*parts, text[last:])) if parts else text

    def named(self, key: str | None, parent: str | None, text: str) -> str | None:
        """A leaf that is personal by its key, but too ordinary to be replaced elsewhere."""
        if text not in self._local or key is None:
            return None
        keyed = kind_by_key(key, parent, text)
        if keyed is None or not keyed.local:
            return None
        new = self._replacement(keyed.kind, text)
        self._counts[keyed.kind] += 1
        self.growth_chars += len(new) - len(text)
        return new

    def number(self, key: str | None, parent: str | None, digits: str) -> str | None:
        """A number stays a number, of as many digits."""
        kind = self._numbers.get(digits) if len(digits) >= _MIN_NUMBER else None
        if kind is None and digits in self._local and key is not None:
            keyed = kind_by_key(key, parent, digits)
            kind = keyed.kind if keyed is not None and keyed.local else None
        if kind is None:
            return None
        self._counts[kind] += 1
        return self._pseudonyms.number(kind, digits) if self._modes[kind] == "pseudonymise" else "0"

    def _spots(self, text: str) -> list[int]:
        """Where in JSON text marks end and escapes stand that may hide one, ascending."""
        assert self._marks is not None
        spots = [last for last, _ in self._marks.iter(_lowered(text))]
        at = text.find("\\u")
        if at < 0:
            return spots
        while at >= 0:
            spots.append(at)
            at = text.find("\\u", at + 2)
        return sorted(spots)

    def _replacement(self, kind: str, value: str) -> str:
        new = self._made.get((kind, value))
        if new is None:
            mode = self._modes[kind]
            masked = f"[{kind}]" if mode == "mask" else ""
            new = self._pseudonyms.of(kind, value) if mode == "pseudonymise" else masked
            self._made[kind, value] = new
        return new


def _automaton(texts: Iterable[str]) -> "ahocorasick.Automaton":
    automaton = ahocorasick.Automaton()
    for text in texts:
        automaton.add_word(text, text)
    if not len(automaton):
        automaton.add_word("\x00nothing\x00", "")
    automaton.make_automaton()
    return automaton


def _mark(key: str) -> str:
    """The longest part of a key that JSON writes as it is: no quotes, backslashes, slashes or controls."""
    if key.isprintable() and not any(char in key for char in '"\\/'):
        return key
    plain = "".join(char if char.isprintable() and char not in '"\\/' else "\n" for char in key)
    return max(plain.split("\n"), key=len)


def _local_marks(text: str) -> set[str]:
    """A value that is replaced only where it is a whole leaf: there a quote goes before it, or what may before a
    number."""
    key = _lowered(text)[:_MAX_KEY]
    mark = _mark(key)
    if mark != key:
        return {mark}
    return {f"{before}{key}" for before in (_BEFORE_NUMBER if key.isdigit() else '"')}


def _shortest(marks: Collection[str]) -> list[str]:
    """Marks of which no other is a part: where the longer one stands, the shorter does."""
    if len(marks) > _MAX_COMPARED:
        return list(marks)
    kept: list[str] = []
    for mark in sorted(marks, key=len):
        if not any(one in mark for one in kept):
            kept.append(mark)
    return kept


def _tokens_at(text: str, spots: list[int]) -> Iterator[tuple[int, int]]:
    """Tokens of JSON text, of texts and whole numbers, in which one of the spots lies; ascending."""
    # With escapes blanked every quote begins or ends a text, and an odd number of them before a spot means inside.
    plain = text.replace("\\\\", "\0\0").replace('\\"', "\0\0") if "\\" in text else text
    at = 0
    for spot in spots:
        if spot < at:
            continue
        if plain.count('"', at, spot) % 2:
            start, at = plain.rfind('"', at, spot), plain.find('"', spot) + 1
            yield start, at
            continue
        start = end = spot
        while start > at and plain[start - 1] in _NUMBER_CHARS:
            start -= 1
        while end < len(plain) and plain[end] in _NUMBER_CHARS:
            end += 1
        if end > spot and text[start:end].isdigit():
            yield start, end
            at = end


def _value_of(token: str) -> str:
    return leaf_of(token) if token[0] == '"' else token


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
    """In lower case, every character in its place, whatever stands around it: a last sigma is a sigma."""
    lowered = text.lower()
    if len(lowered) != len(text):
        lowered = "".join(low if len(low := char.lower()) == 1 else char for char in text)
    return lowered.replace("ς", "σ")
