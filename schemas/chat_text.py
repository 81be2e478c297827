"""Chat messages and tool definitions as JSON text in the shape that trainers read (OpenAI's).

Arguments stay JSON *strings*, the very text of the source: table readers would otherwise union the keys of all calls
and pad them with nulls.
"""

from collections.abc import Iterable, Sequence

import msgspec

from schemas.records import Message, ToolDefinition
from schemas.seed_text import nests_too_deep

_OMITTED = "\n[... {count} characters omitted ...]\n"


class _Function(msgspec.Struct, frozen=True):
    name: str
    arguments: str


class _Call(msgspec.Struct, frozen=True):
    id: str | None
    type: str
    function: _Function


class _ToolFunction(msgspec.Struct, frozen=True):
    name: str
    description: str
    parameters: msgspec.Raw


class _Tool(msgspec.Struct, frozen=True):
    type: str
    function: _ToolFunction


def json_text(value: object) -> str:
    """Compact JSON text; keys keep the order they were built in."""
    return msgspec.json.encode(value).decode()


def raw_json(text: str | None, fallback: str) -> msgspec.Raw:
    """JSON text to stand in other JSON as it is; text that is not JSON stands as a string, no text as `fallback`."""
    if text is None:
        return msgspec.Raw(fallback.encode())
    if not nests_too_deep(text):
        try:
            msgspec.json.decode(text)
        except msgspec.DecodeError:
            pass
        else:
            return msgspec.Raw(text.encode())
    return msgspec.Raw(msgspec.json.encode(text))


def unquoted(text_json: str) -> str:
    """The text that a JSON string stands for; other JSON stays the source's text. So stand in a record results that
    are text, and arguments that are no JSON, because models err."""
    if not text_json.startswith('"'):
        return text_json
    try:
        return msgspec.json.decode(text_json, type=str)
    except msgspec.DecodeError:
        return text_json


def message_text(message: Message) -> str:
    """One message as compact JSON text."""
    calls = tuple(
        _Call(call.call_id, "function", _Function(call.name, unquoted(call.arguments_json)))
        for call in message.tool_calls
    )
    return json_text(
        {"role": message.role, "content": message.content}
        | ({"reasoning_content": message.reasoning} if message.reasoning else {})
        | ({"tool_calls": calls} if calls else {})
        | ({"tool_call_id": message.tool_call_id} if message.tool_call_id else {})
        | ({"name": message.name} if message.name else {})
    )


def messages_text(texts: Iterable[str]) -> str:
    """A list of messages that already are JSON text."""
    return f"[{','.join(texts)}]"


def beginning_and_end(text: str, max_chars: int) -> str:
    """A text of about `max_chars` characters: the middle of a longer one is left out, and the text says so."""
    if len(text) <= max_chars:
        return text
    kept = max_chars // 2
    tail = text[len(text) - kept :] if kept else ""
    return text[:kept] + _OMITTED.format(count=len(text) - 2 * kept) + tail


def shortened(message: Message, max_chars: int) -> Message:
    """A message whose text keeps its beginning and end only, so that it has about `max_chars` characters."""
    content = message.content or ""
    if len(content) <= max_chars:
        return message
    return msgspec.structs.replace(message, content=beginning_and_end(content, max_chars))


def tools_text(tools: Sequence[ToolDefinition]) -> str:
    """Tool definitions as JSON text."""
    empty = '{"type":"object","properties":{}}'
    return json_text(
        [
            _Tool("function", _ToolFunction(tool.name, tool.description or "", raw_json(tool.parameters_json, empty)))
            for tool in tools
        ]
    )
