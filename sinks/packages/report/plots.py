"""Plots as inline SVG: numbers in, markup out. Colours come from the page's style, so that dark mode and print work.

The axis of counts starts at zero and is linear; where the other one is logarithmic its title says so.
"""

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

from sinks.packages.facts import Distribution
from sinks.packages.report.figures import number

_WIDTH, _HEIGHT = 400, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 10, 22, 40
_TICKS = 4
_LABELS = 8


def histogram(distribution: Distribution, title: str, unit: str, logarithmic: bool = False) -> Markup:
    """Counts of a distribution as bars, with its median. `unit` names the horizontal axis."""
    bins = distribution.histogram
    counts, edges = bins.counts, bins.edges
    if not distribution.count or not counts:
        return Markup("")
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    top, step = _scale(max(counts))
    bar = wide / len(counts)
    parts = [_grid(top, step, wide, high)]
    for place, count in enumerate(counts):
        tall = high * count / top
        words = f"{_edge(edges[place])} to {_edge(edges[place + 1])}: {number(count)}"
        parts.append(
            f'<rect class="bar" x="{_LEFT + place * bar + 0.75:.2f}" y="{_TOP + high - tall:.2f}" '
            f'width="{max(bar - 1.5, 0.5):.2f}" height="{tall:.2f}"><title>{escape(words)}</title></rect>'
        )
    parts += _x_labels(edges, bar, high, logarithmic)
    if distribution.median is not None:
        parts.append(_median(distribution.median, edges, bar, high, 0.5 if logarithmic else 0.0))
    parts.append(
        f'<text class="axis" x="{_LEFT + wide / 2:.1f}" y="{_HEIGHT - 6}" text-anchor="middle">'
        f"{escape(unit)}{' (logarithmic)' if logarithmic else ''}</text>"
    )
    return Markup(
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}; the table beside it has the '
        f'numbers"><title>{escape(title)}</title>{"".join(parts)}</svg>'
    )


def bar(part: int, whole: int) -> Markup:
    """A bar for a table cell: `part` of `whole` of its width. The number stands beside it."""
    wide = 100 * part / whole if whole else 0.0
    return Markup(
        f'<svg class="cell" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f'<rect class="track" width="100" height="8"/><rect class="bar" width="{wide:.2f}" height="8"/></svg>'
    )


def stack(counts: Sequence[int], classes: Sequence[str]) -> Markup:
    """Parts of one whole beside each other, each in the colour of its class."""
    whole = sum(counts)
    parts, left = [], 0.0
    for count, name in zip(counts, classes, strict=True):
        wide = 100 * count / whole if whole else 0.0
        if count:
            parts.append(f'<rect class="{escape(name)}" x="{left:.2f}" width="{wide:.2f}" height="8"/>')
        left += wide
    return Markup(
        '<svg class="cell" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" focusable="false">'
        f"{''.join(parts)}</svg>"
    )


def _grid(top: int, step: int, wide: float, high: float) -> str:
    lines = []
    for value in range(0, top + 1, step):
        y = _TOP + high - high * value / top
        name = "base" if value == 0 else "grid"
        lines.append(
            f'<line class="{name}" x1="{_LEFT}" x2="{_LEFT + wide}" y1="{y:.2f}" y2="{y:.2f}"/>'
            f'<text x="{_LEFT - 6}" y="{y + 3.5:.2f}" text-anchor="end">{_short(value)}</text>'
        )
    lines.append(f'<text class="axis" x="{_LEFT - 6}" y="11" text-anchor="end">rows</text>')
    return "".join(lines)


def _x_labels(edges: Sequence[float], bar: float, high: float, logarithmic: bool) -> list[str]:
    """Labels under edges: powers of two where the axis is logarithmic, else every so many."""
    if logarithmic and len(edges) > _LABELS + 2:
        places = [place for place, edge in enumerate(edges) if edge and math.log2(edge).is_integer()]
    else:
        places = list(range(0, len(edges), 4 if len(edges) == 21 else max(1, -(-(len(edges) - 1) // _LABELS))))
    places = places[:: max(1, -(-len(places) // _LABELS))]
    y = f"{_TOP + high + 14:.2f}"
    return [
        f'<text x="{_LEFT + place * bar:.2f}" y="{y}" text-anchor="middle">{_edge(edges[place])}</text>'
        for place in places
    ]


def _median(median: float, edges: Sequence[float], bar: float, high: float, half: float) -> str:
    """A line where the median lies, `half` of the bars' unit further: whole numbers stand in the middle of theirs."""
    place = max((number for number, edge in enumerate(edges[:-1]) if edge <= median), default=0)
    low, up = edges[place], edges[place + 1]
    inside = (median + half - low) / (up - low) if up > low else 0.0
    x = _LEFT + bar * (place + min(max(inside, 0.0), 1.0))
    wide = bar * (len(edges) - 1)
    anchor = "end" if x > _LEFT + wide * 0.8 else "start" if x < _LEFT + wide * 0.2 else "middle"
    text = f"{median:.2f}".rstrip("0").rstrip(".") if abs(median) < 10 else number(round(median))
    return (
        f'<line class="median" x1="{x:.2f}" x2="{x:.2f}" y1="{_TOP - 4}" y2="{_TOP + high}"/>'
        f'<text class="mark" x="{x:.2f}" y="{_TOP - 9}" text-anchor="{anchor}">median {text}</text>'
    )


def _scale(most: int) -> tuple[int, int]:
    """Top of an axis that holds `most`, and the distance between its ticks: 1, 2 or 5 times a power of ten."""
    raw = max(most / _TICKS, 1)
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    return -(-most // step) * step, step


def _short(value: int) -> str:
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return str(value)


def _edge(value: float) -> str:
    return number(value, 2)
