"""Where records keep their messages: prompt and answers side by side, in one list, or in logged or batched requests.

Of a row that prefers one answer to another, the run is the prompt with the preferred one.

Exports to tables keep a list of messages as its JSON text. What stands as a prompt or an answer is taken as words,
whatever it looks like.
"""

from typing import Literal

from streams.adapters.chat_rows import instructed, is_turn, messages_of_turns
from streams.adapters.openai_responses import is_item, messages_of_items
from streams.adapters.tolerant import Json, content_text, items, mapping, mappings, parsed, text

_LISTS = ("messages", "conversation", "conversations")
_PROMPTS = ("prompt", "input")
_PREFERENCES = (("chosen", "rejected"), ("preferred_output", "non_preferred_output"))


def is_message(value: object) -> bool:
    """Whether a value is one message or item, and not a record of several."""
    if not isinstance(value, dict) or "messages" in value:
        return False
    return isinstance(value.get("role"), str) or is_item(value) or is_turn(value)


def messages_of(record: Json) -> list[Json]:
    """All messages of a record in order: prompt, then answers."""
    response = mapping(record.get("response"))
    found: list[Json] = []
    for place in _requests(record):
        given = next((_list_in(place[key]) for key in _LISTS if place.get(key)), None) or instructed(place)
        given = given or next((place[key] for key in _PROMPTS if place.get(key) and not _holds_list(place[key])), None)
        if given is not None:
            found = _as_messages(given, "user")
            break
    for key in ("completion", "response", "output"):
        answer = record.get(key)
        if isinstance(answer, str) or is_message(answer) or (isinstance(answer, list) and key != "response"):
            found = found + _as_messages(answer, "assistant")
            break
    for preferred, other in _PREFERENCES:
        if preferred in record and other in record and not (found and found[-1].get("role") == "assistant"):
            found = _answered(found, _list_in(record[preferred]))
    for place in (record, response, mapping(response.get("body"))):
        choice = mapping(next(iter(items(place.get("choices"))), None))
        if isinstance(choice.get("message"), dict):
            return [*found, {"finish_reason": choice.get("finish_reason"), **mapping(choice["message"])}]
    for place in (response, mapping(response.get("body"))):
        if isinstance(place.get("output"), list):
            return found + _as_messages(place["output"], "assistant")
    return found


def system_prompt(record: Json) -> str | None:
    """The system prompt that stands beside the messages: `instructions` of Responses, `system` of Anthropic."""
    for place in _requests(record):
        if found := text(place.get("instructions")) or content_text(place.get("system")):
            return found
    return None


def bodies_of(record: Json) -> tuple[Json, ...]:
    """Objects inside a record that are what was sent to or came from the model."""
    request, response = mapping(record.get("request")), mapping(record.get("response"))
    given = record.get("input") if _holds_list(record.get("input")) else None
    return mapping(request.get("body")), mapping(record.get("body")), mapping(given), mapping(response.get("body"))


def _requests(record: Json) -> tuple[Json, ...]:
    """Objects that may hold the prompt."""
    return record, mapping(record.get("request")), *bodies_of(record)


def _holds_list(value: object) -> bool:
    return isinstance(value, dict) and "messages" in value


def _answered(prompt: list[Json], answer: object) -> list[Json]:
    """The prompt with an answer, which may be the whole chat again. Text without a prompt may be any dialogue."""
    if not (is_message(answer) or isinstance(answer, list) or (isinstance(answer, str) and prompt)):
        return prompt
    messages = _as_messages(answer, "assistant")
    if messages and messages[0].get("role") != "assistant":
        prompt = [message for message in prompt if message not in messages]
    return prompt + messages


def _list_in(value: object) -> object:
    """The list of messages that a text holds as JSON; anything else as it is."""
    found = parsed(value)
    return found if isinstance(found, list) and any(is_message(entry) for entry in found) else value


def _as_messages(value: object, role: Literal["user", "assistant"]) -> list[Json]:
    if isinstance(value, str):
        return [{"role": role, "content": value}]
    entries = messages_of_turns(mappings(value) if isinstance(value, list) else [mapping(value)])
    return messages_of_items(entries, role)
