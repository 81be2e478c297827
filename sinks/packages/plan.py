"""What to build, what came before it, and what came of it."""

import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path

import duckdb
import msgspec
import pyarrow as pa

from sinks.packages.columns import SPLITS
from sinks.packages.facts import PackageFacts, Tally, from_json
from sinks.packages.manifest import FACTS, FILE_NAME, Manifest, Skipped, StoredOffset, decode
from sinks.packages.place import Place
from sinks.packages.recipe import LoadedRecipe
from sinks.packages.select import Chosen
from sinks.packages.terms import Purpose, Terms

OnProgress = Callable[[str, int, int], None]
"""What is done now, how much of it is done, and how much there is in all (0 where nobody knows): rows or files."""

MEMORY_MB = 1024
"""What the database of a build may hold before it uses the disk."""


@dataclass(frozen=True)
class Plan:
    """What to build."""

    loaded: LoadedRecipe
    terms: Terms
    terms_text: str
    purpose: Purpose
    purpose_stated: bool = True
    formats: tuple[str, ...] = ()
    """Instead of the recipe's."""
    version: str | None = None
    """Instead of the one that follows from the changes."""
    why: str = ""
    tables: Mapping[str, int] | None = None
    """Versions of the tables; the current ones where none are given."""
    stored_offsets: tuple[StoredOffset, ...] | None = None
    """Of those versions, where they are known."""
    memory_mb: int = MEMORY_MB


@dataclass(frozen=True)
class Parent:
    """The version before."""

    manifest: Manifest
    facts: PackageFacts | None
    place: Place


@dataclass(frozen=True)
class Built:
    """What came of a build."""

    manifest: Manifest
    published: bool
    """False where the parent already holds exactly this."""


def code_versions() -> dict[str, str]:
    """What the bytes of a package depend on beside its inputs."""
    root = Path(__file__).parent
    digest = sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc"):
        digest.update(path.relative_to(root).as_posix().encode() + b"\x00" + path.read_bytes() + b"\x00")
    return {
        "training-data-collector": metadata.version("training-data-collector"),
        "packages": digest.hexdigest()[:16],
        "pyarrow": pa.__version__,
        "duckdb": duckdb.__version__,
        "python": ".".join(platform.python_version_tuple()[:2]),
    }


def latest(place: Place, name: str) -> Parent | None:
    """The newest published version."""
    versions = place.versions(name)
    return published(place, name, versions[-1]) if versions else None


def published(place: Place, name: str, version: str) -> Parent:
    """One published version. Raises PackageError where it is not there or cannot be read."""
    manifest = decode(place.read(f"{name}/{version}/{FILE_NAME}"), f"{name} {version}")
    try:
        facts = from_json(place.read(f"{name}/{version}/{FACTS}"))
    except (msgspec.DecodeError, msgspec.ValidationError):
        facts = None  # written by another version of this program: the history starts anew
    return Parent(manifest, facts, place)


def notes(plan: Plan, chosen: Chosen, skipped: tuple[Skipped, ...]) -> Iterator[str]:
    if not plan.purpose_stated:
        yield f"no purpose was stated, so it was built for the narrowest: {plan.purpose}"
    for split, share in zip(SPLITS, plan.loaded.recipe.splits.shares(), strict=True):
        if share and not chosen.split_rows[split]:
            groups = sum(chosen.split_groups.values())
            yield f"the split {split} is empty: {groups} groups of related rows are too few to fill it for certain"
    for entry in skipped:
        yield f"{entry.format}, {entry.split}: {entry.rows} rows are not in it, it cannot hold them ({entry.reason})"


def nothing(name: str, left_out: Tally) -> str:
    reasons = ", ".join(f"{count.name} {count.count}" for count in left_out.counts)
    if not reasons:
        return f"no row of the tables fits the recipe {name}; nothing was published"
    return f"no row is left for {name}; left out: {reasons}. Nothing was published"
