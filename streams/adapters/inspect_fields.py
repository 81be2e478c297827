"""Fields of Inspect samples as records: messages, usage, scores, and references to texts kept apart."""

from collections.abc import Iterable

from schemas.records import Message, ToolCall, ToolReturned, Usage
from streams.adapters.chat_fields import call_id, result_json, tool_call
from streams.adapters.tolerant import (
    Json,
    as_json,
    content_text,
    count,
    first_text,
    identity,
    items,
    label,
    mapping,
    mappings,
    number,
    text,
)

_REFERENCES = ("attachment://", "tc://")
_MAX_RESOLVED_CHARACTERS = 256 * 2**20
_LETTERS = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""What Inspect's own conversion makes of correct, partial, incorrect and no answer."""
_WORDS = {"yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


class Attachments:
    """Texts of a sample that its events refer to. What it gives out is bounded; beyond that the references stay."""

    def __init__(self, *places: object) -> None:
        self._texts = {key: value for place in places for key, value in mapping(place).items()}
        self._left = _MAX_RESOLVED_CHARACTERS

    def resolve(self, value: object) -> object:
        """The value with its references replaced. Raises RecursionError for what is nested too deeply."""
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if isinstance(value, dict):
            return {key: self.resolve(item) for key, item in value.items()}
        return value

    def fields(self, value: object) -> Json:
        """A resolved object; an empty one for anything else."""
        return mapping(self.resolve(value)) if isinstance(value, dict) else {}

    def _text(self, value: str) -> str:
        for reference in _REFERENCES:
            if value.startswith(reference):
                found = self._texts.get(value.removeprefix(reference))
                if isinstance(found, str) and len(found) <= self._left:
                    self._left -= len(found)
                    return found
        return value


def pooled(refs: object, pool: list[object]) -> list[Json]:
    """Messages of a pool that ranges `[start, end)` refer to."""
    found: list[Json] = []
    for ref in items(refs):
        bounds = [count(bound) for bound in items(ref)]
        if len(bounds) == 2 and bounds[0] is not None and bounds[1] is not None:
            found += mappings(pool[bounds[0] : bounds[1]])
        if len(found) > len(pool):  # ranges of a real log do not overlap
            break
    return found


def message_key(message: Json) -> str:
    """What a message says, whatever else is noted about it: the same wherever the log repeats it."""
    calls = [[call.get("id"), call.get("function")] for call in mappings(message.get("tool_calls"))]
    return identity([message.get("role"), message.get("content") or None, calls, message.get("tool_call_id")])


def message_of(message: Json, role: str | None = None) -> Message:
    """A resolved message as a record."""
    return Message(
        role=role or label(message.get("role")) or "unknown",
        content=spoken(message.get("content")),
        reasoning=_thought(message),
        tool_calls=tuple(tool_call(call) for call in mappings(message.get("tool_calls"))),
        tool_call_id=call_id(message.get("tool_call_id")),
        name=label(message.get("function")) if message.get("role") == "tool" else None,
    )


def spoken(content: object) -> str | None:
    """Text of a content without the parts that are thoughts or calls."""
    if isinstance(content, list):
        content = [part for part in content if mapping(part).get("type") not in ("reasoning", "tool_use")]
    return content_text(content)


def _thought(message: Json) -> str | None:
    parts = [part for part in mappings(message.get("content")) if part.get("type") == "reasoning"]
    # A redacted thought is encrypted; its summary, where there is one, can be read.
    thoughts = [
        first_text(part.get("summary"), None if part.get("redacted") is True else part.get("reasoning"))
        for part in parts
    ]
    joined = "\n".join(thought for thought in thoughts if thought)
    return first_text(joined, message.get("reasoning"))


def server_calls(message: Json) -> list[tuple[ToolCall, ToolReturned]]:
    """Calls that the model's provider ran itself, with their results: parts of the content."""
    found = []
    for part in mappings(message.get("content")):
        if part.get("type") != "tool_use":
            continue
        call = ToolCall(
            call_id=call_id(part.get("id")),
            name=label(part.get("name")) or label(part.get("tool_type")) or "unknown",
            arguments_json=tool_call({"name": "x", "arguments": part.get("arguments")}).arguments_json,
        )
        found.append((call, returned(part.get("result"), part.get("error"), call=call.call_id, tool=call.name)))
    return found


def returned(
    result: object,
    error: object,
    *,
    call: str | None,
    tool: str | None,
    latency_seconds: object = None,
    failed: object = None,
) -> ToolReturned:
    """A tool result. Inspect states errors apart from the result, so its text is not asked."""
    stated = mapping(error)
    message = first_text(stated.get("message"), error)
    wrong = bool(stated) or message is not None or failed is True
    return ToolReturned(
        call_id=call,
        tool=tool,
        success=not wrong,
        result_json=result_json(result),
        error_kind=(label(stated.get("type")) or "tool_error") if wrong else None,
        error_message=message if wrong else None,
        latency_seconds=number(latency_seconds),
    )


def usage_of(usage: Json) -> Usage | None:
    """Tokens of one model call."""
    found = Usage(
        input_tokens=count(usage.get("input_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        cache_read_tokens=count(usage.get("input_tokens_cache_read")),
        reasoning_tokens=count(usage.get("reasoning_tokens")),
    )
    return found if found != Usage() else None


def error_text(error: object) -> str | None:
    """Message and traceback of an error, which older logs state as text."""
    fields = mapping(error)
    parts = [first_text(fields.get("message"), error), text(fields.get("traceback"))]
    return "\n".join(part for part in parts if part) or None


def reward_of(scores: Json) -> float | None:
    """The first scorer's value as a number; None where it is none (some scorers give several, or words)."""
    first = next(iter(scores.values()), None)
    value = mapping(first).get("value") if isinstance(first, dict) else first
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, str):
        word = value.strip()
        known = _LETTERS.get(word, _WORDS.get(word.lower()))
        return number(word) if known is None else known
    return number(value)


def score_details(scores: Json, intermediate: Iterable[object]) -> str | None:
    """All scores as JSON text: values, answers, explanations."""
    details: Json = {"scores": scores} if scores else {}
    steps = list(intermediate)
    if steps:
        details["intermediate"] = steps
    return as_json(details) if details else None
