"""TOML files of people into records: every problem with its line and its key. Pure."""

import re
import tomllib
import types
import typing
from typing import Literal, TypeVar

import msgspec

from schemas.errors import UsageError

StructT = TypeVar("StructT", bound=msgspec.Struct)

_HEADER = re.compile(r"\s*\[\[?\s*([A-Za-z0-9_.\- ]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"\s*([A-Za-z0-9_\-]+)\s*=\s*(.*)$")


def read_toml(text: str, source: str, expected: type[StructT], what: str) -> StructT:
    """The record of TOML text; `source` is its name in errors, `what` what it is ("recipe").

    Raises UsageError that names the source, and line, key and what is allowed for each wrong key.
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"the {what} {source} is not TOML: {error}") from None
    found = _problems(content, expected, ())
    if not found:
        try:
            return msgspec.convert(content, expected)
        except msgspec.ValidationError as error:  # what only the record as a whole can say
            raise UsageError(f"the {what} {source} is wrong:\n  {error}") from None
    lines = "\n".join(f"  {place(text, path)}: {problem}" for path, problem in found)
    raise UsageError(f"the {what} {source} is wrong:\n{lines}")


def place(text: str, path: tuple[str, ...]) -> str:
    """`line 7, balance.per_task`: where a key stands. The line of its section where it is missing."""
    lines = _lines(text)
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return f"line {lines[path[:length]]}, {'.'.join(path)}"
    return ".".join(path)


def _lines(text: str) -> dict[tuple[str, ...], int]:
    """Line of every section and key. Entries of `[[lists]]` are numbered: ("provider", "2", "name")."""
    found: dict[tuple[str, ...], int] = {}
    section: tuple[str, ...] = ()
    counts: dict[tuple[str, ...], int] = {}
    closing: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if closing is not None:
            closing = None if closing in line else closing
            continue
        header = _HEADER.match(line)
        if header and not _KEY.match(line):
            section = tuple(part.strip() for part in header.group(1).split("."))
            if line.lstrip().startswith("[["):
                counts[section] = counts.get(section, 0) + 1
                section = (*section, str(counts[section]))
            found.setdefault(section, number)
            continue
        key = _KEY.match(line)
        if key:
            found.setdefault((*section, key.group(1)), number)
            for quotes in ('"""', "'''"):
                if key.group(2).count(quotes) == 1:
                    closing = quotes
    return found


def _problems(
    content: dict[str, object], expected: type[msgspec.Struct], path: tuple[str, ...]
) -> list[tuple[tuple[str, ...], str]]:
    """One entry for each wrong key: msgspec alone stops at the first, and does not say what is allowed."""
    fields = {field.encode_name: field for field in msgspec.structs.fields(expected)}
    found: list[tuple[tuple[str, ...], str]] = []
    for key, value in content.items():
        here = (*path, key)
        if key not in fields:
            found.append((here, f"unknown key; known here: {', '.join(fields)}"))
            continue
        kind = fields[key].type
        inner = _struct_of(kind)
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            if isinstance(value, dict):
                found.extend(_problems(value, kind, here))
            else:
                found.append((here, f"must be a section, [{'.'.join(here)}]"))
        elif inner is not None and isinstance(value, list) and all(isinstance(entry, dict) for entry in value):
            for number, entry in enumerate(value, start=1):
                found.extend(_problems(entry, inner, (*here, str(number))))
        else:
            try:
                msgspec.convert(value, kind)
            except msgspec.ValidationError:
                found.append((here, f"{value!r} is not allowed; must be {allowed(kind)}"))
    for name, field in fields.items():
        if field.required and name not in content:
            found.append(((*path, name), "is missing"))
    return found


def _struct_of(kind: object) -> type[msgspec.Struct] | None:
    for argument in typing.get_args(kind):
        if isinstance(argument, type) and issubclass(argument, msgspec.Struct):
            return argument
    return None


def allowed(kind: object) -> str:
    """What a key may hold, in words."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return " or ".join(f'"{choice}"' for choice in arguments)
    if origin is tuple:
        return f"a list of {allowed(arguments[0])}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(allowed(argument) for argument in arguments if argument is not type(None))
    if origin is typing.Annotated:
        meta = next((argument for argument in arguments[1:] if isinstance(argument, msgspec.Meta)), msgspec.Meta())
        bounds = [
            f"{words} {bound}"
            for words, bound in (
                ("at least", meta.ge),
                ("above", meta.gt),
                ("at most", meta.le),
                ("like", meta.pattern),
            )
            if bound is not None
        ]
        return " ".join((allowed(arguments[0]), *([", ".join(bounds)] if bounds else [])))
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}
    return names.get(kind, str(kind)) if isinstance(kind, type) else str(kind)
