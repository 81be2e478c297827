"""Whatever is done to a published package, in any container and shape, `verify` says so."""

import gzip
import hashlib
import json
import shutil
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from schemas.settings import Settings
from sinks.packages.columns import WrittenFile
from sinks.packages.formats import FORMATS
from sinks.packages.formats.tf_example import framed
from sinks.packages.manifest import FILE_NAME, Manifest, decode, encode
from sinks.packages.place import open_place
from sinks.packages.verify import Verified, verify
from tests.unit.sinks.packages.building import EVEN, built
from tests.unit.sinks.packages.stocked import run, sample, settings_at, stock, store, verdict

WRONG = '[{"role":"assistant","content":"No."}]'
CANARY = "jo.canary" + "@" + "real-mail.net"
RECIPE = f'name = "pack"\nformats = {list(FORMATS)}\n{EVEN}'.replace("'", '"')
NAME = "pack/1.0.0"
SHAPED = [name for name in FORMATS if "/" in name]
Rewrite = Callable[[bytes, str], bytes]


def pairs(settings: Settings, runs: int = 24, text: str | None = None, first: int = 500) -> None:
    """Accepted runs whose examples have a rejected answer, so that every shape holds them."""
    for number in range(runs):
        one = run(f"p{first}{number:02d}", task=f"pair{first}{number}")
        told = sample(one, text=text, rejected=WRONG)
        if text:
            told = msgspec.structs.replace(told, context=json.dumps({"goal": text}))
        store(settings, one, verdict(one), told, first=first + number)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Manifest]:
    """One package in every format."""
    settings = settings_at(tmp_path_factory.mktemp("tampering"))
    stock(settings, 4)
    pairs(settings)
    manifest = built(settings, RECIPE).manifest
    for format_name in FORMATS:
        splits = {file.split for file in manifest.files if file.format == format_name and file.rows}
        assert splits == {"train", "validation", "test"}, format_name
    return settings, manifest


class Copy:
    """A copy of the package to do harm to."""

    def __init__(self, made: tuple[Settings, Manifest], folder: Path) -> None:
        self.settings, self.manifest = made
        self.root = folder / NAME
        shutil.copytree(Path(open_place(self.settings).uri) / NAME, self.root)
        self._folder = folder

    def file(self, format_name: str, split: str = "train") -> WrittenFile:
        return next(file for file in self.manifest.files if (file.format, file.split) == (format_name, split))

    def rewrite(self, file: WrittenFile, change: Rewrite) -> None:
        path = self.root / file.path
        content = path.read_bytes()
        if path.suffix == ".gz":
            path.write_bytes(gzip.compress(change(gzip.decompress(content), file.format), mtime=0))
        else:
            path.write_bytes(change(content, file.format))

    def agree(self, rows: int = 0) -> None:
        """Make the manifest say what the data files are now, and seal it; each file that changed has `rows` more."""
        files = []
        for file in self.manifest.files:
            content = (self.root / file.path).read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            more = rows if digest != file.sha256 else 0
            files.append(replace(file, size_bytes=len(content), sha256=digest, rows=file.rows + more))
        self.manifest = msgspec.structs.replace(self.manifest, files=tuple(files))
        (self.root / FILE_NAME).write_bytes(encode(self.manifest))

    def verified(self) -> Verified:
        text = (self.root / FILE_NAME).read_bytes()
        return verify(open_place(self.settings, str(self._folder)), decode(text, "pack"))


def flipped(content: bytes) -> bytes:
    """One bit of one byte."""
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def beheaded(content: bytes, format_name: str) -> bytes:
    """Without the first row."""
    container = format_name.split("/")[0]
    if container in ("parquet", "huggingface"):
        return _parquet(pq.read_table(pa.BufferReader(content)).slice(1))
    if container == "tfrecord":
        (length,) = struct.unpack("<Q", content[:8])
        return content[8 + 4 + length + 4 :]
    if container == "csv":  # no cell of these rows holds a line break
        header, _, rest = content.split(b"\n", 2)
        return header + b"\n" + rest
    return content.split(b"\n", 1)[1]


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def first_row(content: bytes, format_name: str) -> bytes:
    """The first row alone, as it stands in a file."""
    container = format_name.split("/")[0]
    if container in ("parquet", "huggingface"):
        return _parquet(pq.read_table(pa.BufferReader(content)).slice(0, 1))
    rest = beheaded(content, format_name)
    if container == "csv":
        return content.split(b"\n", 2)[1] + b"\n"
    return content[: len(content) - len(rest)]


def with_row(content: bytes, row: bytes, format_name: str) -> bytes:
    """A file with one more row at its end."""
    if format_name.split("/")[0] in ("parquet", "huggingface"):
        return _parquet(pa.concat_tables([pq.read_table(pa.BufferReader(part)) for part in (content, row)]))
    return content + row


KEYS = {
    "llamafactory": (b'"from"', b'"form"'),
    "atif": (b'"source"', b'"course"'),
    "training_example": (b'"action"', b'"notion"'),
}


def renamed(content: bytes, format_name: str) -> bytes:
    """A key of the shape has another name of as many letters, wherever it stands."""
    container, _, shape = format_name.partition("/")
    key, other = KEYS.get(shape, (b'"role"', b'"rule"'))
    if container in ("parquet", "huggingface"):
        table = pq.read_table(pa.BufferReader(content))
        columns = []
        for column in table.columns:
            texts = column.combine_chunks()
            texts = getattr(texts, "storage", texts)  # of the JSON type
            if pa.types.is_string(texts.type):
                texts = pc.replace_substring(texts, key.decode(), other.decode())
            columns.append(texts.cast(column.type))
        return _parquet(pa.table(columns, schema=table.schema))
    if container == "tfrecord":
        records = []
        while content:
            (length,) = struct.unpack("<Q", content[:8])
            records.append(framed(content[12 : 12 + length].replace(key, other)))
            content = content[12 + length + 4 :]
        return b"".join(records)
    if container == "csv":
        key, other = key.replace(b'"', b'""'), other.replace(b'"', b'""')
    assert key in content
    return content.replace(key, other)


def told(found: Verified) -> dict[str, str]:
    faults: dict[str, str] = {}
    for fault in found.faults:
        faults[fault.path] = "; ".join(filter(None, (faults.get(fault.path), fault.what)))
    return faults


@pytest.fixture(scope="module")
def harmed(made: tuple[Settings, Manifest], tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Faults after each kind of harm was done to one file of every format."""
    found = {}
    copy = Copy(made, tmp_path_factory.mktemp("flipped"))
    for format_name in FORMATS:
        path = copy.root / copy.file(format_name).path
        path.write_bytes(flipped(path.read_bytes()))
    found["flipped"] = told(copy.verified())
    copy = Copy(made, tmp_path_factory.mktemp("beheaded"))
    for format_name in FORMATS:
        copy.rewrite(copy.file(format_name), beheaded)
    found["beheaded"] = told(copy.verified())
    copy.agree(-1)
    found["beheaded and agreed"] = told(copy.verified())
    copy = Copy(made, tmp_path_factory.mktemp("moved"))
    for format_name in FORMATS:
        train, test = copy.file(format_name), copy.file(format_name, "test")
        content = (copy.root / train.path).read_bytes()
        row = first_row(gzip.decompress(content) if train.path.endswith(".gz") else content, format_name)
        copy.rewrite(test, lambda text, name, row=row: with_row(text, row, name))  # type: ignore[misc]
    found["moved"] = told(copy.verified())
    copy.agree(1)
    found["moved and agreed"] = told(copy.verified())
    copy = Copy(made, tmp_path_factory.mktemp("renamed"))
    for format_name in SHAPED:
        copy.rewrite(copy.file(format_name), renamed)
    copy.agree()
    found["renamed and agreed"] = told(copy.verified())
    return found


def test_an_untouched_package_of_every_format_is_sound(made: tuple[Settings, Manifest]) -> None:
    settings, manifest = made
    assert verify(open_place(settings), manifest).faults == ()


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_changed_byte_a_missing_row_and_a_twin_in_another_split_are_found(
    format_name: str, made: tuple[Settings, Manifest], harmed: dict[str, dict[str, str]]
) -> None:
    files = {file.split: file.path for file in made[1].files if file.format == format_name}
    assert "has another sha256 than the manifest says" in harmed["flipped"][files["train"]]
    for what, split in (("beheaded", "train"), ("moved", "test")):
        assert "bytes instead of" in harmed[what][files[split]], what
        faults = harmed[f"{what} and agreed"]
        assert "sha256" not in faults.get(files[split], ""), "its checksum says nothing any more"
        assert "facts.json says something else of its files" in faults[FILE_NAME]
        if not format_name.endswith("/kto"):
            assert f"{format_name} has " in faults[FILE_NAME], "rows are counted against the splits"


@pytest.mark.parametrize("format_name", SHAPED)
def test_rows_that_their_trainer_would_refuse_are_found(
    format_name: str, made: tuple[Settings, Manifest], harmed: dict[str, dict[str, str]]
) -> None:
    file = next(file for file in made[1].files if (file.format, file.split) == (format_name, "train"))
    fault = harmed["renamed and agreed"][file.path]
    assert fault == f"{file.rows} rows are not of the shape of {format_name}"


def test_rows_that_a_manifest_agrees_with_are_held_against_the_index(harmed: dict[str, dict[str, str]]) -> None:
    assert "1 rows of the index are missing" in harmed["beheaded and agreed"]["index/rows.parquet"]
    moved = harmed["moved and agreed"]
    assert "tasks are in more than one split" in " ".join(moved.values())
    assert "near-duplicate clusters are in more than one split" in " ".join(moved.values())


@pytest.mark.parametrize("format_name", FORMATS)
def test_a_canary_is_found_in_every_format(format_name: str, leaking: tuple[Manifest, dict[str, str]]) -> None:
    manifest, faults = leaking
    found = [faults.get(file.path, "") for file in manifest.files if file.format == format_name]
    assert any("looks like personal data or a secret: EMAIL" in fault for fault in found)
    assert not any(CANARY in fault for fault in found)


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> tuple[Manifest, dict[str, str]]:
    settings = settings_at(tmp_path_factory.mktemp("leaking"))
    pairs(settings, 3)
    pairs(settings, 1, text=f"Hello,\nwrite to {CANARY}", first=700)
    manifest = built(settings, RECIPE).manifest
    return manifest, told(verify(open_place(settings), manifest))


def test_a_secret_in_a_document_is_named_even_where_the_file_was_changed(
    made: tuple[Settings, Manifest], tmp_path: Path
) -> None:
    copy = Copy(made, tmp_path)
    with (copy.root / "README.md").open("a") as file:
        file.write(f"\nask {CANARY}\n")
    fault = told(copy.verified())["README.md"]
    assert "bytes instead of" in fault
    assert "EMAIL" in fault
    assert CANARY not in fault


def test_files_that_come_or_go_are_found(made: tuple[Settings, Manifest], tmp_path: Path) -> None:
    copy = Copy(made, tmp_path)
    extra = copy.root / "jsonl" / "trl" / "train-00001-of-00002.jsonl.gz"
    extra.write_bytes(b"")
    gone = copy.file("csv").path
    (copy.root / gone).unlink()
    faults = told(copy.verified())
    assert faults["jsonl/trl/train-00001-of-00002.jsonl.gz"] == "is not in the manifest"
    assert "is missing" in faults[gone]


def _edits() -> list[object]:
    def replaced(**fields: object) -> Callable[[Manifest], Manifest]:
        return lambda manifest: msgspec.structs.replace(manifest, **fields)

    def source(**fields: object) -> Callable[[Manifest], Manifest]:
        return lambda manifest: msgspec.structs.replace(
            manifest, source=msgspec.structs.replace(manifest.source, **fields)
        )

    return [
        pytest.param(replaced(rows=7), "rows", id="rows"),
        pytest.param(replaced(split_rows={"train": 1}), "splits", id="splits"),
        pytest.param(replaced(created_at=0), "time", id="time"),
        pytest.param(replaced(parent_version="0.9.0"), "parent version", id="parent"),
        pytest.param(replaced(columns=()), "columns", id="columns"),
        pytest.param(replaced(kind="traces"), "kind of rows", id="kind"),
        pytest.param(replaced(files=()), "instead of", id="files"),
        pytest.param(source(purpose="competing-model"), "purpose", id="purpose"),
        pytest.param(source(recipe='name = "pack"\nmin_quality_score = 0.1\n'), "recipe", id="recipe"),
        pytest.param(source(recipe="name ="), "cannot be read", id="no recipe"),
        pytest.param(source(terms='reviewed = "x"\nrule = []\n'), "provider terms", id="terms"),
    ]


@pytest.mark.parametrize(("edit", "word"), _edits())
def test_an_edited_manifest_is_found_even_where_it_was_sealed_again(
    small: tuple[Settings, Manifest], tmp_path: Path, edit: Callable[[Manifest], Manifest], word: str
) -> None:
    copy = Copy(small, tmp_path)
    (copy.root / FILE_NAME).write_bytes(encode(edit(copy.manifest)))
    faults = told(copy.verified())
    assert "seal" not in faults[FILE_NAME]
    assert word in faults[FILE_NAME]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Manifest]:
    settings = settings_at(tmp_path_factory.mktemp("small"))
    stock(settings, 2)
    return settings, built(settings, 'name = "pack"\n').manifest


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"why": ""', b'"why": "because"'),
        (b'"purpose_stated": true', b'"purpose_stated": false'),
        (b'"rows": 4', b'"rows": 5'),
        (b'"bump": "first"', b'"bump": "first", "more": 1'),
        (b'"seal": "', b'"seal": "0'),
        (b"\n}", b"\n }"),
    ],
)
def test_a_manifest_edited_by_hand_is_found_by_its_seal(
    small: tuple[Settings, Manifest], tmp_path: Path, before: bytes, after: bytes
) -> None:
    copy = Copy(small, tmp_path)
    text = (copy.root / FILE_NAME).read_bytes()
    assert before in text
    (copy.root / FILE_NAME).write_bytes(text.replace(before, after, 1))
    assert "its seal does not fit" in told(copy.verified())[FILE_NAME]
