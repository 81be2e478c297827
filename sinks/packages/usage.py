"""Which training runs used a version, and what came of them: one small file for each thing that was said.

Files are only ever added, beside the versions and not in them: a version stays as it was published.
"""

from collections.abc import Mapping

import msgspec

from schemas.errors import UsageError
from sinks.packages.errors import PackageError
from sinks.packages.manifest import Manifest
from sinks.packages.place import Place

FOLDER = "uses"
_MOST = 10_000
"""Things said of one training run."""


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One statement about a training run."""

    run_id: str
    package: str
    version: str
    recorded_at: int
    """Microseconds since 1970 UTC."""
    base_model: str | None = None
    notes: str | None = None
    results: Mapping[str, float | int | str | bool | None] = {}


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one training run on one version."""

    run_id: str
    package: str
    version: str
    first_recorded_at: int
    last_recorded_at: int
    base_model: str | None
    notes: tuple[str, ...]
    results: Mapping[str, float | int | str | bool | None]
    """Of a figure that was stated twice, the later statement."""


def record(place: Place, manifest: Manifest, said: Said) -> None:
    """Add a statement. Raises UsageError for a run id that is no name, StorageUnavailable."""
    if not said.run_id or len(said.run_id) > 200 or set(said.run_id) & set("/\\\x00\n") or said.run_id.startswith("."):
        raise UsageError(
            f"{said.run_id!r} is no run id: up to 200 characters, without slashes, not beginning with a dot"
        )
    folder = _folder(manifest.name, manifest.version, said.run_id)
    content = msgspec.json.format(msgspec.json.encode(said), indent=2) + b"\n"
    number = len(place.files_under(folder))
    while number < _MOST:
        if place.write_new(f"{folder}/{number:05d}.json", content):
            return
        number += 1
    raise PackageError(f"{_MOST} things were said of the run {said.run_id}; that is all there is room for")


def uses(place: Place, name: str, version: str) -> list[Use]:
    """Training runs on a version, in the order in which they were first told of."""
    root = f"{name}/{FOLDER}/{version}"
    told: dict[str, list[Said]] = {}
    for path in place.files_under(root):
        try:
            said = msgspec.json.decode(place.read(f"{root}/{path}"), type=Said)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise PackageError(f"{root}/{path} cannot be read: {error}") from None
        told.setdefault(said.run_id, []).append(said)
    return sorted(
        (_joined(statements) for statements in told.values()), key=lambda use: (use.first_recorded_at, use.run_id)
    )


def parse_results(text: str, where: str) -> Mapping[str, float | int | str | bool | None]:
    """Results out of a JSON object of plain values. Raises UsageError."""
    try:
        return msgspec.json.decode(text, type=dict[str, float | int | str | bool | None])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise UsageError(f"the results in {where} must be one JSON object of names and plain values: {error}") from None


def _joined(statements: list[Said]) -> Use:
    results: dict[str, float | int | str | bool | None] = {}
    for said in statements:
        results |= said.results
    return Use(
        run_id=statements[0].run_id,
        package=statements[0].package,
        version=statements[0].version,
        first_recorded_at=statements[0].recorded_at,
        last_recorded_at=statements[-1].recorded_at,
        base_model=next((said.base_model for said in reversed(statements) if said.base_model), None),
        notes=tuple(said.notes for said in statements if said.notes),
        results=results,
    )


def _folder(name: str, version: str, run_id: str) -> str:
    return f"{name}/{FOLDER}/{version}/{run_id}"
