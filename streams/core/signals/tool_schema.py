"""Declared tool schemas as validators that cannot hang, reach out, or raise.

A declared schema is foreign text. What is kept of it is a plain subset of JSON Schema, rebuilt node by node: local
references are written out, recursive ones accept anything, and past `MAX_NODES` or `MAX_DEPTH` everything is accepted.
Dropping a keyword only ever accepts more; so `not` and conditions are dropped and `oneOf` is read as `anyOf`, because
inside them less would mean stricter. Without references a value is looked at no more than once a node, so a check
costs at most nodes x values. Patterns run on an engine without backtracking.

Type words that are no JSON Schema but occur in tool declarations (`dict`, `float`, ...) are understood.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TypeVar

import jsonschema_rs

from schemas.seed_text import json_value

MAX_NODES = 500
MAX_DEPTH = 32
MAX_PATTERNS = 8
MAX_PATTERN_CHARS = 500
MAX_CACHED_CHARS = 65_536
_REGEX = jsonschema_rs.RegexOptions(size_limit=65_536, dfa_size_limit=65_536)

_TYPES = {
    **{word: word for word in ("object", "array", "string", "number", "integer", "boolean", "null")},
    "dict": "object",
    "map": "object",
    "list": "array",
    "tuple": "array",
    "set": "array",
    "str": "string",
    "float": "number",
    "double": "number",
    "int": "integer",
    "long": "integer",
    "bool": "boolean",
    "none": "null",
}
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_BRANCHES = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}
_Entry = TypeVar("_Entry")


@dataclass(frozen=True)
class ToolSchema:
    """What a tool asks of its arguments. Build it with `tool_schema`."""

    nodes: int
    """What a check costs at most for each value in the arguments."""
    required: frozenset[str]
    validator: jsonschema_rs.Validator | None
    """None where nothing of the declaration could be used."""

    def has_required(self, arguments: dict[str, object]) -> bool:
        """Whether every required key is there; looks at nothing else."""
        return self.required <= arguments.keys()

    def accepts(self, arguments: dict[str, object]) -> bool:
        """Whether the arguments satisfy what was kept of the declaration."""
        if self.validator is None:
            return self.has_required(arguments)
        try:
            return self.validator.is_valid(arguments)
        except ValueError:  # a text that is no Unicode
            return self.has_required(arguments)


ANYTHING = ToolSchema(1, frozenset(), None)


def tool_schema(declared: str | None) -> ToolSchema:
    """The schema of a tool's declaration, JSON text; what is not understood asks for nothing."""
    if declared is None:
        return ANYTHING
    return _cached(declared) if len(declared) <= MAX_CACHED_CHARS else _compiled(declared)


def json_of(text: str) -> object:
    """The value of JSON text; None where it is none, or no Unicode. Text that nests too deep stays text."""
    try:
        return json_value(text)
    except UnicodeEncodeError:
        return None


def _compiled(declared: str) -> ToolSchema:
    root = json_of(declared)
    if not isinstance(root, dict):
        return ANYTHING
    for patterns in (MAX_PATTERNS, 0):  # one bad pattern must not cost the rest
        builder = _Builder(root, patterns)
        kept = builder.node(root, 0)
        required = frozenset(_names(root.get("required")))
        try:
            validator = jsonschema_rs.Draft202012Validator(kept, pattern_options=_REGEX, offline=True)
        except ValueError:
            continue
        return ToolSchema(builder.nodes, required, validator)
    return ToolSchema(1, frozenset(_names(root.get("required"))), None)


_cached = lru_cache(maxsize=128)(_compiled)


class _Builder:
    """Writes the kept part of one schema."""

    def __init__(self, root: dict[str, object], patterns: int) -> None:
        self._root = root
        self._patterns = patterns
        self._inside: set[str] = set()
        """References being written out."""
        self.nodes = 0

    def node(self, schema: object, depth: int) -> "dict[str, object] | bool":
        """The kept part of a schema; True accepts anything."""
        self.nodes += 1
        if not isinstance(schema, dict) or depth > MAX_DEPTH or self.nodes > MAX_NODES:
            return schema is not False
        kept = self._plain(schema)
        for word in ("properties", "patternProperties"):
            if isinstance(schema.get(word), dict) and (word == "properties" or self._patterns):
                kept[word] = {name: self.node(inner, depth + 1) for name, inner in self._room(schema[word].items())}
        items = schema.get("items")
        if isinstance(items, list):  # a tuple, as drafts before 2020-12 write it
            kept["prefixItems"] = [self.node(inner, depth + 1) for inner in self._room(items)] or [True]
        elif isinstance(items, dict):
            kept["items"] = self.node(items, depth + 1)
        if isinstance(schema.get("additionalProperties"), dict | bool) and "patternProperties" not in schema:
            whole = len(kept.get("properties", {})) == len(schema.get("properties") or {})  # type: ignore[arg-type]
            kept["additionalProperties"] = not whole or self.node(schema["additionalProperties"], depth + 1)
        alternatives: list[object] = []
        for word, meaning in _BRANCHES.items():
            branches = schema.get(word)
            if isinstance(branches, list) and branches and len(branches) + self.nodes <= MAX_NODES:
                alternatives.append({meaning: [self.node(inner, depth + 1) for inner in branches]})
        if isinstance(schema.get("$ref"), str):
            alternatives.append(self._referred(schema["$ref"], depth))
        if alternatives:
            kept["allOf"] = alternatives
        return kept

    def _room(self, entries: Iterable[_Entry]) -> list[_Entry]:
        """As many entries as may still become nodes."""
        return list(islice(entries, max(0, MAX_NODES - self.nodes)))

    def _referred(self, pointer: str, depth: int) -> "dict[str, object] | bool":
        if pointer in self._inside or not pointer.startswith("#"):
            return True
        target: object = self._root
        for part in pointer.split("/")[1:]:
            target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
        if target is None:
            return True
        self._inside.add(pointer)
        try:
            return self.node(target, depth + 1)
        finally:
            self._inside.discard(pointer)

    def _plain(self, schema: dict[str, object]) -> dict[str, object]:
        """Keywords that hold no schema, each only where its value makes sense."""
        kept: dict[str, object] = {}
        types = _types(schema.get("type"))
        enum = schema.get("enum")
        if schema.get("nullable") is True:
            types = [*types, "null"] if types else []
            enum = [*enum, None] if isinstance(enum, list) else None
        if types:
            kept["type"] = list(dict.fromkeys(types))
        if isinstance(enum, list) and enum:
            self.nodes += len(enum) // 16
            kept["enum"] = enum
        if "const" in schema:
            kept["const"] = schema["const"]
        required = _names(schema.get("required"))
        if required:
            kept["required"] = required
        for word in _NUMBERS:
            value = schema.get(word)
            if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
                kept[word] = value
        for word in _COUNTS:
            value = schema.get(word)
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31:
                kept[word] = value
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and self._patterns and len(pattern) <= MAX_PATTERN_CHARS:
            self._patterns -= 1
            kept["pattern"] = pattern
        return kept


def _names(required: object) -> list[str]:
    """Required keys, each once; some write `required: true` beside a property instead, which asks for nothing here."""
    return list(dict.fromkeys(name for name in required if isinstance(name, str))) if isinstance(required, list) else []


def _types(words: object) -> list[str]:
    """Known types; none where one of the words is not known, for it may stand for anything."""
    found = [_TYPES.get(word.lower()) if isinstance(word, str) else None for word in _listed(words)]
    return [word for word in found if word] if all(found) else []


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else [value]
