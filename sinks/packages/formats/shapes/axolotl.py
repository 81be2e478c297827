"""Axolotl's `chat_template` datasets: `messages` and `tools`, everything that varies from row to row as JSON text.

Axolotl reads with `datasets`, of versions that unite the keys of objects and refuse a key with values of two types.
It decodes arguments given as a JSON string (axolotl#3136) and a tool's `parameters` given as one (axolotl#3238), so
both are strings here. Configuration: `type: chat_template`, `field_messages: messages`, `field_tools: tools`.
"""

import msgspec
import pyarrow as pa

from sinks.packages.formats.base import Cells, ExampleRow, Shape, json_field
from sinks.packages.formats.chat import ChatMessage, Function, read_messages, tools_or_none
from sinks.packages.formats.json_text import arguments_object, json_text

_NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')


class _Function(msgspec.Struct, frozen=True, gc=False):
    name: str
    arguments: str


class _Call(msgspec.Struct, frozen=True, gc=False):
    id: str | None
    type: str
    function: _Function


class _Message(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    role: str
    content: str
    reasoning_content: str | None = None
    tool_calls: tuple[_Call, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None


class _ReadFunction(msgspec.Struct, frozen=True, gc=False):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = _NO_PARAMETERS


class _ReadTool(msgspec.Struct, frozen=True, gc=False):
    function: _ReadFunction


class _ToolFunction(msgspec.Struct, frozen=True, gc=False):
    name: str
    description: str
    parameters: str


class _Tool(msgspec.Struct, frozen=True, gc=False):
    type: str
    function: _ToolFunction


_TOOLS = msgspec.json.Decoder(tuple[_ReadTool, ...])


def _message(said: ChatMessage) -> _Message:
    return _Message(
        role=said.role,
        content=said.content or "",
        reasoning_content=said.reasoning_content,
        tool_calls=tuple(_Call(call.id, "function", _function(call.function)) for call in said.calls),
        tool_call_id=said.tool_call_id,
        name=said.name,
    )


def _function(function: Function) -> _Function:
    arguments_object(function.arguments)  # Axolotl decodes them, and fails where they are no object
    return _Function(function.name, function.arguments if function.arguments.strip() else "{}")


def _tools(text: str | None) -> str | None:
    found = tools_or_none(text)
    if found is None:
        return None
    functions = [tool.function for tool in _TOOLS.decode(found)]
    return json_text(
        [
            _Tool("function", _ToolFunction(given.name, given.description or "", bytes(given.parameters).decode()))
            for given in functions
        ]
    )


def _rows(example: ExampleRow, _: str) -> list[Cells]:
    return [(json_text([_message(said) for said in read_messages(example.messages)]), _tools(example.tools))]


AXOLOTL = Shape(
    name="axolotl",
    fields=pa.schema([json_field("messages"), json_field("tools")]),
    needs=("messages", "tools"),
    rows=_rows,
)
