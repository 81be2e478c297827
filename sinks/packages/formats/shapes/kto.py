"""TRL's conversational unpaired preference (`prompt`, `completion`, `label`, `tools`), for KTO.

Source: TRL documentation, "Dataset formats and types", "Unpaired preference". A pair gives a row for each side.
Without one the label is what came of the step: an example whose outcome nobody knows says nothing about preference.
"""

import pyarrow as pa

from sinks.packages.formats.base import Cells, ExampleRow, Shape, Unfit, json_field
from sinks.packages.formats.chat import prompt_and_last, read_messages
from sinks.packages.formats.shapes.trl import messages_text, tools_text

_LABELS = {"success": True, "recovered": True, "failure": False}


def _rows(example: ExampleRow, _: str) -> list[Cells]:
    before, last = prompt_and_last(read_messages(example.messages))
    prompt, completion, tools = messages_text(before), messages_text((last,)), tools_text(example.tools)
    if example.rejected is not None:
        rejected = messages_text(read_messages(example.rejected))
        return [(prompt, completion, True, tools), (prompt, rejected, False, tools)]
    label = _LABELS.get(example.outcome or "unknown")
    if label is None and example.outcome in (None, "unknown") and example.execution_successful:
        label = True
    if label is None:
        raise Unfit("outcome_says_nothing")
    return [(prompt, completion, label, tools)]


KTO = Shape(
    name="kto",
    fields=pa.schema(
        [json_field("prompt"), json_field("completion"), pa.field("label", pa.bool_()), json_field("tools")]
    ),
    needs=("messages", "tools", "outcome", "rejected"),
    rows=_rows,
)
