"""The schema the producer ships is the repository's, and its writing form is byte for byte the same."""

import json
from itertools import count

from schemas.contracts import registered_schema, topic_contracts
from schemas.records import BODY_TYPES
from training_data_producer._encoding import SCHEMA_TEXT, AgentContext, Emitted, Encoder
from training_data_producer._values import Values


def context() -> AgentContext:
    return AgentContext(
        trace_id="a" * 32,
        span_id="b" * 16,
        agent="agent",
        scenario="scenario",
        execution_mode="EXECUTION",
        model={"provider": "anthropic", "name": "m"},
        consent={"status": "granted", "basis": "contract", "data_subject_id": "u-17"},
        sequence=count(),
    )


def event(kind: str, body: dict[str, object], number: int = 0) -> Emitted:
    return Emitted(context(), f"{number:032x}", number, 1_700_000_000_000_000, "c" * 16, None, kind, body, 500)


def encoder() -> Encoder:
    return Encoder("sdk:test", Values())


def test_the_shipped_schema_is_the_registered_one() -> None:
    """When this fails: `python producer/regenerate_schema.py`."""
    assert registered_schema("EventBatch") == SCHEMA_TEXT


def test_the_subject_is_that_of_the_contract() -> None:
    assert topic_contracts()["agent-events"].subject("EventBatch") == "agent-events-tdc.EventBatch"


def test_every_body_is_known_to_the_schema() -> None:
    fields = {field["name"] for field in json.loads(SCHEMA_TEXT)["fields"][2]["type"]["items"]["fields"]}
    assert set(BODY_TYPES) <= fields
