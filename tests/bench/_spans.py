"""Spans of labelled sentences: neighbours made one, and how much two share."""

import re

Span = tuple[int, int]
_BETWEEN = re.compile(r"[\s\W_]*")


def merged(spans: list[Span], text: str) -> list[Span]:
    """Neighbours made one: a street and its town are one address."""
    out: list[Span] = []
    for start, end in sorted(spans):
        if out and _BETWEEN.fullmatch(text, out[-1][1], start):
            out[-1] = (out[-1][0], max(end, out[-1][1]))
        else:
            out.append((start, end))
    return out


def overlap(one: Span, other: Span) -> float:
    """Shared characters by all characters of both."""
    shared = min(one[1], other[1]) - max(one[0], other[0])
    return shared / (max(one[1], other[1]) - min(one[0], other[0])) if shared > 0 else 0.0
