"""What is published at a place: packages, their versions, and what is known of each."""

from dataclasses import dataclass

from schemas.errors import UsageError
from sinks.packages.errors import PackageError
from sinks.packages.manifest import FILE_NAME, Manifest, decode
from sinks.packages.place import Place
from sinks.packages.plan import Parent, published


@dataclass(frozen=True)
class Listed:
    """One published version, for a list."""

    manifest: Manifest
    size_bytes: int
    latest: bool


@dataclass(frozen=True)
class Listing:
    """What is published at a place."""

    versions: list[Listed]
    """Packages by name and versions from the oldest on."""
    damaged: list[str]
    """Versions whose manifest cannot be read, in words: they hide no other."""


def listing(place: Place) -> Listing:
    """Every published version."""
    found = Listing([], [])
    for name in place.names():
        versions = place.versions(name)
        for version in versions:
            try:
                manifest = decode(place.read(f"{name}/{version}/{FILE_NAME}"), f"{name} {version}")
            except PackageError as error:
                found.damaged.append(str(error))
                continue
            size = sum(file.size_bytes for file in manifest.sums().values())
            found.versions.append(Listed(manifest, size, version == versions[-1]))
    return found


def find(place: Place, reference: str) -> Parent:
    """The version that `name` (its latest) or `name@1.2.0` means. Raises UsageError, or PackageError where there is
    none."""
    name, at, version = reference.partition("@")
    if not name or (at and not version):
        raise UsageError(f"{reference!r} is no package: give a name, or a name with a version, such as traces@1.2.0")
    versions = place.versions(name)
    if not versions:
        known = ", ".join(place.names()) or "none"
        raise PackageError(f"there is no package {name} at {place.uri}; there are: {known}")
    if version and version not in versions:
        raise PackageError(f"there is no version {version} of {name}; there are: {', '.join(versions)}")
    return published(place, name, version or versions[-1])
