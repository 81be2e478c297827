"""Checking a published version: checksums, counts, columns, shapes, splits, and a scan for what must not be there."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import TdcError, UsageError
from sinks.packages import index
from sinks.packages.columns import WrittenFile
from sinks.packages.engine import Engine
from sinks.packages.facts import LeakProof, columns_of, from_json
from sinks.packages.formats import count_rows, misfits, read_rows
from sinks.packages.grouping import leak_proof
from sinks.packages.kinds import KINDS
from sinks.packages.manifest import FACTS, FILE_NAME, INDEX, Manifest, sealed
from sinks.packages.place import Place, reading
from sinks.packages.plan import OnProgress
from sinks.packages.recipe import parse_recipe
from sinks.packages.scanning import scan_data, scan_text
from sinks.packages.scratch import scratch
from sinks.packages.terms import parse_terms

_EXACT = ("parquet", "huggingface", "jsonl", "tfrecord", "csv")
"""Formats that hold the columns as they are, the quickest to read first."""
_CHUNK_BYTES = 4 * 2**20

FileT = TypeVar("FileT")


@dataclass(frozen=True)
class Fault:
    """Something that is not as the manifest says."""

    path: str
    what: str


@dataclass(frozen=True)
class Verified:
    """What was checked, and what was wrong."""

    name: str
    version: str
    files: int
    bytes_read: int
    rows: int
    leaks: LeakProof | None
    """None where no format holds the columns that splits are told by."""
    faults: tuple[Fault, ...]


class Verifier:
    """Checks one version. Reads every byte of it; holds little in memory."""

    def __init__(self, place: Place, manifest: Manifest, on_progress: OnProgress) -> None:
        self._place = place
        self._manifest = manifest
        self._on_progress = on_progress
        self._root = f"{manifest.name}/{manifest.version}"
        self._kind = KINDS[manifest.kind]
        self._faults: list[Fault] = []
        self._bytes = 0

    def run(self) -> Verified:
        """Check everything; a fault does not end the check."""
        there = set(self._place.files_under(self._root))
        self._check_manifest()
        sound = self._check_files(there)
        self._check_counts(sound)
        self._check_facts(sound)
        leaks = self._check_rows(sound)
        self._scan(there)
        return Verified(
            self._manifest.name,
            self._manifest.version,
            len(self._manifest.paths()),
            self._bytes,
            self._manifest.rows,
            leaks,
            tuple(self._faults),
        )

    def _each(self, doing: str, files: Sequence[FileT]) -> Iterator[FileT]:
        for done, file in enumerate(files):
            self._on_progress(doing, done, len(files))
            yield file

    def _fault(self, path: str, what: str) -> None:
        self._faults.append(Fault(path, what))

    def _check_manifest(self) -> None:
        """Its own seal, and what in it follows from the rest of it."""
        manifest, source = self._manifest, self._manifest.source
        if not sealed(self._place.read(f"{self._root}/{FILE_NAME}")):
            self._fault(FILE_NAME, "was changed after it was published: its seal does not fit what it says")
        if sum(manifest.split_rows.values()) != manifest.rows:
            self._fault(FILE_NAME, "the splits do not add up to all rows")
        if {file.format for file in manifest.files} - set(source.formats):
            self._fault(FILE_NAME, "it has files of formats that it does not name")
        try:
            loaded = parse_recipe(source.recipe, "of the manifest", source.domains)
            terms = parse_terms(source.terms, "of the manifest")
        except UsageError:
            self._fault(FILE_NAME, "its recipe or its provider terms cannot be read by this program")
            return
        for what, said, found in (
            ("recipe", source.recipe_hash, loaded.hash),
            ("provider terms", source.terms_hash, terms.hash),
            ("name", manifest.name, loaded.recipe.name),
            ("kind of rows", manifest.kind, loaded.recipe.kind),
        ):
            if said != found:
                self._fault(FILE_NAME, f"its {what} and what it says of them do not fit each other")

    def _check_facts(self, sound: set[str]) -> None:
        """What the documents were made from must be what the manifest says."""
        if FACTS not in sound:
            return
        manifest = self._manifest
        try:
            facts = from_json(self._place.read(f"{self._root}/{FACTS}"))
        except (msgspec.DecodeError, msgspec.ValidationError):
            self._fault(FACTS, "cannot be read by this program: it was not held against the manifest")
            return
        for what, said, found in (
            ("name", manifest.name, facts.name),
            ("version", manifest.version, facts.version),
            ("parent version", manifest.parent_version, facts.parent_version),
            ("purpose", manifest.source.purpose, facts.purpose),
            ("time", manifest.created_at, facts.created_at),
            ("table versions", set(facts.tables) - set(manifest.source.tables), set()),
            ("offsets", manifest.offsets, facts.offsets),
            ("columns", manifest.columns, facts.columns),
            ("rows", manifest.rows, facts.rows),
            ("splits", manifest.split_rows, {split.name: split.rows for split in facts.splits}),
            ("files", manifest.files, facts.files),
            ("leak figures", manifest.leaks, facts.leaks),
            ("rows left out", manifest.left_out, facts.left_out),
        ):
            if said != found:
                self._fault(FILE_NAME, f"{FACTS} says something else of its {what}")

    def _check_files(self, there: set[str]) -> set[str]:
        """Paths of files that are there, byte for byte."""
        for path in sorted(there - {*self._manifest.paths(), FILE_NAME}):
            self._fault(path, "is not in the manifest")
        sound = set()
        for file in self._each("reading files", list(self._manifest.sums().values())):
            if file.path not in there:
                self._fault(file.path, "is missing")
                continue
            size, digest = self._digest(file.path)
            if size != file.size_bytes:
                self._fault(file.path, f"has {size} bytes instead of {file.size_bytes}")
            elif digest != file.sha256:
                self._fault(file.path, "has another sha256 than the manifest says")
            else:
                sound.add(file.path)
        return sound

    def _digest(self, path: str) -> tuple[int, str]:
        digest, size = hashlib.sha256(), 0
        with reading(path), self._place.files.open_input_stream(f"{self._root}/{path}", compression=None) as source:
            while chunk := source.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
        self._bytes += size
        return size, digest.hexdigest()

    def _check_counts(self, sound: set[str]) -> None:
        manifest = self._manifest
        found: Counter[tuple[str, str]] = Counter()
        for file in self._each("counting rows", manifest.files):
            found[file.format, file.split] += file.rows
            if file.path not in sound:
                continue
            try:
                rows = count_rows(file.format, self._place.files, f"{self._root}/{file.path}")
            except (TdcError, OSError, pa.ArrowException, ValueError) as error:
                self._fault(file.path, f"cannot be read as {file.format} ({type(error).__name__})")
                continue
            if rows != file.rows:
                self._fault(file.path, f"has {rows} rows instead of {file.rows}")
            self._check_shape(file)
        left_out: Counter[tuple[str, str]] = Counter()
        for entry in manifest.skipped:
            left_out[entry.format, entry.split] += entry.rows
        for format_ in manifest.source.formats:
            for split, all_rows in manifest.split_rows.items():
                rows, number = all_rows - left_out[format_, split], found[format_, split]
                most = 2 * rows if format_.endswith("/kto") else rows  # two rows of a pair
                if not rows <= number <= most:
                    self._fault(FILE_NAME, f"{format_} has {number} {split} rows instead of {rows}")

    def _check_shape(self, file: WrittenFile) -> None:
        """Every row of a trainer's shape, read as its trainer would."""
        try:
            wrong = misfits(self._place.files, f"{self._root}/{file.path}", file.format)
        except (TdcError, OSError, pa.ArrowException, ValueError) as error:
            self._fault(file.path, f"has other columns than {file.format} ({type(error).__name__})")
            return
        if wrong:
            self._fault(file.path, f"{wrong} rows are not of the shape of {file.format}")

    def _check_rows(self, sound: set[str]) -> LeakProof | None:
        manifest, schema = self._manifest, self._kind.schema
        if columns_of(schema) != manifest.columns:
            self._fault(FILE_NAME, "its columns are not those that this program knows; rows were not looked into")
            return None
        exact = next((name for name in _EXACT if name in manifest.source.formats), None)
        files = [file for file in manifest.files if file.format == exact]
        if exact is None or any(file.path not in sound for file in files) or INDEX not in sound:
            return None
        for file in files:
            if exact in ("parquet", "huggingface"):
                self._check_schema(file)
        with scratch() as directory:
            engine = Engine(directory, memory_mb=512)
            try:
                return self._compare(engine, files)
            finally:
                engine.close()

    def _check_schema(self, file: WrittenFile) -> None:
        path = f"{self._root}/{file.path}"
        with reading(path), self._place.files.open_input_file(path) as source:
            found = pq.read_schema(source)
        if not found.equals(self._kind.schema):
            self._fault(file.path, "has other columns than the manifest says")

    def _compare(self, engine: Engine, files: list[WrittenFile]) -> LeakProof:
        kind, manifest = self._kind, self._manifest
        narrow = ", ".join(
            f"{kind.narrow[name]} AS {name}" for name in ("key", "cluster", "scenario", "task_id", "content")
        )
        engine.register("source", kind.schema.empty_table())
        engine.run(f"CREATE TABLE found AS {self._select(narrow)}")
        for file in self._each("comparing rows with the index", files):
            rows = read_rows(file.format, kind.schema, self._place.files, f"{self._root}/{file.path}")
            engine.register("source", pa.RecordBatchReader.from_batches(kind.schema, rows))
            engine.run(f"INSERT INTO found {self._select(narrow, file.split)}")
        engine.load("indexed", index.SCHEMA, index.read(self._place, manifest.name, manifest.version))
        changes, moved = index.compare(engine, "indexed", "found")
        for number, what in (
            (changes.added, "rows that the index does not have"),
            (changes.removed, "rows of the index are missing"),
            (changes.changed, "rows have another content than the index says"),
            (moved, "rows are in another split than the index says"),
        ):
            if number:
                self._fault(INDEX, f"{number} {what}")
        leaks = leak_proof(engine, "found")
        for what, count in (
            ("near-duplicate clusters", leaks.clusters_in_two_splits),
            ("tasks", leaks.tasks_in_two_splits),
            ("contents", leaks.contents_in_two_splits),
        ):
            if count:
                self._fault(files[0].path, f"{count} {what} are in more than one split")
        if kind.table == "examples" and leaks != manifest.leaks:  # rows of other kinds do not say their cluster
            self._fault(FILE_NAME, "its figures on the splits are not those of the rows")
        return leaks

    def _select(self, narrow: str, split: str = "") -> str:
        return f"SELECT {narrow}, {self._kind.digest} AS digest, '{split}' AS split FROM source"

    def _scan(self, there: set[str]) -> None:
        """Every file that is there, also one that was changed: a leak is to be named even so."""
        for file in self._each("looking for personal data", self._manifest.files):
            if file.path in there:
                self._scan_file(file.path, file.format)
        for document in self._manifest.documents:
            if document.path in there:
                self._scan_file(document.path, "parquet" if document.path == INDEX else None)

    def _scan_file(self, path: str, format_name: str | None) -> None:
        files, full = self._place.files, f"{self._root}/{path}"
        try:
            if format_name is None:
                found = scan_text(files, full)
            else:
                found = scan_data(files, full, format_name, index.SCHEMA if path == INDEX else self._kind.schema)
        except (TdcError, OSError, pa.ArrowException, ValueError) as error:
            self._fault(path, f"cannot be looked through for personal data and secrets ({type(error).__name__})")
            return
        unit = "rows hold" if format_name else "lines hold"
        for what, number in sorted(found.items()):
            self._fault(path, f"{number} {unit} something that looks like personal data or a secret: {what}")


def verify(place: Place, manifest: Manifest, on_progress: OnProgress = lambda *_: None) -> Verified:
    """Check a published version. `on_progress` gets the step and its files."""
    return Verifier(place, manifest, on_progress).run()
