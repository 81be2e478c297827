"""Arguments that fit their tool."""

from streams.core.signals.base import Context, SignalKind, share
from streams.core.signals.tool_schema import ANYTHING, ToolSchema, json_of, tool_schema
from streams.core.view import TraceView

MAX_WORK = 20_000_000
"""Schema nodes x values of arguments that are checked in one trace; past it only required keys are. About a second at
worst, which no honest trace comes near."""
CHARS_OF_A_VALUE = 200
"""Characters of a text that cost as much to look at as one more value."""


def _work(schema: ToolSchema, text: str) -> int:
    """What a check may cost. Commas and colons count the values of JSON from above."""
    return schema.nodes * (1 + text.count(",") + text.count(":") + len(text) // CHARS_OF_A_VALUE)


def measure(view: TraceView, _: Context) -> float | None:
    """Share of the agents' tool calls whose arguments are a JSON object that the tool's declaration accepts.

    Types, required keys, enumerations, bounds and patterns count, see `tool_schema`. Tools are those of the agent
    that owns the trace: a call of a sub-agent or of a tool that was not declared need only be an object.
    """
    declared = {tool.name: tool.parameters_json for tool in view.tools}
    known: dict[str, ToolSchema] = {}
    calls = valid = work = 0
    for step in view.steps:
        for turn in step.turns:
            for action in turn.agent_actions:
                calls += 1
                text = action.parameters_json
                value = json_of(text)
                if not isinstance(value, dict):
                    continue
                name = action.tool
                schema = known.get(name)
                if schema is None:
                    schema = known[name] = tool_schema(declared.get(name))
                if step.thread is not None:
                    schema = ANYTHING
                work += _work(schema, text)
                valid += schema.accepts(value) if work <= MAX_WORK else schema.has_required(value)
    return share(valid, calls)


SIGNAL = SignalKind("valid_arguments", 2, "share of tool calls whose arguments satisfy the tool's schema", measure)
