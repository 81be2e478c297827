"""The messages of an example, read once for all shapes that need more than their text. Pure."""

import msgspec

from sinks.packages.formats.base import Unfit


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


def prompt_and_last(messages: tuple[ChatMessage, ...]) -> tuple[tuple[ChatMessage, ...], ChatMessage]:
    """What came before, and the assistant's answer. Raises Unfit where the last message is not the assistant's."""
    if messages[-1].role != "assistant":
        raise Unfit("last_message_is_not_the_assistants")
    if len(messages) == 1:
        raise Unfit("no_prompt")
    return messages[:-1], messages[-1]
