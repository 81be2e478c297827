"""Whatever a trace holds: its examples are chats that trainers take, told from its own events, within all bounds."""

import json
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.chat_text import unquoted
from schemas.records import DecisionMade, DecisionOption, DecisionOutcome, ErrorRaised, FeedbackGiven, RecoveryAttempted
from streams.core.policy import ExampleRules, Policy
from streams.core.shape import CATALOGUE, Judgement, Twin, shape
from streams.core.shape.draft import size_bytes
from streams.core.view import view_of
from tests.property.test_steps import numbers, runs, spans, texts
from tests.unit.core.build import Run
from tests.unit.core.chat_rules import arguments, problems

judgements = st.builds(
    Judgement,
    quality_score=st.floats(0, 1),
    human_validated=st.booleans(),
    successful=st.none() | st.booleans(),
    twin=st.none() | st.builds(Twin, trace_id=st.just("t"), duration_seconds=numbers, cost_usd=numbers),
    error_training_only=st.sampled_from([False, False, True]),
)
rules = st.builds(
    ExampleRules,
    max_context_chars=st.sampled_from([0, 300, 32_000]),
    short_context_chars=st.sampled_from([0, 300, 8_000]),
    max_kind_examples=st.sampled_from([1, 40]),
    max_trace_bytes=st.sampled_from([1024, 2**20]),
)
options = st.builds(
    DecisionOption, option=texts, pros=st.lists(texts, max_size=2).map(tuple), estimated_cost_usd=numbers
)
names = st.sampled_from(["1", "2"])
more = st.one_of(
    st.builds(DecisionMade, decision_id=names, options=st.lists(options, max_size=2).map(tuple), choice=texts),
    st.builds(DecisionOutcome, decision_id=names, success=st.none() | st.booleans(), actual_time_seconds=numbers),
    st.builds(ErrorRaised, error_id=st.none() | names, error_kind=texts, message=st.none() | texts),
    st.builds(RecoveryAttempted, error_id=st.none() | names, action=texts, worked=st.none() | st.booleans()),
    st.builds(FeedbackGiven, correction=st.none() | texts, target_span_id=st.none() | spans),
)


@given(runs(), st.lists(st.tuples(more, spans), max_size=6), judgements, rules)
@settings(max_examples=250, deadline=None)
def test_examples_of_any_trace_are_valid_true_and_bounded(
    run: Run, added: list[tuple[object, str]], judgement: Judgement, bounds: ExampleRules
) -> None:
    for body, span in added:
        run.add(body, span=span)  # type: ignore[arg-type]
    trace = run.trace()
    policy = Policy(examples=bounds)
    shaped = shape(view_of(trace), policy, judgement)
    assert shaped == shape(view_of(run.trace()), policy, judgement)
    known = {event.event_id for event in run.events}
    written = {event.tool_called.parameters_json for event in run.events if event.tool_called}
    for event in run.events:
        output = event.model_called.output if event.model_called else None
        written |= {call.arguments_json for call in output.tool_calls} if output else set()
    # A record holds JSON: what a model wrote that is none stands there as a JSON string, in messages as it was written.
    written = {unquoted(arguments_json) for arguments_json in written}
    for example in shaped.examples:
        assert problems(example) == []
        assert set(example.event_ids) <= known
        assert set(arguments(example)) <= written
        notes = json.loads(example.enrichment or "")
        assert set(notes["outcome"].get("chain", [])) <= known
        assert {one["event_id"] for one in notes["reasoning"].get("evidence", [])} <= known
        assert round(math.prod(notes["weight"].values()), 6) == example.training_weight
        assert example.type in (*example.packages, "agent_execution", "conversation")
        assert example.type == "error_handling" or not judgement.error_training_only
    assert len({example.example_id for example in shaped.examples}) == len(shaped.examples)
    assert sum(map(size_bytes, shaped.examples)) <= bounds.max_trace_bytes
    for kind in CATALOGUE:
        count = sum(example.type == kind.name for example in shaped.examples)
        assert count <= (bounds.max_step_examples if kind.every_turn else bounds.max_kind_examples)
