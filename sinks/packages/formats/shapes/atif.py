"""ATIF, the Agent Trajectory Interchange Format of Harbor: one trajectory a row.

Source: Harbor's RFC 0001, version 1.5. Steps are numbered from 1; results of calls stand in the `observation` of the
step that made them; other messages (a result whose call is not in the chat) are steps of the system. Arguments are
objects, the very text of the model. An example knows its model, not the name of the program around it.
"""

import msgspec
import pyarrow as pa

from sinks.packages.formats.base import Cells, ExampleRow, Shape, json_field
from sinks.packages.formats.chat import ChatMessage, read_messages, tools_or_none
from sinks.packages.formats.json_text import arguments_object, json_text, splice

SCHEMA_VERSION = "ATIF-v1.5"
_SOURCES = {"assistant": "agent", "user": "user"}


class _Call(msgspec.Struct, frozen=True, gc=False):
    tool_call_id: str
    function_name: str
    arguments: msgspec.Raw


class _Result(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    source_call_id: str | None = None
    content: str | None = None


class _Observation(msgspec.Struct, frozen=True, gc=False):
    results: list[_Result]


class _Step(msgspec.Struct, gc=False, omit_defaults=True):
    step_id: int
    source: str
    message: str
    reasoning_content: str | None = None
    tool_calls: tuple[_Call, ...] | None = None
    observation: _Observation | None = None


class _Agent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    name: str
    version: str
    model_name: str | None = None
    tool_definitions: msgspec.Raw | None = None


class _Extra(msgspec.Struct, frozen=True, gc=False):
    example_id: str | None
    scenario: str | None
    quality_score: float | None


def _steps(messages: tuple[ChatMessage, ...]) -> list[_Step]:
    steps: list[_Step] = []
    asked: dict[str, _Step] = {}
    for message in messages:
        if message.role == "tool" and message.tool_call_id in asked:
            step = asked[message.tool_call_id]
            if step.observation is None:
                step.observation = _Observation([])
            step.observation.results.append(_Result(message.tool_call_id, message.content))
            continue
        source = _SOURCES.get(message.role, "system")
        number = len(steps) + 1
        step = _Step(number, source, message.content or "")
        if source == "agent":
            step.reasoning_content = message.reasoning_content
        if message.calls:
            step.tool_calls = tuple(
                _Call(
                    call.id or f"call_{number}_{place}", call.function.name, arguments_object(call.function.arguments)
                )
                for place, call in enumerate(message.calls, 1)
            )
            asked |= {call.tool_call_id: step for call in step.tool_calls}
        steps.append(step)
    return steps


def _rows(example: ExampleRow, _: str) -> list[Cells]:
    tools = tools_or_none(example.tools)
    agent = _Agent("agent", "unknown", example.model, splice(tools) if tools else None)
    steps = _steps(read_messages(example.messages))
    extra = _Extra(example.example_id, example.scenario, example.quality_score)
    session = example.trace_id or example.example_id
    return [(SCHEMA_VERSION, session, json_text(agent), json_text(steps), json_text(extra))]


ATIF = Shape(
    name="atif",
    fields=pa.schema(
        [
            pa.field("schema_version", pa.string()),
            pa.field("session_id", pa.string()),
            json_field("agent"),
            json_field("steps"),
            json_field("extra"),
        ]
    ),
    needs=("messages", "tools"),
    rows=_rows,
)
