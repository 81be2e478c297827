"""Whose a line is: a sub-agent's, and in the main conversation a person's or the product's in the person's place."""

import re

from streams.adapters.tolerant import Json, content_text, items, label, mapping

INTERRUPTED = "[Request interrupted by user"
_NOT_FROM_A_PERSON = re.compile(
    r"\s*(<command-(name|message|args)>|<local-command-|<bash-(input|stdout|stderr)>|<task-notification>"
    r"|Caveat: The messages below were generated|Base directory for this skill:)"
)
_COMMAND = re.compile(r"\s*<command-(name|message|args)>")
_REMINDER, _REMINDER_END = "<system-reminder>", "</system-reminder>"
_ARGS, _ARGS_END = "<command-args>", "</command-args>"


def starting_call(line: Json) -> str | None:
    """The tool call that started the sub-agent of a line."""
    return label(line.get("parentToolUseID"), 512) or label(line.get("parent_tool_use_id"), 512)


def is_side_line(line: Json) -> bool:
    """Whether a line is a sub-agent's. Logs of the SDK say it by the call that started it only."""
    return line.get("isSidechain") is True or starting_call(line) is not None


def prompt_text(line: Json) -> str | None:
    """Text of a user line without tool results; None for other lines."""
    message = mapping(line.get("message"))
    if line.get("type") == "assistant" or message.get("role") == "assistant":
        return None
    content = message.get("content")
    parts = [content] if isinstance(content, str) else items(content)
    return content_text([part for part in parts if mapping(part).get("type") != "tool_result"])


def words_of_a_person(line: Json) -> str | None:
    """What a person wrote in a line of the main conversation: a prompt, or what a slash command was given."""
    content = mapping(line.get("message")).get("content")
    said = prompt_text(line)
    if (
        line.get("type") != "user"
        or said is None
        or said.startswith(INTERRUPTED)
        or any(line.get(flag) is True for flag in ("isMeta", "isCompactSummary", "isVisibleInTranscriptOnly"))
        or any(mapping(part).get("type") == "tool_result" for part in items(content))
    ):
        return None
    if _COMMAND.match(said):
        return command_parts(said)[1]
    return None if _NOT_FROM_A_PERSON.match(said) or _is_reminder(said) else said


def command_parts(said: str) -> tuple[str, str | None]:
    """A slash command without its arguments, and the arguments: they alone are a person's words."""
    before, _, after = said.partition(_ARGS)
    given, _, rest = after.partition(_ARGS_END)
    return (before + rest).strip(), given.strip() or None


def _is_reminder(said: str) -> bool:
    """Whether nothing stands outside of reminders, which the product adds."""
    before, *reminders = said.split(_REMINDER)
    return bool(reminders) and not (before + "".join(one.partition(_REMINDER_END)[2] for one in reminders)).strip()
