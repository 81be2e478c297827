"""Whatever way the events of a trace arrive, the trace is the same: a pure function of the set of its events."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.codec import decode_events, encode
from schemas.records import (
    AgentEnded,
    AgentStarted,
    Body,
    Consent,
    Event,
    EventBatch,
    ModelCalled,
    ModelRef,
    RedactionReport,
    SourceRef,
    Trace,
    Usage,
    UserMessage,
)
from streams.core.assemble import Closing, build_trace, offset_ranges, strictest_consent, unique_in_order
from streams.core.redact.events import redact_events
from streams.core.redact.pseudonyms import Pseudonyms
from tests.simulation.world import LOOKUP, SCHEMA_IDS

START = 1_700_000_000_000_000
NAMES = Pseudonyms(b"k" * 32, "t")
CLOSING = Closing("t", 1, "ended", 0, (), False)

bodies: st.SearchStrategy[tuple[str, Body]] = st.one_of(
    st.sampled_from(["hi", "mia@b.example", ""]).map(lambda text: ("user_message", UserMessage(content=text))),
    st.booleans().map(lambda root: ("agent_started", AgentStarted(root=root, task_id="task"))),
    st.sampled_from([None, 0.1, 0.2]).map(
        lambda reward: ("agent_ended", AgentEnded(root=True, completion_status="successful", reward=reward))
    ),
    st.sampled_from([0.1, 0.2, 0.3]).map(
        lambda cost: ("model_called", ModelCalled(cost_usd=cost, usage=Usage(input_tokens=3)))
    ),
)


@st.composite
def events(draw: st.DrawFn) -> Event:
    # Few ids, times and sequences, so that they collide: ties, clocks that go back, two events with one id.
    kind, body = draw(bodies)
    consent = Consent(
        status=draw(st.sampled_from(["granted", "unknown", "denied"])),
        basis=draw(st.sampled_from([None, "contract", "legal"])),
        data_subject_id=draw(st.sampled_from([None, "ann", "ben"])),
    )
    return Event(
        event_id=f"e{draw(st.integers(0, 7))}",
        trace_id="t",
        span_id="s",
        producer_id=draw(st.sampled_from(["p", "q", "r"])),
        sequence=draw(st.integers(0, 3)),
        occurred_at=START + draw(st.integers(0, 4)),
        agent=draw(st.sampled_from(["ann", "ben"])),
        scenario=draw(st.sampled_from(["x", "y"])),
        execution_mode="EXECUTION",
        model=draw(st.sampled_from([None, ModelRef(provider="a", name="m"), ModelRef(provider="b", name="m")])),
        consent=consent,
        source=SourceRef(format=draw(st.sampled_from(["sdk", "otlp"]))),
        kind=kind,
        **{kind: body},  # type: ignore[arg-type]
    )


def trace_of(arrived: Sequence[Event]) -> Trace:
    redacted = redact_events(unique_in_order(arrived), NAMES)
    return build_trace(redacted.events, CLOSING, redacted.report)


@settings(max_examples=150, deadline=None)
@given(st.lists(events(), min_size=1, max_size=9), st.data())
def test_order_batches_duplicates_and_redelivery_change_nothing(sent: list[Event], data: st.DataObject) -> None:
    way = data.draw(st.permutations(sent)) + data.draw(st.lists(st.sampled_from(sent), max_size=6))
    messages: list[bytes] = []
    while way:
        size = data.draw(st.integers(0, 4))
        group, way = way[: max(1, size)], way[max(1, size) :]
        if size == 0:
            messages.append(encode(group[0], SCHEMA_IDS["Event"]))
        else:
            batch = EventBatch(trace_id="t", producer_id="p", events=tuple(group))
            messages.append(encode(batch, SCHEMA_IDS["EventBatch"]))
    messages += data.draw(st.lists(st.sampled_from(messages), max_size=3))
    arrived = [event for message in messages for event in decode_events(message, LOOKUP)]
    assert msgspec.msgpack.encode(trace_of(arrived)) == msgspec.msgpack.encode(trace_of(sent))


@settings(max_examples=100, deadline=None)
@given(st.lists(events(), min_size=1, max_size=9))
def test_each_id_stands_once_and_each_producer_in_its_own_order(sent: list[Event]) -> None:
    ordered = unique_in_order(sent)
    assert sorted(event.event_id for event in ordered) == sorted({event.event_id for event in sent})
    for producer in "pqr":
        sequences = [event.sequence for event in ordered if event.producer_id == producer]
        assert sequences == sorted(sequences)


@settings(max_examples=100, deadline=None)
@given(st.lists(events(), min_size=1, max_size=9))
def test_consent_is_the_strictest_and_names_everybody(sent: list[Event]) -> None:
    consent = strictest_consent(sent)
    strictness = ["granted", "unknown", "denied"]
    assert strictness.index(consent.status) == max(strictness.index(event.consent.status) for event in sent)
    named = {event.consent.data_subject_id for event in sent} - {None}
    assert set((consent.data_subject_id or "").split(",")) - {""} == named


@given(st.lists(st.integers(0, 30)))
def test_offset_ranges_hold_the_offsets_and_nothing_else(offsets: list[int]) -> None:
    ranges = offset_ranges("agent-events", 2, offsets)
    covered = [offset for r in ranges for offset in range(r.first_offset, r.last_offset + 1)]
    assert covered == sorted(set(offsets))
    assert all(a.last_offset + 1 < b.first_offset for a, b in pairwise(ranges))


def test_a_clock_that_goes_back_does_not_reorder_a_producer() -> None:
    def event(producer: str, sequence: int, at: int) -> Event:
        return Event(
            event_id=f"{producer}{sequence}", trace_id="t", span_id="s", producer_id=producer, sequence=sequence,
            occurred_at=START + at, agent="a", scenario="x", execution_mode="EXECUTION", consent=Consent(),
            source=SourceRef(format="sdk"), kind="user_message", user_message=UserMessage(content="x"),
        )  # fmt: skip

    sent = [event("p", 1, 10), event("p", 2, 3), event("p", 3, 20), event("q", 1, 15), event("q", 2, 5)]
    assert [e.event_id for e in unique_in_order(reversed(sent))] == ["p1", "p2", "q1", "q2", "p3"]
    assert build_trace(unique_in_order(sent), CLOSING, RedactionReport(rules_version="1")).event_count == 5
