"""Compiled reading and writing against fastavro, which knows the same format by another way.

Where the compiled reader may refuse what fastavro reads (and never the other way round): a branch or enum index that
is below zero or takes more than its byte, a number of more than ten bytes or 64 bits, an `int` of more than 32 bits.
No writer that keeps to the specification makes these.
"""

import io
import json
import struct
import typing
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastavro import schemaless_reader, schemaless_writer
from hypothesis import given, settings
from hypothesis import strategies as st

import schemas.compiled
from schemas import records
from schemas.codec import SchemaId, WriterSchema, decode, encode
from schemas.compiled import Compiled, compiled
from schemas.contracts import AvroSchema, parse_for_codec, parsed_schema, record_names, registered_schema
from schemas.errors import UndecodableRecord
from schemas.records import (
    AgentEnded,
    AgentStarted,
    Consent,
    EventBatch,
    LateEvent,
    ModelRef,
    OffsetRange,
    PatternTool,
    QuarantinedTrace,
    Record,
    RedactionReport,
    Signal,
    StepEnded,
    Usage,
    WindowMeasure,
)

EXAMPLES = Path(records.__file__).parent / "examples"
FRAME = b"\0\0\0\0\1"
CANARY = "zebra"
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.sampled_from(["", "é" * 31, "x" * 63, "y" * 64, "ü" * 4100, "z" * 9000, "\x00", "\U0010ffff"]),
)
NUMBERS = {
    "int": st.one_of(st.integers(-70, 70), st.integers(-(2**31), 2**31 - 1), st.sampled_from([-(2**31), 2**31 - 1])),
    "long": st.one_of(st.integers(-70, 70), st.integers(-(2**63), 2**63 - 1), st.sampled_from([-(2**63), 2**63 - 1])),
}

record = pytest.mark.parametrize("name", record_names())


class Ours:
    """The registry of a test: every schema is ours."""

    def __init__(self, name: str) -> None:
        self._name = name

    def writer_schema(self, schema_id: SchemaId) -> WriterSchema:
        return WriterSchema(self._name, parsed_schema(self._name), True)


class Theirs(Ours):
    """The registry of a test: every schema is another version's."""

    def writer_schema(self, schema_id: SchemaId) -> WriterSchema:
        return WriterSchema(self._name, parse_for_codec(registered_schema(self._name)), False)


def python_type(name: str) -> type[Record]:
    found: type[Record] = getattr(records, name)
    return found


def example(name: str) -> Record:
    return msgspec.json.decode((EXAMPLES / f"{name}.json").read_bytes(), type=python_type(name))


def written(value: Record) -> bytes:
    """Avro by the code under test, without framing."""
    return encode(value, 1)[len(FRAME) :]


def read(payload: bytes, name: str) -> Record:
    """A record by the code under test."""
    return decode(FRAME + payload, Ours(name), python_type(name))


def written_by_fastavro(value: Record) -> bytes:
    out = io.BytesIO()
    plain = msgspec.to_builtins(value, builtin_types=(bytes,))
    schemaless_writer(out, parsed_schema(type(value).__name__), plain)
    return out.getvalue()


def read_by_fastavro(payload: bytes, name: str) -> Record:
    """A record by fastavro and msgspec. Raises any exception."""
    source = io.BytesIO(payload)
    data = schemaless_reader(source, parsed_schema(name), None)
    if source.tell() != len(payload):
        raise ValueError("bytes are left over")
    return msgspec.convert(data, python_type(name))


@cache
def any_record(name: str) -> st.SearchStrategy[Record]:
    """Any record of a type, with edges of its numbers and texts."""
    hints = typing.get_type_hints(python_type(name))
    fields = {field["name"]: any_value(hints[field["name"]], field["type"]) for field in parsed_schema(name)["fields"]}
    return st.builds(python_type(name), **fields)


def any_value(hint: Any, schema: Any) -> st.SearchStrategy[Any]:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if type(None) in arguments:
        (held,) = [argument for argument in arguments if argument is not type(None)]
        (branch,) = [branch for branch in schema if branch != "null"]
        return st.none() | any_value(held, branch)
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(any_value(arguments[0], schema["items"]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(TEXT, any_value(arguments[1], schema["values"]), max_size=3)
    if isinstance(hint, type) and issubclass(hint, Record):
        return any_record(hint.__name__)
    if hint is int:
        return NUMBERS[schema]
    simple = {str: TEXT, bytes: st.binary(max_size=70), float: st.floats(), bool: st.booleans()}
    return simple[hint]


@record
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_record_is_written_as_fastavro_writes_it_and_reads_back_the_same(name: str, data: st.DataObject) -> None:
    value = data.draw(any_record(name))
    payload = written(value)
    assert payload == written_by_fastavro(value)
    # repr tells 1 from 1.0, a tuple from a list, and says that NaN is NaN.
    assert repr(read(payload, name)) == repr(value) == repr(read_by_fastavro(payload, name))


@record
def test_examples_are_written_as_fastavro_writes_them(name: str) -> None:
    assert written(example(name)) == written_by_fastavro(example(name))
    assert repr(read(written(example(name)), name)) == repr(example(name))


def number(value: int, padding: int = 0) -> bytes:
    """A long as the specification has it, with bytes of padding that say nothing."""
    folded = value << 1 if value >= 0 else (-value << 1) - 1
    groups = []
    while True:
        groups.append(folded & 127)
        folded >>= 7
        if not folded:
            break
    groups += [0] * padding
    return bytes([group | 128 for group in groups[:-1]] + groups[-1:])


def in_blocks(value: Any, schema: Any, named: dict[str, Any], data: st.DataObject) -> bytes:
    """A value by a writer of its own kind: arrays and maps in blocks of any cut, some with their size in bytes."""
    if isinstance(schema, list):
        index = schema.index("null") if value is None else 1 - schema.index("null")
        return number(index) + (b"" if value is None else in_blocks(value, schema[index], named, data))
    kind = schema["type"] if isinstance(schema, dict) else schema
    if kind not in ("record", "enum", "array", "map") and kind in named:
        return in_blocks(value, named[kind], named, data)
    if kind == "record":
        return b"".join(in_blocks(value[field["name"]], field["type"], named, data) for field in schema["fields"])
    if kind == "enum":
        return number(schema["symbols"].index(value))
    if kind in ("array", "map"):
        if kind == "array":
            items = [in_blocks(item, schema["items"], named, data) for item in value]
        else:
            items = [
                in_blocks(key, "string", named, data) + in_blocks(item, schema["values"], named, data)
                for key, item in value.items()
            ]
        out = b""
        while items:
            cut = data.draw(st.integers(1, len(items)))
            block, items = items[:cut], items[cut:]
            padding = data.draw(st.integers(0, 3))
            content = b"".join(block)
            if data.draw(st.booleans()):
                out += number(-len(block), padding) + number(len(content), padding) + content
            else:
                out += number(len(block), padding) + content
        return out + number(0)
    if kind in ("int", "long"):
        return number(value)
    if kind == "double":
        return struct.pack("<d", value)
    if kind == "boolean":
        return bytes([value])
    raw = value.encode() if kind == "string" else value
    return number(len(raw)) + bytes(raw)


def named_types(schema: Any, found: dict[str, Any] | None = None) -> dict[str, Any]:
    """Records and enums that a parsed schema defines, by full name."""
    found = {} if found is None else found
    for node in schema if isinstance(schema, list) else [schema]:
        if isinstance(node, dict):
            if "name" in node:
                found[node["name"]] = node
            for inner in (node.get("items"), node.get("values"), *(field["type"] for field in node.get("fields", ()))):
                named_types(inner, found)
    return found


@pytest.mark.parametrize(
    "name", ["Decision", "DeadLetter", "Pattern", "PatternTool", "QuarantinedTrace", "WindowMeasure"]
)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_arrays_and_maps_in_any_blocks_read_the_same(name: str, data: st.DataObject) -> None:
    value = data.draw(any_record(name))
    schema = parsed_schema(name)
    plain = msgspec.to_builtins(value, builtin_types=(bytes,))
    payload = in_blocks(plain, schema, named_types(schema), data)
    assert repr(read(payload, name)) == repr(value) == repr(read_by_fastavro(payload, name))


def test_arrays_of_events_in_any_blocks_read_the_same() -> None:
    events = written(example("Event"))
    head = number(1) + b"t" + number(1) + b"p"
    payload = head + number(2) + events * 2 + number(-1) + number(len(events)) + events + number(0)
    batch = read(payload, "EventBatch")
    assert batch == EventBatch(trace_id="t", producer_id="p", events=(example("Event"),) * 3)  # type: ignore[arg-type]
    assert batch == read_by_fastavro(payload, "EventBatch")


def assert_same_verdict(payload: bytes, name: str) -> None:
    """Both read the same record or both refuse, but for the differences above."""
    expected: Record | None
    try:
        expected = read_by_fastavro(payload, name)
    except Exception:
        expected = None
    try:
        found = read(payload, name)
    except UndecodableRecord:
        assert expected is None or not is_as_specified(expected, payload)
        return
    assert repr(found) == repr(expected)


def is_as_specified(value: Record, payload: bytes) -> bool:
    """True when the bytes are the plain way to write the record: then there is no excuse to refuse them."""
    try:
        return written(value) == payload
    except ValueError:  # an `int` of more than 32 bits
        return False


@record
def test_every_truncation_is_refused(name: str) -> None:
    payload = written(example(name))
    for size in range(len(payload)):
        with pytest.raises(UndecodableRecord, match=rf"^{size} bytes do not decode as {name} \(\w+\)$"):
            read(payload[:size], name)


@record
def test_bytes_left_over_are_refused(name: str) -> None:
    with pytest.raises(UndecodableRecord, match=f"^3 bytes are left over after {name}$"):
        read(written(example(name)) + b"\0\0\0", name)


@record
def test_every_flipped_bit_gets_the_verdict_of_fastavro(name: str) -> None:
    payload = written(example(name))
    step = 1 + len(payload) // 300
    for position in range(0, len(payload), step):
        for bit in range(8):
            broken = bytearray(payload)
            broken[position] ^= 1 << bit
            assert_same_verdict(bytes(broken), name)


@record
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_damaged_bytes_get_the_verdict_of_fastavro(name: str, data: st.DataObject) -> None:
    payload = written(example(name))
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(payload)))
        end = min(len(payload), start + data.draw(st.integers(0, 4)))
        piece = data.draw(st.binary(max_size=4) | st.integers(-(2**63), 2**63 - 1).map(number))
        payload = payload[:start] + piece + payload[end:]
    assert_same_verdict(payload, name)


@record
@settings(max_examples=20, deadline=None)
@given(payload=st.binary(max_size=60))
def test_any_bytes_get_the_verdict_of_fastavro(name: str, payload: bytes) -> None:
    assert_same_verdict(payload, name)


def consent(status: bytes = b"\0", basis: bytes = b"\0") -> bytes:
    return status + basis + b"\0"


HUGE = number(2**60)
HOSTILE: dict[str, tuple[str, bytes]] = {
    "length below zero": ("Consent", consent(basis=b"\2" + number(-3) + CANARY.encode())),
    "length of minus one": ("ToolDefinition", number(-1)),
    "long length below zero": ("ToolDefinition", number(-(2**40)) + b"\0\0"),
    "lowest length": ("ToolDefinition", number(-(2**63))),
    "huge length": ("ToolDefinition", HUGE + CANARY.encode()),
    "highest length": ("ToolDefinition", number(2**63 - 1)),
    "length one too high at the end": ("QuarantinedTrace", b"\0\0\0" + number(1) + number(2) + b"x"),
    "length of ten bytes and more than 64 bits": ("ToolDefinition", b"\xff" * 9 + b"\x7f"),
    "number of eleven bytes": ("OffsetRange", b"\0\0" + b"\x80" * 10 + b"\0" + b"\0"),
    "number without end": ("OffsetRange", b"\0\0" + b"\x80" * 100_000),
    "number of more than 64 bits": ("OffsetRange", b"\0\0" + b"\xff" * 9 + b"\2" + b"\0"),
    "int of more than 32 bits": ("OffsetRange", b"\0" + number(2**31) + b"\0\0"),
    "optional int of more than 32 bits": ("AgentStarted", b"\1\0\0\2" + number(-(2**31) - 1) + b"\0\0\0\0"),
    "text that is no UTF-8": ("ToolDefinition", number(1) + b"\xff\0\0"),
    "half a character": ("ToolDefinition", number(1) + b"\xc3\0\0"),
    "surrogate as bytes": ("ToolDefinition", number(3) + b"\xed\xa0\x80\0\0"),
    "unknown branch": ("Consent", consent(basis=b"\4")),
    "branch below zero": ("Consent", consent(basis=b"\1" + number(1) + b"x")),
    "branch in two bytes": ("Consent", consent(basis=b"\x80\0")),
    "enum index too high": ("Consent", consent(status=number(3))),
    "enum index far too high": ("Consent", consent(status=HUGE)),
    "enum index below zero": ("Consent", consent(status=b"\1")),
    "huge array of nothing": ("EventBatch", b"\0\0" + HUGE),
    "huge array of little": ("QuarantinedTrace", b"\0\0\0" + HUGE + b"\0" * 50),
    "huge array with size": ("QuarantinedTrace", b"\0\0\0" + number(-(2**60)) + b"\0" * 50),
    "highest count": ("QuarantinedTrace", b"\0\0\0" + number(2**63 - 1)),
    "lowest count": ("QuarantinedTrace", b"\0\0\0" + number(-(2**63)) + b"\0\0"),
    "array of nothing without end": ("AgentStarted", b"\1\0\0\0\0" + number(1)),
    "huge map": ("RedactionReport", b"\0" + HUGE + b"\0" * 50),
    "huge map in a map": ("PatternTool", b"\0\0" + number(1) + b"\0" + HUGE),
    "half a double": ("Signal", b"\0\0\2" + b"\0" * 7),
    "nothing": ("Event", b""),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_bytes_are_refused_at_once_and_nothing_of_them_is_told(case: str) -> None:
    name, payload = HOSTILE[case]
    with pytest.raises(UndecodableRecord, match=rf"^{len(payload)} bytes do not decode as {name} \(\w+\)$") as caught:
        read(payload, name)
    assert caught.value.__suppress_context__


def test_hostile_cases_are_refused_for_what_they_are_named_after() -> None:
    assert read(consent(), "Consent") == Consent(status="granted")
    assert read(consent(basis=b"\2" + number(1) + b"x"), "Consent") == Consent(status="granted", basis="x")
    assert read(b"\0" + number(2**31 - 1) + number(2**63 - 1) + number(-(2**63)), "OffsetRange") == OffsetRange(
        topic="", partition=2**31 - 1, first_offset=2**63 - 1, last_offset=-(2**63)
    )
    assert read(b"\0\0\0" + number(1) + number(1) + b"x" + b"\0", "QuarantinedTrace") == QuarantinedTrace(
        trace_id="", revision=0, reason="", messages=(b"x",)
    )


def test_a_number_may_be_padded_up_to_ten_bytes() -> None:
    payload = b"\0" + number(3, 4) + number(5, 9) + number(-7, 2)
    assert read(payload, "OffsetRange") == OffsetRange(topic="", partition=3, first_offset=5, last_offset=-7)
    assert read(payload, "OffsetRange") == read_by_fastavro(payload, "OffsetRange")


def test_any_byte_but_zero_is_true_as_fastavro_has_it() -> None:
    for byte in range(256):
        payload = b"\0\0\2" + bytes([byte])
        assert read(payload, "StepEnded") == StepEnded(step_name="", success=byte != 0)
        assert read(payload, "StepEnded") == read_by_fastavro(payload, "StepEnded")


def test_of_a_key_that_a_map_holds_twice_the_last_value_counts() -> None:
    payload = b"\0" + number(3) + (b"\2a" + number(1)) + (b"\2b" + number(2)) + (b"\2a" + number(3)) + b"\0"
    assert repr(read(payload, "RedactionReport")) == repr(read_by_fastavro(payload, "RedactionReport"))
    assert read(payload, "RedactionReport") == RedactionReport(rules_version="", counts={"a": 3, "b": 2})


def test_an_int_too_wide_to_be_passed_on_is_refused_from_other_versions_too() -> None:
    payload = b"\1\0\0\2" + number(2**40) + b"\0\0\0\0"
    assert typing.cast(AgentStarted, read_by_fastavro(payload, "AgentStarted")).trial == 2**40
    with pytest.raises(UndecodableRecord, match="do not decode as AgentStarted"):
        decode(FRAME + payload, Theirs("AgentStarted"), AgentStarted)


@record
def test_the_way_through_another_versions_schema_gives_the_same(name: str) -> None:
    value = example(name)
    again = decode(encode(value, 1), Theirs(name), python_type(name))
    assert repr(again) == repr(value)


def misfit(record_type: type[Record], **wrong: Any) -> Callable[[], Record]:
    """The example of a type with some values that do not fit. Nothing checks them when a struct is made."""
    return lambda: msgspec.structs.replace(example(record_type.__name__), **wrong)


MISFITS: dict[str, tuple[Callable[[], Record], str]] = {
    "bytes for text": (misfit(OffsetRange, topic=CANARY.encode()), "AttributeError at `$.topic`"),
    "nothing for text": (misfit(OffsetRange, topic=None), "AttributeError at `$.topic`"),
    "a number for optional text": (misfit(Consent, basis=7), "AttributeError at `$.basis`"),
    "half a surrogate pair": (misfit(Consent, basis=CANARY + "\ud800"), "UnicodeEncodeError"),
    "text for bytes": (misfit(LateEvent, value=CANARY), "TypeError at `$.value`"),
    "text for a number": (misfit(OffsetRange, partition=CANARY), "TypeError at `$.partition`"),
    "a fraction for a number": (misfit(OffsetRange, first_offset=0.5), "TypeError at `$.first_offset`"),
    "nothing for a number": (misfit(OffsetRange, first_offset=None), "TypeError at `$.first_offset`"),
    "a long too high": (misfit(OffsetRange, first_offset=2**63), "OverflowError"),
    "a long too low": (misfit(OffsetRange, first_offset=-(2**63) - 1), "OverflowError"),
    "a long far too low": (misfit(OffsetRange, first_offset=-(2**200)), "OverflowError"),
    "an int too high": (misfit(OffsetRange, partition=2**31), "OverflowError"),
    "an int too low": (misfit(OffsetRange, partition=-(2**31) - 1), "OverflowError"),
    "an optional int too high": (misfit(AgentStarted, trial=2**31), "OverflowError"),
    "a number in a map too high": (misfit(RedactionReport, counts={CANARY: 2**63}), "OverflowError"),
    "text for a fraction": (misfit(WindowMeasure, total="1.5"), "error at `$.total`"),
    "a fraction too high": (misfit(Signal, value=10**400), "error at `$.value`"),
    "a number for a bool": (misfit(StepEnded, success=1), "TypeError at `$.success`"),
    "nothing for a bool": (misfit(AgentStarted, root=None), "TypeError at `$.root`"),
    "a symbol that is none": (misfit(AgentEnded, completion_status=CANARY), "KeyError at `$.completion_status`"),
    "text for an array": (misfit(AgentStarted, constraints=CANARY), "TypeError at `$.constraints`"),
    "nothing for an array": (misfit(AgentStarted, constraints=None), "TypeError at `$.constraints`"),
    "a number in an array": (misfit(AgentStarted, constraints=("a", 1)), "AttributeError at `$.constraints[1]`"),
    "a record of another type": (misfit(AgentStarted, tools=(Usage(),)), "AttributeError at `$.tools[0]`"),
    "an array for a map": (misfit(RedactionReport, counts=(("a", 1),)), "TypeError at `$.counts`"),
    "a number for a key": (misfit(RedactionReport, counts={1: 1}), "AttributeError at `key` in `$.counts`"),
    "text in bytes": (misfit(QuarantinedTrace, messages=(CANARY,)), "TypeError at `$.messages[0]`"),
    "text for an array in a map": (
        misfit(PatternTool, typical_inputs={"a": CANARY}),
        "TypeError at `$.typical_inputs[...]`",
    ),
    "an object": (misfit(Consent, basis=object()), "AttributeError"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_a_value_that_does_not_fit_is_refused_with_its_field_and_without_itself(case: str) -> None:
    make, told = MISFITS[case]
    value = make()
    with pytest.raises(ValueError, match=f"^{type(value).__name__} cannot be written: ") as caught:
        encode(value, 1)
    assert str(caught.value).endswith(told)
    assert CANARY not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_whole_number_is_a_fraction_and_a_list_is_an_array() -> None:
    assert written(Signal(name="a", version=1, value=2)) == written(Signal(name="a", version=1, value=2.0))
    listed = AgentStarted(root=True, constraints=["a", "b"])  # type: ignore[arg-type]
    assert written(listed) == written(AgentStarted(root=True, constraints=("a", "b")))


@record
def test_a_record_type_is_compiled_once(name: str) -> None:
    assert compiled(python_type(name)) is compiled(python_type(name))


def made_from(fields: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> tuple[Compiled, AvroSchema]:
    """ModelRef (`provider` and `name`, both optional text) compiled from another schema, and that schema."""
    schema = parse_for_codec(json.dumps({"type": "record", "name": "tdc.ModelRef", "fields": fields}))
    monkeypatch.setattr(schemas.compiled, "parsed_schema", lambda name: schema)
    return compiled.__wrapped__(ModelRef), schema


@pytest.mark.parametrize("value", [ModelRef(), ModelRef(provider="a"), ModelRef(provider="a", name="b")])
def test_null_may_be_any_branch_of_a_union(value: ModelRef, monkeypatch: pytest.MonkeyPatch) -> None:
    made, schema = made_from(
        [{"name": "provider", "type": ["string", "null"]}, {"name": "name", "type": ["null", "string"]}], monkeypatch
    )
    out = io.BytesIO()
    schemaless_writer(out, schema, msgspec.to_builtins(value))
    own = bytearray()
    made.write(value, own, own.append)
    assert bytes(own) == out.getvalue()
    assert made.read(bytes(own), 0) == (value, len(own))


@pytest.mark.parametrize(
    "refused",
    ["null", "float", ["null"], ["int", "string"], ["null", "int", "string"], {"type": "array", "items": "null"}],
)
def test_a_schema_beyond_what_is_compiled_is_refused_when_compiling(
    refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TypeError, match="compiled"):
        made_from([{"name": "provider", "type": refused}], monkeypatch)


def test_a_record_that_takes_no_byte_is_refused_when_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="takes no byte"):
        made_from([], monkeypatch)
