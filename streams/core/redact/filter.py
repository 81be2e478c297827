"""Redaction of single lines, for use as a filter. Pure."""

from collections import Counter

from streams.core.redact.events import Search
from streams.core.redact.find import find
from streams.core.redact.leaves import map_text
from streams.core.redact.pseudonyms import Pseudonyms
from streams.core.redact.replace import Replace


def line_spans(text: str) -> list[dict[str, str | int]]:
    """Findings in a text: kind and offsets in characters."""
    return [{"kind": f.kind, "start": f.start, "end": f.end} for f in find(text)]


def redact_line(line: str, pseudonyms: Pseudonyms) -> str:
    """Redact a line of text, or of JSON: then leaf by leaf, and the result is JSON again."""
    search = Search()
    map_text(line, search)
    if not search.found:
        return line
    return map_text(line, Replace(search.found, pseudonyms, Counter()))
