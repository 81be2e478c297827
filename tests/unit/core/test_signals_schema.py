"""Declared tool schemas are foreign text: understood where they can be, and never a danger."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.signals.tool_schema import MAX_NODES, tool_schema

BFCL = Path(__file__).parents[4] / "shared" / "data" / "bfcl"
PERSON = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}


def accepts(schema: object, arguments: dict[str, Any]) -> bool:
    return tool_schema(schema if isinstance(schema, str) else json.dumps(schema)).accepts(arguments)


def of_a(inner: object) -> dict[str, object]:
    return {"type": "object", "properties": {"a": inner}}


@pytest.mark.parametrize(
    ("inner", "right", "wrong"),
    [
        ({"type": "string"}, "x", 1),
        ({"type": "integer"}, 1, 1.5),
        ({"type": "boolean"}, True, "true"),
        ({"type": ["string", "null"]}, None, 1),
        ({"type": "string", "nullable": True}, None, 1),
        ({"enum": ["x", "y"]}, "y", "z"),
        ({"enum": ["x"], "nullable": True}, None, "z"),
        ({"const": 1}, 1, 2),
        ({"type": "number", "minimum": 1, "exclusiveMaximum": 2}, 1, 2),
        ({"type": "string", "minLength": 1, "maxLength": 3}, "abc", "abcd"),
        ({"type": "string", "pattern": "^[a-z]+$"}, "abc", "ABC"),
        ({"type": "array", "items": {"type": "string"}}, ["x"], [1]),
        ({"items": [{"type": "string"}]}, ["x", 1], [1]),
        ({"type": "array", "maxItems": 1}, [1], [1, 2]),
        ({"anyOf": [{"type": "string"}, PERSON]}, {"age": 3}, {"age": "x"}),
        ({"allOf": [{"minimum": 1}, {"maximum": 2}]}, 2, 3),
        ({"oneOf": [{"type": "string"}, {"type": "null"}]}, None, 1),
        ({"type": "object", "properties": {"b": {}}, "additionalProperties": False}, {"b": 1}, {"c": 1}),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, {"c": 1}, {"c": "x"}),
        ({"type": "dict", "properties": {"f": {"type": "float"}}}, {"f": 1.5}, {"f": "x"}),
        ({"type": "tuple", "items": {"type": "int"}}, [1], ["x"]),
        (False, None, 1),
    ],
)
def test_what_a_schema_asks_for_is_checked(inner: object, right: object, wrong: object) -> None:
    assert accepts(of_a(inner), {} if inner is False else {"a": right})
    assert not accepts(of_a(inner), {"a": wrong})


@pytest.mark.parametrize("root", ["$defs", "definitions"])
def test_local_references_are_followed(root: str) -> None:
    schema = of_a({"$ref": f"#/{root}/Person"}) | {root: {"Person": PERSON}}
    assert accepts(schema, {"a": {"age": 1}})
    assert not accepts(schema, {"a": {}})
    assert not accepts({"$ref": f"#/{root}/a~1b", root: {"a/b": {"required": ["x"]}}}, {})


@pytest.mark.parametrize(
    "schema",
    [
        "nope",
        "3",
        "[]",
        "null",
        "true",
        '{"type": "any"}',
        '{"type": ["string", "any"]}',
        '{"type": 3, "enum": [], "required": "a", "properties": [], "items": 5, "minimum": "x", "minLength": -1}',
        '{"properties": {"a": {"pattern": "(?=x)("}}}',
        '{"properties": {"a": {"required": true}}}',
        '{"$ref": "http://127.0.0.1:1/x.json"}',
        '{"$ref": "file:///etc/passwd"}',
        '{"$ref": "#/nowhere/0"}',
        '{"$ref": "#"}',
        '{"$schema": "http://unknown/", "$id": "x", "not": {}, "if": {}, "then": false}',
        '{"enum": ["\\ud800"]}',
        '{"anyOf": [], "allOf": {}, "multipleOf": 0}',
        '{"minimum": 1e999}',
        '{"properties": {"a": {"oneOf": [{"type": "string"}, {"type": "string", "not": {}}]}}}',
    ],
)
def test_what_makes_no_sense_asks_for_nothing(schema: str) -> None:
    assert accepts(schema, {"a": "x"})


def test_one_bad_pattern_does_not_cost_the_rest() -> None:
    assert not accepts(of_a({"type": "string", "pattern": "(?=x"}), {"a": 1})


def test_no_schema_asks_for_nothing() -> None:
    assert tool_schema(None).accepts({"a": 1})


def tower(floors: int) -> str:
    """Each floor refers to the next twice: read naively it doubles with every floor."""
    floor = {
        f"f{at}": {"anyOf": [{"$ref": f"#/$defs/f{at + 1}"}, {"$ref": f"#/$defs/f{at + 1}"}]} for at in range(floors)
    }
    return json.dumps({"$defs": {**floor, f"f{floors}": {"type": "string"}}, **of_a({"$ref": "#/$defs/f0"})})


def seconds_for(schema: str, arguments: dict[str, Any]) -> float:
    began = time.process_time()
    tool_schema(schema).accepts(arguments)
    return time.process_time() - began


def test_a_schema_that_doubles_with_every_floor_costs_no_more_than_one_of_the_limit() -> None:
    flat = json.dumps({"type": "object", "properties": {f"p{at}": {"type": "string"} for at in range(MAX_NODES)}})
    allowed = max(seconds_for(flat, {"p1": 1}), 0.005)
    assert seconds_for(tower(60), {"a": 1}) < 20 * allowed


def test_only_so_many_nodes_of_a_schema_are_kept() -> None:
    wide = json.dumps(
        {"properties": {f"p{at}": {"type": "string"} for at in range(5000)}, "additionalProperties": False}
    )
    found = tool_schema(wide)
    assert found.nodes <= MAX_NODES + 1
    assert not found.accepts({"p1": 1})
    assert found.accepts({"p4999": 1})
    assert found.accepts({"p4999": 1, "p1": "x"})


@pytest.mark.parametrize("depth", [40, 190, 5000])
def test_deep_schemas_and_deep_arguments(depth: int) -> None:
    inner: object = 1
    for _ in range(min(depth, 190)):
        inner = {"a": inner}
    assert accepts('{"properties":{"a":' * depth + '{"type":"null"}' + "}}" * depth, {"a": inner})
    assert accepts({**of_a({"$ref": "#"}), "type": ["object", "integer"]}, {"a": inner})


def test_patterns_do_not_backtrack() -> None:
    schema = json.dumps(of_a({"pattern": "^(a+)+$"}))
    small, large = (min(seconds_for(schema, {"a": "a" * size + "b"}) for _ in range(3)) for size in (100_000, 800_000))
    assert large < 32 * max(small, 0.0005)


@pytest.mark.parametrize("inner", [{"type": "string"}, {"maxLength": 9}, {"pattern": "x"}, {"enum": ["x"]}])
def test_text_that_is_no_unicode_raises_nothing(inner: object) -> None:
    assert accepts(of_a(inner), {"a": "\ud800"}) in (True, False)
    assert not accepts({"required": ["b"], **of_a(inner)}, {"a": "\ud800"})


def test_a_recursive_schema_is_written_out_once() -> None:
    assert tool_schema('{"$ref": "#"}').nodes < 5
    tree = {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "n": {"type": "integer"}}}
    assert tool_schema(json.dumps(tree)).nodes < 30
    assert not accepts(tree, {"n": "x"})


def test_nodes_past_the_limit_accept_anything() -> None:
    many = {f"p{at}": {"type": "integer", "properties": {f"q{at}": {} for at in range(300)}} for at in range(300)}
    found = tool_schema(json.dumps({"properties": many}))
    assert found.nodes < 2 * MAX_NODES
    assert not found.accepts({"p0": "x"})
    assert found.accepts({"p299": "x"})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
KEYWORDS = """type enum const required properties items anyOf oneOf allOf $ref pattern additionalProperties
patternProperties minimum maxLength nullable not $defs"""
keyword = st.sampled_from(KEYWORDS.split())
schemas = st.recursive(
    json_values, lambda inner: st.dictionaries(keyword, inner | st.lists(inner, max_size=3), max_size=4), max_leaves=12
)


@given(schemas, st.dictionaries(st.text(), json_values, max_size=3))
def test_any_schema_and_any_arguments_give_an_answer(schema: object, arguments: dict[str, Any]) -> None:
    assert tool_schema(json.dumps(schema)).accepts(arguments) in (True, False)


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["simple_python", "parallel"])
def test_recorded_declarations_take_the_right_calls_and_refuse_those_without_a_required_key(name: str) -> None:
    if not BFCL.exists():
        pytest.skip("the recordings (../shared/data) are not here")
    asked = {row["id"]: row for row in lines(BFCL / f"BFCL_v4_{name}.json.gz")}
    right = accepted = 0
    for row in lines(BFCL / f"possible_answer__BFCL_v4_{name}.json.gz"):
        declared = {tool["name"]: tool["parameters"] for tool in asked[row["id"]]["function"]}
        for answer in row["ground_truth"]:
            ((tool, options),) = answer.items()
            arguments = {key: values[0] for key, values in options.items() if values and values[0] != ""}
            schema = tool_schema(json.dumps(declared[tool]))
            right += 1
            accepted += schema.accepts(arguments)
            for missing in declared[tool].get("required", [])[:1]:
                assert not schema.accepts({key: value for key, value in arguments.items() if key != missing})
    assert right > 300
    assert accepted / right > 0.98  # the rest nest the lists of allowed values, which no call would


def lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]
