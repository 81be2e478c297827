"""TRL's conversational preference pairs (`prompt`, `chosen`, `rejected`, `tools`), for DPO and reward modelling.

Source: TRL documentation, "Dataset formats and types", "Preference". Only examples with a rejected answer have a pair.
Sides may begin with a user or a tool, where runs part there: TRL begins the completion where the rendered prompt and
both sides diverge. A prompt that ends with the system is refused by `apply_chat_template` of its data utilities, and
the whole data set with it; many chat templates want a user in the prompt as well. Such pairs stand in `trl-reward`, and
in `kto`, where the first words of a side belong to its prompt.
"""

import pyarrow as pa

from sinks.packages.formats.base import Cells, ExampleRow, Shape, json_field
from sinks.packages.formats.chat import pair
from sinks.packages.formats.shapes.trl import check_prompt, messages_text, tools_text


def _rows(example: ExampleRow, _: str) -> list[Cells]:
    prompt, chosen, rejected = pair(example)
    check_prompt(prompt)
    return [(messages_text(prompt), messages_text(chosen), messages_text(rejected), tools_text(example.tools))]


TRL_PREFERENCE = Shape(
    name="trl-preference",
    fields=pa.schema([json_field("prompt"), json_field("chosen"), json_field("rejected"), json_field("tools")]),
    needs=("messages", "tools", "rejected"),
    rows=_rows,
)
