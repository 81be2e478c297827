"""version_history.md: what each version added, removed and changed, and why."""

from collections.abc import Callable

from sinks.packages.facts import HistoryEntry, PackageFacts
from sinks.packages.report.advice import success_share
from sinks.packages.report.escape import Safe, code
from sinks.packages.report.figures import number, percent
from sinks.packages.report.render import bullets, markdown_page, table

_FIGURES: tuple[tuple[str, Callable[[PackageFacts], str]], ...] = (
    ("Rows", lambda facts: number(facts.rows)),
    ("Scenarios", lambda facts: number(len(facts.scenarios.counts))),
    ("Tools", lambda facts: number(len(facts.tools.counts))),
    ("Models", lambda facts: number(len(facts.models.counts))),
    ("Mean score", lambda facts: "–" if facts.scores.mean is None else f"{facts.scores.mean:.3f}"),
    ("Ended well", lambda facts: "–" if (good := success_share(facts)) is None else percent(good)),
    ("SIMULATION share", lambda facts: percent(facts.simulation_share)),
    ("Duplicates removed", lambda facts: number(facts.duplicates_removed)),
)


def version_history(facts: PackageFacts, previous: PackageFacts | None) -> bytes:
    """The document, newest version first."""
    rows = [] if previous is None else [(name, figure(previous), figure(facts)) for name, figure in _FIGURES]
    compared = None if previous is None else table(("", f"{previous.version} ", f"{facts.version} "), rows)
    return markdown_page(
        "history.md.j2",
        facts=facts,
        compared=compared,
        entries=[(entry, _changes(entry), _policies(entry)) for entry in facts.history],
    )


def _changes(entry: HistoryEntry) -> Safe:
    changes = entry.changes
    points: list[object] = []
    if changes is not None:
        points += [
            f"Added: {number(changes.added)} rows",
            f"Removed: {number(changes.removed)} rows",
            f"Changed: {number(changes.changed)} rows",
            f"Kept: {number(changes.kept)} rows",
        ]
    points += entry.notes
    return bullets(points)


def _policies(entry: HistoryEntry) -> Safe:
    return Safe(", ".join(code(name) for name in entry.policy_hashes) or "none")
