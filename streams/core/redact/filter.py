"""Redaction of single lines, for use as a filter. Pure."""

import json
from collections import Counter
from collections.abc import Iterator

from streams.core.redact.events import RedactionRejected
from streams.core.redact.finding import Finding
from streams.core.redact.leaves import is_json, map_text
from streams.core.redact.pseudonyms import Pseudonyms
from streams.core.redact.redactor import RULES_ALONE, Redactor
from streams.core.redact.replace import Replace
from streams.core.redact.search import Search

_SPREAD = frozenset({"PERSON", "USERNAME", "EMAIL", "SECRET", "API_KEY", "TOKEN"})
"""What a line of text may name again in other words: a first name, a login made of it."""


def line_spans(text: str, redactor: Redactor = RULES_ALONE) -> list[Finding]:
    """Findings in a line of text or JSON, in order, none overlapping; offsets count characters of the line."""
    finder = redactor.full_finder
    found: list[Finding] = []
    local: dict[str, str] = {}
    if is_json(text):
        search = Search(finder)
        map_text(text, search)
        search.finish()
        values, local = _written(search.found), search.local
    else:
        found = finder.find(text)
        values = {text[finding.start : finding.end]: finding.kind for finding in found if finding.kind in _SPREAD}
    taken = bytearray(len(text))
    for finding in found:
        taken[finding.start : finding.end] = b"\x01" * (finding.end - finding.start)
    modes = redactor.policy.mode_of
    replace = Replace(values, {}, modes, Pseudonyms(b"", ""), Counter())
    for finding in (*replace.spans(text), *_leaves(text, local)):
        if taken.find(1, finding.start, finding.end) < 0:
            taken[finding.start : finding.end] = b"\x01" * (finding.end - finding.start)
            found.append(finding)
    return sorted(found, key=lambda finding: finding.start)


def redact_line(line: str, pseudonyms: Pseudonyms, redactor: Redactor = RULES_ALONE) -> str:
    """Redact a line of text, or of JSON: then leaf by leaf, and the result is JSON again.

    Raises RedactionRejected when the policy rejects a kind that stands in it.
    """
    search = Search(redactor.finder)
    map_text(line, search)
    search.finish()
    if not search.found and not search.local:
        return line
    modes = redactor.policy.mode_of
    for kind in sorted({*search.found.values(), *search.local.values()}):
        if modes[kind] == "reject":
            raise RedactionRejected(kind)
    return map_text(line, Replace(search.found, search.local, modes, pseudonyms, Counter()))


def _written(found: dict[str, str]) -> dict[str, str]:
    """Values also as they are written in JSON, where that differs."""
    return {form: kind for value, kind in found.items() for form in (value, _in_json(value))}


def _in_json(value: str) -> str:
    return json.dumps(value)[1:-1]


def _leaves(text: str, local: dict[str, str]) -> Iterator[Finding]:
    for value, kind in local.items():
        leaf = json.dumps(value)
        at = text.find(leaf)
        while at >= 0:
            yield Finding(kind, at + 1, at + len(leaf) - 1)
            at = text.find(leaf, at + len(leaf))
