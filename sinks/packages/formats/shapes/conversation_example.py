"""The conversation shape of the original description: `{"conversation_example": {...}}`, calls written as text.

`Action: tool_request`, `Tool: ...`, `Parameters: {...}`, and `Reasoning: ...` after an empty line. The arguments are
indented as it shows them; digits and escapes in them stay as they are. In tables each of the inner keys is a column.
"""

import msgspec
import pyarrow as pa

from schemas.seed_text import nests_too_deep
from sinks.packages.formats.base import Cells, ExampleRow, Shape, json_field
from sinks.packages.formats.chat import ChatMessage, read_messages
from sinks.packages.formats.json_text import Stand, json_text


class _Message(msgspec.Struct, frozen=True, gc=False):
    role: str
    content: str


class _Metadata(msgspec.Struct, frozen=True, gc=False):
    scenario: str | None
    quality_score: float | None
    training_type: str


def content(message: ChatMessage) -> str:
    """Text of a message, its calls and its reasoning in it."""
    paragraphs = [message.content] if message.content else []
    for call in message.calls:
        name, arguments = call.function.name, _indented(call.function.arguments)
        paragraphs.append(f"Action: tool_request\nTool: {name}\nParameters: {arguments}")
    if message.reasoning_content and message.role == "assistant":
        paragraphs.append(f"Reasoning: {message.reasoning_content}")
    return "\n\n".join(paragraphs)


def _indented(arguments: str) -> str:
    if nests_too_deep(arguments):
        return arguments
    try:
        return msgspec.json.format(arguments, indent=2)
    except msgspec.DecodeError:
        pass
    stand = Stand.of((arguments,))
    try:
        return stand.taken_back(msgspec.json.format(stand.put(arguments), indent=2))
    except msgspec.DecodeError:
        return arguments


def _rows(example: ExampleRow, training_type: str) -> list[Cells]:
    messages = [_Message(message.role, content(message)) for message in read_messages(example.messages)]
    metadata = _Metadata(example.scenario, example.quality_score, training_type)
    return [(example.example_id, json_text(messages), json_text(metadata))]


CONVERSATION_EXAMPLE = Shape(
    name="conversation_example",
    fields=pa.schema([pa.field("id", pa.string()), json_field("messages"), json_field("metadata")]),
    needs=("example_id", "messages"),
    rows=_rows,
    wrapper="conversation_example",
)
