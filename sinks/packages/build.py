"""Building a package version: pin the tables, choose rows, write them, publish by one last write of the manifest.

The same snapshot, recipe, terms, purpose and code give the same bytes. Rows are never all in memory: they stream from
the tables through a sort that spills to disk into the writers.
"""

from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import msgspec
import pyarrow as pa

from schemas.errors import UsageError
from schemas.settings import Settings
from sinks.packages import index
from sinks.packages.columns import SPLITS, WrittenFile
from sinks.packages.engine import Engine
from sinks.packages.errors import EmptyPackage, PackageError, storage_error
from sinks.packages.facts import (
    BuildFacts,
    PackageFacts,
    RecipeFacts,
    RowChanges,
    Tally,
    columns_of,
    to_json,
)
from sinks.packages.formats import FORMATS, TRAINING_TYPE, FormatWriter, llamafactory_dataset_info, open_writer
from sinks.packages.kinds import KINDS
from sinks.packages.manifest import (
    FACTS,
    FILE_NAME,
    INDEX,
    DocumentFile,
    Manifest,
    Skipped,
    Source,
    encode,
)
from sinks.packages.origins import origins
from sinks.packages.pairs import PAIR_ROWS, pair_rows
from sinks.packages.place import Place
from sinks.packages.plan import Built, OnProgress, Parent, Plan, code_versions, latest, notes, nothing
from sinks.packages.recipe import check_formats
from sinks.packages.report import FactsCollector, acceptance_of, documents
from sinks.packages.scratch import reused_memory, scratch
from sinks.packages.select import Chosen, Selection
from sinks.packages.snapshot import Snapshot, pin
from sinks.packages.source import RowSource
from sinks.packages.turns import Turn
from sinks.packages.versions import FIRST, Next, Verdict, after, judge, number

_LISTED = "rows.parquet"


def build(settings: Settings, place: Place, plan: Plan, on_progress: OnProgress = lambda *_: None) -> Built:
    """Build and publish the next version of the recipe's package.

    Raises UsageError for what cannot be asked for, EmptyPackage where no row fits, PackageError where nothing can
    be built for another reason, StorageUnavailable where the store does not answer. Whatever is raised,
    nothing was published.
    """
    recipe = plan.loaded.recipe
    wrong = check_formats(recipe.kind, plan.formats or recipe.formats, FORMATS)
    if wrong:
        raise UsageError(wrong)
    with place.building(recipe.name) as turn, scratch() as directory:
        parent = latest(place, recipe.name)
        if plan.version is not None:
            _check_version(plan.version, parent)
        return Builder(settings, place, plan, parent, turn, directory, on_progress).run()


def _check_version(version: str, parent: Parent | None) -> None:
    number(version)
    if parent is not None and number(version) <= number(parent.manifest.version):
        raise UsageError(f"version {version} does not come after {parent.manifest.version}, which is published")


class Builder:
    """One build. `run` once; then it is spent."""

    def __init__(
        self,
        settings: Settings,
        place: Place,
        plan: Plan,
        parent: Parent | None,
        turn: Turn,
        directory: Path,
        on_progress: OnProgress,
        forced: tuple[str, tuple[str, ...]] | None = None,
    ) -> None:
        """`forced`: the bump and its reasons, of a build that repeats an earlier one."""
        self._settings = settings
        self._place = place
        self._plan = plan
        self._recipe = plan.loaded.recipe
        self._kind = KINDS[self._recipe.kind]
        self._formats = plan.formats or self._recipe.formats
        self._parent = parent
        self._turn = turn
        self._directory = directory
        self._on_progress = on_progress
        self._forced = forced
        self._version = ""

    def run(self) -> Built:
        """Build and publish."""
        self._on_progress("reading the tables", 0, 0)
        snapshot = pin(self._settings, self._plan.tables, self._plan.stored_offsets)
        engine = Engine(self._directory, self._plan.memory_mb)
        try:
            with reused_memory():
                return self._run(snapshot, engine)
        except BaseException:
            if self._version:
                self._discard()
            raise
        finally:
            engine.close()

    def _run(self, snapshot: Snapshot, engine: Engine) -> Built:
        selection = Selection(engine, snapshot, self._plan.loaded, self._plan.terms, self._plan.purpose)
        selection.load_runs()
        source = RowSource(self._recipe.kind, snapshot, self._pairs(engine, snapshot))
        self._on_progress("choosing rows", 0, 0)
        chosen = selection.choose(source.open, self._directory)
        if not chosen.rows:
            raise EmptyPackage(nothing(self._recipe.name, chosen.left_out))
        changes, moved = self._changes(engine)
        verdict = self._verdict(chosen, changes, moved)
        if verdict.bump == "none" and self._parent is not None and self._plan.version is None:
            return Built(self._parent.manifest, published=False)
        self._version = self._next_version(verdict)
        files, skipped, collector = self._write(selection, chosen.rows)
        facts = collector.facts(self._build_facts(snapshot, engine, chosen, files, changes))
        documents_ = self._write_documents(facts)
        manifest = self._manifest(snapshot, chosen, facts, files, documents_, skipped, verdict, changes)
        self._turn.renew()
        if not self._place.write_new(f"{self._recipe.name}/{self._version}/{FILE_NAME}", encode(manifest)):
            self._version = ""  # it is someone else's
            raise PackageError(f"{self._recipe.name} {manifest.version} was published by another builder meanwhile")
        return Built(manifest, published=True)

    def _pairs(self, engine: Engine, snapshot: Snapshot) -> Path | None:
        if self._recipe.kind != "preference_pairs":
            return None
        self._on_progress("pairing runs", 0, 0)
        path = self._directory / "pairs.arrow"
        with pa.OSFile(str(path), "wb") as out, pa.ipc.new_stream(out, PAIR_ROWS) as stream:
            for batch in pair_rows(engine, snapshot, self._recipe.pairs, self._recipe.pairs_per_task):
                self._turn.renew()
                stream.write_batch(batch)
        return path

    def _changes(self, engine: Engine) -> tuple[RowChanges | None, int]:
        if self._parent is None:
            return None, 0
        manifest = self._parent.manifest
        engine.load("before", index.SCHEMA, index.read(self._parent.place, manifest.name, manifest.version))
        return index.compare(engine, "before", "chosen")

    def _verdict(self, chosen: Chosen, changes: RowChanges | None, moved: int) -> Verdict:
        if self._forced is not None:
            return Verdict("none", self._forced[1])
        if self._parent is None or changes is None:
            return Verdict("first", ("first version",))
        return judge(
            self._parent.manifest,
            Next(
                recipe_text=self._plan.loaded.text,
                recipe_hash=self._plan.loaded.hash,
                terms_hash=self._plan.terms.hash,
                purpose=self._plan.purpose,
                kind=self._recipe.kind,
                columns=tuple((field.name, str(field.type)) for field in self._kind.schema),
                formats=self._formats,
                policy_hashes=chosen.policy_hashes,
                changes=changes,
                moved=moved,
                code=code_versions(),
            ),
        )

    def _next_version(self, verdict: Verdict) -> str:
        if self._plan.version is not None:
            return self._plan.version
        return FIRST if self._parent is None else after(self._parent.manifest.version, verdict.bump)

    def _write(
        self, selection: Selection, total: int
    ) -> tuple[tuple[WrittenFile, ...], tuple[Skipped, ...], FactsCollector]:
        root = f"{self._recipe.name}/{self._version}"
        collector = FactsCollector()
        writers: dict[tuple[str, str], FormatWriter] = {}
        shard_bytes = self._recipe.shard_mb * 2**20
        schema = self._kind.schema.with_metadata({TRAINING_TYPE: self._recipe.name.encode()})
        done = 0
        try:
            for name in self._formats:
                for split in SPLITS:
                    writers[name, split] = open_writer(name, schema, self._place.files, root, split, shard_bytes)
            with index.writer(self._directory / _LISTED) as listed:
                for split, rows in selection.rows(listed):
                    self._turn.renew()
                    collector.add(rows, split)
                    for name in self._formats:
                        writers[name, split].write(rows)
                    done += rows.num_rows
                    self._on_progress("writing rows", done, total)
            self._on_progress("finishing files", total, total)
            files = tuple(file for writer in writers.values() for file in writer.close())
        except (OSError, pa.ArrowException) as error:
            for writer in writers.values():
                writer.abort()
            raise storage_error(error, "writing the package") from error
        if done != total:
            raise PackageError(
                f"{total} rows were chosen and {done} were read: the tables are damaged; nothing was published"
            )
        skipped = [
            Skipped(format=name, split=split, reason=reason, rows=rows)
            for (name, split), writer in writers.items()
            for reason, rows in writer.skipped.items()
        ]
        return tuple(sorted(files, key=lambda file: file.path)), tuple(skipped), collector

    def _build_facts(
        self,
        snapshot: Snapshot,
        engine: Engine,
        chosen: Chosen,
        files: tuple[WrittenFile, ...],
        changes: RowChanges | None,
    ) -> BuildFacts:
        recipe, loaded = self._recipe, self._plan.loaded
        found = origins(engine, snapshot) if self._kind.of_traces else None
        return BuildFacts(
            name=recipe.name,
            version=self._version,
            parent_version=self._parent.manifest.version if self._parent else None,
            title=recipe.title or recipe.name,
            description=recipe.description,
            recipe=RecipeFacts(
                name=recipe.name,
                kind="pairs" if recipe.kind == "preference_pairs" else recipe.kind,
                text=loaded.text,
                hash=loaded.hash,
                title=recipe.title,
                description=recipe.description,
            ),
            purpose=self._plan.purpose,
            license=recipe.license,
            created_at=chosen.created_at,
            tables=snapshot.versions,
            offsets=found.offsets if found else (),
            columns=columns_of(self._kind.schema),
            splits=SPLITS,
            files=files,
            leaks=chosen.leaks,
            left_out=chosen.left_out,
            duplicates_removed=chosen.duplicates_removed,
            acceptance=acceptance_of(snapshot.read("decisions", ("verdict", "reasons"))),
            redactions=found.redactions if found else Tally(),
            consent_bases=found.consent_bases if found else None,
            traces=chosen.traces if self._kind.of_traces else None,
            terms=chosen.terms,
            row_changes=changes,
            why=self._plan.why,
            previous=self._parent.facts if self._parent else None,
        )

    def _write_documents(self, facts: PackageFacts) -> tuple[DocumentFile, ...]:
        root = f"{self._recipe.name}/{self._version}"
        content = dict(documents(facts, self._parent.facts if self._parent else None))
        content[FACTS] = to_json(facts)
        listing = llamafactory_dataset_info(self._recipe.name, facts.files)
        if listing:
            content["dataset_info.json"] = msgspec.json.format(msgspec.json.encode(listing), indent=2) + b"\n"
        found = []
        for path, text in content.items():
            self._place.write(f"{root}/{path}", text)
            found.append(DocumentFile(path=path, size_bytes=len(text), sha256=sha256(text).hexdigest()))
        size, digest = self._place.copy_in(self._directory / _LISTED, f"{root}/{INDEX}")
        found.append(DocumentFile(path=INDEX, size_bytes=size, sha256=digest))
        return tuple(sorted(found, key=lambda file: file.path))

    def _manifest(
        self,
        snapshot: Snapshot,
        chosen: Chosen,
        facts: PackageFacts,
        files: tuple[WrittenFile, ...],
        documents_: tuple[DocumentFile, ...],
        skipped: tuple[Skipped, ...],
        verdict: Verdict,
        changes: RowChanges | None,
    ) -> Manifest:
        plan, recipe = self._plan, self._recipe
        bump = "stated" if plan.version is not None else verdict.bump
        return Manifest(
            name=recipe.name,
            version=self._version,
            parent_version=facts.parent_version,
            bump=self._forced[0] if self._forced else bump,
            bump_reasons=verdict.reasons,
            changes=changes,
            kind=recipe.kind,
            created_at=chosen.created_at,
            source=Source(
                recipe=plan.loaded.text,
                recipe_hash=plan.loaded.hash,
                domains=plan.loaded.domains_text,
                terms=plan.terms_text,
                terms_hash=plan.terms.hash,
                purpose=plan.purpose,
                purpose_stated=plan.purpose_stated,
                formats=self._formats,
                shard_bytes=recipe.shard_mb * 2**20,
                tables=snapshot.versions,
                stored_offsets=snapshot.offsets,
                why=plan.why,
            ),
            code=code_versions(),
            policy_hashes=chosen.policy_hashes,
            offsets=facts.offsets,
            columns=facts.columns,
            rows=chosen.rows,
            split_rows=chosen.split_rows,
            split_groups=chosen.split_groups,
            left_out=chosen.left_out,
            leaks=chosen.leaks,
            skipped=skipped,
            notes=tuple(notes(plan, chosen, skipped)),
            files=files,
            documents=documents_,
        )

    def _discard(self) -> None:
        with suppress(Exception):  # the build's own failure is what matters; the next build clears up
            self._turn.renew(at_once=True)  # where another builder took over, what lies there is its own
            self._place.discard(self._recipe.name, self._version)
