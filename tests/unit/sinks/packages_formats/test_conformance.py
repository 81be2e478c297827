"""What our writers write fits its reader, however odd; what a trainer would refuse does not."""

import json
import tempfile
from pathlib import Path

import pyarrow.fs as pafs
import pytest
from hypothesis import given, settings

from sinks.packages.formats import FORMATS, format_named, misfits
from sinks.packages.formats.conformance import ROWS
from tests.unit.sinks.packages_formats.test_exactness import ARGUMENTS, HOSTILE
from tests.unit.sinks.packages_formats.written import EXAMPLES, SYSTEM, USER, asks, call, example, write

SHAPED = [name for name in FORMATS if "/" in name]
DEEP = '{"a":' * 3000 + "1" + "}" * 3000
ODD = [
    '{"a":"\\ud800"}',
    '{"a":1e400}',
    '{"a":123456789012345678901234567890}',
    '{"":[null,true,0.10]}',
    DEEP,
]
FILES = pafs.LocalFileSystem()


@pytest.mark.parametrize("name", sorted({name.split("/")[1] for name in SHAPED}))
def test_each_shape_says_what_its_reader_takes_of_every_column(name: str) -> None:
    shape = next(found for each in SHAPED if (found := format_named(each).shape) and found.name == name)
    assert ROWS[name].__struct_encode_fields__ == tuple(shape.fields.names)


@pytest.mark.parametrize("name", SHAPED)
def test_what_is_written_fits_its_reader(name: str, tmp_path: Path) -> None:
    odd = [example([SYSTEM, USER, asks(call(text), content=text)], example_id=text[:9]) for text in ODD]
    for told in odd:
        told["rejected"] = json.dumps([asks(call("{}"))])
    written = write(tmp_path, name, [*EXAMPLES, *odd])
    assert sum(file.rows for file in written.files) > 2
    assert [misfits(FILES, path, name) for path in written.paths] == [0] * len(written.paths)


@settings(deadline=None, max_examples=30)
@given(arguments=ARGUMENTS, said=HOSTILE)
def test_whatever_a_model_wrote_fits(arguments: str, said: str) -> None:
    row = example([{"role": "user", "content": said or "x"}, asks(call(arguments), content=said)])
    row["rejected"] = json.dumps([asks(call(arguments), content="no")])
    with tempfile.TemporaryDirectory() as folder:
        for name in (name for name in SHAPED if name.startswith("jsonl/")):
            written = write(Path(folder), name, [row])
            assert [misfits(FILES, path, name) for path in written.paths] == [0] * len(written.paths), name


CALL = '{"id":"c","type":"function","function":{"name":"f","arguments":%s}}'
MISFITS = {
    "trl": [
        '{"messages":[{"role":"assistant","content":"","tool_calls":[' + CALL % '"{}"' + "]}]}",
        '{"messages":[{"role":"user","content":1}]}',
        '{"messages":[{"content":"x"}]}',
        '{"messages":[],"tools":"[]"}',
        '{"messages":[],"more":1}',
        '{"tools":[]}',
        "[]",
        "{",
        '{"messages":[],"tools":[1e400]}',
        '{"messages":[{"role":"\\ud800","content":1}]}',
    ],
    "openai": [
        '{"messages":[{"role":"assistant","content":null,"tool_calls":[' + CALL % "{}" + "]}]}",
        '{"messages":[{"role":"person","content":""}]}',
        '{"messages":[{"role":"user"}]}',
        '{"messages":[{"role":"user","content":"","reasoning_content":""}]}',
        '{"messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":"{}"}}]}',
    ],
    "kto": ['{"prompt":[],"completion":[],"label":1}', '{"prompt":[],"completion":[]}'],
    "llamafactory": [
        '{"conversations":[{"from":"user","value":""}],"system":"","tools":""}',
        '{"conversations":[],"system":"","tools":[]}',
    ],
    "axolotl": ['{"messages":[{"role":"user","content":null}]}', '{"messages":[],"tools":[{"type":"function"}]}'],
    "atif": ['{"schema_version":"","session_id":"","agent":{"name":"a","version":"1"},"steps":[{}],"extra":{}}'],
    "training_example": ['{"id":"","type":"","context":{},"expected_output":{},"metadata":{}}'],
    "conversation_example": ['{"id":"","messages":[],"metadata":{"scenario":1}}'],
    "trl-preference": ['{"prompt":[],"chosen":[]}'],
    "trl-reward": ['{"prompt":[],"chosen":[],"rejected":[]}'],
}


@pytest.mark.parametrize("shape", MISFITS)
def test_what_a_trainer_would_refuse_does_not_fit(shape: str, tmp_path: Path) -> None:
    for number, line in enumerate(MISFITS[shape]):
        path = tmp_path / f"{number}.jsonl"
        wrapper = getattr(format_named(f"jsonl/{shape}").shape, "wrapper", None)
        path.write_text(f'{{"{wrapper}":{line}}}\n' if wrapper else line + "\n")
        assert misfits(FILES, str(path), f"jsonl/{shape}") == 1, line


def test_rows_of_a_table_have_no_shape(tmp_path: Path) -> None:
    written = write(tmp_path, "jsonl", EXAMPLES)
    assert misfits(FILES, written.paths[0], "jsonl") == 0
