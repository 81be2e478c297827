"""What a model wrote comes back as it was, whatever it was: hostile text, big numbers, lone surrogates."""

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.records import Example
from schemas.render import conversation_example, training_example
from sinks.packages.formats.json_text import Stand
from tests.unit.sinks.packages_formats.written import SYSTEM, TOOLS, USER, asks, call, example, result, write

HOSTILE = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(
    ["\x00", "😀é", "\u2028", "</think>", "=1+1", '"\\', "\\ud800", "\U0010f800", "\r\n", "\ufeff", "'"]
)
NUMBERS = st.sampled_from(["0.10", "9007199254740993", "-9223372036854775808", "1E5", "-0.0", "3.0000000000000004"])
"""Numbers as text: read and written again, they would not be the same."""


class Digits(str):
    """A number that is written as it stands."""


def dumped(value: object) -> str:
    """JSON text with `Digits` as they are."""
    if isinstance(value, Digits):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)}:{dumped(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",\n".join(map(dumped, value)) + "]"
    return json.dumps(value, ensure_ascii=isinstance(value, str) and len(value) % 2 == 0)


ARGUMENTS = st.dictionaries(
    HOSTILE,
    st.recursive(
        HOSTILE | NUMBERS.map(Digits) | st.none() | st.booleans(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
).map(dumped)


def digits(text: str) -> object:
    """JSON with numbers as their text."""
    return json.loads(text, parse_int=Digits, parse_float=Digits)


def calls_of(row: dict[str, object], key: str = "messages") -> list[object]:
    """Arguments in the messages of a row."""
    messages = row[key]
    assert isinstance(messages, list)
    return [one["function"]["arguments"] for message in messages for one in message.get("tool_calls", [])]


def read_exactly(lines: list[str]) -> list[dict[str, object]]:
    found = [digits(line) for line in lines]
    return [row for row in found if isinstance(row, dict)]


@settings(deadline=None, max_examples=60)
@given(arguments=st.lists(ARGUMENTS, min_size=1, max_size=3), said=HOSTILE)
def test_arguments_and_text_survive_every_chat_shape(arguments: list[str], said: str) -> None:
    made = [call(text, call_id=f"c{place}") for place, text in enumerate(arguments)]
    rows = [example([{"role": "user", "content": said or "x"}, asks(*made, content=said)])]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("jsonl/openai", "jsonl/axolotl"):
            [row] = read_exactly(write(Path(folder), name, rows).lines())
            assert calls_of(row) == arguments, name
        [row] = read_exactly(write(Path(folder), "jsonl/trl", rows).lines())
        assert calls_of(row) == [digits(text) for text in arguments]
        assert isinstance(row["messages"], list)
        assert row["messages"][1]["content"] == said
        [row] = read_exactly(write(Path(folder), "jsonl/atif", rows).lines())
        assert isinstance(row["steps"], list)
        assert [one["arguments"] for one in row["steps"][1]["tool_calls"]] == [digits(text) for text in arguments]
        shaped = write(Path(folder), "jsonl/llamafactory", rows)
        if not shaped.skipped:
            [row] = read_exactly(shaped.lines())
            assert isinstance(row["conversations"], list)
            value = row["conversations"][1]["value"]
            found: Any = digits(re.sub(r"\A<think>.*?</think>\s*", "", value, flags=re.DOTALL))
            functions = found if isinstance(found, list) else [found]
            assert [one["arguments"] for one in functions] == [digits(text) for text in arguments]


@pytest.mark.parametrize("name", ["jsonl/trl", "jsonl/atif", "jsonl/openai", "jsonl/conversation_example"])
def test_a_lone_surrogate_in_arguments_or_text_is_kept_as_its_escape(name: str, tmp_path: Path) -> None:
    inner = '{"a":"\\ud800 \\\\ud800 \\ud83d\\ude00 \U0010f800"}'
    said = "\udfff and \U0010ffff"
    row = example([{"role": "user", "content": said}, asks(call(inner), call('{"b":"\udc00"}', call_id="d"))])
    line = write(tmp_path, name, [row]).lines()[0]
    loaded = json.dumps(json.loads(line))
    assert "\\udfff and \\udbff\\udfff" in loaded
    assert "\\udc00" in loaded
    assert line.count("\U0010f800") == 1
    if name == "jsonl/openai":
        assert calls_of(json.loads(line))[0] == inner
    if name == "jsonl/trl":
        assert calls_of(json.loads(line)) == [json.loads(inner), {"b": "\udc00"}]


@given(st.lists(HOSTILE | st.sampled_from(["\ud800", "\udfff", "\ud83d", "\\"]), max_size=6).map("".join))
def test_stand_ins_are_taken_back_exactly(text: str) -> None:
    for ascii_only in (True, False):
        # Surrogates that stand side by side are written as one pair, as Python reads them back.
        written = (
            json.dumps(text)
            if ascii_only
            else re.sub("[\ud800-\udfff]", _escaped, json.dumps(text, ensure_ascii=False))
        )
        stand = Stand.of((written,))
        assert json.loads(stand.taken_back(stand.put(written))) == json.loads(written)
        stand.put(written).encode()
        assert not re.search("[\ud800-\udfff]", json.loads(stand.put(written)))


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ('{"a": 18446744073709551616}', "number_out_of_range"),
        ('{"a": [-9223372036854775809]}', "number_out_of_range"),
        ('{"a": 1e400}', "number_out_of_range"),
        ('{"a": tru', "arguments_are_no_object"),
        ("[1]", "arguments_are_no_object"),
        ('{"a": NaN}', "arguments_are_no_object"),
        ('{"a": ' + "[" * 300 + "]" * 300 + "}", "nests_too_deep"),
    ],
)
def test_what_readers_of_objects_would_break_on_is_left_out_with_a_reason(
    arguments: str, reason: str, tmp_path: Path
) -> None:
    rows = [example([USER, asks(call(arguments))]), example([USER, asks(call("{}"))])]
    written = write(tmp_path, "jsonl/trl", rows)
    assert written.skipped == {reason: 1}
    assert written.files[0].rows == 1
    text = write(tmp_path, "jsonl/openai", rows)  # where arguments are text, any text will do
    assert text.skipped == {}
    assert calls_of(text.objects()[0]) == [arguments]


def test_numbers_at_the_edge_of_64_bits_are_kept(tmp_path: Path) -> None:
    arguments = '{"a": 18446744073709551615, "b": -9223372036854775808, "c": 1e308, "id": "99999999999999999999999"}'
    assert calls_of(write(tmp_path, "jsonl/trl", [example([USER, asks(call(arguments))])]).objects()[0]) == [
        json.loads(arguments)
    ]


def test_json_over_several_lines_stays_on_one_line(tmp_path: Path) -> None:
    tools = json.dumps(TOOLS, indent=2)
    rows = [example([USER, asks(call('{\n "a":\r\n 1}'))], tools=tools)]
    for name in ("jsonl/trl", "jsonl/atif", "jsonl/openai", "jsonl/axolotl", "jsonl/llamafactory"):
        [row] = write(tmp_path, name, rows).objects()
        assert row
    assert write(tmp_path, "jsonl/trl", rows).objects()[0]["tools"] == TOOLS


def test_unreadable_messages_are_left_out_with_a_reason(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        example([]) | {"messages": "[{"},
        example([]),
        example([{"role": "user", "content": 7}]),
        example([]) | {"messages": "[" * 5000 + "]" * 5000},
    ]
    written = write(tmp_path, "jsonl/trl", rows)
    assert written.files == ()
    assert written.skipped == {"nests_too_deep": 1, "no_messages": 1, "unreadable_json": 2}


def records() -> Iterator[Example]:
    chats: tuple[list[Mapping[str, object]], ...] = (
        [SYSTEM, USER, asks(call('{"order_id":1,"why":"née"}'), content="I look.", reasoning="must")],
        [USER, asks(call("not json")), result("x"), {"role": "assistant", "content": "Done."}],
    )
    for messages in chats:
        row = example(messages)
        yield Example(
            revision=1,
            event_ids=(),
            source_offsets=(),
            created_at=0,
            **{name: row[name] for name in Example.__struct_fields__ if name in row and name != "source_offsets"},  # type: ignore[arg-type]
        )


def test_the_shapes_of_the_original_description_are_those_of_the_renderer(tmp_path: Path) -> None:
    for record in records():
        row: dict[str, object] = {name: getattr(record, name, None) for name in example([])} | {"source_offsets": "[]"}
        [training] = write(tmp_path, "jsonl/training_example", [row]).objects()
        assert json.dumps(training) == json.dumps(json.loads(json.dumps(training_example(record))))
        [conversation] = write(tmp_path, "jsonl/conversation_example", [row]).objects()
        assert json.dumps(conversation) == json.dumps(conversation_example(record))
