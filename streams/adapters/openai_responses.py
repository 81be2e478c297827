"""Items of OpenAI's Responses API as chat messages; there calls, results and thoughts stand beside the messages."""

from collections.abc import Iterator

from streams.adapters.codex_items import item_call_id, thoughts_of, tool_name
from streams.adapters.runs import NotARunError
from streams.adapters.tolerant import Json, content_text, items, text

_CALLS = frozenset(
    f"{name}_call"
    for name in (
        "function", "custom_tool", "web_search", "file_search", "code_interpreter", "computer", "image_generation",
        "local_shell", "shell", "apply_patch", "mcp", "tool_search",
    )
)  # fmt: skip
_OUTPUTS = frozenset(f"{call}_output" for call in _CALLS)
_RESULTS = ("output", "outputs", "results", "result", "error")
_NO_ARGUMENTS = ("type", "id", "call_id", "name", "server_label", "status", *_RESULTS)


def messages_of_items(entries: list[Json], role: str) -> list[Json]:
    """Messages in order; a message item without a role has `role`. What belongs to one answer becomes one message.

    Messages that have roles stay as they are. Raises NotARunError at an item whose type is not known: an item that is
    left out would make another run of it.
    """
    if not any(_is_typed(entry) for entry in entries):
        return entries
    found: list[Json] = []
    for message in (message for entry in entries for message in _messages(entry, role)):
        if found and _is_one_answer(found[-1], message):
            found[-1] = _joined(found[-1], message)
        else:
            found.append(message)
    return found


def is_item(value: object) -> bool:
    """Whether a value is an item of a known type that has no role."""
    if not isinstance(value, dict) or not _is_typed(value):
        return False
    return value["type"] in _CALLS | _OUTPUTS | {"reasoning"} or (value["type"] == "message" and "content" in value)


def _is_typed(entry: Json) -> bool:
    return isinstance(entry.get("type"), str) and not isinstance(entry.get("role"), str)


def _messages(entry: Json, role: str) -> Iterator[Json]:
    kind = entry.get("type")
    if not isinstance(kind, str) or not _is_typed(entry):
        yield entry
    elif kind == "message":
        yield {**entry, "role": role}
    elif kind == "reasoning":
        if thoughts := thoughts_of(entry):
            yield {"role": "assistant", "reasoning": "\n".join(thoughts)}
    elif kind in _CALLS:
        yield {"role": "assistant", "tool_calls": [_call(entry, kind)]}
        result = next((entry[key] for key in _RESULTS if entry.get(key)), None)
        if result is not None:
            yield _result(entry, result)
    elif kind in _OUTPUTS:
        yield _result(entry, entry.get("output"))
    elif content_text(entry.get("content")) is not None:
        yield entry
    else:
        raise NotARunError("holds an item without a role whose type is not known")


def _call(item: Json, kind: str) -> Json:
    identity, name = item_call_id(item), tool_name(item)
    if kind == "custom_tool_call":
        return {"id": identity, "type": "custom", "custom": {"name": name, "input": item.get("input")}}
    stated = next((item[key] for key in ("arguments", "action") if item.get(key) is not None), None)
    rest = {key: value for key, value in item.items() if key not in _NO_ARGUMENTS}
    arguments = rest if stated is None else stated
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}


def _result(item: Json, content: object) -> Json:
    return {"role": "tool", "tool_call_id": item_call_id(item), "content": content}


def _is_one_answer(before: Json, after: Json) -> bool:
    """Whether two messages are parts of one answer: it says something once, and thinks before it says or calls."""
    if before.get("role") != "assistant" or after.get("role") != "assistant":
        return False
    said, called = before.get("content") is not None, bool(before.get("tool_calls"))
    return not ("reasoning" in after and (said or called)) and not (said and after.get("content") is not None)


def _joined(before: Json, after: Json) -> Json:
    calls = [*items(before.get("tool_calls")), *items(after.get("tool_calls"))]
    thoughts = [found for part in (before, after) if (found := text(part.get("reasoning")))]
    joined: Json = {**before, **after}
    if calls:
        joined["tool_calls"] = calls
    if thoughts:
        joined["reasoning"] = "\n".join(thoughts)
    return joined
