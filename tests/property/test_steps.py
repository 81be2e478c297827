"""Whatever events a trace holds: no event is lost, none counted twice, and every chat is one that templates accept."""

import json
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.conversation import chats
from schemas.records import (
    AgentEnded,
    AgentStarted,
    Body,
    DecisionMade,
    DecisionOutcome,
    ErrorRaised,
    Event,
    FeedbackGiven,
    Message,
    ModelCalled,
    RecoveryAttempted,
    StateChanged,
    StepEnded,
    StepStarted,
    ToolCall,
    ToolCalled,
    ToolDefinition,
    ToolReturned,
    UserMessage,
)
from schemas.render import execution_trace
from schemas.steps import step_count, steps
from streams.core.curate import curate
from streams.core.policy import ExampleRules, Gates, Policy
from tests.unit.core.build import Run

texts = st.text(st.characters(codec="utf-8"), max_size=8)
json_texts = st.one_of(texts, st.sampled_from(["{}", '{"a": 1}', "[1]", "null", '"x"', '{"q": {"r": []}}']))
maybe_json = st.none() | json_texts
call_ids = st.none() | st.sampled_from(["1", "2", "1_2", "call", "call_1"])
tools = st.sampled_from(["A", "B", ""])
tool_calls = st.builds(ToolCall, call_id=call_ids, name=tools, arguments_json=json_texts)
messages = st.builds(
    Message,
    role=st.sampled_from(["system", "user", "assistant"]),
    content=st.none() | texts,
    reasoning=st.none() | texts,
    tool_calls=st.just(()),
)
outputs = st.builds(
    Message,
    role=st.just("assistant"),
    content=st.none() | texts,
    reasoning=st.none() | texts,
    tool_calls=st.lists(tool_calls, max_size=3).map(tuple),
)
numbers = st.none() | st.floats()
bodies: st.SearchStrategy[Body] = st.one_of(
    st.builds(
        AgentStarted,
        root=st.booleans(),
        system_prompt=st.none() | texts,
        goal=st.none() | texts,
        tools=st.lists(st.builds(ToolDefinition, name=tools, parameters_json=maybe_json), max_size=2).map(tuple),
    ),
    st.builds(AgentEnded, root=st.booleans(), reward=numbers, outputs_json=maybe_json),
    st.builds(StepStarted, step_name=texts, inputs_json=maybe_json),
    st.builds(StepEnded, step_name=texts, outputs_json=maybe_json),
    st.builds(ModelCalled, input_messages=st.lists(messages, max_size=2).map(tuple), output=st.none() | outputs),
    st.builds(
        ToolCalled,
        call_id=call_ids,
        tool=tools,
        parameters_json=json_texts,
        requested_by=st.sampled_from(["agent", "agent", "user"]),
    ),
    st.builds(ToolReturned, call_id=call_ids, success=st.booleans(), result_json=maybe_json),
    st.builds(StateChanged, current_step=st.none() | texts, progress_percentage=numbers, variables_json=maybe_json),
    st.builds(DecisionMade, decision_id=texts, choice=texts),
    st.builds(DecisionOutcome, decision_id=texts),
    st.builds(ErrorRaised, error_kind=texts),
    st.builds(RecoveryAttempted, action=texts, worked=st.none() | st.booleans()),
    st.builds(UserMessage, content=st.none() | texts),
    st.builds(
        FeedbackGiven,
        rating=numbers,
        human_validated=st.none() | st.booleans(),
        target_span_id=st.none() | st.sampled_from("abc"),
    ),
)
spans = st.sampled_from(["root", "a", "b", "c", "d", "e"])


@st.composite
def runs(draw: st.DrawFn) -> Run:
    run = Run()
    entries = st.tuples(bodies, spans, st.none() | spans, st.sampled_from(["Agent", "Helper"]))
    for body, span, parent, agent in draw(st.lists(entries, min_size=1, max_size=25)):
        run.add(body, span=span, parent=parent, agent=agent)
    return run


ANYTHING = Policy(
    gates=Gates(min_quality_score=0, complete_execution=False, positive_outcome=False, unknown_outcome="accept"),
    examples=ExampleRules(max_context_chars=400),
)


def of_kind(events: list[Event], *kinds: str) -> Counter[str]:
    return Counter(event.event_id for event in events if event.kind in kinds)


@given(runs())
@settings(max_examples=150, deadline=None)
def test_no_event_is_lost_and_none_is_counted_twice(run: Run) -> None:
    found = steps(run.events)
    turns = [turn for step in found for turn in step.turns]
    actions = [action for turn in turns for action in turn.actions]
    assert Counter(t.model_call.event_id for t in turns if t.model_call) == of_kind(run.events, "model_called")
    assert Counter(action.call.event_id for action in actions) == of_kind(run.events, "tool_called")
    returned = Counter(action.returned.event_id for action in actions if action.returned)
    unmatched = Counter(event.event_id for step in found for event in step.unmatched_returns)
    assert returned + unmatched == of_kind(run.events, "tool_returned")
    for kind, of in (
        ("state_changed", "state_changes"),
        ("decision_made", "decisions"),
        ("decision_outcome", "outcomes"),
        ("error_raised", "errors"),
        ("recovery_attempted", "recoveries"),
    ):
        assert Counter(event.event_id for step in found for event in getattr(step, of)) == of_kind(run.events, kind)
    said = Counter(event.event_id for turn in turns for event in turn.user_messages)
    assert said <= of_kind(run.events, "user_message")
    assert sum(step.explicit for step in found) >= sum(of_kind(run.events, "step_started").values())
    assert [step.step_id for step in found] == [f"step_{n:03d}" for n in range(1, len(found) + 1)]
    assert step_count(run.events) == len(steps(run.events))


@given(runs())
@settings(max_examples=100, deadline=None)
def test_results_join_calls_of_the_same_span_only(run: Run) -> None:
    for step in steps(run.events):
        assert step.ended_at >= step.started_at
        for action in step.actions:
            assert action.returned is None or action.returned.span_id == action.call.span_id


@given(runs())
@settings(max_examples=150, deadline=None)
def test_every_chat_is_valid_and_says_everything_once(run: Run) -> None:
    found = chats(run.events)
    seen: set[str] = set()
    for chat in found.values():
        pending: set[str] = set()
        for message in chat.messages:
            if message.role == "tool":
                assert message.tool_call_id in pending  # asked for by the assistant message before it
                pending.discard(message.tool_call_id)
                continue
            pending = set()
            for tool_call in message.tool_calls:
                assert tool_call.call_id is not None
                assert tool_call.call_id not in seen
                seen.add(tool_call.call_id)
                pending.add(tool_call.call_id)
        for position in chat.assistant_at.values():
            assert chat.messages[position].role == "assistant"
    said = sum(event.user_message is not None and event.user_message.content is not None for event in run.events) + sum(
        m.role == "user" for e in run.events if e.model_called for m in e.model_called.input_messages
    )
    assert sum(message.role == "user" for chat in found.values() for message in chat.messages) == said


@given(runs())
@settings(max_examples=150, deadline=None)
def test_curation_takes_anything_and_gives_the_same_bytes_again(run: Run) -> None:
    trace = run.trace()
    curated = curate(trace, ANYTHING)
    assert curated == curate(run.trace(), ANYTHING)
    assert curated.decision.example_count == len(curated.examples)
    assert (curated.decision.verdict == "accepted") == bool(curated.examples)
    score = curated.decision.quality_score
    assert score is not None
    assert 0 <= score <= 1
    assert len({example.example_id for example in curated.examples}) == len(curated.examples)
    ids = {event.event_id for event in run.events}
    for example in curated.examples:
        assert set(example.event_ids) <= ids
        chat = json.loads(example.messages)
        json.loads(example.tools), json.loads(example.context), json.loads(example.expected_output)
        asked: set[str] = set()
        for message in chat:
            assert message["role"] != "tool" or message["tool_call_id"] in asked
            asked |= {tool_call["id"] for tool_call in message.get("tool_calls", [])}
        assert example.type != "agent_execution" or chat[-1]["role"] == "assistant"
    assert curate(run.trace(), Policy()).decision.verdict in ("accepted", "rejected")
    json.dumps(execution_trace(trace))
