"""TRL's conversational preference pairs (`prompt`, `chosen`, `rejected`, `tools`), for DPO and reward modelling.

Source: TRL documentation, "Dataset formats and types", "Preference". Only examples with a rejected answer have a pair.
"""

import pyarrow as pa

from sinks.packages.formats.base import Cells, ExampleRow, Shape, Unfit, json_field
from sinks.packages.formats.chat import prompt_and_last, read_messages
from sinks.packages.formats.shapes.trl import messages_text, tools_text


def _rows(example: ExampleRow, _: str) -> list[Cells]:
    if example.rejected is None:
        raise Unfit("no_rejected_answer")
    prompt, chosen = prompt_and_last(read_messages(example.messages))
    rejected = read_messages(example.rejected)
    return [(messages_text(prompt), messages_text((chosen,)), messages_text(rejected), tools_text(example.tools))]


TRL_PREFERENCE = Shape(
    name="trl-preference",
    fields=pa.schema([json_field("prompt"), json_field("chosen"), json_field("rejected"), json_field("tools")]),
    needs=("messages", "tools", "rejected"),
    rows=_rows,
)
