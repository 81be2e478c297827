"""Arguments of recorded tool calls after redaction: what a tool would have taken it still takes."""

import gzip
import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from schemas.records import ToolCalled
from streams.core.redact.events import redact_events
from streams.core.redact.pseudonyms import Pseudonyms
from tests.unit.core.build import Run
from tests.unit.streams.redact.samples import DATA, KEY

SOURCES = ["tau-bench/gpt-4o-airline.tasks00-24.jsonl.gz", "tau2-bench/gpt-4.1_retail_1trial.json.gz",
           "tau2-bench/gpt-4.1_airline_1trial.json.gz"]  # fmt: skip
_FORMATS = ("date", "email", "ipv4", "uuid")
_CLOSED = frozenset({"cabin", "flight_type", "insurance", "reason", "source", "origin", "destination", "status"})

pytestmark = pytest.mark.recordings


def calls(path: Path) -> list[list[tuple[str, dict[str, Any]]]]:
    """Tool and arguments of each call, run by run."""
    text = gzip.decompress(path.read_bytes()).decode()
    lines = text.splitlines() if ".jsonl" in path.name else json.loads(text)["simulations"]
    return [list(_calls(json.loads(line) if isinstance(line, str) else line)) for line in lines]


def _calls(value: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, list):
        for item in value:
            yield from _calls(item)
    elif isinstance(value, dict):
        arguments, name = value.get("arguments"), value.get("name")
        if isinstance(arguments, str) and arguments.startswith("{"):
            arguments = json.loads(arguments)
        if isinstance(name, str) and isinstance(arguments, dict):
            yield name, arguments
        else:
            for item in value.values():
                yield from _calls(item)


def schema_of(values: list[Any], key: str = "") -> dict[str, Any]:
    """The strictest schema that all values satisfy: types, keys, formats, lengths of figures, closed vocabularies."""
    if all(isinstance(value, dict) for value in values):
        by_key: dict[str, list[Any]] = defaultdict(list)
        for value in values:
            for name, inner in value.items():
                by_key[name].append(inner)
        return {
            "type": "object",
            "properties": {name: schema_of(inner, name) for name, inner in by_key.items()},
            "required": [name for name, inner in by_key.items() if len(inner) == len(values)],
            "additionalProperties": False,
        }
    if all(isinstance(value, list) for value in values):
        items = [item for value in values for item in value]
        return {"type": "array", **({"items": schema_of(items, key)} if items else {})}
    if all(isinstance(value, str) for value in values):
        schema: dict[str, Any] = {"type": "string", "minLength": min(1, *map(len, values))}
        if key in _CLOSED:
            schema["enum"] = sorted(set(values))
        for name in _FORMATS:
            validator = jsonschema_rs.validator_for({"format": name}, validate_formats=True)
            if all(map(validator.is_valid, values)):
                schema["format"] = name
        if all(value.isdigit() for value in values):
            schema["pattern"] = "^[0-9]+$"
        return schema
    kinds = {"bool": "boolean", "int": "integer", "float": "number", "str": "string", "NoneType": "null"}
    return {"type": sorted({kinds[type(value).__name__] for value in values if not isinstance(value, dict | list)}
                           | {"object" for value in values if isinstance(value, dict)}
                           | {"array" for value in values if isinstance(value, list)})}  # fmt: skip


@pytest.mark.parametrize("source", SOURCES)
def test_arguments_of_recorded_calls_satisfy_their_tools_schema_after_redaction(source: str) -> None:
    path = DATA / source
    if not path.exists():
        pytest.skip("the recordings (../shared/data) are not here")
    runs = [run for run in calls(path) if run][:40]
    by_tool: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        for tool, arguments in run:
            by_tool[tool].append(arguments)
    validators = {
        tool: jsonschema_rs.validator_for(schema_of(values), validate_formats=True) for tool, values in by_tool.items()
    }
    checked = changed = 0
    broken: list[str] = []
    for number, run in enumerate(runs):
        trace = Run(f"trace-{number}")
        for tool, arguments in run:
            trace.add(ToolCalled(tool=tool, parameters_json=json.dumps(arguments)))
        redacted = redact_events(trace.events, Pseudonyms(KEY, f"trace-{number}")).events
        for event, (tool, arguments) in zip(redacted, run, strict=True):
            assert event.tool_called is not None
            assert validators[tool].is_valid(arguments)
            after = json.loads(event.tool_called.parameters_json)
            checked, changed = checked + 1, changed + (after != arguments)
            if not validators[tool].is_valid(after):
                broken.append(f"{tool}: {[error.instance_path for error in validators[tool].iter_errors(after)]}")
    assert broken == []
    assert checked > 50
    assert changed > 20
