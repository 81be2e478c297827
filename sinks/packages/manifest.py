"""The manifest of a package version: written last, so that a version without one is not there.

It holds all that a rebuild needs, and nothing that a rebuild could not give again: no clock, no machine, no path.
Its seal shows that it was changed by accident or by hand; who means to deceive can seal it again, so keep its sha256
elsewhere where that matters.
"""

import hashlib
from collections.abc import Mapping

import msgspec

from schemas.records import OffsetRange
from sinks.packages.columns import WrittenFile
from sinks.packages.errors import PackageError
from sinks.packages.facts import Column, LeakProof, RowChanges, TableVersion, Tally

FILE_NAME = "manifest.json"
INDEX = "index/rows.parquet"
"""Key, split and fingerprint of every row, in order of the keys: what versions are compared by."""
FACTS = "facts.json"
"""The facts that all documents are made from."""
MANIFEST_FORMAT = 1


class StoredOffset(msgspec.Struct, frozen=True, kw_only=True):
    """Last offset of a topic partition that is in a table."""

    table: str
    topic: str
    partition: int
    offset: int


class DocumentFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file beside the data."""

    path: str
    size_bytes: int
    sha256: str


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that a format cannot hold."""

    format: str
    split: str
    reason: str
    rows: int


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What the rows were chosen by: enough to choose them again."""

    recipe: str
    recipe_hash: str
    domains: str | None = None
    """Text of the domain rules."""
    terms: str
    """Text of the provider terms."""
    terms_hash: str
    purpose: str
    purpose_stated: bool
    """False where none was given and the narrowest was taken."""
    formats: tuple[str, ...]
    shard_bytes: int
    tables: tuple[TableVersion, ...]
    stored_offsets: tuple[StoredOffset, ...]
    why: str = ""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One published version. Times are microseconds since 1970 UTC."""

    manifest_format: int = MANIFEST_FORMAT
    name: str
    version: str
    parent_version: str | None
    bump: str
    """first, major, minor or patch; stated where the version was given."""
    bump_reasons: tuple[str, ...]
    changes: RowChanges | None
    kind: str
    created_at: int
    """Newest time in the rows: never the clock."""
    source: Source
    code: Mapping[str, str]
    """Versions of the code that wrote it: the bytes of a file depend on them."""
    policy_hashes: tuple[str, ...]
    offsets: tuple[OffsetRange, ...]
    """Messages that the traces of the rows were built from."""
    columns: tuple[Column, ...]
    rows: int
    split_rows: Mapping[str, int]
    split_groups: Mapping[str, int]
    left_out: Tally
    leaks: LeakProof
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader should know: empty splits, a purpose that nobody stated..."""
    files: tuple[WrittenFile, ...]
    documents: tuple[DocumentFile, ...]
    seal: str = ""
    """sha256 of the manifest as it is written with an empty seal."""

    def sums(self) -> Mapping[str, DocumentFile]:
        """Every file of the version but the manifest, by its path, in order."""
        data = [DocumentFile(path=file.path, size_bytes=file.size_bytes, sha256=file.sha256) for file in self.files]
        return {file.path: file for file in sorted([*data, *self.documents], key=lambda file: file.path)}

    def paths(self) -> tuple[str, ...]:
        """Every file of the version but the manifest."""
        return tuple(self.sums())


def encode(manifest: Manifest) -> bytes:
    """Indented JSON in field order, with a final newline; sealed."""
    seal = hashlib.sha256(_text(msgspec.structs.replace(manifest, seal=""))).hexdigest()
    return _text(msgspec.structs.replace(manifest, seal=seal))


def sealed(text: bytes) -> bool:
    """Whether the bytes of a readable manifest are those that `encode` wrote."""
    return encode(msgspec.json.decode(text, type=Manifest)) == text


def _text(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def decode(text: bytes, where: str) -> Manifest:
    """The manifest of a file. Raises PackageError."""
    try:
        found = msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise PackageError(f"the manifest of {where} cannot be read: {error}") from None
    if found.manifest_format > MANIFEST_FORMAT:
        raise PackageError(f"the manifest of {where} was written by a newer version of this program")
    return found
