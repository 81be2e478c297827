"""Chat messages as instrumentations write them, in one shape.

Read are: OpenTelemetry GenAI parts (`text`, `tool_call`, `tool_call_response` with `response` or the older `result`,
`reasoning`), OpenAI's, Anthropic's, Bedrock's (`toolUse`), Gemini's (`function_call`) and LangChain's (`kwargs`)
messages, and OpenInference's after its flat keys were nested (`message`, `message_content`, `tool_call`).
"""

from dataclasses import dataclass

from schemas.records import Message, ToolCall
from streams.adapters.chat_fields import call_id, tool_call
from streams.adapters.tolerant import Json, clean, content_text, first_text, items, label, mapping, mappings, parsed

_ROLES = {"human": "user", "ai": "assistant", "model": "assistant", "developer": "system", "function": "tool"}


@dataclass(frozen=True)
class Result:
    """A tool result inside a message."""

    call_id: str | None
    tool: str | None
    content: object
    failed: bool | None = None


@dataclass(frozen=True)
class Said:
    """One message."""

    role: str
    text: str | None = None
    reasoning: str | None = None
    calls: tuple[ToolCall, ...] = ()
    results: tuple[Result, ...] = ()
    finish_reason: str | None = None

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for one message however it was written: to tell what a prompt repeats."""
        calls = tuple(call.call_id or (call.name, call.arguments_json) for call in self.calls)
        results = tuple(result.call_id or str(result.content) for result in self.results)
        return self.role, (self.text or "").strip(), calls, results

    def message(self) -> Message:
        """As a record; results are not part of it."""
        return Message(role=self.role, content=self.text, reasoning=self.reasoning, tool_calls=self.calls)


@dataclass(frozen=True)
class Talk:
    """The messages that a span holds."""

    inputs: tuple[Said, ...] = ()
    outputs: tuple[Said, ...] = ()

    def or_else(self, other: "Talk") -> "Talk":
        """The other's messages where this one has none."""
        return Talk(self.inputs or other.inputs, self.outputs or other.outputs)


def messages_of(value: object, default_role: str) -> list[Said]:
    """Messages of an attribute: a list, JSON text of one, an object with `messages`, or plain text."""
    if isinstance(value, str):
        found = parsed(value)
        if found is None:
            return [Said(default_role, clean(value))] if value.strip() else []
        value = found
    if isinstance(value, dict):
        inner = value.get("messages")
        if not isinstance(inner, list):
            return [message_of(value, default_role)] if _is_message(value) else []
        value = inner
    found_messages: list[Said] = []
    for item in items(value):
        if isinstance(item, str):
            found_messages.append(Said(default_role, clean(item)))
        elif isinstance(item, list):
            found_messages.extend(messages_of(item, default_role))
        elif isinstance(item, dict):
            found_messages.append(message_of(item, default_role))
    return found_messages


def _is_message(value: Json) -> bool:
    return any(key in value for key in ("role", "parts", "content", "message", "tool_calls", "kwargs"))


def message_of(value: Json, default_role: str) -> Said:
    """One message object."""
    inner = value.get("message")
    if isinstance(inner, dict):
        value = {**value, **inner}
    if isinstance(value.get("kwargs"), dict):
        value = {**value, **mapping(value["kwargs"])}
    stated = label(value.get("role")) or label(value.get("type"))
    role = _ROLES.get(stated or "", stated) or default_role
    if role not in ("system", "user", "assistant", "tool"):
        role = default_role
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[ToolCall] = []
    results: list[Result] = []
    content: object = None
    for key in ("parts", "content", "contents", "message"):
        content = value.get(key)
        if content is not None:
            break
    content = parsed(content) if isinstance(parsed(content), list) else content
    whole = content
    for part in [content] if isinstance(content, str | dict) else items(content):
        _part(part, texts, thoughts, calls, results)
    calls.extend(tool_call(_unwrapped(call)) for call in mappings(value.get("tool_calls")))
    legacy = mapping(value.get("function_call"))
    if legacy.get("name"):
        calls.append(tool_call(legacy))
    thoughts.extend(filter(None, [first_text(value.get("reasoning_content"), value.get("reasoning"))]))
    if role == "tool" and not results:
        results.append(Result(_id(value), label(value.get("name")), whole))
        texts.clear()
    return Said(
        role=role,
        text="\n".join(texts) or None,
        reasoning="\n".join(thoughts) or None,
        calls=tuple(dict.fromkeys(calls)) if any(call.call_id for call in calls) else tuple(calls),
        results=tuple(results),
        finish_reason=label(value.get("finish_reason")) or label(value.get("stop_reason")),
    )


def _unwrapped(call: Json) -> Json:
    return mapping(call.get("tool_call")) or call


def _id(value: Json) -> str | None:
    for key in ("tool_call_id", "tool_use_id", "toolUseId", "id", "call_id"):
        if (found := call_id(value.get(key))) is not None:
            return found
    return None


def _part(part: object, texts: list[str], thoughts: list[str], calls: list[ToolCall], results: list[Result]) -> None:
    if isinstance(part, str):
        texts.append(clean(part))
        return
    if not isinstance(part, dict):
        return
    part = mapping(part.get("message_content")) or part
    kind = label(part.get("type")) or ""
    use = mapping(part.get("toolUse")) or mapping(part.get("function_call")) or mapping(part.get("functionCall"))
    answer = mapping(part.get("toolResult"))
    response = mapping(part.get("function_response")) or mapping(part.get("functionResponse"))
    thought = mapping(mapping(part.get("reasoningContent")).get("reasoningText"))
    said = first_text(part.get("text"), part.get("content"), part.get("thinking"), part.get("refusal"))
    if kind in ("tool_call", "tool_use", "function_call", "server_tool_call"):
        calls.append(tool_call({**part, "id": part.get("call_id") if kind == "function_call" else part.get("id")}))
    elif use:
        calls.append(tool_call({**use, "id": _id(use)}))
    elif kind in ("tool_call_response", "tool_result", "function_call_output", "server_tool_call_response"):
        content = next(
            (part[key] for key in ("response", "result", "content", "output") if part.get(key) is not None), None
        )
        failed = True if part.get("is_error") is True else None
        results.append(Result(_id(part), label(part.get("name")), content, failed))
    elif answer:
        failed = True if answer.get("status") == "error" else None
        results.append(Result(_id(answer), None, _bedrock(answer.get("content")), failed))
    elif response:
        results.append(Result(_id(response), label(response.get("name")), response.get("response")))
    elif thought:
        thoughts.extend(filter(None, [first_text(thought.get("text"))]))
    elif said is not None:
        (thoughts if kind in ("reasoning", "thinking") or part.get("thought") is True else texts).append(said)
    else:
        texts.extend(filter(None, [content_text([part])]))


def _bedrock(content: object) -> object:
    """Bedrock wraps results in `[{"text": ...}]` or `[{"json": ...}]`."""
    parts = mappings(content)
    if len(parts) == 1 and len(items(content)) == 1 and "json" in parts[0]:
        return parts[0]["json"]
    if parts and all("text" in part for part in parts):
        return "\n".join(filter(None, (first_text(part["text"]) for part in parts)))
    return content
