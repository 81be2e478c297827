"""Messages in spans of Vercel's AI SDK: prompts and answers as JSON text, whose parts have names of their own."""

import msgspec

from streams.adapters.otlp_messages import Said, Talk, message_of
from streams.adapters.otlp_spans import Span
from streams.adapters.otlp_values import any_of, first_of
from streams.adapters.tolerant import Json, clean, first_text, mapping, mappings, parsed, text


def ai_sdk_talk(span: Span) -> Talk:
    """Prompt and answer of a run (`ai.prompt`) or of one call of the model (`ai.prompt.messages`)."""
    attributes = span.attributes
    prompt = mapping(parsed(attributes.get("ai.prompt")))
    system = text(prompt.get("system"))
    told = [Said("system", system)] if system else []
    asked = parsed(attributes.get("ai.prompt.messages")) or prompt.get("messages") or prompt.get("prompt")
    if isinstance(asked, str):
        told.append(Said("user", clean(asked)))
    told.extend(_message(found) for found in mappings(asked))
    said = _answer(attributes)
    return Talk(tuple(told), (said,) if said.text or said.reasoning or said.calls else ())


def _answer(attributes: Json) -> Said:
    names = ("ai.response.text", "ai.response.object", "ai.result.text", "ai.result.object")  # `result`: before 4.0
    said = first_text(*(attributes.get(name) for name in names))
    calls = parsed(first_of(attributes, "ai.response.toolCalls", "ai.result.toolCalls"))
    answer: Json = {
        "role": "assistant",
        "content": [{"type": "text", "text": said}] if said else [],  # a part: text may be JSON of a list
        "reasoning": attributes.get("ai.response.reasoning"),
        "tool_calls": [_call(call) for call in mappings(calls)],
        "finish_reason": first_of(attributes, "ai.response.finishReason", "ai.finishReason"),
    }
    return message_of(answer, "assistant")


def ai_sdk_result(attributes: Json) -> object:
    """Result of a tool's span. It is JSON text always, so a text stands in quotes."""
    told = attributes.get("ai.toolCall.result")
    try:
        return msgspec.json.decode(told, type=str) if isinstance(told, str) else told
    except (msgspec.DecodeError, UnicodeEncodeError):
        return told


def _message(found: Json) -> Said:
    content = found.get("content")
    parts = [_part(part) for part in mappings(content)]
    return message_of({**found, "content": parts} if isinstance(content, list) else found, "user")


def _part(part: Json) -> Json:
    """A part of a message, in the words of OpenTelemetry's."""
    if part.get("type") == "tool-call":
        return {"type": "tool_call", **_call(part)}
    if part.get("type") != "tool-result":
        return part
    output = mapping(part.get("output"))
    is_typed = "type" in output and "value" in output
    return {
        "type": "tool_call_response",
        "id": part.get("toolCallId"),
        "name": part.get("toolName"),
        "response": output["value"] if is_typed else any_of(part, "result", "output"),
        "is_error": part.get("isError") is True or (is_typed and str(output["type"]).startswith("error-")),
    }


def _call(call: Json) -> Json:
    return {"id": call.get("toolCallId"), "name": call.get("toolName"), "arguments": any_of(call, "args", "input")}
