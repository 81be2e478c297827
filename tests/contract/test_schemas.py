"""The schema contract: every record is documented, has an example, and is the same in Avro and in Python."""

import copy
import io
import json
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fastavro import schemaless_reader, schemaless_writer
from fastavro.schema import UnknownType, parse_schema
from fastavro.validation import ValidationError, validate

from schemas import records
from schemas.codec import SchemaId, WriterSchema, decode, encode
from schemas.contracts import (
    NAMESPACE,
    AvroSchema,
    parse_for_codec,
    parsed_schema,
    record_names,
    registered_schema,
    topic_contracts,
)
from schemas.records import BODY_TYPES, CAPTURE_TRIGGERS, Record

SCHEMAS = Path(records.__file__).parent
EXAMPLES = SCHEMAS / "examples"
WRONG = ".wrong.json"

record = pytest.mark.parametrize("name", record_names())


class Lookup:
    """The registry of a test: id 1 is the record's own schema."""

    def __init__(self, name: str, schema: AvroSchema | None = None) -> None:
        self._name, self._schema = name, schema

    def writer_schema(self, schema_id: SchemaId) -> WriterSchema:
        return WriterSchema(self._name, self._schema or parsed_schema(self._name), self._schema is None)


def source(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SCHEMAS / "avro" / f"{name}.avsc").read_text(encoding="utf-8"))
    return found


def python_type(name: str) -> type[Record]:
    found: type[Record] = getattr(records, name)
    return found


def example_text(name: str) -> str:
    return (EXAMPLES / f"{name}.json").read_text(encoding="utf-8")


def wrong_names() -> list[str]:
    return sorted(path.name.removesuffix(WRONG) for path in EXAMPLES.glob(f"*{WRONG}"))


@record
def test_every_record_has_an_example(name: str) -> None:
    assert (EXAMPLES / f"{name}.json").exists()


def test_every_event_kind_is_shown_by_an_example_of_its_body() -> None:
    assert {body.__name__ for body in BODY_TYPES.values()} <= {path.stem for path in EXAMPLES.glob("*.json")}


def test_no_example_is_an_orphan() -> None:
    named = {path.name.removesuffix(WRONG).removesuffix(".json") for path in EXAMPLES.iterdir()}
    assert named <= set(record_names())


@record
def test_examples_set_every_field_so_that_a_reader_sees_them_all(name: str) -> None:
    assert set(json.loads(example_text(name))) == {field["name"] for field in source(name)["fields"]}


@record
def test_example_round_trips_through_avro_and_records(name: str) -> None:
    example = msgspec.json.decode(example_text(name), type=python_type(name))
    again = decode(encode(example, 1), Lookup(name), python_type(name))
    assert again == example
    assert json.loads(msgspec.json.encode(again)) == json.loads(example_text(name))


@pytest.mark.parametrize("name", wrong_names())
def test_wrong_example_is_refused_by_both(name: str) -> None:
    wrong = json.loads((EXAMPLES / f"{name}{WRONG}").read_text(encoding="utf-8"))
    assert wrong["why"]
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong["record"], python_type(name))
    with pytest.raises(ValidationError):
        validate(wrong["record"], parsed_schema(name), strict=True)


def test_enough_wrong_examples_exist_and_the_refusing_side_accepts_right_ones() -> None:
    assert len(wrong_names()) >= 5
    for name in wrong_names():
        validate(json.loads(example_text(name)), parsed_schema(name), strict=True)


@record
def test_python_mirrors_avro(name: str) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(python_type(name))}
    avro = {field["name"]: field for field in source(name)["fields"]}
    assert list(fields) == list(avro)
    hints = typing.get_type_hints(python_type(name))
    for field_name, field in fields.items():
        assert avro_of(hints[field_name]) == plain(avro[field_name]["type"]), field_name
        assert field.required == ("default" not in avro[field_name]), field_name
        if not field.required:
            default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
            assert json.loads(msgspec.json.encode(default)) == avro[field_name]["default"], field_name


@record
def test_python_says_what_avro_says(name: str) -> None:
    assert python_type(name).__doc__ == source(name)["doc"]


def avro_of(hint: Any) -> Any:
    """The Avro type that a Python type stands for, enums as the set of their symbols."""
    plain_types: dict[Any, Any] = {str: "string", bool: "boolean", float: "double", int: "integer", bytes: "bytes"}
    if hint in plain_types:
        return plain_types[hint]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"array": avro_of(arguments[0])}
    if origin is dict:
        return {"map": avro_of(arguments[1])}
    if type(None) in arguments:
        (other,) = [argument for argument in arguments if argument is not type(None)]
        return ["null", avro_of(other)]
    return f"{NAMESPACE}.{hint.__name__}"


def plain(avro: Any) -> Any:
    """An Avro type in the shape of `avro_of`: int, long and times are all Python's int."""
    if isinstance(avro, list):
        return [plain(branch) for branch in avro]
    if isinstance(avro, dict):
        kind = avro["type"]
        if kind == "array":
            return {"array": plain(avro["items"])}
        if kind == "map":
            return {"map": plain(avro["values"])}
        if kind == "enum":
            return {"enum": avro["symbols"]}
        return plain(kind)
    if avro in ("int", "long"):
        return "integer"
    if avro.startswith(f"{NAMESPACE}.") and avro.removeprefix(f"{NAMESPACE}.") not in record_names():
        return {"enum": enums()[avro.removeprefix(f"{NAMESPACE}.")]}
    return avro


def enums() -> dict[str, list[str]]:
    return {node["name"]: node["symbols"] for name in record_names() for node in nodes(source(name)) if is_enum(node)}


def is_enum(node: Any) -> bool:
    return isinstance(node, dict) and node.get("type") == "enum"


def nodes(node: Any) -> list[Any]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    return [node, *(inner for child in children for inner in nodes(child))]


def test_no_python_record_is_missing_its_schema() -> None:
    found = {
        name
        for name, value in vars(records).items()
        if isinstance(value, type) and issubclass(value, Record) and value is not Record
    }
    assert found == set(record_names())


@record
def test_every_field_is_documented(name: str) -> None:
    assert source(name)["doc"]
    assert all(field.get("doc") for field in source(name)["fields"])


@record
def test_registered_schema_is_self_contained(name: str) -> None:
    # A reader that has never seen another schema of ours can parse it.
    parse_schema(json.loads(registered_schema(name)), named_schemas={})


def test_a_schema_with_references_is_not_self_contained() -> None:
    with pytest.raises(UnknownType):
        parse_schema(source("Event"), named_schemas={})


@record
def test_every_enum_has_a_default_so_that_a_new_symbol_can_be_read(name: str) -> None:
    for node in nodes(source(name)):
        if is_enum(node):
            assert node["default"] in node["symbols"]


def test_topics_name_records_that_exist() -> None:
    for topic in topic_contracts().values():
        assert set(topic.records) <= set(record_names()), topic.name
        assert topic.subject(topic.records[0]) == f"{topic.name}-{NAMESPACE}.{topic.records[0]}"


def test_every_record_travels_on_a_topic_or_inside_one_that_does() -> None:
    reached = {name for topic in topic_contracts().values() for name in topic.records}
    for name in tuple(reached):
        text = registered_schema(name)
        reached |= {node["name"] for node in nodes(json.loads(text)) if isinstance(node, dict) and "fields" in node}
    assert reached == set(record_names())


def test_raw_content_is_restricted() -> None:
    for topic in topic_contracts().values():
        assert topic.content == "redacted" or topic.access == "restricted", topic.name


def test_event_has_a_body_for_every_kind_and_a_capture_trigger() -> None:
    bodies = {field["name"] for field in source("Event")["fields"]} & set(BODY_TYPES)
    assert bodies == set(BODY_TYPES) == set(CAPTURE_TRIGGERS)
    assert len(set(CAPTURE_TRIGGERS.values())) == 6


def reads(written_with: AvroSchema, read_with: AvroSchema, value: dict[str, Any]) -> dict[str, Any]:
    out = io.BytesIO()
    schemaless_writer(out, written_with, value)
    out.seek(0)
    found: dict[str, Any] = schemaless_reader(out, written_with, read_with)  # type: ignore[assignment]
    return found


def changed_event() -> tuple[dict[str, Any], dict[str, Any]]:
    """Event's schema as it is registered, and an example."""
    return json.loads(registered_schema("Event")), json.loads(example_text("Event"))


def test_an_optional_field_and_a_new_body_can_be_added() -> None:
    ours, example = changed_event()
    newer = copy.deepcopy(ours)
    body = {"type": "record", "name": "Paused", "namespace": NAMESPACE, "fields": [{"name": "why", "type": "string"}]}
    newer["fields"].append({"name": "region", "type": ["null", "string"], "default": None})
    newer["fields"].append({"name": "paused", "type": ["null", body], "default": None})
    old, new = parse_for_codec(json.dumps(ours)), parse_for_codec(json.dumps(newer))
    assert reads(old, new, example) == {**example, "region": None, "paused": None}
    assert reads(new, old, {**example, "region": "north", "paused": {"why": "lunch"}}) == example


def test_a_newer_producer_is_read_by_the_codec() -> None:
    ours, example = changed_event()
    newer = copy.deepcopy(ours)
    newer["fields"].append({"name": "region", "type": ["null", "string"], "default": None})
    schema = parse_for_codec(json.dumps(newer))
    out = io.BytesIO()
    schemaless_writer(out, schema, {**example, "region": "north"})
    event = decode(b"\0\0\0\0\1" + out.getvalue(), Lookup("Event", schema), records.Event)
    assert event == msgspec.convert(example, records.Event)


@pytest.mark.parametrize("change", ["remove_required", "change_type", "add_required"])
def test_breaking_changes_break(change: str) -> None:
    ours, example = changed_event()
    newer = copy.deepcopy(ours)
    fields = newer["fields"]
    if change == "remove_required":
        newer["fields"] = [field for field in fields if field["name"] != "agent"]
    elif change == "change_type":
        next(field for field in fields if field["name"] == "sequence")["type"] = "string"
        example["sequence"] = "3"
    else:
        fields.append({"name": "region", "type": "string"})
        example["region"] = "north"
    old, new = parse_for_codec(json.dumps(ours)), parse_for_codec(json.dumps(newer))
    if change == "add_required":
        old, new = new, old
    with pytest.raises(Exception, match=r"(?i)schema|mismatch|default"):
        reads(new, old, example)
