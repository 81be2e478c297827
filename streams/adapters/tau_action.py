"""Answers of tau-bench's ReAct and Act agents: the action stands in the text, as JSON after `Action:`."""

import re

import msgspec

from schemas.records import Message, ToolCall
from streams.adapters.tolerant import Json, clean, label, parsed, text

_THOUGHT = re.compile(r"\s*Thought:\s*")
_RESULT = "API output:"


class _Action(msgspec.Struct):
    name: str
    arguments: msgspec.Raw


def answer_in_words(content: str | None) -> Message | None:
    """An answer whose action is in its text: speech where it responds, else a tool call. None where there is none."""
    before, marker, after = (content or "").rpartition("Action:")
    if not marker:
        return None
    try:
        action = msgspec.json.decode(after.strip(), type=_Action)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None
    arguments = clean(bytes(action.arguments).decode())
    given = parsed(arguments)
    if not isinstance(given, dict):
        return None
    thought = text(_THOUGHT.sub("", before, count=1).strip())
    speech = given.get("content")
    if action.name == "respond" and isinstance(speech, str):
        return Message(role="assistant", content=text(speech), reasoning=thought)
    call = ToolCall(name=label(action.name) or "unknown", arguments_json=arguments)
    return Message(role="assistant", reasoning=thought, tool_calls=(call,))


def result_in_words(message: Json) -> str | None:
    """The result of such a call: it comes as a user message."""
    content = message.get("content")
    if message.get("role") != "user" or not isinstance(content, str) or not content.startswith(_RESULT):
        return None
    return content.removeprefix(_RESULT).removeprefix(" ")
