"""What differs between two published versions: rows by key, and figures."""

from dataclasses import dataclass

from sinks.packages import index
from sinks.packages.engine import Engine
from sinks.packages.facts import PackageFacts, RowChanges, Tally
from sinks.packages.plan import Parent
from sinks.packages.scratch import scratch

_FIGURES = ("types", "scenarios", "models", "outcomes", "execution_modes", "policies")


@dataclass(frozen=True)
class Figure:
    """One count that differs."""

    what: str
    name: str
    before: int
    now: int


@dataclass(frozen=True)
class Difference:
    """From one version to another."""

    before: str
    now: str
    rows: RowChanges
    moved: int
    """Rows that both have, in another split."""
    figures: tuple[Figure, ...]
    remarks: tuple[str, ...]
    """Recipe, policies, columns, purpose: what else is not the same."""

    @property
    def same(self) -> bool:
        """Whether rows and splits are the same."""
        return not (self.rows.added or self.rows.removed or self.rows.changed or self.moved)


def diff(before: Parent, now: Parent) -> Difference:
    """Compare two versions, of one package or of two. Raises StorageUnavailable."""
    with scratch() as directory:
        engine = Engine(directory, memory_mb=512)
        try:
            for name, version in (("before", before), ("now", now)):
                manifest = version.manifest
                engine.load(name, index.SCHEMA, index.read(version.place, manifest.name, manifest.version))
            rows, moved = index.compare(engine, "before", "now")
        finally:
            engine.close()
    return Difference(
        _title(before), _title(now), rows, moved, tuple(_figures(before.facts, now.facts)), tuple(_remarks(before, now))
    )


def _title(version: Parent) -> str:
    return f"{version.manifest.name}@{version.manifest.version}"


def _figures(before: PackageFacts | None, now: PackageFacts | None) -> list[Figure]:
    if before is None or now is None:
        return []
    found = [Figure("rows", "all", before.rows, now.rows)]
    splits = {split.name: split.rows for split in before.splits}
    found += [Figure("split", split.name, splits.get(split.name, 0), split.rows) for split in now.splits]
    for what in _FIGURES:
        old: Tally = getattr(before, what)
        new: Tally = getattr(now, what)
        names = sorted({count.name for count in (*old.counts, *new.counts)})
        found += [Figure(what, name, old.of(name), new.of(name)) for name in names]
    return [figure for figure in found if figure.before != figure.now]


def _remarks(before: Parent, now: Parent) -> list[str]:
    old, new = before.manifest, now.manifest
    found = []
    if before.facts is None or now.facts is None:
        found.append("figures were not compared: those of one version were written by another program")
    if old.source.recipe_hash != new.source.recipe_hash:
        found.append("the recipe says something else")
    if old.source.purpose != new.source.purpose:
        found.append(f"purpose: {old.source.purpose} before, {new.source.purpose} now")
    if old.source.terms_hash != new.source.terms_hash:
        found.append("the provider terms are others")
    if set(old.policy_hashes) != set(new.policy_hashes):
        found.append("rows were accepted under other policies")
    columns = [{(column.name, column.type) for column in manifest.columns} for manifest in (old, new)]
    for word, names in (("gone", columns[0] - columns[1]), ("new", columns[1] - columns[0])):
        if names:
            found.append(f"columns {word}: {', '.join(sorted(name for name, _ in names))}")
    if old.source.formats != new.source.formats:
        found.append(f"formats: {', '.join(old.source.formats)} before, {', '.join(new.source.formats)} now")
    return found
