"""Foreign readers take a package by its documents: Croissant, and the Hugging Face card."""

from collections import Counter
from pathlib import Path

import msgspec
import pyarrow.fs as pafs
import pytest

from sinks.packages.columns import EXAMPLE_ROWS, WrittenFile
from sinks.packages.facts import PackageFacts
from sinks.packages.formats import open_writer
from sinks.packages.report import FactsCollector, documents
from tests.unit.sinks.packages_report.samples import build, rows

WRITTEN = ("huggingface", "huggingface/trl", "parquet", "jsonl", "jsonl/trl", "csv", "tfrecord")


def written(folder: Path, seed: int = 0) -> PackageFacts:
    """A package on disk, without rows in its validation split, and its documents."""
    collector = FactsCollector()
    files: list[WrittenFile] = []
    for number, (split, count) in enumerate((("train", 40), ("validation", 0), ("test", 7))):
        batch = rows(count, seed=seed + number).select(EXAMPLE_ROWS.names)
        collector.add(batch, split)
        for name in WRITTEN:
            writer = open_writer(name, EXAMPLE_ROWS, pafs.LocalFileSystem(), str(folder), split, 2**20)
            writer.write(batch)
            files += writer.close()
    made = collector.facts(msgspec.structs.replace(build(), files=tuple(files)))
    for name, document in documents(made, None).items():
        (folder / name).write_bytes(document)
    return made


@pytest.mark.filterwarnings("ignore")
def test_croissant_is_valid_and_reads_the_rows_with_their_split(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    made = written(tmp_path)
    dataset = mlcroissant.Dataset(jsonld=tmp_path / "croissant.json")
    issues = dataset.metadata.ctx.issues
    assert (issues.errors, issues.warnings) == (set(), set())
    assert dataset.metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"
    assert dataset.metadata.data_biases
    assert dataset.metadata.personal_sensitive_information
    assert {node.content_url: node.sha256 for node in dataset.metadata.file_objects} == {
        file.path: file.sha256 for file in made.files
    }
    plain = {row["example_id"]: row for row in rows(40, seed=0).to_pylist() + rows(7, seed=2).to_pylist()}
    sets = [found.id for found in dataset.metadata.record_sets if found.id != "splits"]
    assert sets == ["rows/huggingface", "rows/huggingface-trl", "rows/parquet", "rows/csv", "rows/jsonl"]
    for name in sets:
        records = list(dataset.records(name))
        assert Counter(record[f"{name}/split"] for record in records) == {b"train": 40, b"test": 7}
    for record in dataset.records("rows/parquet"):
        row = plain[record["rows/parquet/example_id"].decode()]
        assert record["rows/parquet/messages"].decode() == row["messages"]
        assert record["rows/parquet/quality_score"] == row["quality_score"]
        assert record["rows/parquet/split"].decode() == ("train" if row["example_id"].startswith("e0") else "test")
    assert "Could not match" not in caplog.text


@pytest.mark.filterwarnings("ignore")
def test_the_hub_reader_loads_the_package_by_its_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    folder = tmp_path / "package"
    folder.mkdir()
    written(folder)
    names = datasets.get_dataset_config_names(str(folder))
    assert names == ["huggingface", "huggingface-trl", "parquet"]
    for name in names:
        loaded = datasets.load_dataset(str(folder), name, cache_dir=str(tmp_path / "cache"))
        assert {split: len(part) for split, part in loaded.items()} == {"train": 40, "test": 7}
    assert loaded["test"]["messages"] == rows(7, seed=2).column("messages").to_pylist()


@pytest.mark.filterwarnings("ignore")
def test_packages_in_folders_of_the_same_name_are_not_mixed_up_in_the_readers_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    for place, seed in (("one", 0), ("other", 50)):
        folder = tmp_path / place / "1.0.0"
        folder.mkdir(parents=True)
        written(folder, seed)
        loaded = datasets.load_dataset(str(folder), "parquet", cache_dir=str(tmp_path / "cache"))
        assert loaded["test"]["messages"] == rows(7, seed=seed + 2).column("messages").to_pylist()
