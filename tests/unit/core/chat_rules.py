"""What chat templates and trainers demand of the chat of an example."""

import json
from typing import Any

from schemas.records import Example


def problems(example: Example) -> list[str]:
    """What is wrong with an example, in words; empty where nothing is. Raises where a column does not parse."""
    for column in (example.tools, example.context, example.expected_output):
        json.loads(column)
    chat: list[dict[str, Any]] = json.loads(example.messages)
    found: list[str] = []
    if example.enrichment is not None:
        notes = json.loads(example.enrichment)
        found += [] if list(notes) == ["context", "reasoning", "outcome", "performance", "weight"] else ["other notes"]
        found += [] if notes["outcome"]["step"] == example.outcome else ["the outcome is not that of its notes"]
    if example.rejected is not None:
        other = json.loads(example.rejected)
        found += [] if [message["role"] for message in other] == ["assistant"] else ["rejected is no assistant"]
        found += [] if other[0] != chat[-1] else ["rejected is what is preferred"]
    spoken = [message for message in chat if message["role"] != "system"]
    if example.type != "conversation":
        found += [] if spoken[0]["role"] == "user" else [f"begins with {spoken[0]['role']}"]
        found += [] if spoken[-1]["role"] == "assistant" else [f"ends with {spoken[-1]['role']}"]
    return found + _broken(chat)


def _broken(chat: list[dict[str, Any]]) -> list[str]:
    found: list[str] = []
    asked: set[str] = set()
    known: set[str] = set()
    for number, message in enumerate(chat):
        role, content = message["role"], message.get("content")
        if role == "tool":
            if message["tool_call_id"] not in asked:
                found.append(f"{number}: the result answers no call of the message before")
            asked.discard(message["tool_call_id"])
            if not isinstance(content, str):
                found.append(f"{number}: the result is no text")
            continue
        calls = message.get("tool_calls", [])
        asked = {call["id"] for call in calls}
        if len(asked) < len(calls) or asked & known:
            found.append(f"{number}: call ids repeat")
        known |= asked
        if not content and not calls:
            found.append(f"{number}: {role} says nothing")
        if calls and role != "assistant":
            found.append(f"{number}: {role} calls a tool")
    return found


def arguments(example: Example) -> list[str]:
    """Arguments of all calls in the chat, as they stand."""
    return [
        call["function"]["arguments"]
        for message in json.loads(example.messages)
        for call in message.get("tool_calls", [])
    ]
