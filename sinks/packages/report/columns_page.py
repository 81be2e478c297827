"""schema.md: every column with its type, unit and meaning, out of the Arrow schema."""

from collections.abc import Iterable

from sinks.packages.facts import Column, PackageFacts
from sinks.packages.report.escape import Safe, code
from sinks.packages.report.loading import formats
from sinks.packages.report.render import markdown_page, table

_TYPES = {
    "string": "text, UTF-8",
    "large_string": "text, UTF-8",
    "bool": "true or false",
    "double": "64-bit floating point",
    "float": "32-bit floating point",
    "int32": "32-bit integer",
    "int64": "64-bit integer",
    "timestamp[us, tz=UTC]": "time, microseconds since 1970, UTC",
    "list<element: string>": "list of texts",
}


def columns_page(facts: PackageFacts) -> bytes:
    """The document."""
    shaped = {known.shape: known for known in formats(facts) if known.shape}
    return markdown_page(
        "schema.md.j2",
        facts=facts,
        columns=_columns(facts.columns),
        json_text=[code(column.name) for column in facts.columns if "JSON text" in column.doc],
        shapes=[
            (code(name), known.description, _columns(known.columns(facts))) for name, known in sorted(shaped.items())
        ],
    )


def _columns(columns: Iterable[Column]) -> Safe:
    return table(
        ("Column", "Arrow type", "In words", "Meaning", "Unit", "May be null"),
        (
            (
                code(column.name),
                code(column.type),
                _TYPES.get(column.type, ""),
                column.doc,
                column.unit or "–",
                "yes" if column.nullable else "no",
            )
            for column in columns
        ),
    )
