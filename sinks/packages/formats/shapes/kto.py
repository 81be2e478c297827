"""TRL's conversational unpaired preference (`prompt`, `completion`, `label`, `tools`), for KTO.

Source: TRL documentation, "Dataset formats and types", "Unpaired preference". A pair gives a row for each side.
Without one the label is what came of the step: an example whose outcome nobody knows says nothing about preference.
A completion begins with the assistant: what a user or a tool said first on one side of a run pair belongs to the prompt
of that side. The two rows of a pair need no common prompt. Chats in which nobody asked anything before the agent spoke
are left out: their prompt would end with the system.
"""

import pyarrow as pa

from sinks.packages.formats.base import Cells, ExampleRow, Shape, Unfit, json_field
from sinks.packages.formats.chat import ChatMessage, prompt_and_sides
from sinks.packages.formats.shapes.trl import check_prompt, messages_text, tools_text

_LABELS = {"success": True, "recovered": True, "failure": False}


def _rows(example: ExampleRow, _: str) -> list[Cells]:
    prompt, chosen, rejected = prompt_and_sides(example)
    tools = tools_text(example.tools)
    if rejected is not None:
        return [(*_completed(prompt, chosen), True, tools), (*_completed(prompt, rejected), False, tools)]
    label = _LABELS.get(example.outcome or "unknown")
    if label is None and example.outcome in (None, "unknown") and example.execution_successful:
        label = True
    if label is None:
        raise Unfit("outcome_says_nothing")
    return [(*_completed(prompt, chosen), label, tools)]


def _completed(prompt: tuple[ChatMessage, ...], side: tuple[ChatMessage, ...]) -> tuple[str, str]:
    """Prompt and completion of one side."""
    place = next((number for number, message in enumerate(side) if message.role == "assistant"), None)
    if place is None:
        raise Unfit("last_message_is_not_the_assistants")
    prompt += side[:place]
    check_prompt(prompt)
    return messages_text(prompt), messages_text(side[place:])


KTO = Shape(
    name="kto",
    fields=pa.schema(
        [json_field("prompt"), json_field("completion"), pa.field("label", pa.bool_()), json_field("tools")]
    ),
    needs=("messages", "tools", "outcome", "rejected"),
    rows=_rows,
)
