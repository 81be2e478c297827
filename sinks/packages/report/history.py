"""What a version brought, against its parent: worked out from the facts of both."""

from collections.abc import Iterator

from sinks.packages.facts import BuildFacts, Change, HistoryEntry, PackageFacts, Tally
from sinks.packages.report.figures import number, percent, share

_NAMED = 8
"""Names listed in one note."""
_SCORE_STEP = 0.005
_SHARE_STEP = 0.01
"""Differences that are worth a note."""


def history(facts: PackageFacts, build: BuildFacts) -> tuple[HistoryEntry, ...]:
    """The entry of this version, then those of its parents."""
    previous = build.previous
    notes: list[tuple[Change, str]] = []
    if previous is not None:
        notes += _rows(facts, previous, build)
        notes += _recipe(facts, previous)
        notes += _policies(facts, previous)
        notes += _schema(facts, previous)
        notes += _splits(facts, previous)
        notes += _coverage(facts, previous)
    kinds: tuple[Change, ...] = ("first",) if previous is None else tuple(dict.fromkeys(kind for kind, _ in notes))
    entry = HistoryEntry(
        version=facts.version,
        parent_version=facts.parent_version,
        created_at=facts.created_at,
        rows=facts.rows,
        changes=None if previous is None else build.row_changes,
        kinds=kinds or ("unchanged",),
        notes=tuple(note for _, note in notes if note),
        why=build.why or _why(kinds),
        policy_hashes=tuple(count.name for count in facts.policies.counts),
        recipe_hash=facts.recipe.hash,
    )
    return (entry, *(previous.history if previous else ()))


def _why(kinds: tuple[Change, ...]) -> str:
    reasons = {
        "first": "First version.",
        "recipe": "The recipe changed.",
        "policy": "Rows were accepted under another policy.",
        "schema": "The columns changed.",
        "added": "The tables hold new rows.",
        "removed": "Rows are no longer in the tables, or no longer allowed in.",
        "changed": "Rows were amended by later revisions of their traces.",
    }
    found = [reasons[kind] for kind in reasons if kind in kinds]
    return " ".join(found) or "Built again; nothing that is counted differs."


def _rows(facts: PackageFacts, previous: PackageFacts, build: BuildFacts) -> Iterator[tuple[Change, str]]:
    changes = build.row_changes
    if changes is not None:
        counted: tuple[tuple[Change, int], ...] = (
            ("added", changes.added),
            ("removed", changes.removed),
            ("changed", changes.changed),
        )
        yield from ((kind, "") for kind, count in counted if count)  # the entry has the numbers
    elif facts.rows > previous.rows:
        yield "added", f"{number(facts.rows - previous.rows)} rows more."
    elif facts.rows < previous.rows:
        yield "removed", f"{number(previous.rows - facts.rows)} rows fewer."


def _recipe(facts: PackageFacts, previous: PackageFacts) -> Iterator[tuple[Change, str]]:
    if facts.recipe.hash != previous.recipe.hash:
        yield "recipe", f"The recipe went from {previous.recipe.hash[:12]} to {facts.recipe.hash[:12]}."
    if facts.purpose != previous.purpose:
        yield "recipe", f"The purpose went from {previous.purpose} to {facts.purpose}."
    if facts.license != previous.license:
        yield "changed", f"The licence went from {previous.license or 'unknown'} to {facts.license or 'unknown'}."


def _policies(facts: PackageFacts, previous: PackageFacts) -> Iterator[tuple[Change, str]]:
    now, before = _set(facts.policies), _set(previous.policies)
    for name in sorted(now - before):
        yield "policy", f"Rows of policy {name[:12]} came in."
    for name in sorted(before - now):
        yield "policy", f"No rows of policy {name[:12]} are left."


def _schema(facts: PackageFacts, previous: PackageFacts) -> Iterator[tuple[Change, str]]:
    now = {column.name: column.type for column in facts.columns}
    before = {column.name: column.type for column in previous.columns}
    for name in now:
        if name not in before:
            yield "schema", f"Column {name} is new."
        elif now[name] != before[name]:
            yield "schema", f"Column {name} went from {before[name]} to {now[name]}."
    for name in before:
        if name not in now:
            yield "schema", f"Column {name} is gone."


def _splits(facts: PackageFacts, previous: PackageFacts) -> Iterator[tuple[Change, str]]:
    before = {split.name: split.rows for split in previous.splits}
    now = {split.name: split.rows for split in facts.splits}
    if set(now) != set(before):
        yield "split", f"Splits: {', '.join(before) or 'none'} before, {', '.join(now) or 'none'} now."
    moved = [
        f"{name} {number(before[name])} → {number(rows)}"
        for name, rows in now.items()
        if before.get(name, rows) != rows
    ]
    if moved:
        yield "split", f"Rows by split: {', '.join(moved)}."


def _coverage(facts: PackageFacts, previous: PackageFacts) -> Iterator[tuple[Change, str]]:
    for what, now, before in (
        ("scenario", facts.scenarios, previous.scenarios),
        ("model", facts.models, previous.models),
        ("tool", facts.tools, previous.tools),
    ):
        if before.other or now.other:
            continue  # names beyond those told apart come and go without meaning anything
        new, gone = _set(now) - _set(before), _set(before) - _set(now)
        if new:
            yield "changed", f"New {what}s: {_listed(new)}."
        if gone:
            yield "changed", f"{what.capitalize()}s that are gone: {_listed(gone)}."
    score, scored = facts.scores.mean, previous.scores.mean
    if score is not None and scored is not None and abs(score - scored) >= _SCORE_STEP:
        yield "changed", f"Mean score: {scored:.3f} → {score:.3f}."
    for what, part, whole in (
        ("SIMULATION runs", facts.simulation_share, previous.simulation_share),
        ("successful rows", _success(facts), _success(previous)),
    ):
        if abs(part - whole) >= _SHARE_STEP:
            yield "changed", f"Share of {what}: {percent(whole)} → {percent(part)}."


def _success(facts: PackageFacts) -> float:
    return share(facts.execution_successful.of("true"), facts.execution_successful.named)


def _set(tally: Tally) -> set[str]:
    return {count.name for count in tally.counts}


def _listed(names: set[str]) -> str:
    ordered = sorted(names)
    rest = len(ordered) - _NAMED
    return ", ".join(ordered[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
