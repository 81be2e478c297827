"""Items of a Codex rollout as records: calls, results and whether they failed, thoughts, texts."""

import re
from dataclasses import dataclass

from schemas.records import ToolCall, ToolReturned, Usage
from streams.adapters.chat_fields import call_id, tool_result
from streams.adapters.tolerant import (
    Json,
    as_json,
    count,
    first_text,
    items,
    json_argument,
    label,
    mapping,
    mappings,
    number,
    parsed,
    text,
    walk_texts,
)

_HEADER_CHARACTERS = 2_000
_EXIT_CODE = re.compile(r"^(?:Process exited with code|Exit code:) (-?\d+)\s*$", re.MULTILINE)
_NOT_FROM_A_PERSON = re.compile(
    r"\s*(<(environment_context|user_instructions|permissions[ _]instructions|collaboration_mode|turn_aborted|skill"
    r"|subagent_notification|user_shell_command|INSTRUCTIONS)\b|# AGENTS\.md instructions)"
)


@dataclass(frozen=True)
class CallEnd:
    """What the event of a call's end says of it, beside its output."""

    failed: bool | None = None
    message: str | None = None
    latency_seconds: float | None = None

    @classmethod
    def of(cls, event: Json) -> "CallEnd":
        """From `exec_command_end`, `patch_apply_end` or `mcp_tool_call_end`."""
        code, success, result = count_or_negative(event.get("exit_code")), event.get("success"), event.get("result")
        failed = code != 0 if code is not None else not success if isinstance(success, bool) else None
        if failed is None and event.get("status") in ("failed", "declined"):
            failed = True
        message = None
        if isinstance(result, dict):
            answer = mapping(result.get("Ok"))
            flag = answer.get("isError", answer.get("is_error"))
            message = text(result.get("Err"))
            failed = True if "Err" in result else flag if isinstance(flag, bool) else failed
        return cls(failed, message, _seconds(event.get("duration")))


def count_or_negative(value: object) -> int | None:
    """A whole number, of a process' exit."""
    found = number(value)
    return int(found) if found is not None and abs(found) < 2**31 else None


def _seconds(duration: object) -> float | None:
    if isinstance(duration, dict):
        seconds, nanos = number(duration.get("secs")), number(duration.get("nanos"))
        return None if seconds is None else seconds + (nanos or 0) / 1e9
    return None


def tool_name(item: Json) -> str:
    """Name of the tool; those without one are named after their kind of item."""
    name = label(item.get("name"))
    if name is None:
        return (label(item.get("type")) or "unknown").removesuffix("_call")
    namespace = label(item.get("namespace"))
    return name if namespace is None else namespace + ("" if namespace.endswith("_") else ".") + name


def call_of(item: Json) -> ToolCall:
    """A call of any kind. The free text that a custom tool takes stands as the field `input`, as in the item."""
    arguments: object = next((item[key] for key in ("arguments", "action") if item.get(key) is not None), None)
    if arguments is None and "input" in item:
        arguments = {"input": item["input"]}
    return ToolCall(
        call_id=item_call_id(item),
        name=tool_name(item),
        arguments_json="{}" if arguments == "" else json_argument(arguments),
    )


def item_call_id(item: Json) -> str | None:
    """The id that joins a call and its output."""
    return call_id(item.get("call_id")) or call_id(item.get("id"))


def result_of(item: Json, end: CallEnd | None) -> ToolReturned:
    """A call's output. It failed where the output, its exit code, or the event of the call's end says so."""
    output = item.get("output", item.get("tools", item.get("result")))
    fields = mapping(parsed(output))
    stated = fields.get("success")
    content = output
    if isinstance(output, dict) and "content" in output:
        content = output["content"]
    code = count_or_negative(mapping(fields.get("metadata")).get("exit_code"))
    words = "\n".join(walk_texts(content)) if isinstance(content, str | list) else ""
    if code is None:
        head, _, _ = words[:_HEADER_CHARACTERS].partition("\nOutput:")
        found = _EXIT_CODE.search(head) if _begins_with_header(words) else None
        code = count_or_negative(found.group(1)) if found else None
    failed: bool | None = not stated if isinstance(stated, bool) else None if code is None else code != 0
    if end is not None and end.failed is not None:
        failed = end.failed
    body = tool_result(content, call=call_id(item.get("call_id")), error=failed)
    latency = number(mapping(fields.get("metadata")).get("duration_seconds"))
    return ToolReturned(
        call_id=body.call_id,
        success=body.success,
        result_json=body.result_json,
        error_kind="exit_code" if not body.success and code not in (None, 0) else body.error_kind,
        error_message=(end.message if end and end.message and not body.success else body.error_message),
        latency_seconds=end.latency_seconds if end and end.latency_seconds is not None else latency,
    )


def _begins_with_header(words: str) -> bool:
    """Whether an output begins with what Codex says of a command, and not with what the command printed."""
    return words.startswith(("Chunk ID:", "Wall time:", "Process exited with code", "Exit code:", "Process running"))


def thoughts_of(item: Json) -> list[str]:
    """Texts of a reasoning item that can be read: its summary, and the thoughts where they are not encrypted."""
    parts = [part for name in ("summary", "content") for part in items(item.get(name))]
    return [found for part in parts if (found := first_text(mapping(part).get("text"), part)) is not None]


def texts_of(content: object) -> str | None:
    """Text of a message's parts without places of images: what the event of the same message has. Refusals too."""
    if isinstance(content, str):
        return text(content)
    found = (first_text(part.get("text"), part.get("refusal")) for part in mappings(content))
    return "\n".join(one for one in found if one) or None


def is_from_a_person(words: str | None) -> bool:
    """Whether a message in the user's role is what a person wrote, not what the product put there."""
    return words is None or not _NOT_FROM_A_PERSON.match(words)


def usage_of(tokens: Json) -> Usage | None:
    """Tokens of the last model call."""
    found = Usage(
        input_tokens=count(tokens.get("input_tokens")),
        output_tokens=count(tokens.get("output_tokens")),
        cache_read_tokens=count(tokens.get("cached_input_tokens")),
        reasoning_tokens=count(tokens.get("reasoning_output_tokens")),
    )
    return found if found != Usage() else None


def details(payload: Json, *without: str) -> str:
    """JSON text of what a record says, without its type and what cannot be read."""
    hidden = {"type", "encrypted_content", *without}
    return as_json({key: value for key, value in payload.items() if key not in hidden})


def system_prompt(head: Json) -> str | None:
    """Instructions that a session's head states."""
    return first_text(mapping(head.get("base_instructions")).get("text"), head.get("instructions"))
