"""Findings in one text: rules, then secrets of the catalogue, then what a model recognises in natural language."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import xxhash

from streams.core.redact.address import PLACES, joined
from streams.core.redact.finding import Finding, start_of
from streams.core.redact.keys import KEY_HINT
from streams.core.redact.ports import Recognizer, SecretScanner
from streams.core.redact.prefilter import ENGINE, Prefilter
from streams.core.redact.prose import windows
from streams.core.redact.rules import RULES
from streams.core.redact.tables import TABLE_HINT, in_tables

_LONG_RUN = r"[a-z0-9_+/=-]{16}"
_TOKEN = re.compile(r"(?<![A-Za-z0-9_+/=-])[A-Za-z0-9_+/=-]{16,512}(?![A-Za-z0-9_+/=-])")
_PLAIN_ID = re.compile(
    r"[0-9a-f-]+|[0-9A-F-]+|[A-Za-z_/=+-]+|[0-9_/=+-]+|(?:toolu|call|msg|chatcmpl|run|req|resp)[-_]\w+"
)
_TELLING = re.compile(r"(?i)key|token|secret|passw|auth|credential|bearer")
_LONG_TEXT, _KNOWN_TEXTS, _KNOWN_PIECES = 400, 20_000, 100
"""Texts whose findings are remembered: long ones by their hash, none with more findings than this."""
_BEFORE, _AFTER = 120, 40
_WHOLE_WORD_DOT = re.compile(r"[^\W\d_]{5}\.$|[^\W\d_]{4}\.$(?<!Blvd\.)(?<!Pkwy\.)(?<!Cres\.)")
"""Ends a sentence, where "St." is an abbreviation."""
_TRIMMED = frozenset({"ORGANIZATION", "LOCATION", "PERSON"})


class Looked(NamedTuple):
    """What stands in one text."""

    findings: tuple[Finding, ...] = ()
    """In order, none overlapping."""
    suspects: tuple[str, ...] = ()
    """Pieces that the catalogue of secrets should look at."""


NOTHING = Looked()


class Finder:
    """Looks for some kinds of findings."""

    def __init__(
        self,
        kinds: frozenset[str],
        recognizer: Recognizer | None = None,
        secrets: SecretScanner | None = None,
        engine: str = ENGINE,
    ) -> None:
        self.kinds = kinds
        self.recognizer = recognizer
        self.secrets = secrets if "API_KEY" in kinds or "SECRET" in kinds else None
        self._rules = tuple(rule for rule in RULES if rule.kind in kinds)
        self._prefilter = Prefilter(self._rules, (TABLE_HINT, KEY_HINT, _LONG_RUN), engine)
        self._table_place = len(self._rules)
        self._token_place = self._table_place + 2
        self._known: dict[str | bytes, Looked] = {}
        """Values, system prompts and descriptions of tools are the same in many traces."""

    def may_hold(self, json_text: str) -> bool:
        """False when nothing can be found in JSON text; it counts as the texts in it, unless it has escapes."""
        if self.recognizer is not None:
            return True
        fired = self._prefilter(json_text)
        return bool(fired) and (self.secrets is not None or fired[0] != self._token_place)

    def find(self, text: str) -> list[Finding]:
        """Findings in order, none overlapping; where two overlap, the rule listed first wins."""
        fired = self._prefilter(text)
        found: list[Finding] = []
        taken = self._apply_rules(fired, text, found)
        if self.secrets is not None and fired and fired[-1] == self._token_place:
            for value in self.secrets.find("\n".join(suspects(text))):
                _take_all("API_KEY", value, text, taken, found)
        return self._recognised(text, taken, found)

    def look(self, text: str) -> Looked:
        """Like `find`, but what the catalogue should look at is returned, so that it can be asked once for many."""
        # Looked up by itself a long text would be kept by the cache.
        key = text if len(text) < _LONG_TEXT else xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"))
        looked = self._known.get(key)
        if looked is None:
            looked = self._look(text)
            if len(looked.findings) + len(looked.suspects) <= _KNOWN_PIECES:
                if len(self._known) >= _KNOWN_TEXTS:
                    self._known.clear()
                self._known[key] = looked
        return looked

    def _look(self, text: str) -> Looked:
        fired = self._prefilter(text)
        if not fired and self.recognizer is None:
            return NOTHING
        found: list[Finding] = []
        taken = self._apply_rules(fired, text, found)
        findings = self._recognised(text, taken, found)
        asked = self.secrets is not None and fired and fired[-1] == self._token_place
        pieces = tuple(suspects(text)) if asked else ()
        return Looked(tuple(findings), pieces) if findings or pieces else NOTHING

    def _apply_rules(self, fired: Sequence[int], text: str, found: list[Finding]) -> bytearray:
        """Add what the rules find. Returns for each character whether a finding has taken it."""
        taken = bytearray(len(text)) if fired else bytearray()
        if self._table_place in fired and "\n" in text:
            # A head says more surely than a shape what its column holds.
            for finding in in_tables(text):
                if finding.kind in self.kinds:
                    _take_free(*finding, taken, found)
        for place in fired:
            if place < self._table_place:
                self._apply(place, text, taken, found)
        return taken

    def _recognised(self, text: str, taken: bytearray, found: list[Finding]) -> list[Finding]:
        """With what the model recognises, neighbours joined."""
        if self.recognizer is not None:
            taken = taken or bytearray(len(text))
            for start, end in windows(text):
                for finding in self.recognizer.find(text[start:end]):
                    _take_free(finding.kind, finding.start + start, finding.end + start, taken, found)
        if not found:
            return found
        found = joined(text, sorted(found, key=start_of))
        return [finding for finding in found if finding.kind in self.kinds]

    def _apply(self, place: int, text: str, taken: bytearray, found: list[Finding]) -> None:
        rule = self._rules[place]
        for match in rule.matches(text):
            start, end = match.span(match.lastindex or 0) if match.re.groups == 1 else _first_span(match)
            if not rule.accept(text[start:end]) or taken.find(1, start, end) >= 0:
                continue
            if (text[end - 1] in ".," and rule.kind in _TRIMMED) or (
                rule.kind == "ADDRESS" and _WHOLE_WORD_DOT.search(text, start, end)
            ):
                end -= 1
            taken[start:end] = b"\x01" * (end - start)
            found.append(Finding(rule.kind, start, end))


def suspects(text: str) -> Iterator[str]:
    """Pieces of lines around what may be a made-up token: a catalogue of hundreds of rules is slow on all the rest."""
    for match in _TOKEN.finditer(text):
        start = max(text.rfind("\n", 0, match.start()) + 1, match.start() - _BEFORE)
        if _PLAIN_ID.fullmatch(match.group()) and not _TELLING.search(text, start, match.start()):
            continue
        end = text.find("\n", match.end())
        yield text[start : min(end if end >= 0 else len(text), match.end() + _AFTER)]


def _first_span(match: re.Match[str]) -> tuple[int, int]:
    for group in range(1, match.re.groups + 1):
        if match.group(group) is not None:
            return match.span(group)
    return match.span()


def _take_all(kind: str, value: str, text: str, taken: bytearray, found: list[Finding]) -> None:
    at = text.find(value)
    while at >= 0:
        end = at + len(value)
        if taken.find(1, at, end) < 0:
            taken[at:end] = b"\x01" * len(value)
            found.append(Finding(kind, at, end))
        at = text.find(value, end)


def _take_free(kind: str, start: int, end: int, taken: bytearray, found: list[Finding]) -> None:
    """Take what is free of a span: a rule may have found a part of it."""
    while start < end:
        first = taken.find(0, start, end)
        if first < 0:
            return
        stop = taken.find(1, first, end)
        stop = end if stop < 0 else stop
        if (first == start and stop == end) or ((kind in PLACES or kind == "PERSON") and stop - first > 1):
            taken[first:stop] = b"\x01" * (stop - first)
            found.append(Finding(kind, first, stop))
        start = stop
