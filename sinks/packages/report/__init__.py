"""The documents of a package version: what people and machines read beside the data.

`collect` counts the rows as they stream by, and each other module writes one document out of the facts. All is pure and
the same facts give the same bytes.
"""

from collections.abc import Mapping

from sinks.packages.facts import PackageFacts
from sinks.packages.report.card import card
from sinks.packages.report.collect import FactsCollector, acceptance_of, redactions_of
from sinks.packages.report.columns_page import columns_page
from sinks.packages.report.croissant import croissant
from sinks.packages.report.quality import quality_figures, quality_report
from sinks.packages.report.usage import usage_guidelines
from sinks.packages.report.versions import version_history

__all__ = ["FactsCollector", "acceptance_of", "documents", "redactions_of"]


def documents(facts: PackageFacts, previous: PackageFacts | None) -> Mapping[str, bytes]:
    """Every document by its path in the package. `previous`: facts of the parent version, to compare figures with."""
    return {
        "README.md": card(facts),
        "croissant.json": croissant(facts),
        "quality_report.html": quality_report(facts),
        "quality_report.json": quality_figures(facts),
        "schema.md": columns_page(facts),
        "usage_guidelines.md": usage_guidelines(facts),
        "version_history.md": version_history(facts, previous),
    }
