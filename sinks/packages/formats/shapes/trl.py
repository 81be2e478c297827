"""TRL's conversational language modelling: `messages` and `tools`, arguments of calls as objects.

Source: TRL documentation, "Dataset formats and types", "Tool calling". Keys without a value are left out: a chat
template asks `'tool_calls' in message`.

What `datasets` makes of objects whose keys differ from row to row: its Json type (4.7 and later) keeps them; Arrow
structs pad them with nulls. The container `huggingface` declares that type. In JSON Lines `datasets` infers it from the
first 10 MB and fails, or pads, where later rows differ: name the type for longer files (`huggingface_configs`).
It reads numbers of that type with about 15 digits, and writes what it must re-encode from JSON Lines with 10 decimals;
the files hold them all. A number beyond 64 bits makes it refuse a whole file: such rows are left out.
"""

from functools import lru_cache

import msgspec
import pyarrow as pa

from sinks.packages.formats.base import Cells, ExampleRow, Shape, Unfit, json_field
from sinks.packages.formats.chat import ChatMessage, read_messages, tools_or_none
from sinks.packages.formats.json_text import arguments_object, check_numbers, json_text


class _Function(msgspec.Struct, frozen=True, gc=False):
    name: str
    arguments: msgspec.Raw


class _IdentifiedCall(msgspec.Struct, frozen=True, gc=False):
    id: str
    type: str
    function: _Function


class _AnonymousCall(msgspec.Struct, frozen=True, gc=False):
    type: str
    function: _Function


class _Message(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    role: str
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: tuple[_IdentifiedCall | _AnonymousCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None


def message(said: ChatMessage) -> _Message:
    """A message with its arguments as objects. Raises Unfit where they are none."""
    return _Message(
        role=said.role,
        content=said.content,
        reasoning_content=said.reasoning_content,
        tool_calls=tuple(_call(call.id, call.function.name, call.function.arguments) for call in said.calls),
        tool_call_id=said.tool_call_id,
        name=said.name,
    )


def _call(call_id: str | None, name: str, arguments: str) -> _IdentifiedCall | _AnonymousCall:
    check_numbers(arguments)
    function = _Function(name, arguments_object(arguments))
    return _AnonymousCall("function", function) if call_id is None else _IdentifiedCall(call_id, "function", function)


def check_prompt(prompt: tuple[ChatMessage, ...]) -> None:
    """Raises Unfit for a prompt that ends with the system.

    `apply_chat_template` of TRL's data utilities refuses it ("Invalid role in the last message"), and the whole data
    set with it; 1.16 renders in the preference trainers themselves and does not ask, but chat templates may.
    """
    if not prompt or prompt[-1].role == "system":
        raise Unfit("prompt_ends_with_the_system" if prompt else "no_prompt")


def messages_text(messages: tuple[ChatMessage, ...]) -> str:
    """JSON text of messages whose arguments are objects. Raises Unfit where readers could not hold them."""
    return json_text([message(said) for said in messages])


@lru_cache(maxsize=64)
def tools_text(tools: str | None) -> str | None:
    """JSON text of the tool definitions, mostly those of the row before. Raises Unfit where readers cannot hold it."""
    text = tools_or_none(tools)
    if text:
        check_numbers(text)
    return text


def _rows(example: ExampleRow, _: str) -> list[Cells]:
    return [(messages_text(read_messages(example.messages)), tools_text(example.tools))]


TRL = Shape(
    name="trl",
    fields=pa.schema([json_field("messages"), json_field("tools")]),
    needs=("messages", "tools"),
    rows=_rows,
)
