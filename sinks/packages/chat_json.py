"""Chat messages and tool definitions of pairs as JSON text, in the shape that the column `messages` of examples has."""

from collections.abc import Iterable, Sequence

import msgspec

from schemas.records import Message, ToolDefinition
from schemas.seed_text import nests_too_deep

_NO_PARAMETERS = '{"type":"object","properties":{}}'


def message_text(message: Message) -> str:
    """One message as compact JSON text; arguments of calls are JSON strings, as the source wrote them."""
    calls = [
        {"id": call.call_id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}}
        for call in message.tool_calls
    ]
    shown: dict[str, object] = {"role": message.role, "content": message.content}
    if message.reasoning:
        shown["reasoning_content"] = message.reasoning
    if calls:
        shown["tool_calls"] = calls
    if message.tool_call_id:
        shown["tool_call_id"] = message.tool_call_id
    if message.name:
        shown["name"] = message.name
    return msgspec.json.encode(shown).decode()


def messages_text(texts: Iterable[str]) -> str:
    """A list of messages that already are JSON text."""
    return f"[{','.join(texts)}]"


def tools_text(tools: Sequence[ToolDefinition]) -> str:
    """Tool definitions as JSON text; parameters that are no JSON stand as a string."""
    return msgspec.json.encode(
        [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description or "",
                    "parameters": _raw(tool.parameters_json or _NO_PARAMETERS),
                },
            }
            for tool in tools
        ]
    ).decode()


def same_turn(one: Message, other: Message) -> bool:
    """Whether two messages say the same. Ids of calls are made up anew in each run, so they do not count."""
    return (
        one.role == other.role
        and one.content == other.content
        and one.reasoning == other.reasoning
        and one.name == other.name
        and [(call.name, call.arguments_json) for call in one.tool_calls]
        == [(call.name, call.arguments_json) for call in other.tool_calls]
    )


def _raw(text: str) -> msgspec.Raw:
    if not nests_too_deep(text):
        try:
            msgspec.json.decode(text)
        except msgspec.DecodeError:
            pass
        else:
            return msgspec.Raw(text.encode())
    return msgspec.Raw(msgspec.json.encode(text))
