"""The fine-tuning shape of the original description: `{"training_example": {...}}`, its keys in its order.

A key whose value is not known stays, with null or an empty value, as `schemas.render.training_example` has it; here
`parameters` keep the very text of the model. In tables each of the inner keys is a column.
"""

import msgspec
import pyarrow as pa

from sinks.packages.formats.base import Cells, ExampleRow, Shape, json_field
from sinks.packages.formats.json_text import json_text

_NULL = msgspec.Raw(b"null")
_EMPTY = msgspec.Raw(b"[]")


class _State(msgspec.Struct, frozen=True, gc=False):
    step: msgspec.Raw = _NULL
    available_data: msgspec.Raw = _EMPTY
    constraints: msgspec.Raw = _EMPTY


class _Context(msgspec.Struct, frozen=True, gc=False):
    scenario: msgspec.Raw = _NULL
    goal: msgspec.Raw = _NULL
    current_state: _State | None = _State()
    available_tools: msgspec.Raw = _EMPTY


class _Expected(msgspec.Struct, frozen=True, gc=False):
    action: msgspec.Raw = _NULL
    tool: msgspec.Raw = _NULL
    parameters: msgspec.Raw = _NULL
    reasoning: msgspec.Raw = _NULL


class _Metadata(msgspec.Struct, frozen=True, gc=False):
    quality_score: float | None
    human_validated: bool | None
    execution_successful: bool | None
    training_weight: float | None


_CONTEXT = msgspec.json.Decoder(_Context)
_EXPECTED = msgspec.json.Decoder(_Expected)


def _rows(example: ExampleRow, _: str) -> list[Cells]:
    context = _CONTEXT.decode(example.context or "{}")
    if context.scenario is _NULL:
        context = msgspec.structs.replace(context, scenario=msgspec.Raw(msgspec.json.encode(example.scenario)))
    if context.current_state is None:
        context = msgspec.structs.replace(context, current_state=_State())
    metadata = _Metadata(
        example.quality_score, example.human_validated, example.execution_successful, example.training_weight
    )
    expected = _EXPECTED.decode(example.expected_output or "{}")
    return [(example.example_id, example.type, json_text(context), json_text(expected), json_text(metadata))]


TRAINING_EXAMPLE = Shape(
    name="training_example",
    fields=pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("type", pa.string()),
            json_field("context"),
            json_field("expected_output"),
            json_field("metadata"),
        ]
    ),
    needs=("example_id", "type", "context", "expected_output"),
    rows=_rows,
    wrapper="training_example",
)
