"""TRL's conversational preference pairs with an implicit prompt (`chosen`, `rejected`, `tools`): whole chats.

Source: TRL documentation, "Dataset formats and types", "Preference"; its `RewardTrainer` asks for this form. Nothing is
rendered but whole chats, so it holds every pair, wherever two runs part; trainers that want a prompt take what both
chats share from the start.
"""

import pyarrow as pa

from sinks.packages.formats.base import Cells, ExampleRow, Shape, json_field
from sinks.packages.formats.chat import pair
from sinks.packages.formats.shapes.trl import messages_text, tools_text


def _rows(example: ExampleRow, _: str) -> list[Cells]:
    prompt, chosen, rejected = pair(example)
    return [(messages_text(prompt + chosen), messages_text(prompt + rejected), tools_text(example.tools))]


TRL_REWARD = Shape(
    name="trl-reward",
    fields=pa.schema([json_field("chosen"), json_field("rejected"), json_field("tools")]),
    needs=("messages", "tools", "rejected"),
    rows=_rows,
)
