"""Checking a published version: every checksum, count and column, the splits, and a scan for what must not be there."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import TdcError
from sinks.packages import index
from sinks.packages.canaries import kinds_in, scan
from sinks.packages.columns import WrittenFile
from sinks.packages.engine import Engine
from sinks.packages.facts import LeakProof, columns_of
from sinks.packages.formats import count_rows, read_rows
from sinks.packages.grouping import leak_proof
from sinks.packages.kinds import KINDS
from sinks.packages.manifest import FILE_NAME, INDEX, Manifest
from sinks.packages.place import Place, reading
from sinks.packages.scratch import scratch

_EXACT = ("parquet", "huggingface", "jsonl", "tfrecord", "csv")
"""Formats that hold the columns as they are, the quickest to read first."""
_CHUNK_BYTES = 4 * 2**20
_OVERLAP = 200
"""Characters of the chunk before that are looked at again: a finding may lie across the cut."""


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

    def __init__(self, place: Place, manifest: Manifest) -> None:
        self._place = place
        self._manifest = manifest
        self._root = f"{manifest.name}/{manifest.version}"
        self._kind = KINDS[manifest.kind]
        self._faults: list[Fault] = []
        self._bytes = 0

    def run(self) -> Verified:
        """Check everything; a fault does not end the check."""
        sound = self._check_files()
        self._check_counts(sound)
        leaks = self._check_rows(sound)
        self._scan_texts(sound)
        return Verified(
            self._manifest.name,
            self._manifest.version,
            len(self._manifest.paths()),
            self._bytes,
            self._manifest.rows,
            leaks,
            tuple(self._faults),
        )

    def _fault(self, path: str, what: str) -> None:
        self._faults.append(Fault(path, what))

    def _check_files(self) -> set[str]:
        """Paths of files that are there, byte for byte."""
        there = set(self._place.files_under(self._root))
        for path in sorted(there - {*self._manifest.paths(), FILE_NAME}):
            self._fault(path, "is not in the manifest")
        sound = set()
        for file in self._manifest.sums().values():
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
        for file in manifest.files:
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
        for format_ in manifest.source.formats:
            if "/" in format_:
                continue  # a shape may make several rows of one, or leave rows out: the manifest says which
            for split, rows in manifest.split_rows.items():
                if found[format_, split] != rows:
                    self._fault(FILE_NAME, f"{format_} has {found[format_, split]} {split} rows instead of {rows}")
        if sum(manifest.split_rows.values()) != manifest.rows:
            self._fault(FILE_NAME, "the splits do not add up to all rows")

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
        for file in files:
            rows = read_rows(file.format, kind.schema, self._place.files, f"{self._root}/{file.path}")
            engine.register("source", pa.RecordBatchReader.from_batches(kind.schema, self._scanned(file, rows)))
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

    def _scanned(self, file: WrittenFile, rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        found: Counter[str] = Counter()
        for batch in rows:
            for name in batch.schema.names:
                if pa.types.is_string(batch.schema.field(name).type):
                    found.update(f"{kind} in {name}" for _, kind in scan(batch.column(name)))
            yield batch
        for what, number in sorted(found.items()):
            self._fault(file.path, f"{number} rows hold something that looks like personal data or a secret: {what}")

    def _scan_texts(self, sound: set[str]) -> None:
        """Documents, and data files that are not read row by row: their bytes, unpacked."""
        exact = next((name for name in _EXACT if name in self._manifest.source.formats), None)
        documents = [file.path for file in self._manifest.documents if file.path != INDEX]
        data = [file.path for file in self._manifest.files if file.format != exact and ".parquet" not in file.path]
        for path in (*documents, *data):
            if path not in sound:
                continue
            found: Counter[str] = Counter()
            before = ""
            with (
                reading(path),
                self._place.files.open_input_stream(f"{self._root}/{path}", compression="detect") as source,
            ):
                while chunk := source.read(_CHUNK_BYTES):
                    text = before + chunk.decode("utf-8", errors="replace")
                    found.update(kinds_in(text))
                    before = text[-_OVERLAP:]
            for kind in sorted(found):
                self._fault(path, f"holds something that looks like personal data or a secret: {kind}")


def verify(place: Place, manifest: Manifest) -> Verified:
    """Check a published version."""
    return Verifier(place, manifest).run()
