"""Values that a foreign process may send."""

import json
import time

import pytest

from schemas.records import AgentEnded, AgentStarted, StateChanged, ToolCalled, ToolDefinition, ToolReturned
from schemas.render import execution_trace
from streams.core.curate import curate
from streams.core.policy import Gates, Policy
from tests.unit.core.build import Run, call, good_run

ANYTHING = Policy(
    gates=Gates(min_quality_score=0, complete_execution=False, positive_outcome=False, unknown_outcome="accept")
)
NASTY = [
    "",
    "{",
    "null",
    "3",
    '"text"',
    "NaN",
    "1e999",
    "[" * 50_000,
    '{"a":' * 5_000,
    "\x00",
    '{"\\ud800": 1}',
    "9" * 400,
]


@pytest.mark.parametrize("text", NASTY)
def test_json_fields_that_hold_anything(text: str) -> None:
    tool = ToolDefinition(name="T", parameters_json=text)
    run = Run().add(AgentStarted(root=True, tools=(tool,), inputs_json=text)).hears(text)
    run.says(text, call("T", text, "1")).add(ToolCalled(call_id="1", tool="T", parameters_json=text), span="c")
    run.add(ToolReturned(success=True, result_json=text), span="c").add(StateChanged(variables_json=text))
    run.says(text, call("T", text, "1")).add(ToolCalled(call_id="1", tool="T", parameters_json=text), span="d")
    trace = run.add(AgentEnded(root=True, outputs_json=text, reward_json=text)).trace()
    curated = curate(trace, ANYTHING)
    assert curated.decision.verdict == "accepted"
    for example in curated.examples:
        for field in (example.messages, example.tools, example.context, example.expected_output):
            json.loads(field)
    json.dumps(execution_trace(trace))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), -5.0])
def test_numbers_out_of_range_give_scores_in_range(number: float) -> None:
    run = good_run()
    trace = run.trace(reward=number)
    decision = curate(trace, Policy()).decision
    assert decision.quality_score is not None
    assert 0 <= decision.quality_score <= 1


def seconds_for(turns: int) -> float:
    trace = good_run(turns=turns).trace()
    began = time.process_time()
    curate(trace, Policy())
    return time.process_time() - began


def test_time_grows_with_the_number_of_events_not_with_its_square() -> None:
    small, large = min(seconds_for(1_000) for _ in range(3)), min(seconds_for(8_000) for _ in range(2))
    assert large < 16 * small  # linear would be 8, quadratic 64


def test_huge_leaves_are_taken() -> None:
    leaf = "x" * 5_000_000
    run = Run().starts(tools=("A",)).hears(leaf).says(leaf, call("A", json.dumps({"a": leaf}), "1"))
    run.calls("A", {"a": leaf}, call_id="1").returns(leaf).says("y").calls("A", {"n": 1}).returns().ends()
    curated = curate(run.trace(), Policy())
    assert curated.decision.verdict == "accepted"
    assert "examples_too_large" in curated.decision.reasons


def test_a_thread_of_parents_as_long_as_the_trace_is_walked_once() -> None:
    run = Run()
    for number in range(20_000):
        run.add(ToolCalled(tool="T", parameters_json="{}"), span=f"s{number}", parent=f"s{number + 1}")
    began = time.process_time()
    decision = curate(run.trace(), Policy()).decision
    assert decision.verdict == "rejected"
    assert time.process_time() - began < 10


def test_anything_may_repeat() -> None:
    run = Run()
    run.events = good_run().events * 3
    assert curate(run.trace(), ANYTHING).decision.verdict == "accepted"
