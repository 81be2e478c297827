"""LLaMA-Factory's ShareGPT shape: `conversations` of `from` and `value`, `system`, and `tools` as text.

Source: its `data/README.md` and `data/converter.py`. Turns alternate: `human` or `observation`, then `gpt` or
`function_call`, an even number in all. What does not alternate by itself is brought together where that loses nothing
(texts of one speaker; results of parallel calls, joined as its own converter joins them) and is left out elsewhere. A
`function_call` holds JSON and may begin with a thought in `<think>`, so words beside a call stand there. It reads files
by their ending, uncompressed, and a folder as a whole: each split has its own.
"""

from collections.abc import Iterator
from itertools import groupby

import msgspec
import pyarrow as pa

from sinks.packages.formats.base import Cells, ExampleRow, Shape, Unfit, json_field
from sinks.packages.formats.chat import ChatMessage, read_messages, tools_or_none
from sinks.packages.formats.json_text import arguments_object, json_text

_BETWEEN_RESULTS = "\n</tool_response>\n<tool_response>\n"
_SPEAKERS = {"user": "human", "tool": "observation", "assistant": "gpt"}


class _Turn(msgspec.Struct, frozen=True, gc=False):
    from_: str = msgspec.field(name="from")
    value: str


class _Function(msgspec.Struct, frozen=True, gc=False):
    name: str
    arguments: msgspec.Raw


class _Tool(msgspec.Struct, frozen=True, gc=False):
    function: msgspec.Raw


_TOOLS = msgspec.json.Decoder(tuple[_Tool, ...])


def _turns(messages: tuple[ChatMessage, ...]) -> Iterator[_Turn]:
    for speaker, said in groupby(messages, _speaker):
        group = tuple(said)
        if speaker == "function_call":
            if len(group) > 1:
                raise Unfit("call_without_result")
            yield _Turn(speaker, _calls(group[0]))
        elif speaker == "observation":
            yield _Turn(speaker, _BETWEEN_RESULTS.join(message.content or "" for message in group))
        else:
            yield _Turn(speaker, "\n\n".join(_words(message) for message in group))


def _speaker(message: ChatMessage) -> str:
    if message.calls:
        return "function_call"
    speaker = _SPEAKERS.get(message.role)
    if speaker is None:
        raise Unfit("role_not_allowed")
    return speaker


def _words(message: ChatMessage) -> str:
    return _thought(message.reasoning_content) + (message.content or "")


def _thought(text: str | None) -> str:
    if not text:
        return ""
    if "<think>" in text or "</think>" in text:
        raise Unfit("thought_holds_its_own_mark")
    return f"<think>\n{text}\n</think>\n\n"


def _calls(message: ChatMessage) -> str:
    functions = [_Function(call.function.name, arguments_object(call.function.arguments)) for call in message.calls]
    text = json_text(functions if len(functions) > 1 else functions[0])
    if "think>" in text:
        text = text.replace("think>", "think\\u003e")  # in a JSON string, the same; else it is cut out as a thought
    return _thought("\n\n".join(filter(None, (message.reasoning_content, message.content)))) + text


def _tools(text: str | None) -> str:
    found = tools_or_none(text)
    return json_text([tool.function for tool in _TOOLS.decode(found)]) if found else ""


def _rows(example: ExampleRow, _: str) -> list[Cells]:
    messages = read_messages(example.messages)
    system = ""
    if messages[0].role == "system":
        system, messages = messages[0].content or "", messages[1:]
    while messages and messages[-1].role != "assistant":
        messages = messages[:-1]  # what nobody answered teaches nothing
    turns = tuple(_turns(messages))
    if not turns:
        raise Unfit("no_messages")
    for number, turn in enumerate(turns):
        if (turn.from_ in ("human", "observation")) != (number % 2 == 0):
            raise Unfit("turns_do_not_alternate")
    return [(json_text(turns), system, _tools(example.tools))]


LLAMAFACTORY = Shape(
    name="llamafactory",
    fields=pa.schema([json_field("conversations"), pa.field("system", pa.string()), pa.field("tools", pa.string())]),
    needs=("messages", "tools"),
    rows=_rows,
    plain=True,
    folder_per_split=True,
)
