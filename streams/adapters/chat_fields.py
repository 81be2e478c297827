"""Fields of chat-shaped recordings as records: tool calls, tool results, tool definitions, models."""

import msgspec

from schemas.records import ModelRef, ToolCall, ToolDefinition, ToolReturned
from streams.adapters.tolerant import (
    Json,
    as_json,
    content_text,
    first_text,
    json_argument,
    label,
    mapping,
    mappings,
    parsed,
    text,
)


def result_json(content: object) -> str | None:
    """JSON text of a tool result: text that is strict JSON of an object or array as it stands, else a JSON string."""
    if content is None:
        return None
    if isinstance(content, list) and all(isinstance(part, dict) and "type" in part for part in content):
        content = content_text(content) or ""
    if not isinstance(content, str):
        return as_json(content)
    if content[:64].lstrip()[:1] in ("{", "["):
        try:
            msgspec.json.decode(content)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            pass
        else:
            return content
    return as_json(content)


def tool_result(
    content: object,
    *,
    call: str | None = None,
    tool: str | None = None,
    error: bool | None = None,
    latency_seconds: float | None = None,
) -> ToolReturned:
    """A tool result as a body. `error` is what the source says; None lets the content tell."""
    message, kind = _told_error(content)
    failed = error if error is not None else kind is not None
    return ToolReturned(
        call_id=call,
        tool=tool,
        success=not failed,
        result_json=result_json(content),
        error_kind=(kind or "tool_error") if failed else None,
        error_message=(message or content_text(content)) if failed else None,
        latency_seconds=latency_seconds,
    )


def _told_error(content: object) -> tuple[str | None, str | None]:
    """Message and kind of an error that a result tells in words: `Error: ...`, or an object with an `error`."""
    found = parsed(content)
    if isinstance(found, dict):
        error = found.get("error")
        message = first_text(error, mapping(error).get("message"))
        return (message, "tool_error") if message else (None, None)
    words = content_text(content) or ""
    start = words[:200].lstrip().lower()
    if start.startswith("unknown action"):
        return words, "unknown_tool"
    if start.startswith(("error:", "traceback (most recent call last)")):
        return words, "tool_error"
    return None, None


def tool_calls(message: Json) -> tuple[ToolCall, ...]:
    """Tool calls of a message: `tool_calls`, or the single `function_call` of older recordings."""
    calls = mappings(message.get("tool_calls"))
    legacy = mapping(message.get("function_call"))
    return tuple(tool_call(call) for call in calls or ([legacy] if legacy else []))


def tool_call(call: Json) -> ToolCall:
    """One tool call of OpenAI (`function`), Anthropic (`input`) or flat shape. Without a name it is `unknown`."""
    function = mapping(call.get("function")) or mapping(call.get("custom")) or call
    found: object = None
    for key in ("arguments", "input", "parameters", "args", "kwargs"):
        found = function.get(key)
        if found is not None:
            break
    return ToolCall(
        call_id=call_id(call.get("id") or call.get("tool_call_id") or call.get("call_id")),
        name=label(function.get("name") or function.get("function_name") or call.get("function")) or "unknown",
        arguments_json="{}" if found == "" else json_argument(found),
    )


def call_id(value: object) -> str | None:
    """The id of a tool call, as the model gave it."""
    return label(value, 512)


def tool_definitions(value: object) -> tuple[ToolDefinition, ...]:
    """Tool definitions, wrapped in `function` or flat, or JSON text of them; those without a name are no tools."""
    found = []
    for item in mappings(parsed(value)):
        function = mapping(item.get("function")) or item
        name = label(function.get("name"))
        parameters = next(
            (function[key] for key in ("parameters", "input_schema", "inputSchema") if key in function), None
        )
        if name:
            found.append(
                ToolDefinition(
                    name=name,
                    description=text(function.get("description")),
                    parameters_json=None if parameters is None else json_argument(parameters),
                )
            )
    return tuple(found)


_PROVIDERS = (
    (("gpt-", "chatgpt", "o1", "o3", "o4", "ft:gpt", "text-davinci", "davinci"), "openai"),
    (("claude",), "anthropic"),
    (("gemini", "gemma", "palm"), "google"),
    (("llama", "meta-llama"), "meta"),
    (("mistral", "mixtral", "codestral", "ministral", "devstral"), "mistral"),
    (("deepseek",), "deepseek"),
    (("qwen", "qwq"), "alibaba"),
    (("grok",), "xai"),
    (("command",), "cohere"),
)


def model_ref(value: object) -> ModelRef | None:
    """A model from `provider/name`, or from a name whose family tells its maker (providers restrict training use)."""
    name = label(value)
    if name is None:
        return None
    head, slash, rest = name.partition("/")
    if slash and head and rest:
        return ModelRef(provider=head.lower(), name=rest)
    lower = name.lower()
    for beginnings, provider in _PROVIDERS:
        if lower.startswith(beginnings):
            return ModelRef(provider=provider, name=name)
    return ModelRef(name=name)
