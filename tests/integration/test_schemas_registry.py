"""Schemas on the real registry: what may change and what may not, and messages of older and newer versions."""

import copy
import io
import json
import struct
import uuid
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import requests
from fastavro import parse_schema, schemaless_writer

from schemas.contracts import registered_schema, topic_contracts
from schemas.records import EventBatch
from sinks.query import query
from tests.integration.line import Line
from tests.integration.world import Sending

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

Schema = dict[str, Any]


def event_of(batch: Schema) -> Schema:
    """The Event inside the schema of a batch."""
    found: Schema = next(field for field in batch["fields"] if field["name"] == "events")["type"]["items"]
    return found


def with_optional_field(batch: Schema) -> None:
    event_of(batch)["fields"].append({"name": "mood", "type": ["null", "string"], "default": None})


def with_optional_body(batch: Schema) -> None:
    body = {"type": "record", "name": "MoodChanged", "namespace": "tdc", "fields": [{"name": "mood", "type": "string"}]}
    event_of(batch)["fields"].append({"name": "mood_changed", "type": ["null", body], "default": None})


def with_required_field(batch: Schema) -> None:
    event_of(batch)["fields"].append({"name": "mood", "type": "string"})


def without_a_required_field(batch: Schema) -> None:
    event = event_of(batch)
    event["fields"] = [field for field in event["fields"] if field["name"] != "event_id"]


def with_another_type(batch: Schema) -> None:
    next(field for field in event_of(batch)["fields"] if field["name"] == "sequence")["type"] = "string"


CHANGES = [
    (with_optional_field, True),
    (with_optional_body, True),
    (with_required_field, False),
    (without_a_required_field, False),
    (with_another_type, False),
]


@pytest.mark.parametrize(("change", "allowed"), CHANGES, ids=lambda value: getattr(value, "__name__", str(value)))
def test_only_compatible_changes_are_registered(line: Line, change: Callable[[Schema], None], allowed: bool) -> None:
    subject = f"probe-{uuid.uuid4().hex}-tdc.EventBatch"
    _put(line, f"/config/{subject}", {"compatibility": "FULL_TRANSITIVE"})
    ours = json.loads(registered_schema("EventBatch"))
    assert _register(line, subject, ours).ok
    changed = copy.deepcopy(ours)
    change(changed)
    answer = _register(line, subject, changed)
    assert answer.ok == allowed, answer.text
    if not allowed:
        assert answer.status_code == 409


def test_a_new_symbol_of_an_enum_is_registered_because_the_enum_has_a_default(line: Line) -> None:
    subject = f"probe-{uuid.uuid4().hex}-tdc.Trace"
    _put(line, f"/config/{subject}", {"compatibility": "FULL_TRANSITIVE"})
    ours = json.loads(registered_schema("Trace"))
    older = copy.deepcopy(ours)
    without = next(field for field in older["fields"] if field["name"] == "withheld")["type"][1]
    without["symbols"].remove("redaction_rejected")
    assert _register(line, subject, older).ok
    answer = _register(line, subject, ours)
    assert answer.ok, answer.text


def test_every_subject_is_held_to_full_transitive_compatibility(line: Line) -> None:
    for contract in topic_contracts().values():
        for record in contract.records:
            answer = requests.get(f"{line.settings.registry_url()}/config/{contract.subject(record)}", timeout=20)
            assert answer.json()["compatibilityLevel"] == "FULL_TRANSITIVE"


def test_messages_of_older_and_newer_schema_versions_are_assembled(line: Line) -> None:
    world = line.world(61)
    supervisor = line.start()
    newer = json.loads(registered_schema("EventBatch"))
    with_optional_field(newer)
    with_optional_body(newer)
    older = json.loads(registered_schema("EventBatch"))
    event_of(older)["fields"] = [f for f in event_of(older)["fields"] if f["name"] != "feedback_given"]
    subject = f"agent-events-{uuid.uuid4().hex}"  # of its own: the tests after this one shall not inherit it
    for schema in (newer, older):
        events = world.run(turns=1)
        batch = EventBatch(trace_id=events[0].trace_id, producer_id="test", events=tuple(events))
        plain = msgspec.to_builtins(batch, builtin_types=(bytes,))
        for event in plain["events"]:
            event["mood"] = "glad"
        out = io.BytesIO(struct.pack(">bI", 0, int(_register(line, subject, schema).json()["id"])))
        out.seek(5)
        schemaless_writer(out, parse_schema(schema), plain)
        world.ledger.valid(events)
        world.send([Sending(events[0].trace_id.encode(), out.getvalue())])
    line.settle(supervisor, world.ledger)
    assert query(line.settings, "SELECT count(*) AS n FROM traces").to_pylist() == [{"n": 2}]


def _register(line: Line, subject: str, schema: Schema) -> requests.Response:
    url = f"{line.settings.registry_url()}/subjects/{subject}/versions"
    return requests.post(url, json={"schema": json.dumps(schema)}, timeout=20)


def _put(line: Line, path: str, body: dict[str, str]) -> None:
    requests.put(line.settings.registry_url() + path, json=body, timeout=20).raise_for_status()
