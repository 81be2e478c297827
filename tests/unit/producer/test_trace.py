"""What agents say, and the events it becomes."""

import asyncio
import json
import random
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from schemas.records import AgentEnded, Event
from tests.unit.producer.conftest import Caught
from training_data_producer import current_scope, current_trace, step, tool


def end_of(caught: Caught) -> AgentEnded:
    ended = caught.one("agent_ended").agent_ended
    assert ended is not None
    return ended


def test_everything_said_about_a_trace_is_on_its_events(caught: Caught) -> None:
    trace = caught.producer.trace(
        scenario="MarketResearch", agent="SystemAgent", goal="find out", consent="granted", consent_basis="contract",
        data_subject_id="u-17", model=("anthropic", "m"), tools=["WebFetch", {"name": "f", "input_schema": {"a": 1}}],
        system_prompt="be kind", constraints={"time_limit": "2_hours"}, inputs={"q": 1}, task_id="t", trial=2,
    )  # fmt: skip
    with trace:
        trace.complete("successful", outputs={"r": 1}, reward=1, cost_usd=0.5)
    first, last = caught.events()
    assert first.consent.status == "granted"
    assert (first.consent.basis, first.consent.data_subject_id) == ("contract", "u-17")
    assert first.model is not None
    assert (first.model.provider, first.model.name) == ("anthropic", "m")
    assert (first.scenario, first.agent, first.execution_mode) == ("MarketResearch", "SystemAgent", "EXECUTION")
    started = first.agent_started
    assert started is not None
    assert [(one.name, one.parameters_json) for one in started.tools] == [("WebFetch", None), ("f", '{"a":1}')]
    assert started.constraints == ("time_limit: 2_hours",)
    assert (started.root, started.goal, started.trial, started.inputs_json) == (True, "find out", 2, '{"q":1}')
    ended = last.agent_ended
    assert ended is not None
    assert (ended.completion_status, ended.reward, ended.outputs_json) == ("successful", 1.0, '{"r":1}')
    assert (first.sequence, last.sequence) == (0, 1)
    assert first.source.format == "sdk"


def test_what_is_not_said_stays_unknown(caught: Caught) -> None:
    with caught.producer.trace(scenario="s", agent="a") as trace, trace.step("x"):
        pass
    assert end_of(caught).completion_status == "unknown"
    assert caught.events()[0].consent.status == "unknown"
    ended = caught.one("step_ended").step_ended
    assert ended is not None
    assert ended.success is None


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("secret"), "failed"),
        (KeyboardInterrupt(), "interrupted"),
        (SystemExit(1), "interrupted"),
        (GeneratorExit(), "interrupted"),
        (asyncio.CancelledError(), "interrupted"),
    ],
)
def test_an_exception_ends_the_trace_and_goes_on(caught: Caught, error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), caught.producer.trace(scenario="s", agent="a"):
        raise error
    assert (end_of(caught).completion_status, end_of(caught).reason) == (status, type(error).__name__)


def test_a_tool_that_raises_failed(caught: Caught) -> None:
    with caught.producer.trace(scenario="s", agent="a") as trace:
        with pytest.raises(TimeoutError), trace.tool("WebFetch", {"url": "u"}, claude_code={"tool": "WebFetch"}):
            raise TimeoutError("too slow")
        with trace.tool("Write", '{"path": "x"}', call_id="c1") as call:
            call.result({"ok": True}, cost_usd=0.1)
    called, failed, second, returned = [event for event in caught.events() if event.kind.startswith("tool")]
    assert called.tool_called is not None
    assert called.tool_called.parameters_json == '{"url":"u"}'
    assert called.tool_called.claude_code_mapping is not None
    assert failed.span_id == called.span_id != second.span_id
    body = failed.tool_returned
    assert body is not None
    assert (body.success, body.error_kind, body.error_message) == (False, "TimeoutError", "too slow")
    assert body.claude_code_mapping is not None
    assert body.claude_code_mapping.execution_time_seconds == body.latency_seconds
    assert second.tool_called is not None
    assert second.tool_called.parameters_json == '{"path": "x"}'
    body = returned.tool_returned
    assert body is not None
    assert (body.success, body.call_id, body.result_json, body.cost_usd) == (True, "c1", '{"ok":true}', 0.1)


def test_decisions_errors_state_and_people(caught: Caught) -> None:
    with caught.producer.trace(scenario="s", agent="a") as trace:
        decision = trace.decision(choice="b", options=["a", {"option": "b", "pros": ["p"], "estimated_cost": 2}])
        decision.outcome(success=True, quality=0.5)
        trace.error("Timeout", "slow").recovery("retry", worked=True)
        trace.state(current_step="x", progress_percentage=50, variables={"v": 1})
        trace.user_message("hello")
        trace.feedback(rating=0.9, human_validated=True, correction="better")
    made = caught.one("decision_made").decision_made
    outcome = caught.one("decision_outcome").decision_outcome
    assert made is not None
    assert outcome is not None
    assert made.decision_id == outcome.decision_id
    assert [(o.option, o.pros, o.estimated_cost_usd) for o in made.options] == [("a", (), None), ("b", ("p",), 2.0)]
    error = caught.one("error_raised").error_raised
    recovery = caught.one("recovery_attempted").recovery_attempted
    assert error is not None
    assert recovery is not None
    assert (recovery.error_id, recovery.worked) == (error.error_id, True)
    assert len(caught.events()) == 9


@pytest.mark.parametrize(
    ("shape", "output"),
    [
        ("openai", {"role": "assistant", "content": None,
                    "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": '{"x": 1}'}}]}),
        ("anthropic", {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"},
                                                        {"type": "tool_use", "id": "c1", "name": "f",
                                                         "input": {"x": 1}}]}),
    ],
)  # fmt: skip
def test_model_calls_in_the_shapes_of_providers(caught: Caught, shape: str, output: object) -> None:
    messages = [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c0", "content": "42"}]}, "and?"]
    with caught.producer.trace(scenario="s", agent="a") as trace:
        trace.model_call(messages=messages, output=output, usage={"prompt_tokens": 3, "output_tokens": 4})
    call = caught.one("model_called").model_called
    assert call is not None
    assert call.output is not None
    assert [(m.role, m.content, m.tool_call_id) for m in call.input_messages] == [
        ("tool", "42", "c0"),
        ("user", "and?", None),
    ]
    (made,) = call.output.tool_calls
    assert (made.call_id, made.name, json.loads(made.arguments_json)) == ("c1", "f", {"x": 1})
    assert call.output.reasoning == ("hm" if shape == "anthropic" else None)
    assert call.usage is not None
    assert (call.usage.input_tokens, call.usage.output_tokens) == (3, 4)


def parents(events: list[Event]) -> dict[str, tuple[str, str | None]]:
    return {event.kind + ":" + event.agent: (event.span_id, event.parent_span_id) for event in events}


def test_spans_hang_where_they_opened_and_child_agents_inherit(caught: Caught) -> None:
    with caught.producer.trace(scenario="s", agent="root", consent="granted", data_subject_id="u") as trace:
        plan = trace.step("plan")
        with plan, trace.agent("child", goal="g") as child, child.tool("t"):
            child.user_message("inside the tool")
            trace.user_message("the root speaks")
    by_kind = parents(caught.events())
    assert by_kind["step_started:root"] == (plan.span_id, trace.span_id)
    assert by_kind["agent_started:child"] == (child.span_id, plan.span_id)
    assert by_kind["tool_called:child"][1] == child.span_id
    assert by_kind["user_message:child"] == by_kind["tool_called:child"]
    assert by_kind["user_message:root"] == (plan.span_id, trace.span_id)
    assert {(event.trace_id, event.consent.data_subject_id) for event in caught.events()} == {(trace.trace_id, "u")}
    assert [event.agent_ended.root for event in caught.events() if event.agent_ended] == [False, True]


def test_threads_report_through_the_handle(caught: Caught) -> None:
    with caught.producer.trace(scenario="s", agent="a") as trace, trace.step("x") as opened:

        def work() -> None:
            assert current_trace() is None
            trace.user_message("outside")
            with opened.activate():
                assert current_trace() is trace
                trace.user_message("inside")

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    outside, inside = [event for event in caught.events() if event.user_message]
    assert (outside.span_id, inside.span_id) == (trace.span_id, opened.span_id)


def test_traceparent_continues_a_trace_and_nonsense_starts_one(caught: Caught) -> None:
    first = caught.producer.trace(scenario="s", agent="a")
    with caught.producer.trace(scenario="s", agent="b", traceparent=first.traceparent) as second:
        pass
    assert (second.trace_id, second.parent_span_id) == (first.trace_id, first.span_id)
    assert not end_of(caught).root
    for nonsense in ("", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "ff-" + "1" * 32 + "-" + "1" * 16 + "-01", "x"):
        assert caught.producer.trace(scenario="s", agent="b", traceparent=nonsense).trace_id != "0" * 32
    assert caught.producer.stats().repaired == 4


def test_decorated_functions_of_every_kind(caught: Caught) -> None:
    @tool("Add", claude_code={"tool": "Bash"})
    def add(a: int, b: int) -> int:
        return a + b

    @step()
    async def gather(n: int) -> int:
        await asyncio.sleep(0)
        return add(n, b=1)

    @caught.producer.traced(scenario="s", consent="granted")
    async def run(n: int) -> int:
        trace = current_trace()
        assert trace is not None
        trace.complete("successful")
        return await gather(n)

    assert asyncio.run(run(1)) == 2
    assert caught.kinds() == [
        "agent_started", "step_started", "tool_called", "tool_returned", "step_ended", "agent_ended",
    ]  # fmt: skip
    called = caught.one("tool_called").tool_called
    assert called is not None
    assert called.parameters_json == '{"a":1,"b":1}'
    assert (end_of(caught).completion_status, end_of(caught).outputs_json) == ("successful", "2")
    assert add(1, 2) == 3  # outside of any trace
    assert current_scope() is None


def test_decorated_generators(caught: Caught) -> None:
    @caught.producer.traced(scenario="s")
    def numbers() -> Iterator[int]:
        yield 1
        yield 2

    @caught.producer.traced(scenario="s")
    async def letters() -> AsyncIterator[str]:
        yield "a"
        raise ValueError("broken")

    async def read() -> None:
        async for _ in letters():
            pass

    assert list(numbers()) == [1, 2]
    half = numbers()
    next(half)
    half.close()  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="broken"):
        asyncio.run(read())
    ends = [event.agent_ended.completion_status for event in caught.events() if event.agent_ended]
    assert ends == ["unknown", "interrupted", "failed"]


def test_interleaved_runs_do_not_hold_each_other(caught: Caught) -> None:
    """Eight runs take turns in one thread: no scope is left in the order in which they were entered."""

    def run(name: str) -> Iterator[None]:
        with caught.producer.trace(scenario=name, agent="a") as trace:
            for _ in range(5):
                with trace.tool("Look") as call:
                    yield
                    call.result(1)
                yield

    rng = random.Random(1)
    turns, started, deepest = [run("0")], 1, 0
    while turns:
        turn = rng.choice(turns)
        if next(turn, "over") == "over":
            turns.remove(turn)
        while len(turns) < 8 and started < 200:
            turns.append(run(str(started)))
            started += 1
        around, scope = 0, current_scope()
        while scope is not None:
            around, scope = around + 1, scope._outer
        deepest = max(deepest, around)
    assert deepest < 50
    assert current_scope() is None
    assert len(caught.events()) == 200 * (2 + 2 * 5)
    began = {event.span_id: event for event in caught.events() if event.agent_started}
    for event in caught.events():
        if event.tool_called:
            assert began[event.parent_span_id or ""].trace_id == event.trace_id


def test_a_scope_entered_inside_itself(caught: Caught) -> None:
    with caught.producer.trace(scenario="s", agent="a") as trace, trace.tool("Look"), trace:
        trace.user_message("hi")
    assert current_scope() is None
    assert caught.kinds().count("agent_ended") == 1


def test_a_traced_function_inside_a_trace_is_a_child_agent(caught: Caught) -> None:
    @caught.producer.traced(scenario="other", agent="helper", consent="denied")
    def helper() -> None: ...

    with caught.producer.trace(scenario="s", agent="a", consent="granted") as trace:
        helper()
    assert {event.trace_id for event in caught.events()} == {trace.trace_id}
    assert {event.consent.status for event in caught.events()} == {"granted"}


def test_what_changes_afterwards_does_not_change_the_record(caught: Caught) -> None:
    variables = {"a": 1}
    with caught.producer.trace(scenario="s", agent="a") as trace:
        trace.state(variables=variables)
        variables["a"] = 2
    changed = caught.one("state_changed").state_changed
    assert changed is not None
    assert changed.variables_json == '{"a":1}'
