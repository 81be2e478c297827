"""Whether the rows of a file are what its reader expects, told by reading every row again.

What a reader takes is said here once more, and strictly, after its documentation (named in the module of each shape):
no key too many, none missing, arguments an object where a trainer wants one and text where it wants text. The writers
do not use these types, so that a fault of theirs shows.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import pyarrow as pa
import pyarrow.fs as pafs

from sinks.packages.formats.base import Container, is_json
from sinks.packages.formats.catalogue import Format, format_named
from sinks.packages.formats.containers.jsonl import JSONL, lines

Object = dict[str, Any]
"""Its keys are the model's own, or a tool's."""


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    """No other keys than these."""


class _ObjectFunction(_Strict):
    name: str
    arguments: Object


class _ObjectCall(_Strict):
    type: Literal["function"]
    function: _ObjectFunction
    id: str = ""


class _TrlMessage(_Strict):
    role: str
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_ObjectCall] = []
    tool_call_id: str | None = None
    name: str | None = None


class _TrlRow(_Strict):
    messages: list[_TrlMessage]
    tools: list[Object] | None = None


class _PreferenceRow(_Strict):
    prompt: list[_TrlMessage]
    chosen: list[_TrlMessage]
    rejected: list[_TrlMessage]
    tools: list[Object] | None = None


class _RewardRow(_Strict):
    chosen: list[_TrlMessage]
    rejected: list[_TrlMessage]
    tools: list[Object] | None = None


class _KtoRow(_Strict):
    prompt: list[_TrlMessage]
    completion: list[_TrlMessage]
    label: bool
    tools: list[Object] | None = None


class _TextFunction(_Strict):
    name: str
    arguments: str


class _OpenaiCall(_Strict):
    id: str
    type: Literal["function"]
    function: _TextFunction


class _OpenaiMessage(_Strict):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | None
    name: str = ""
    tool_calls: list[_OpenaiCall] = []
    tool_call_id: str = ""


class _OpenaiFunction(_Strict):
    name: str
    parameters: Object
    description: str = ""


class _OpenaiTool(_Strict):
    type: str
    function: _OpenaiFunction


class _OpenaiRow(_Strict):
    messages: list[_OpenaiMessage]
    tools: list[_OpenaiTool] | None = None
    parallel_tool_calls: bool | None = None


class _AxolotlCall(_Strict):
    id: str | None
    type: Literal["function"]
    function: _TextFunction


class _AxolotlMessage(_Strict):
    role: str
    content: str
    reasoning_content: str = ""
    tool_calls: list[_AxolotlCall] = []
    tool_call_id: str = ""
    name: str = ""


class _AxolotlFunction(_Strict):
    name: str
    description: str
    parameters: str


class _AxolotlTool(_Strict):
    type: Literal["function"]
    function: _AxolotlFunction


class _AxolotlRow(_Strict):
    messages: list[_AxolotlMessage]
    tools: list[_AxolotlTool] | None = None


class _Turn(_Strict):
    from_: Literal["human", "observation", "gpt", "function_call"] = msgspec.field(name="from")
    value: str


class _LlamafactoryRow(_Strict):
    conversations: list[_Turn]
    system: str
    tools: str


class _AtifCall(_Strict):
    tool_call_id: str
    function_name: str
    arguments: Object


class _AtifResult(_Strict):
    source_call_id: str | None = None
    content: str | None = None


class _AtifObservation(_Strict):
    results: list[_AtifResult]


class _AtifStep(_Strict):
    step_id: int
    source: Literal["system", "user", "agent"]
    message: str
    reasoning_content: str | None = None
    tool_calls: list[_AtifCall] | None = None
    observation: _AtifObservation | None = None


class _AtifAgent(_Strict):
    name: str
    version: str
    model_name: str | None = None
    tool_definitions: list[Object] | None = None


class _AtifRow(_Strict):
    schema_version: str
    session_id: str
    agent: _AtifAgent
    steps: list[_AtifStep]
    extra: Object


class _SaidMessage(_Strict):
    role: str
    content: str


class _ConversationMetadata(_Strict):
    scenario: str | None
    quality_score: float | None
    training_type: str


class _ConversationRow(_Strict):
    id: str
    messages: list[_SaidMessage]
    metadata: _ConversationMetadata


class _State(_Strict):
    step: Any
    available_data: Any
    constraints: Any


class _Context(_Strict):
    scenario: Any
    goal: Any
    current_state: _State
    available_tools: Any


class _Expected(_Strict):
    action: Any
    tool: Any
    parameters: Any
    reasoning: Any


class _TrainingMetadata(_Strict):
    quality_score: float | None
    human_validated: bool | None
    execution_successful: bool | None
    training_weight: float | None


class _TrainingRow(_Strict):
    id: str
    type: str
    context: _Context
    expected_output: _Expected
    metadata: _TrainingMetadata


ROWS: Mapping[str, type[msgspec.Struct]] = {
    "trl": _TrlRow,
    "trl-preference": _PreferenceRow,
    "trl-reward": _RewardRow,
    "kto": _KtoRow,
    "openai": _OpenaiRow,
    "axolotl": _AxolotlRow,
    "llamafactory": _LlamafactoryRow,
    "atif": _AtifRow,
    "conversation_example": _ConversationRow,
    "training_example": _TrainingRow,
}
"""What a row of each shape is to its reader."""


def misfits(files: pafs.FileSystem, path: str, format_name: str) -> int:
    """Rows of a file that are not of its format's shape; 0 for formats that have none.

    Raises what the container's reader raises where the file is no such container or has other columns.
    """
    format_ = format_named(format_name)
    if format_.shape is None:
        return 0
    fitting = _lines_fit(files, path, format_) if format_.container is JSONL else _rows_fit(files, path, format_)
    return sum(not fits for fits in fitting)


@dataclass(frozen=True)
class _Reader:
    """Reads JSON text as one type."""

    type: Any
    decoder: msgspec.json.Decoder[Any]

    @classmethod
    def of(cls, type_: Any) -> "_Reader":
        return cls(type_, msgspec.json.Decoder(type_))

    def fits(self, text: str | bytes) -> bool:
        try:
            self.decoder.decode(text)
        except (msgspec.DecodeError, RecursionError):
            return self._fits_slowly(text)
        return True

    def _fits_slowly(self, text: str | bytes) -> bool:
        """By a reader that takes what msgspec refuses in valid JSON: halves of surrogates, numbers of any size."""
        try:
            msgspec.convert(json.loads(text), self.type)
        except RecursionError:
            return True  # it nests too deep for both: nobody can look into it here
        except ValueError:  # of either
            return False
        return True


def _lines_fit(files: pafs.FileSystem, path: str, format_: Format) -> Iterator[bool]:
    assert format_.shape is not None
    row: Any = ROWS[format_.shape.name]
    if format_.shape.wrapper:
        row = msgspec.defstruct("Wrapped", [(format_.shape.wrapper, row)], forbid_unknown_fields=True)
    reader = _Reader.of(row)
    return (reader.fits(line) for line in lines(files, path))


def _rows_fit(files: pafs.FileSystem, path: str, format_: Format) -> Iterator[bool]:
    assert format_.shape is not None
    columns = format_.shape.fields
    types = {field.encode_name: field.type for field in msgspec.structs.fields(ROWS[format_.shape.name])}
    readers = [(_Reader.of(types[column.name]), is_json(column)) for column in columns]
    return _cells_fit(format_.container, files, path, columns, readers)


def _cells_fit(
    container: Container, files: pafs.FileSystem, path: str, columns: pa.Schema, readers: list[tuple[_Reader, bool]]
) -> Iterator[bool]:
    for batch in container.read(files, path, columns):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield all(_cell_fits(reader, cell, json_) for (reader, json_), cell in zip(readers, row, strict=True))


def _cell_fits(reader: _Reader, cell: object, is_json_text: bool) -> bool:
    if is_json_text and isinstance(cell, str):
        return reader.fits(cell)
    try:
        msgspec.convert(cell, reader.type)
    except msgspec.ValidationError:
        return False
    return True
