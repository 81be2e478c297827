"""Whatever an agent hands over, nothing is raised and the record stays readable."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import decode_events
from tests.unit.producer.conftest import Caught, OurSchema
from tests.unit.producer.test_schema import event
from training_data_producer._encoding import Encoder
from training_data_producer._values import Values, clean_text


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("no")

    def __bool__(self) -> bool:
        raise RuntimeError("no")

    def __str__(self) -> str:
        raise RuntimeError("no")

    def __float__(self) -> float:
        raise RuntimeError("no")


class Dumping:
    def model_dump(self) -> dict[str, int]:
        return {"a": 1}


@dataclass
class Point:
    x: int


def cycle() -> list[object]:
    found: list[object] = []
    found.append(found)
    return found


def deep() -> object:
    found: object = 1
    for _ in range(100_000):
        found = [found]
    return found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        ({"a": [float("inf"), 1]}, {"a": [None, 1]}),
        ({(1, 2): 3}, {"(1, 2)": 3}),
        (Dumping(), {"a": 1}),
        (Point(1), {"__type__": "tests.unit.producer.test_values.Point", "repr": "Point(x=1)"}),
    ],
)
def test_json_of_what_json_cannot_say(value: object, expected: object) -> None:
    assert json.loads(Values().required_json(value)) == expected


@pytest.mark.parametrize("value", [Hostile(), cycle(), deep(), b"bytes", {1, 2}, object, lambda: 1, 10**400])
def test_json_of_anything_is_json_and_repairs_are_counted(value: object) -> None:
    values = Values()
    json.loads(values.required_json(value)) if not isinstance(value, int) else values.integer(value)
    assert values.repaired > 0


def test_clean_text_joins_pairs_and_replaces_what_is_alone() -> None:
    assert clean_text("\ud83d\ude00 \ud800 x") == "\U0001f600 \ufffd x"


def test_nothing_an_agent_says_raises(caught: Caught) -> None:
    odd: Any
    for odd in (Hostile(), cycle(), float("nan"), "\ud800", {"\ud800": "\udfff"}, 10**40, b"x", [None], True):
        trace = caught.producer.trace(
            scenario=odd, agent=odd, goal=odd, consent=odd, consent_basis=odd, data_subject_id=odd,
            execution_mode=odd, model=odd, tools=odd, system_prompt=odd, constraints=odd, trial=odd, inputs=odd,
            traceparent=odd,
        )  # fmt: skip
        with trace:
            with trace.step(odd, inputs=odd, reasoning=odd) as step:
                step.complete(outputs=odd, success=odd)
            with trace.tool(odd, odd, call_id=odd, requested_by=odd, claude_code=odd) as call:
                call.result(odd, success=odd, cost_usd=odd)
            trace.model_call(messages=odd, output=odd, finish_reason=odd, usage=odd, cost_usd=odd)
            trace.decision(choice=odd, options=odd, context=odd, confidence=odd).outcome(success=odd, quality=odd)
            trace.error(odd, odd, tool_call_id=odd).recovery(odd, worked=odd)
            trace.state(current_step=odd, progress_percentage=odd, variables=odd)
            trace.user_message(odd, name=odd)
            trace.feedback(rating=odd, human_validated=odd, correction=odd, comment=odd, target_span_id=odd)
            trace.agent(odd, goal=odd, model=odd).start().end()
            trace.complete(odd, outputs=odd, reason=odd, reward=odd, reward_details=odd, cost_usd=odd)
    events = caught.events()
    assert len(events) == 9 * 16
    assert {one.execution_mode for one in events} == {"SIMULATION"}
    assert caught.producer.stats().repaired > 50


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.characters(codec=None),
        lambda children: st.lists(children) | st.dictionaries(st.text(), children),
        max_leaves=12,
    )
)
def test_any_json_like_value_gives_a_valid_event_in_any_structured_place(value: object) -> None:
    values = Values()
    text = values.required_json(value)
    body: dict[str, object] = {"input_messages": text, "output": text, "usage": text, "call_id": values.text(value)}
    started: dict[str, object] = {"root": True, "tools": text, "constraints": text, "inputs_json": text}
    decided: dict[str, object] = {"decision_id": "d", "choice": values.required_text(value), "options": text}
    encoder = Encoder("sdk:test", values)
    for number, (kind, one) in enumerate(
        (("model_called", body), ("agent_started", started), ("decision_made", decided))
    ):
        payload = encoder.encode([event(kind, one, number)]).payload
        assert len(decode_events(b"\0\0\0\0\1" + payload, OurSchema())) == 1
