"""The chat shape of OpenAI's fine-tuning: arguments as JSON strings, `tools`, `parallel_tool_calls`, no other key.

Source: OpenAI API reference, fine-tuning chat model input. The last message is the assistant's; names of functions
have at most 64 letters, digits, `_` or `-`; `parallel_tool_calls` says whether a message holds several calls. Files are
uploaded as they are, so they stay uncompressed.
"""

import re

import msgspec
import pyarrow as pa

from sinks.packages.formats.base import Cells, ExampleRow, Shape, Unfit, json_field
from sinks.packages.formats.chat import Call, ChatMessage, check_answered, read_messages, tools_or_none
from sinks.packages.formats.json_text import json_text

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})


class _ToolFunction(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    name: str
    description: str | None = None
    parameters: msgspec.Raw = _NO_PARAMETERS


class _Tool(msgspec.Struct, frozen=True, gc=False):
    type: str
    function: _ToolFunction


class _Function(msgspec.Struct, frozen=True, gc=False):
    name: str
    arguments: str


class _Call(msgspec.Struct, frozen=True, gc=False):
    id: str
    type: str
    function: _Function


class _Message(msgspec.Struct, frozen=True, gc=False):
    role: str
    content: str | None


class _Named(msgspec.Struct, frozen=True, gc=False):
    role: str
    content: str | None
    name: str


class _Calling(msgspec.Struct, frozen=True, gc=False):
    role: str
    content: str | None
    tool_calls: tuple[_Call, ...]


class _Result(msgspec.Struct, frozen=True, gc=False):
    role: str
    content: str
    tool_call_id: str


_TOOLS = msgspec.json.Decoder(tuple[_Tool, ...])


def _message(said: ChatMessage) -> _Message | _Named | _Calling | _Result:
    if said.role not in _ROLES:
        raise Unfit("role_not_allowed")
    if said.calls:
        return _Calling(said.role, said.content, tuple(map(_call, said.calls)))
    if said.role == "tool":
        if said.tool_call_id is None:
            raise Unfit("result_without_call")
        return _Result(said.role, said.content or "", said.tool_call_id)
    content = said.content or ""
    if said.name and _NAME.fullmatch(said.name):
        return _Named(said.role, content, said.name)
    return _Message(said.role, content)


def _call(call: Call) -> _Call:
    if call.id is None:
        raise Unfit("call_without_id")
    return _Call(call.id, "function", _Function(_allowed(call.function.name), call.function.arguments))


def _allowed(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise Unfit("function_name_not_allowed")
    return name


def _tools(text: str | None) -> str | None:
    found = tools_or_none(text)
    if found is None:
        return None
    tools = _TOOLS.decode(found)
    for tool in tools:
        _allowed(tool.function.name)
    return json_text(tools)


def _rows(example: ExampleRow, _: str) -> list[Cells]:
    messages = read_messages(example.messages)
    check_answered(messages)
    said = json_text([_message(message) for message in messages])
    tools = _tools(example.tools)
    parallel = any(len(message.calls) > 1 for message in messages)
    return [(said, tools, parallel if tools else None)]


OPENAI = Shape(
    name="openai",
    fields=pa.schema([json_field("messages"), json_field("tools"), pa.field("parallel_tool_calls", pa.bool_())]),
    needs=("messages", "tools"),
    rows=_rows,
    plain=True,
)
