"""Traces that a foreign process may send: every signal answers, in time that grows with their size."""

import json
import time
from typing import Any

import msgspec
import pytest

from schemas.records import (
    AgentStarted,
    DecisionMade,
    DecisionOption,
    DecisionOutcome,
    ErrorRaised,
    FeedbackGiven,
    ToolDefinition,
    Trace,
)
from streams.core.score import quality_score
from streams.core.signals import CATALOGUE, measure_all
from streams.core.signals.base import Context
from streams.core.view import view_of
from streams.core.windows import Window, context_of, observe
from tests.unit.core.build import Run, call


def everything(trace: Trace) -> Context:
    """Measure, score and observe a trace; all numbers are in range. Returns its context."""
    view = view_of(trace)
    window = Window()
    for _ in range(8):
        window = observe(window, view, 0.5, 1.0)
    context = context_of([window], novelty=0.5)
    signals = measure_all(view, context)
    assert all(signal.value is None or 0 <= signal.value <= 1 for signal in signals)
    score = quality_score(signals)
    assert 0 <= score <= 1
    observe(window, view, score)
    return context


def long_run(turns: int) -> Trace:
    run = Run().starts(tools=tuple(f"Tool{at}" for at in range(200)))
    for at in range(turns):
        tool, other = f"Tool{at % 200}", f"Tool{at % 7}"
        run.says(f"I use {tool} rather than {other}. " + "word " * 20, call(tool, "{}", str(at)))
        run.calls(tool, {"n": at % 3}, call_id=str(at)).returns(success=at % 2 == 0)
        if at % 10 == 0:
            run.add(ErrorRaised(error_kind="e", error_id=str(at)))
            run.add(DecisionMade(decision_id=str(at), choice="a", options=(DecisionOption(option="b"),) * 40))
            run.add(DecisionOutcome(decision_id=str(at), success=True))
    return run.ends().trace()


def test_time_grows_with_the_number_of_events_not_with_its_square() -> None:
    small, large = long_run(500), long_run(4_000)
    views = {id(trace): view_of(trace) for trace in (small, large)}
    context = everything(small)

    def seconds(trace: Trace, kind: int) -> float:
        began = time.process_time()
        CATALOGUE[kind].measure(views[id(trace)], context)
        return time.process_time() - began

    for kind in range(len(CATALOGUE)):
        short = max(min(seconds(small, kind) for _ in range(5)), 0.0005)
        long = min(seconds(large, kind) for _ in range(3))
        assert long < 20 * short, CATALOGUE[kind].name  # linear would be 8, quadratic 64


def test_a_hundred_thousand_events_are_measured() -> None:
    run = Run()
    run.events = long_run(1).events * 12_500  # type: ignore[assignment]
    trace = run.trace(event_count=100_000)
    assert len(trace.events) >= 100_000
    everything(trace)


def leaf_run(chars: int) -> Trace:
    leaf, arguments = "x y" * (chars // 3), json.dumps({"a": "x y" * (chars // 3)})
    tool = ToolDefinition(name="A", parameters_json='{"properties":{"a":{"type":"string","pattern":"^(x|y| )+$"}}}')
    run = Run().add(AgentStarted(root=True, tools=(tool,))).hears(leaf)
    for _ in range(2):
        run.says(leaf, call("A", arguments)).calls("A", arguments).returns(leaf)
    run.add(DecisionMade(decision_id="d", context=leaf, choice=leaf, reasoning=leaf))
    return run.ends(reason=leaf).trace()


def test_leaves_of_megabytes_cost_what_their_size_is_worth() -> None:
    def seconds(chars: int) -> float:
        view = view_of(leaf_run(chars))
        began = time.process_time()
        measure_all(view)
        return time.process_time() - began

    everything(leaf_run(5_000_000))
    small, large = (min(seconds(size) for _ in range(3)) for size in (600_000, 4_800_000))
    assert large < 24 * max(small, 0.001)


def test_arguments_that_a_costly_schema_would_look_at_for_minutes() -> None:
    def seconds(item: object, numbers: int) -> float:
        tool = ToolDefinition(name="A", parameters_json=json.dumps({"properties": {"a": {"items": item}}}))
        run = Run().add(AgentStarted(root=True, tools=(tool,))).says("x")
        view = view_of(run.calls("A", '{"a":[' + "399," * numbers + "0]}").returns().ends().trace())
        began = time.process_time()
        measure_all(view)
        return time.process_time() - began

    costly = {"anyOf": [{"enum": [at]} for at in range(400)]}
    allowed = seconds(costly, 20_000)  # still within the work that is done for one trace
    assert seconds(costly, 1_000_000) < 20 * max(allowed, 0.05)


@pytest.mark.parametrize("depth", [199, 500, 100_000])
def test_json_that_nests_deep(depth: int) -> None:
    deep = '{"a":' * depth + "1" + "}" * depth
    schema = '{"properties":{"a":' * depth + "{}" + "}}" * depth
    run = Run().add(AgentStarted(root=True, tools=(ToolDefinition(name="A", parameters_json=schema),)))
    everything(run.says(deep).calls("A", deep).returns(deep).ends().trace())


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), -1.0, 1e308, 5e-324, 0.0])
def test_numbers_that_are_no_measurement(number: float) -> None:
    run = Run().says("x").calls("A").returns(latency_seconds=number, cost_usd=number)
    option = DecisionOption(option="a", estimated_cost_usd=number, estimated_time_seconds=number)
    run.add(DecisionMade(decision_id="1", choice="a", options=(option,), confidence=number))
    run.add(DecisionOutcome(decision_id="1", actual_cost_usd=number, actual_time_seconds=1, quality=number))
    run.add(FeedbackGiven(rating=number)).ends(reward=number)
    everything(run.trace(cost_usd=number, duration_seconds=number))


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\x00", "", " ", "\u202e", "𝒜" * 3000])
def test_text_that_is_no_text(text: str) -> None:
    tool = ToolDefinition(name=f"A{text}", parameters_json=json.dumps({"required": [text], "enum": [text]}))
    raw = ToolDefinition(name="B", parameters_json=f'{{"required":["{text}"]}}')
    run = Run().add(AgentStarted(root=True, tools=(tool, raw))).hears(text)
    run.says(text, reasoning=f"{text} I call A{text} now").calls(f"A{text}", f'{{"a":"{text}"}}').returns(text)
    run.calls("B", f'{{"a":"{text}"}}').returns(text, success=False)
    run.add(DecisionMade(decision_id=text, choice=text, reasoning=text, options=(DecisionOption(option=text),)))
    everything(run.ends(reason=text).trace())


@pytest.mark.parametrize("fields", [{"output_tokens": 2**31 - 1}, {"output_tokens": 0}, {"output_tokens": -5}])
def test_counts_out_of_range(fields: dict[str, Any]) -> None:
    everything(Run().says("x").calls("A").returns().ends().trace(**fields))


def test_a_trace_without_events() -> None:
    everything(msgspec.structs.replace(Run().says("x").trace(), events=()))
