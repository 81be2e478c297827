"""The messages of an example, read once for all shapes that need more than their text. Pure."""

import msgspec

from sinks.packages.formats.base import ExampleRow, Unfit


class Function(msgspec.Struct, frozen=True, gc=False):
    """What is called; `arguments` is the text the model wrote."""

    name: str = ""
    arguments: str = ""


class Call(msgspec.Struct, frozen=True, gc=False):
    """A tool call of an assistant message."""

    id: str | None = None
    function: Function = Function()


class ChatMessage(msgspec.Struct, frozen=True, gc=False):
    """One message."""

    role: str
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: tuple[Call, ...] | None = None
    tool_call_id: str | None = None
    name: str | None = None

    @property
    def calls(self) -> tuple[Call, ...]:
        return self.tool_calls or ()


_MESSAGES = msgspec.json.Decoder(tuple[ChatMessage, ...])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def read_messages(text: str | None) -> tuple[ChatMessage, ...]:
    """Messages of JSON text. Raises Unfit where there is none, msgspec.DecodeError where it cannot be read."""
    messages = _MESSAGES.decode(text) if text else ()
    if not messages:
        raise Unfit("no_messages")
    return messages


def tools_or_none(text: str | None) -> str | None:
    """The very text of the tool definitions; None where there are none: an empty list means something else to some."""
    return text if text and _LIST.decode(text) else None


def check_answered(messages: tuple[ChatMessage, ...]) -> None:
    """Raises Unfit where the last message is not the assistant's, or nothing came before it."""
    if messages[-1].role != "assistant":
        raise Unfit("last_message_is_not_the_assistants")
    if len(messages) == 1:
        raise Unfit("no_prompt")


def prompt_and_sides(
    example: ExampleRow,
) -> tuple[tuple[ChatMessage, ...], tuple[ChatMessage, ...], tuple[ChatMessage, ...] | None]:
    """The prompt, what should follow it, and what should not, where that is known.

    Raises Unfit where there is no prompt, or nothing of the assistant after it.
    """
    messages = read_messages(example.messages)
    check_answered(messages)
    count = len(messages) - 1 if example.prompt_messages is None else example.prompt_messages
    if not 0 < count < len(messages):
        raise Unfit("no_prompt" if count < 1 else "nothing_after_the_prompt")
    rejected = None if example.rejected is None else read_messages(example.rejected)
    return messages[:count], messages[count:], rejected


def pair(
    example: ExampleRow,
) -> tuple[tuple[ChatMessage, ...], tuple[ChatMessage, ...], tuple[ChatMessage, ...]]:
    """The prompt, what should follow it, and what should not.

    Raises Unfit where nothing is known that should not follow, or a side does not end with the assistant.
    """
    if example.rejected is None:
        raise Unfit("no_rejected_answer")
    prompt, chosen, rejected = prompt_and_sides(example)
    if not rejected or rejected[-1].role != "assistant":
        raise Unfit("rejected_does_not_end_with_the_assistant")
    return prompt, chosen, rejected
