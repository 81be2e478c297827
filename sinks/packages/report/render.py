"""Templates to text. Every value is escaped for its document unless the code that made it says that it is safe."""

from collections.abc import Iterable, Sequence

from jinja2 import Environment, PackageLoader, StrictUndefined

from sinks.packages.report.escape import Safe, code, fenced, html, html_lines, markdown, yaml
from sinks.packages.report.figures import day, moment, number, percent, size

_FILTERS = {
    "code": code,
    "day": day,
    "moment": moment,
    "num": number,
    "pct": percent,
    "size": size,
    "yaml": yaml,
    "fenced": fenced,
    "lines": html_lines,
}


def markdown_page(template: str, **values: object) -> bytes:
    """A Markdown document."""
    return _MARKDOWN.get_template(template).render(**values).encode()


def html_page(template: str, **values: object) -> bytes:
    """An HTML document."""
    return _HTML.get_template(template).render(**values).encode()


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> Safe:
    """A Markdown table. Headers that end in a blank are aligned to the right, as numbers should be."""
    lines = [
        f"| {' | '.join(markdown(header.strip()) for header in headers)} |",
        f"|{'|'.join(' ---: ' if header.endswith(' ') else ' --- ' for header in headers)}|",
        *(f"| {' | '.join(markdown(cell) for cell in row)} |" for row in rows),
    ]
    return Safe("\n".join(lines))


def bullets(points: Iterable[object]) -> Safe:
    """A Markdown list, one line for each point."""
    return Safe("\n".join(f"- {markdown(point)}" for point in points))


def _environment(autoescape: bool, finalize: object) -> Environment:
    made = Environment(
        loader=PackageLoader("sinks.packages.report"),
        autoescape=autoescape,
        finalize=finalize,  # type: ignore[arg-type]
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters.update(_FILTERS)
    return made


_MARKDOWN = _environment(autoescape=False, finalize=markdown)
_HTML = _environment(autoescape=True, finalize=html)
