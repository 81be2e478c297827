"""Arguments that fit their tool."""

from schemas.seed_text import json_value
from streams.core.signals.base import SignalKind, share
from streams.core.view import TraceView


def _required(parameters_json: str | None) -> frozenset[str]:
    schema = json_value(parameters_json)
    required = schema.get("required") if isinstance(schema, dict) else None
    return frozenset(name for name in required if isinstance(name, str)) if isinstance(required, list) else frozenset()


def measure(view: TraceView) -> float | None:
    """Share of the agent's tool calls whose arguments are a JSON object with every required key of the declared tool.

    Types of values are not checked.
    """
    required = {tool.name: _required(tool.parameters_json) for tool in view.tools}
    valid = 0
    for action in view.actions:
        value = json_value(action.parameters_json)
        valid += isinstance(value, dict) and required.get(action.tool, frozenset()) <= value.keys()
    return share(valid, len(view.actions))


SIGNAL = SignalKind("valid_arguments", 1, "share of tool calls with a JSON object and all required keys", measure)
