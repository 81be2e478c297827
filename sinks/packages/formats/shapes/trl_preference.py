"""TRL's conversational preference pairs (`prompt`, `chosen`, `rejected`, `tools`), for DPO and reward modelling.

Source: TRL documentation, "Dataset formats and types", "Preference". Only examples with a rejected answer have a pair.
Its trainers put the mark of the assistant's turn after the prompt. So both sides must begin with the assistant: run
pairs that part where a user or a tool said something else are left out, and stand in the columns and in `kto`.
"""

import pyarrow as pa

from sinks.packages.formats.base import Cells, ExampleRow, Shape, Unfit, json_field
from sinks.packages.formats.chat import prompt_and_sides
from sinks.packages.formats.shapes.trl import check_prompt, messages_text, tools_text


def _rows(example: ExampleRow, _: str) -> list[Cells]:
    if example.rejected is None:
        raise Unfit("no_rejected_answer")
    prompt, chosen, rejected = prompt_and_sides(example)
    sides = (chosen, rejected or ())
    if any(not side or side[0].role != "assistant" for side in sides):
        raise Unfit("a_side_does_not_begin_with_the_assistant")
    check_prompt(prompt)
    return [(messages_text(prompt), *map(messages_text, sides), tools_text(example.tools))]


TRL_PREFERENCE = Shape(
    name="trl-preference",
    fields=pa.schema([json_field("prompt"), json_field("chosen"), json_field("rejected"), json_field("tools")]),
    needs=("messages", "tools", "rejected"),
    rows=_rows,
)
