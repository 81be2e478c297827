"""Topic contracts and Avro schemas, read from the files beside this module.

A topic is a contract file (`topics/*.toml`): records, key, producers, consumers, retention, access, compatibility.
Subjects follow TopicRecordNameStrategy: `{topic}-{record full name}`.
"""

import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
from fastavro.schema import parse_schema

HERE = Path(__file__).parent
NAMESPACE = "tdc"

AvroSchema = dict[str, Any]
"""A schema as Avro's own JSON; its shape is Avro's, not ours."""


class TopicContract(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One topic as its users may rely on it."""

    name: str
    doc: str
    records: tuple[str, ...]
    key: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    access: Literal["open", "internal", "restricted"]
    content: Literal["raw", "redacted"]
    compatibility: Literal["FULL_TRANSITIVE"]
    timestamp_type: Literal["LogAppendTime", "CreateTime"]
    cleanup_policy: Literal["delete", "compact"]
    retention_hours: int
    max_message_bytes: int

    def subject(self, record: str) -> str:
        """Registry subject of one of its records."""
        return f"{self.name}-{NAMESPACE}.{record}"


@cache
def topic_contracts() -> dict[str, TopicContract]:
    """All topic contracts by topic name."""
    contracts = [
        msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), TopicContract)
        for path in sorted((HERE / "topics").glob("*.toml"))
    ]
    return {contract.name: contract for contract in contracts}


@cache
def record_names() -> tuple[str, ...]:
    """Names of all records that have an `.avsc` file."""
    return tuple(sorted(path.stem for path in (HERE / "avro").glob("*.avsc")))


@cache
def registered_schema(record: str) -> str:
    """Self-contained schema text of a record, as it is registered: references are written out at first use."""
    return json.dumps(_expanded(_source(record), set()), separators=(",", ":"))


@cache
def parsed_schema(record: str) -> AvroSchema:
    """Schema of a record parsed for reading and writing here."""
    return parse_for_codec(registered_schema(record))


def parse_for_codec(text: str) -> AvroSchema:
    """Parse schema text for fastavro, with logical types taken off: times stay integers (fast and exact)."""
    parsed: AvroSchema = parse_schema(_without_logical_types(json.loads(text)))  # type: ignore[assignment]
    return parsed


def _source(record: str) -> Any:
    return json.loads((HERE / "avro" / f"{record}.avsc").read_text(encoding="utf-8"))


def _expanded(node: Any, seen: set[str]) -> Any:
    if isinstance(node, str) and node.startswith(f"{NAMESPACE}."):
        name = node.removeprefix(f"{NAMESPACE}.")
        if node in seen:
            return node
        if name in record_names():
            return _expanded(_source(name), seen)
        return _expanded(_enum(name), seen)
    if isinstance(node, list):
        return [_expanded(item, seen) for item in node]
    if isinstance(node, dict):
        if node.get("type") in ("record", "enum"):
            full_name = f"{NAMESPACE}.{node['name']}"
            if full_name in seen:
                return full_name
            seen.add(full_name)
        return {
            key: _expanded(value, seen) if key in ("type", "items", "values", "fields") else value
            for key, value in node.items()
        }
    return node


@cache
def _enums() -> dict[str, Any]:
    found: dict[str, Any] = {}

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "enum":
                found[node["name"]] = node
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for item in node:
                walk(item)

    for record in record_names():
        walk(_source(record))
    return found


def _enum(name: str) -> Any:
    return _enums()[name]


def _without_logical_types(node: Any) -> Any:
    if isinstance(node, dict):
        if "logicalType" in node:
            return node["type"]
        return {
            key: _without_logical_types(value) if key in ("type", "items", "values", "fields") else value
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_without_logical_types(item) for item in node]
    return node
