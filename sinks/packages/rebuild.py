"""Building a published version again, from its manifest alone: the bytes must be the same."""

from contextlib import nullcontext
from dataclasses import dataclass

import msgspec

from schemas.settings import Settings
from sinks.packages.build import Builder
from sinks.packages.errors import PackageError
from sinks.packages.manifest import FILE_NAME, Manifest, encode
from sinks.packages.place import Place, open_place
from sinks.packages.plan import OnProgress, Plan, code_versions, published
from sinks.packages.recipe import parse_recipe
from sinks.packages.scratch import scratch
from sinks.packages.select import check_purpose
from sinks.packages.terms import PURPOSES, parse_terms


@dataclass(frozen=True)
class Rebuilt:
    """How the second build compares with the first."""

    name: str
    version: str
    files: int
    different: tuple[str, ...]
    """Paths whose bytes differ, or that only one of the two has."""
    code: tuple[tuple[str, str, str], ...]
    """What the bytes depend on and is another now: name, then, now. The manifest names it, so that alone differs."""

    @property
    def identical(self) -> bool:
        """Whether every byte is the same."""
        return not self.different


class _Alone:
    """A turn at a place that nobody else builds at."""

    def take(self) -> None:
        """Nothing to do."""

    def renew(self, *, at_once: bool = False) -> None:
        """Nothing to do."""

    def give_back(self) -> None:
        """Nothing to do."""


def rebuild(
    settings: Settings,
    place: Place,
    name: str,
    version: str,
    out: Place | None = None,
    on_progress: OnProgress = lambda *_: None,
    memory_mb: int | None = None,
) -> Rebuilt:
    """Build a version again, into `out` or into a directory that is thrown away, and compare.

    Raises PackageError where the tables no longer have the versions it was built from.
    """
    first = published(place, name, version).manifest
    plan = _plan(first, memory_mb)
    parent = published(place, name, first.parent_version) if first.parent_version else None
    if out is not None and out.published(name, version):
        raise PackageError(f"{name} {version} is at {out.uri} already")
    with scratch() as directory:
        target = out or open_place(settings, str(directory / "again"))
        with nullcontext(_Alone()) if out is None else out.building(name) as turn:
            builder = Builder(
                settings, target, plan, parent, turn, directory, on_progress, (first.bump, first.bump_reasons)
            )
            second = builder.run().manifest
    now = code_versions()
    changed = tuple((what, then, now.get(what, "")) for what, then in first.code.items() if now.get(what) != then)
    return Rebuilt(name, version, len(first.paths()) + 1, _different(first, second), changed)


def _plan(manifest: Manifest, memory_mb: int | None) -> Plan:
    source = manifest.source
    where = f"of {manifest.name} {manifest.version}"
    plan = Plan(
        loaded=parse_recipe(source.recipe, where, source.domains),
        terms=parse_terms(source.terms, where),
        terms_text=source.terms,
        purpose=check_purpose(source.purpose, PURPOSES),
        purpose_stated=source.purpose_stated,
        formats=source.formats,
        version=manifest.version,
        why=source.why,
        tables={table.table: table.version for table in source.tables},
        stored_offsets=source.stored_offsets,
    )
    return plan if memory_mb is None else Plan(**{**vars(plan), "memory_mb": memory_mb})


def _different(first: Manifest, second: Manifest) -> tuple[str, ...]:
    before, now = first.sums(), second.sums()
    found = [path for path in sorted(before.keys() | now.keys()) if before.get(path) != now.get(path)]
    same = encode(first) == encode(msgspec.structs.replace(second, code=first.code))
    return tuple(found) if found or same else (FILE_NAME,)
