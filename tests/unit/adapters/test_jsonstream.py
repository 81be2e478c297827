"""Cutting JSON files into records, and going on after what is broken."""

import gzip
import json
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.adapters import jsonscan, jsonstream
from streams.adapters.base import BrokenRecord, RecordingFile
from streams.adapters.jsonstream import JsonRecord, read_fields, read_records


def read(
    folder: Path, content: bytes | str, name: str = "file.json", inside: tuple[str, ...] = ()
) -> list[JsonRecord | BrokenRecord]:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_records(RecordingFile(path), inside=inside))


def values(found: list[JsonRecord | BrokenRecord]) -> list[object]:
    return [item.value for item in found if isinstance(item, JsonRecord)]


def broken(found: list[JsonRecord | BrokenRecord]) -> list[BrokenRecord]:
    return [item for item in found if isinstance(item, BrokenRecord)]


LAYOUTS = {
    "lines": '{"a": 1}\n\n{"a": 2}\n',
    "lines without a last line break": '{"a": 1}\n{"a": 2}',
    "array": '[{"a": 1}, {"a": 2}]',
    "array on many lines": '[\n  {\n    "a": 1\n  },\n  {\n    "a": 2\n  }\n]\n',
    "array, one item a line": '[\n{"a": 1},\n{"a": 2}\n]\n',
    "documents one after another": '{\n"a": 1\n}\n{\n"a": 2\n}',
    "with a byte order mark": '\ufeff{"a": 1}\n{"a": 2}\n',
}


@pytest.mark.parametrize("content", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_every_layout_gives_the_same_records(tmp_path: Path, content: str) -> None:
    found = read(tmp_path, content)
    assert values(found) == [{"a": 1}, {"a": 2}]
    assert [item.number for item in found if isinstance(item, JsonRecord)] == [1, 2]


def test_records_know_their_line(tmp_path: Path) -> None:
    for content, lines in (('{"a": 1}\n\n{"a": 2}\n', [1, 3]), ('[\n\n{\n"a": 1},\n{"a":\n2}]', [3, 5])):
        found = read(tmp_path, content)
        assert [item.line for item in found if isinstance(item, JsonRecord)] == lines


def test_numbers_are_exact(tmp_path: Path) -> None:
    [found] = values(read(tmp_path, '{"big": 36893488147419103233, "odd": 9007199254740993, "half": 0.5, "e": 1e2}'))
    assert found == {"big": 2**65 + 1, "odd": 2**53 + 1, "half": 0.5, "e": 100.0}
    assert isinstance(found, dict)
    assert [type(value) for value in found.values()] == [int, int, float, float]


def test_what_python_writes_but_json_forbids_is_read(tmp_path: Path) -> None:
    [found] = values(read(tmp_path, '{"lone": "\\ud83d x", "nan": NaN}'))
    assert isinstance(found, dict)
    assert found["lone"] == "? x"


@pytest.mark.parametrize("name", ["file.jsonl", "file.json"])
def test_a_broken_line_is_reported_and_the_rest_goes_on(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, '{"a": 1}\n{"a": 2, "secret\n{"a": 3}\n\xff\n{"a": 4}\n'.encode("latin-1"), name)
    assert values(found) == [{"a": 1}, {"a": 3}, {"a": 4}]
    assert [(item.line, item.record) for item in broken(found)] == [(2, 2), (4, 4)]
    assert all("secret" not in item.reason for item in broken(found))


def test_a_broken_first_line_does_not_hide_the_lines(tmp_path: Path) -> None:
    found = read(tmp_path, '{"a": \n{"a": 2}\n{"a": 3}\n')
    assert values(found) == [{"a": 2}, {"a": 3}]
    assert [item.line for item in broken(found)] == [1]


def test_a_broken_item_costs_only_itself(tmp_path: Path) -> None:
    found = read(tmp_path, '[\n  {"a": 1},\n  {"a": tru},\n  {"a" 3},\n  {"a": "no quote}\n  },\n  {"a": 5}\n]')
    assert values(found) == [{"a": 1}, {"a": 5}]
    assert [item.line for item in broken(found)] == [3, 4, 5]


def test_a_file_that_is_cut_off_is_reported_once(tmp_path: Path) -> None:
    for content in (
        '[{"a": 1}, {"a": 2',
        '[{"a": 1}, {"a": "x',
        '[{"a": 1}',
        '{"runs": [{"a": 1}, {"a"',
        '{"runs": [{"a": 1}',
    ):
        found = read(tmp_path, content, inside=("runs",))
        assert values(found) == [{"a": 1}]
        assert len(broken(found)) == 1


def test_items_of_a_field_are_streamed_wherever_it_stands(tmp_path: Path) -> None:
    for content in (
        '{"info": {"x": "]}"}, "runs": [{"a": 1}, {"a": 2}]}',
        '{"runs": [{"a": 1}, {"a": 2}], "info": {"x": "\\"["}}',
        '{\n"z": 1,\n"runs":\n[\n{"a": 1}\n,{"a": 2}\n]\n}',
    ):
        assert values(read(tmp_path, content, inside=("runs",))) == [{"a": 1}, {"a": 2}]


def test_an_object_without_the_field_is_a_record(tmp_path: Path) -> None:
    document = {"a": [1, {"b": "}"}], "c é": None, "runs": {"not": "an array"}}
    assert values(read(tmp_path, json.dumps(document, indent=1), inside=("runs",))) == [document]


def test_fields_are_found_before_and_after_what_is_large(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    for content in ('{"info": {"a": 1}, "runs": [1, 2', '{"runs": [{"info": 2}], "info": {"a": 1}}'):
        path.write_text(content)
        assert read_fields(RecordingFile(path), ("info",)) == {"info": {"a": 1}}
    for content in ("[1]", "", "{", '{"info": {"a"'):
        path.write_text(content)
        assert read_fields(RecordingFile(path), ("info",)) == {}


def test_damaged_compression_is_reported(tmp_path: Path) -> None:
    packed = gzip.compress(b"".join(b'{"a": %d}\n' % n for n in range(50_000)))
    found = read(tmp_path, packed[: len(packed) // 2], "file.jsonl.gz")
    assert len(values(found)) > 1000
    assert "cannot be read further" in broken(found)[-1].reason
    assert "cannot be read further" in broken(read(tmp_path, b"not gzip", "file.json.gz"))[0].reason


def test_compression_is_known_by_its_first_bytes_whatever_the_name(tmp_path: Path) -> None:
    content = b'{"a": 1}\n{"a": 2}\n'
    packed, denser = gzip.compress(content), zstandard.ZstdCompressor().compress(content)
    for name, found in (("a.jsonl", packed), ("b.jsonl", denser), ("c.jsonl.gz", denser), ("d.jsonl.zst", packed)):
        assert read(tmp_path, found, name) == [
            JsonRecord({"a": 1}, 1, 1, 0), JsonRecord({"a": 2}, 2, 2, 0)
        ]  # fmt: skip


def test_nesting_and_size_have_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert broken(read(tmp_path, b"[" * 100_000))
    deep = b'{"a": ' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    assert broken(read(tmp_path, deep + b"\n" + b'{"b": 1}\n', "file.jsonl"))[0].reason == "nested too deeply"
    monkeypatch.setattr(jsonscan, "MAX_RECORD_BYTES", 100)
    monkeypatch.setattr(jsonstream, "MAX_RECORD_BYTES", 100)
    long = '{"a": "' + "x" * 500_000 + '"}'
    for content, name in ((f'[{long}, {{"a": 2}}]', "file.json"), (f'{long}\n{{"a": 2}}\n', "file.jsonl")):
        found = read(tmp_path, content, name)
        assert values(found) == [{"a": 2}]
        assert len(broken(found)) == 1


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "") == []
    assert read(tmp_path, " \n\n", "file.jsonl") == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(
    records=st.lists(st.dictionaries(st.text(), JSON, max_size=4), max_size=5),
    indent=st.sampled_from([None, 0, 1, 4]),
    ascii_only=st.booleans(),
    chunk=st.integers(1, 40),
)
def test_an_array_is_cut_as_json_reads_it(
    tmp_path_factory: pytest.TempPathFactory,
    records: list[dict[str, object]],
    indent: int | None,
    ascii_only: bool,
    chunk: int,
) -> None:
    folder = tmp_path_factory.mktemp("array")
    content = json.dumps(records, indent=indent, ensure_ascii=ascii_only)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsonscan, "_CHUNK_BYTES", chunk)  # so that every place of a buffer's end is tried
        patch.setattr(jsonstream, "_is_lines", lambda *_: False)
        assert values(read(folder, content)) == records
        assert values(read(folder, f'{{"x": {{}}, "runs": {content}}}', inside=("runs",))) == records


@settings(max_examples=200, deadline=None)
@given(content=st.text(alphabet='{}[]",:\\ \n1a', max_size=60), name=st.sampled_from(["f.json", "f.jsonl"]))
def test_no_bytes_raise(tmp_path_factory: pytest.TempPathFactory, content: str, name: str) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    read(folder, content, name, inside=("a",))
    read_fields(RecordingFile(folder / name), ("a",))


@pytest.mark.parametrize("raw", [b'{"a":"\xb3"}', b"\xff", b'["\xed\xa0\x80"]'])
def test_bytes_that_are_no_utf_8_are_no_json(raw: bytes) -> None:
    with pytest.raises(jsonscan.NotJsonError, match="UTF-8"):
        jsonscan.decode_json(raw)
