"""The assemble stage where something is wrong: nothing raw goes on, nothing stops the line, nothing vanishes."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from schemas.codec import decode_events, encode
from schemas.records import DeadLetter, Event, EventBatch, LateEvent, QuarantinedTrace, Trace
from streams.core.timers import Windows
from streams.stages import closing
from streams.stages.assemble import AssembleStage
from streams.state.port import Change, Lease, StateFull
from tests.simulation.world import LOOKUP, SCHEMA_IDS, TroubledState, World
from tests.unit.core.build import Run

WINDOWS = Windows(quiet_ms=200, idle_ms=1_000, amend_ms=2_000, max_bytes=20_000)
RAW = "mia@b.example"


class Bench:
    """A stage in a world without trouble."""

    def __init__(self, windows: Windows = WINDOWS) -> None:
        self.world = World(1)
        self.stage = AssembleStage(
            owner="w", state_of=lambda _: TroubledState(self.world), publisher=self.world, log=self.world,
            lookup=LOOKUP, windows=windows, pseudonym_key=b"k" * 32,
        )  # fmt: skip
        self.sent = 0
        asyncio.run(self.stage.acquire(0))

    def send(self, events: Sequence[Event], *, after_ms: int = 0, key: bytes | None = None) -> None:
        """One message, some time later, applied at once."""
        self.world.now_ms += after_ms
        batch = EventBatch(trace_id=events[0].trace_id, producer_id="p", events=tuple(events))
        self.world.append("agent-events", key or batch.trace_id.encode(), encode(batch, SCHEMA_IDS["EventBatch"]))
        asyncio.run(self.apply())

    async def apply(self) -> None:
        """Apply what was not applied."""
        log = self.world.topics["agent-events"]
        fresh, self.sent = log[self.sent :], len(log)
        await self.stage.handle(0, fresh)

    def wait(self, milliseconds: int) -> None:
        """Let time pass."""
        self.world.now_ms += milliseconds
        asyncio.run(self.stage.tick(0, self.world.now_ms))

    @property
    def traces(self) -> list[Trace]:
        return self.world.records("traces", Trace)


def run_of(text: str = RAW, trace_id: str = "t") -> list[Event]:
    return Run(trace_id).starts(goal=text).hears(text).ends().events


def raw_anywhere(world: World, topic: str) -> bool:
    return any(RAW.encode() in (message.value or b"") for message in world.topics.get(topic, []))


@pytest.mark.parametrize("fails", ["redact_events", "build_trace"])
def test_what_cannot_be_redacted_is_withheld_and_kept_raw_in_quarantine(
    fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError(RAW)

    monkeypatch.setattr(closing, fails, broken)
    bench = Bench()
    bench.send(run_of())
    bench.wait(500)
    (trace,) = bench.traces
    assert trace.withheld == "redaction_failed"
    assert (trace.event_count, trace.events, trace.scenario, trace.agents) == (3, (), "withheld", ())
    assert not raw_anywhere(bench.world, "traces")
    (raw,) = bench.world.records("quarantine", QuarantinedTrace)
    assert [len(decode_events(message, LOOKUP)) for message in raw.messages] == [3]
    assert bench.world.state.counters["assembled"] == 3


def test_a_trace_that_redaction_makes_too_large_is_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closing, "_MAX_TRACE_BYTES", 20_000)
    bench = Bench(replace(WINDOWS, max_bytes=10**6))
    bench.send(run_of(" ".join(f"a@b{n}.io" for n in range(900))))
    bench.send(run_of("fine", "u"))
    bench.wait(500)
    assert [trace.withheld for trace in bench.traces] == ["redaction_failed", None]


@pytest.mark.parametrize("fails", [False, True])
def test_denied_consent_leaves_no_content_behind(fails: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if fails:
        monkeypatch.delattr(closing, "redact_events")
    events = run_of()
    denied = type(events[0].consent)(status="denied", basis=RAW, data_subject_id=RAW)
    fields = {name: getattr(events[1], name) for name in events[1].__struct_fields__}
    bench = Bench()
    bench.send([events[0], Event(**fields | {"consent": denied}), events[2]])
    bench.wait(500)
    (trace,) = bench.traces
    assert (trace.withheld, trace.events, trace.model, trace.source_format) == ("consent_denied", (), None, "withheld")
    assert trace.consent.data_subject_id is None
    assert not raw_anywhere(bench.world, "traces")
    assert "quarantine" not in bench.world.topics


def test_each_bad_message_gets_a_letter_and_the_rest_goes_on() -> None:
    bench = Bench()
    good = run_of()
    fields = {name: getattr(good[1], name) for name in good[1].__struct_fields__}
    bad = Event(**fields | {"occurred_at": -1, "event_id": "bad"})
    bench.world.append("agent-events", b"t", b"\x00junk")
    bench.world.append("agent-events", b"t", None)
    bench.send(good, key=b"someone else")
    bench.send([good[0], bad, *good[1:]])
    bench.wait(500)
    letters = bench.world.records("dead-letters", DeadLetter)
    assert [(x.offset, x.event_index, x.error_class) for x in letters] == [
        (0, None, "UnknownSchema"),
        (1, None, "InvalidWireFormat"),
        (2, None, "InvalidRecord"),
        (3, 1, "InvalidRecord"),
    ]
    assert not any(RAW in letter.error_message for letter in letters)
    assert bench.traces[0].event_count == 3
    counts = bench.world.state.counters
    assert (counts["received"], counts["dead_lettered"], counts["assembled"]) == (7, 4, 3)


def test_a_late_event_amends_while_the_log_has_the_messages_and_is_late_when_it_has_not() -> None:
    events = run_of()
    for first_held, topic, reason in ((0, "traces", None), (1, "late-events", "log_gone")):
        bench = Bench()
        bench.send([events[0], events[2]])
        bench.wait(500)
        bench.world.first_held["agent-events"] = first_held
        bench.send([events[1], events[2]])
        bench.wait(500)
        assert len(bench.world.topics[topic]) == 2 - first_held
        if reason is None:
            assert [(trace.revision, trace.event_count) for trace in bench.traces] == [(1, 2), (2, 3)]
            assert bench.world.state.counters["assembled"] == 3
        else:
            (late,) = bench.world.records("late-events", LateEvent)
            assert (late.event_ids, late.reason, late.offset) == ((events[1].event_id,), reason, 1)
        assert bench.world.state.counters["duplicate"] == 1


def test_a_full_state_closes_what_is_open_and_with_nothing_open_pauses() -> None:
    bench = Bench()
    bench.send(run_of()[:2])
    bench.world.state.full = True
    with pytest.raises(StateFull):  # the open trace was closed, which did not help
        bench.send(run_of(trace_id="u"))
    assert [trace.close_reason for trace in bench.traces] == ["evicted"]
    assert "u" not in bench.world.state.open
    bench.world.state.full = False
    bench.sent -= 1
    asyncio.run(bench.apply())
    bench.wait(500)
    assert [trace.trace_id for trace in bench.traces] == ["t", "u"]
    assert bench.world.state.counters["received"] == 5


@pytest.mark.parametrize(("after_ms", "resumes"), [(1_000, False), (20_000, True)])
def test_what_was_remembered_for_long_enough_makes_room_in_a_full_state(
    after_ms: int, resumes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(replace(WINDOWS, remember_ms=10_000))
    bench.send(run_of())
    bench.wait(500)
    state = bench.world.state
    commit = state.commit

    async def room_once_something_went(lease: Lease, change: Change) -> Lease:
        done = await commit(lease, change)
        state.full = state.full and not change.drop_closed
        return done

    monkeypatch.setattr(state, "commit", room_once_something_went)
    state.full = True
    if resumes:
        bench.send(run_of(trace_id="u"), after_ms=after_ms)
        assert (set(state.open), set(state.closed)) == ({"u"}, set())
    else:
        with pytest.raises(StateFull):
            bench.send(run_of(trace_id="u"), after_ms=after_ms)
        assert set(state.closed) == {"t"}


def test_more_open_traces_than_allowed_evicts_those_due_soonest() -> None:
    bench = Bench(replace(WINDOWS, max_open_traces=2))
    for number in range(4):
        bench.send(run_of(trace_id=f"t{number}")[:2], after_ms=1)
    assert [(trace.trace_id, trace.close_reason) for trace in bench.traces] == [("t0", "evicted"), ("t1", "evicted")]
    assert bench.stage.open_traces(0) == 2
