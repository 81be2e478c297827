"""Training chats of ToolBench: `train_messages` (OpenAI's shape) and `conversations` (`from`, `value`).

In `conversations` an answer is text of the form `Thought: ... Action: name Action Input: {...}`; the tools are a
listing at the end of the system prompt. A call whose result comes after the end of the chat has none.
"""

import ast
import json
import re
from dataclasses import dataclass

from schemas.records import Message, ToolCall, ToolDefinition
from streams.adapters.chat_fields import tool_calls, tool_definitions
from streams.adapters.tolerant import Json, content_text, first_text, json_argument, label, mapping, mappings, text

_ANSWER = re.compile(
    r"\s*+(?:Thought[ \t]*+:(?P<thought>.*?)\n[ \t]*+)?Action[ \t]*+:(?P<action>[^\n]*)"
    r"(?:\n[ \t]*+Action Input[ \t]*+:(?P<input>.*))?\s*+\Z",
    re.DOTALL,
)
_FINISH = re.compile(r'"return_type"\s*:\s*"(\w{1,40})"')
_TOOLS = re.compile(r"Specifically, you have access to the following APIs:\s*(?=\[)")
_MAX_LISTING_CHARACTERS = 2**18  # a parser of Python takes a multiple of it
_ROLES = {"human": "user", "gpt": "assistant", "tool": "function"}


@dataclass(frozen=True)
class Chat:
    """A training chat; roles are `user`, `assistant`, `function` and others."""

    system: str | None
    request: str | None
    """What the user said first."""
    messages: tuple[Message, ...]
    """Without the system prompt."""
    tools: tuple[ToolDefinition, ...]
    ending: str | None
    """How the last answer ends the attempt, in the words of `Finish`."""


def chat_of(record: Json) -> Chat | None:
    """The chat of a record, the longest of several; None where it holds none."""
    answer = mapping(record.get("answer_generation"))
    for place in (answer, record):
        given = place.get("train_messages")
        if isinstance(given, list) and given:
            chats = [mappings(chat) for chat in given if isinstance(chat, list)] or [mappings(given)]
            found = [_message(message) for message in max(chats, key=len)]
            return _chat(found)
    told = mappings(record.get("conversations"))
    return _chat([_told(message) for message in told]) if told else None


def _chat(messages: list[Message]) -> Chat | None:
    if not any(message.role in ("user", "assistant") for message in messages):
        return None
    system = messages[0].content if messages[0].role == "system" else None
    rest = messages[1:] if messages[0].role == "system" else messages
    last = next((message for message in reversed(rest) if message.role == "assistant"), None)
    ended = _FINISH.search(last.tool_calls[-1].arguments_json.replace('\\"', '"')) if last and last.tool_calls else None
    return Chat(
        system=system,
        request=next((message.content for message in rest if message.role == "user"), None),
        messages=tuple(rest),
        tools=_listed_tools(system),
        ending=ended.group(1) if ended else None,
    )


def _message(message: Json) -> Message:
    role = label(message.get("role")) or "unknown"
    return Message(
        role=_ROLES.get(role, role),
        content=content_text(message.get("content")),
        tool_calls=tool_calls(message) if role == "assistant" else (),
        name=label(message.get("name")),
    )


def _told(message: Json) -> Message:
    """A message of `conversations`."""
    role = label(first_text(message.get("from"), message.get("role"))) or "unknown"
    role = _ROLES.get(role, role)
    words = content_text(message.get("value", message.get("content")))
    found = _ANSWER.match(words) if role == "assistant" and words else None
    if found is None:
        return Message(role=role, content=words, name=label(message.get("name")))
    given = (found.group("input") or "").strip()
    call = ToolCall(
        name=label(found.group("action")) or "unknown", arguments_json=json_argument(given) if given else "{}"
    )
    return Message(role=role, content=text((found.group("thought") or "").strip()), tool_calls=(call,))


def _listed_tools(system: str | None) -> tuple[ToolDefinition, ...]:
    """The API list that ends a system prompt: JSON, or a list as Python prints it."""
    listing = _TOOLS.search(system) if system else None
    if listing is None or system is None:
        return ()
    try:
        found, _ = json.JSONDecoder().raw_decode(system, listing.end())
    except (ValueError, RecursionError):
        found = _python_list(system[listing.end() : system.rfind("]") + 1])
    return tool_definitions(found)


def _python_list(listing: str) -> object:
    try:
        return ast.literal_eval(listing) if len(listing) <= _MAX_LISTING_CHARACTERS else None
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
