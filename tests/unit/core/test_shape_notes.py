"""What examples tell beyond what is to be learned: outcome of the step, evidence, time and cost, weight."""

import json
from typing import Any

import pytest

from schemas.records import (
    AgentStarted,
    Event,
    Example,
    FeedbackGiven,
    Message,
    ModelCalled,
    StateChanged,
    StepEnded,
    StepStarted,
    ToolCalled,
    ToolReturned,
    Trace,
    Usage,
)
from streams.core.policy import ExampleRules, Policy
from streams.core.shape import Judgement, shape
from streams.core.shape.evidence import MAX_EVIDENCE, MAX_INDEXED_CHARS, EvidenceIndex
from streams.core.shape.notes import MAX_WORDS_CHARS
from streams.core.view import view_of
from tests.unit.core.build import SECOND, Run, call, good_run


def made(trace: Trace, kind: Any = "agent_execution", successful: bool | None = True, **judged: Any) -> list[Example]:
    judgement = Judgement(quality_score=0.9, human_validated=False, successful=successful, **judged)
    return list(shape(view_of(trace), Policy(examples=ExampleRules(types=(kind,))), judgement).examples)


def notes(example: Example) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(example.enrichment or "")
    return found


def mixed() -> Trace:
    run = Run().starts(tools=("A", "B")).hears("Go").says("x").calls("A").returns()
    run.says("y").calls("B").returns(success=False).says("z").calls("B").returns()
    return run.says("q").calls("A").ends().trace()


@pytest.mark.parametrize(
    ("successful", "outcomes"),
    [
        (True, ["success", "recovered", "success", "success"]),
        (False, ["partial", "recovered", "partial", "unknown"]),
        (None, ["unknown", "recovered", "unknown", "unknown"]),
    ],
)
def test_a_step_is_seen_from_the_end_of_its_run(successful: bool | None, outcomes: list[str]) -> None:
    found = made(mixed(), successful=successful)
    assert [example.outcome for example in found] == outcomes
    assert [notes(example)["outcome"]["step"] for example in found] == outcomes


def test_the_chain_of_a_step_leads_from_its_result_to_the_end_of_the_run() -> None:
    first, failed, *_ = made(mixed())
    assert notes(first)["outcome"]["chain"] == ["trace-1-4", "trace-1-13"]
    assert notes(failed)["outcome"]["chain"] == ["trace-1-7", "trace-1-10"]
    assert failed.training_weight == 0.45
    assert notes(failed)["weight"] == {"quality_score": 0.9, "failed_action": 0.5}


def test_a_failed_retry_shares_the_fate_of_its_error() -> None:
    run = Run().starts(tools=("A",)).hears("Go").says("1").calls("A").returns(success=False)
    run.says("2").calls("A", {"n": 1}).returns(success=False).says("3").calls("A", {"n": 2}).returns().ends()
    assert [example.outcome for example in made(run.trace())] == ["recovered", "recovered", "success"]


def test_a_step_that_says_it_failed_did() -> None:
    run = Run().starts(tools=("A",)).add(StepStarted(step_name="s"), span="s")
    run.add(ToolCalled(tool="A", parameters_json="{}"), span="c", parent="s")
    run.add(ToolReturned(success=True), span="c", parent="s")
    run.add(StepEnded(step_name="s", success=False), span="s").ends()
    (example,) = made(run.trace())
    assert (example.outcome, notes(example)["outcome"]["why"]) == ("failure", "step_failed")


def test_a_conversation_has_the_outcome_and_the_figures_of_its_run() -> None:
    trace = good_run().trace(cost_usd=0.25, input_tokens=900, output_tokens=100)
    (example,) = made(trace, "conversation")
    told = notes(example)
    assert example.outcome == "success"
    assert told["performance"] == {
        "latency": "9s",
        "latency_seconds": 9.0,
        "cost_usd": 0.25,
        "input_tokens": 900,
        "output_tokens": 100,
    }
    assert told["reasoning"] == {"turns": 2, "turns_with_words": 2}
    assert made(trace, "conversation", successful=False)[0].outcome == "failure"
    assert made(good_run().trace(completion_status="partial"), "conversation", successful=False)[0].outcome == "partial"


def test_time_cost_and_tokens_of_a_step_and_its_share_of_the_run() -> None:
    usage = Usage(input_tokens=60, output_tokens=15)
    said = ModelCalled(
        output=Message(role="assistant", content="x", tool_calls=(call("A"),)),
        usage=usage,
        cost_usd=0.1,
        latency_seconds=1.5,
    )
    run = Run().starts(tools=("A",)).hears("Go").add(said).calls("A").returns(latency_seconds=0.5, cost_usd=0.1).ends()
    trace = run.trace(duration_seconds=8.0, cost_usd=0.8, input_tokens=100, output_tokens=50)
    (example,) = made(trace)
    assert notes(example)["performance"] == {
        "latency": "2s",
        "latency_seconds": 2.0,
        "cost_usd": 0.2,
        "input_tokens": 60,
        "output_tokens": 15,
        "share_of_run": {"time": 0.25, "cost": 0.25, "tokens": 0.5},
    }


def test_times_that_an_importer_made_up_are_no_times() -> None:
    run = good_run(turns=1)
    real = made(run.trace())[0]
    assert notes(real)["performance"]["latency_seconds"] == 1.0  # from call to result
    run.events = [synthetic(event) for event in run.events]
    assert notes(made(run.trace())[0])["performance"] == {}
    assert notes(made(run.trace(), "conversation")[0])["performance"] == {}


def synthetic(event: Event) -> Event:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return Event(**(fields | {"occurred_at_synthetic": True}))


def test_numbers_that_are_none_stay_away() -> None:
    said = ModelCalled(output=Message(role="assistant", content="x", tool_calls=(call("A"),)), cost_usd=float("nan"))
    run = Run().starts(tools=("A",)).hears("Go").add(said).calls("A").returns(latency_seconds=float("inf")).ends()
    (example,) = made(run.trace(cost_usd=float("inf")))
    assert "cost_usd" not in notes(example)["performance"]


def test_evidence_names_the_event_that_showed_a_value_first() -> None:
    run = Run().starts(tools=("Find", "Book")).hears("Fly me, I am user mia_3668")
    run.says("I look.").calls("Find", {"user_id": "mia_3668"}).returns({"flight": "HAT136", "user_id": "mia_3668"})
    run.says("HAT136 it is.").calls("Book", {"flight": "HAT136", "user_id": "mia_3668"}).returns().ends()
    _, second = made(run.trace())
    assert notes(second)["reasoning"] == {
        "words": "HAT136 it is.",
        "said_in": "trace-1-5",
        "evidence": [
            {"event_id": "trace-1-4", "kind": "tool_returned", "values": ["HAT136"]},
            {"event_id": "trace-1-1", "kind": "user_message", "values": ["mia_3668"]},
        ],
    }


def test_what_another_agent_saw_is_no_evidence() -> None:
    run = Run().starts(tools=("Task",)).hears("Secret is 998877")
    run.says("x").calls("Task", span="task")
    run.add(AgentStarted(root=False, goal="Use key 445566"), span="sub", parent="task", agent="Helper")
    run.add(ModelCalled(output=Message(role="assistant", content="x")), span="m", parent="sub", agent="Helper")
    arguments = '{"keys": [998877, 445566]}'
    run.add(ToolCalled(tool="Read", parameters_json=arguments), span="r", parent="m", agent="Helper").ends()
    second = made(run.trace())[1]
    assert [one["values"] for one in notes(second)["reasoning"]["evidence"]] == [["445566"]]


def test_evidence_is_bounded_and_common_words_are_none() -> None:
    index = EvidenceIndex()
    for number in range(50):
        index.add(f"e{number}", "tool_returned", f"value-{number:04d} user_id please")
    index.add("late", "tool_returned", " " * MAX_INDEXED_CHARS + "hidden-1234")
    text = " ".join(f"value-{number:04d}" for number in range(50))
    assert len(index.of(text)) == MAX_EVIDENCE
    assert index.of("please, user_id") == ()
    assert index.of("hidden-1234") == ()
    assert index.of(None, "", "value-0007.")[0].event_id == "e7"


def test_long_words_are_cut_and_say_so() -> None:
    run = Run().starts(tools=("A",)).hears("Go").says("w" * 5000).calls("A").returns().ends()
    said = notes(made(run.trace())[0])["reasoning"]["words"]
    assert len(said) == MAX_WORDS_CHARS
    assert said.endswith("…")


def test_the_state_before_the_step_is_told_with_its_small_values() -> None:
    run = Run().starts(tools=("A",)).hears("Go").says("x").calls("A").returns()
    run.add(StateChanged(progress_percentage=50.0, variables_json=json.dumps({"n": 1, "big": "x" * 500})))
    run.add(StateChanged(variables_json='{"n": 2}')).says("y").calls("A", {"n": 1}).returns().ends()
    first, second = made(run.trace())
    assert "variables" not in notes(first)["context"]
    assert notes(second)["context"]["variables"] == {"n": 2}
    assert notes(second)["context"]["progress_percentage"] == 50


def test_the_weight_is_the_product_of_its_factors_and_a_person_outweighs_the_score() -> None:
    run = good_run(turns=1)
    (example,) = made(run.trace())
    assert notes(example)["weight"] == {"quality_score": 0.9}
    span = next(event.span_id for event in run.events if event.tool_called)
    run.add(FeedbackGiven(human_validated=True, target_span_id=span))
    (vouched,) = made(run.trace())
    assert (notes(vouched)["weight"], vouched.training_weight) == ({"human_validated": 1.0}, 1.0)


def test_the_cluster_stands_on_every_example() -> None:
    judgement = Judgement(quality_score=0.9, human_validated=False, successful=True, cluster_id="trace-0")
    found = shape(view_of(mixed()), Policy(), judgement).examples
    assert {example.cluster_id for example in found} == {"trace-0"}
    assert len({example.type for example in found}) == 4


def test_parallel_calls_that_take_longer_than_the_run_have_no_share_of_its_time() -> None:
    run = Run().starts(tools=("A",)).hears("Go").says("x", call("A", "{}", "1"), call("A", "{}", "2"))
    start = run.clock
    for number in ("1", "2"):
        run.add(ToolCalled(tool="A", parameters_json="{}", call_id=number), span=number, at=start)
    for number in ("1", "2"):
        run.add(ToolReturned(success=True, call_id=number), span=number, at=start + 4 * SECOND)
    (example,) = made(run.ends().trace(duration_seconds=5.0))
    assert notes(example)["performance"] == {"latency": "8s", "latency_seconds": 8.0}
