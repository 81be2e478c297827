"""What is done with published versions: verify, rebuild, diff, use, list."""

import gzip
import json
import os
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from schemas.errors import UsageError
from schemas.settings import Settings
from sinks.packages import manifest as manifests
from sinks.packages.catalogue import find, listing
from sinks.packages.diff import diff
from sinks.packages.errors import PackageError
from sinks.packages.manifest import FILE_NAME, Manifest
from sinks.packages.place import open_place
from sinks.packages.rebuild import rebuild
from sinks.packages.usage import Said, parse_results, record, uses
from sinks.packages.verify import verify
from tests.unit.sinks.packages.building import EVEN, built
from tests.unit.sinks.packages.stocked import run, sample, settings_at, stock, store, verdict

RECIPE = 'name = "pack"\nformats = ["parquet", "jsonl/trl", "csv"]\n' + EVEN


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = settings_at(tmp_path)
    stock(made, 30)
    return made


def root(settings: Settings, version: str = "1.0.0") -> Path:
    return Path(open_place(settings).uri) / "pack" / version


def faults(settings: Settings, manifest: Manifest) -> dict[str, str]:
    return {fault.path: fault.what for fault in verify(open_place(settings), manifest).faults}


def rewritten(settings: Settings, manifest: Manifest, path: str, content: bytes) -> Manifest:
    """Replace a file, and make the manifest agree: only a look at the rows can tell."""
    import hashlib

    (root(settings) / path).write_bytes(content)
    files = tuple(
        msgspec.structs.replace(f, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
        if f.path == path and hasattr(f, "__struct_fields__") else f
        for f in manifest.documents
    )  # fmt: skip
    from dataclasses import replace

    data = tuple(
        replace(f, size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest()) if f.path == path else f
        for f in manifest.files
    )
    return msgspec.structs.replace(manifest, files=data, documents=files)


def test_a_fresh_package_is_sound_in_every_kind(settings: Settings) -> None:
    for kind in ("examples", "traces", "decisions"):
        formats = '["parquet", "jsonl", "csv", "tfrecord", "huggingface"]'
        manifest = built(settings, f'name = "{kind}"\nkind = "{kind}"\nformats = {formats}\n').manifest
        found = verify(open_place(settings), manifest)
        assert found.faults == ()
        assert found.leaks is not None
        assert found.leaks.clean
        assert found.files == len(manifest.paths())


def test_every_kind_of_damage_is_found(settings: Settings) -> None:
    manifest = built(settings, RECIPE).manifest
    place = root(settings)
    data = sorted(file.path for file in manifest.files)
    flipped = place / data[0]
    content = bytearray(flipped.read_bytes())
    content[len(content) // 2] ^= 1
    flipped.write_bytes(bytes(content))
    (place / data[1]).unlink()
    with (place / "README.md").open("a") as file:
        file.write("more")
    (place / "data.bak").write_text("left here by hand")
    found = faults(settings, manifest)
    assert "another sha256" in found[data[0]]
    assert found[data[1]] == "is missing"
    assert "bytes instead of" in found["README.md"]
    assert found["data.bak"] == "is not in the manifest"


def test_counts_and_contents_that_the_checksums_hide_are_found(settings: Settings) -> None:
    manifest = built(settings, RECIPE).manifest
    file = next(file for file in manifest.files if file.format == "parquet" and file.split == "train")
    path = root(settings) / file.path
    table = pq.read_table(path)
    pq.write_table(table.slice(1), path)
    fewer = faults(settings, rewritten(settings, manifest, file.path, path.read_bytes()))
    assert f"has {file.rows - 1} rows instead of {file.rows}" in fewer.values()
    assert "1 rows of the index are missing" in fewer.values()
    changed = table.set_column(table.schema.names.index("context"), table.schema.field("context"), [["{}"] * file.rows])
    pq.write_table(changed, path)
    found = faults(settings, rewritten(settings, manifest, file.path, path.read_bytes()))
    assert f"{file.rows} rows have another content than the index says" in found.values()


def test_a_leak_between_splits_is_found(settings: Settings) -> None:
    manifest = built(settings, RECIPE).manifest
    train, test = (next(f for f in manifest.files if f.format == "parquet" and f.split == s) for s in ("train", "test"))
    into = root(settings) / test.path
    one = pq.read_table(root(settings) / train.path).slice(0, 1)
    import pyarrow as pa

    pq.write_table(pa.concat_tables([pq.read_table(into), one]), into)
    found = verify(open_place(settings), rewritten(settings, manifest, test.path, into.read_bytes()))
    assert found.leaks is not None
    assert (
        found.leaks.clusters_in_two_splits,
        found.leaks.tasks_in_two_splits,
        found.leaks.contents_in_two_splits,
    ) == (1, 1, 1)
    assert any("near-duplicate clusters are in more than one split" in fault.what for fault in found.faults)


def test_personal_data_that_slipped_through_is_found_but_not_shown(settings: Settings) -> None:
    canary = "jo.canary" + "@" + "real-mail.net"
    leaky = run("leaky", task="z")
    store(settings, leaky, verdict(leaky), sample(leaky, text=f"write to {canary}"), first=200)
    for recipe in (RECIPE, RECIPE.replace('"pack"', '"shaped"').replace('"parquet", ', "").replace(', "csv"', "")):
        manifest = built(settings, recipe).manifest
        found = faults(settings, manifest)
        assert any("EMAIL" in what for what in found.values()), recipe
        assert not any(canary in text for text in (*found, *found.values()))


def test_a_rebuild_is_byte_for_byte_the_same_after_the_tables_went_on(settings: Settings, tmp_path: Path) -> None:
    built(settings, RECIPE)
    stock(settings, 10, first=30)
    second = built(settings, RECIPE).manifest
    store(settings, run("t0000", revision=2), first=300)
    place = open_place(settings)
    out = open_place(settings, str(tmp_path / "again"))
    for version, kept in (("1.0.0", None), (second.version, out)):
        found = rebuild(settings, place, "pack", version, kept, memory_mb=200)
        assert found.different == ()
        assert found.identical
        assert found.code == ()
    for path in (*second.paths(), FILE_NAME):
        assert (tmp_path / "again" / "pack" / second.version / path).read_bytes() == (
            root(settings, second.version) / path
        ).read_bytes()
    with pytest.raises(PackageError, match="already"):
        rebuild(settings, place, "pack", second.version, out)


def test_a_rebuild_that_differs_names_the_files(settings: Settings) -> None:
    manifest = built(settings, RECIPE).manifest
    documents = tuple(
        msgspec.structs.replace(file, sha256="0" * 64) if file.path == "README.md" else file
        for file in manifest.documents
    )
    tampered = msgspec.structs.replace(manifest, documents=documents)
    (root(settings) / FILE_NAME).write_bytes(manifests.encode(tampered))
    found = rebuild(settings, open_place(settings), "pack", "1.0.0")
    assert found.different == ("README.md",)


def test_a_rebuild_of_tables_that_are_gone_says_so(settings: Settings) -> None:
    manifest = built(settings, RECIPE).manifest
    stock(settings, 2, first=30)
    for name in ("examples", "decisions", "traces"):
        table = DeltaTable(f"{settings.storage_root()}/{name}")
        table.optimize.compact()
        table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    with pytest.raises(PackageError, match="a file of the pinned tables is gone"):
        rebuild(settings, open_place(settings), "pack", manifest.version)
    log = Path(settings.storage_root()) / "traces" / "_delta_log"
    for path in sorted(log.glob("*.json"))[:2]:
        path.unlink()
    with pytest.raises(PackageError, match="table traces no longer has version 1"):
        rebuild(settings, open_place(settings), "pack", manifest.version)


def test_a_diff_tells_rows_and_figures(settings: Settings) -> None:
    built(settings, RECIPE)
    late = run("late", scenario="night", task="z")
    store(
        settings,
        late,
        verdict(late),
        sample(late),
        run("t0000", revision=2),
        verdict(run("t0000", revision=2), "rejected"),
        first=200,
    )
    built(settings, RECIPE)
    place = open_place(settings)
    found = diff(find(place, "pack@1.0.0"), find(place, "pack"))
    assert (found.before, found.now) == ("pack@1.0.0", "pack@2.0.0")
    assert (found.rows.added, found.rows.removed, found.rows.changed, found.rows.kept) == (1, 2, 0, 58)
    figures = {(figure.what, figure.name): (figure.before, figure.now) for figure in found.figures}
    assert figures["scenarios", "night"] == (0, 1)
    assert figures["rows", "all"] == (60, 59)
    assert not found.same
    assert diff(find(place, "pack"), find(place, "pack")).same


def test_uses_are_added_to_and_never_changed(settings: Settings) -> None:
    manifest = built(settings, RECIPE).manifest
    place = open_place(settings)

    def say(run_id: str, at: int, **more: object) -> None:
        record(place, manifest, Said(run_id=run_id, package="pack", version="1.0.0", recorded_at=at, **more))  # type: ignore[arg-type]

    say("run-2", 5, base_model="m")
    say("run-1", 7, notes="first try")
    say("run-2", 9, results={"accuracy": 0.5, "loss": 1.0})
    say("run-2", 9, results={"accuracy": 0.75}, notes="again")
    two, one = uses(place, "pack", "1.0.0")
    assert (one.run_id, one.notes) == ("run-1", ("first try",))
    assert (two.run_id, two.base_model, two.results) == ("run-2", "m", {"accuracy": 0.75, "loss": 1.0})
    assert (two.first_recorded_at, two.last_recorded_at) == (5, 9)
    assert verify(place, manifest).faults == ()
    assert open_place(settings).versions("pack") == ["1.0.0"]
    for wrong in ("", "../up", "a/b", ".hidden", "x" * 201):
        with pytest.raises(UsageError, match="no run id"):
            say(wrong, 1)
    with pytest.raises(UsageError, match="plain values"):
        parse_results('{"a": {"b": 1}}', "r.json")


def test_only_versions_with_a_manifest_are_listed(settings: Settings) -> None:
    built(settings, RECIPE)
    half = root(settings, "9.9.9")
    half.mkdir()
    (half / "README.md").write_text("half")
    place = open_place(settings)
    assert [(listed.manifest.version, listed.latest) for listed in listing(place).versions] == [("1.0.0", True)]
    with pytest.raises(PackageError, match=r"no version 9\.9\.9 of pack; there are: 1\.0\.0"):
        find(place, "pack@9.9.9")
    with pytest.raises(PackageError, match="there are: pack"):
        find(place, "sack")
    with pytest.raises(UsageError):
        find(place, "pack@")
    stock(settings, 1, first=40)
    assert built(settings, RECIPE).manifest.version == "1.1.0"
    assert not half.exists(), "what a killed build left is cleared away by the next"


def test_a_manifest_of_a_newer_program_or_a_broken_one_is_told(settings: Settings) -> None:
    built(settings, RECIPE)
    path = root(settings) / FILE_NAME
    newer = json.loads(path.read_text()) | {"manifest_format": 99}
    path.write_text(json.dumps(newer))
    with pytest.raises(PackageError, match="newer version of this program"):
        find(open_place(settings), "pack")
    path.write_text("{")
    stock(settings, 4, first=40)
    built(settings, RECIPE.replace("pack", "other"))
    found = listing(open_place(settings))
    assert [listed.manifest.name for listed in found.versions] == ["other"], "a damaged one hides no other"
    (damaged,) = found.damaged
    assert "pack 1.0.0 cannot be read" in damaged


def test_files_can_be_read_by_others(settings: Settings) -> None:
    built(settings, RECIPE)
    with gzip.open(next((root(settings) / "jsonl" / "trl").glob("train*.gz")), "rt") as file:
        assert json.loads(file.readline())
    assert os.stat(root(settings) / FILE_NAME).st_mode & 0o044
