"""What closing a trace refuses, and that a long redaction is seen to go on."""

import asyncio
import math
import threading
from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest

from schemas.records import DeadLetter, Event, Message, ModelCalled, QuarantinedTrace, Trace, Usage
from sinks.plan import trace_entry
from streams.core.redact.finding import Finding
from streams.core.redact.policy import RedactionPolicy
from streams.core.redact.redactor import RULES_ALONE, Redactor
from streams.ports import Message as Consumed
from streams.ports import dead_letter
from streams.runtime import Watchdog
from streams.stages.assemble import AssembleStage
from tests.simulation.world import LOOKUP, TroubledState
from tests.unit.core.build import Run, good_run
from tests.unit.streams.test_assemble_stage import WINDOWS, Bench

MAIL = "anna.berg@host.example"


def bench_with(redactor: Redactor) -> Bench:
    bench = Bench()
    bench.stage = AssembleStage(
        owner="w", state_of=lambda _: TroubledState(bench.world), publisher=bench.world, log=bench.world,
        lookup=LOOKUP, windows=WINDOWS, pseudonym_key=b"k" * 32, redactor=redactor,
    )  # fmt: skip
    asyncio.run(bench.stage.acquire(0))
    return bench


def with_ids(events: Sequence[Event], **ids: str) -> list[Event]:
    return [msgspec.structs.replace(event, **ids) for event in events]


@pytest.mark.parametrize("name", ["event_id", "span_id", "parent_span_id", "producer_id"])
def test_a_run_in_which_an_id_shows_a_person_is_held_back(name: str) -> None:
    bench = bench_with(RULES_ALONE)
    events = good_run("t", turns=1).events
    bench.send([*events[:-1], *with_ids(events[-1:], **{name: f"of {MAIL}"})])
    bench.send(good_run("u", turns=1).events)
    bench.wait(5_000)
    assert [(one.trace_id, one.withheld) for one in bench.world.records("traces", Trace)] == [
        ("t", "redaction_failed"), ("u", None),
    ]  # fmt: skip
    assert [one.trace_id for one in bench.world.records("quarantine", QuarantinedTrace)] == ["t"]
    assert not any(MAIL.encode() in (message.value or b"") for message in bench.world.topics["traces"])


def test_a_trace_id_that_shows_a_person_never_becomes_a_key() -> None:
    bench = bench_with(RULES_ALONE)
    bench.send(good_run(f"chat of {MAIL}", turns=1).events)
    bench.wait(5_000)
    (letter,) = bench.world.records("dead-letters", DeadLetter)
    assert (letter.error_class, MAIL in letter.error_message) == ("InvalidRecord", False)
    assert "opaque" in letter.error_message
    assert "traces" not in bench.world.topics
    kept = msgspec.structs.replace(RedactionPolicy().modes, email="keep")
    allowed = bench_with(Redactor(RedactionPolicy(modes=kept)))
    allowed.send(good_run(f"chat of {MAIL}", turns=1).events)
    allowed.wait(5_000)
    assert [one.withheld for one in allowed.world.records("traces", Trace)] == [None]


class Slow:
    """A model that finds nothing."""

    name = "slow-1"

    def __init__(self) -> None:
        self.asked = 0

    def find(self, text: str) -> Sequence[Finding]:
        self.asked += 1
        return ()


def test_a_long_redaction_says_after_each_text_that_it_goes_on() -> None:
    model, heard = Slow(), []
    bench = bench_with(replace(RULES_ALONE, recognizer=model))
    bench.stage.worked = lambda: heard.append(model.asked)
    run = Run("t").starts(goal="Something to read at length, please.")
    for number in range(20):
        run.hears(f"Yesterday, as number {number}, Anna Berg and Karl Otto Meyer told me about the trip to Rome.")
    bench.send(run.ends().events)
    bench.wait(5_000)
    assert model.asked >= 20
    assert set(range(1, model.asked + 1)) <= set(heard)
    (trace,) = bench.world.records("traces", Trace)
    assert "ner=slow-1" in trace.redaction.rules_version


class Blocking(Slow):
    """A model that goes on with a text only when somebody else has had a turn; it gives up after a while."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = threading.Event()
        self.turns = 0

    def find(self, text: str) -> Sequence[Finding]:
        self.turns += self.turn.wait(5)
        return ()


def test_the_event_loop_goes_on_while_a_trace_is_redacted() -> None:
    model = Blocking()
    bench = bench_with(replace(RULES_ALONE, recognizer=model))
    bench.send(Run("t").starts(goal="Yesterday Anna Berg told me about the trip to Rome.").ends().events)

    async def close() -> None:
        closing = asyncio.ensure_future(bench.stage.tick(0, 10**12))
        while not closing.done():
            await asyncio.sleep(0.01)
            model.turn.set()  # what the heartbeat of a consumer would do now
        await closing

    asyncio.run(close())
    assert model.turns >= 1
    assert len(bench.world.records("traces", Trace)) == 1


def test_a_watchdog_that_hears_of_work_does_not_bark(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("streams.runtime.time.monotonic", lambda: now[0])
    dog = Watchdog(100)
    now[0] = 90
    dog.seen(True)
    now[0] = 150
    assert dog.stalled
    dog.worked()
    assert not dog.stalled
    now[0] = 251
    assert dog.stalled


def test_headers_of_a_message_are_content_and_travel_in_the_value_of_its_letter() -> None:
    headers = (("baggage", MAIL.encode()), ("baggage", b"second"), (MAIL, b"1"))
    message = Consumed("agent-events", 1, 2, 3, b"k", b"v", headers)
    out = dead_letter(message, "assemble", ValueError("no content"), 4)
    assert MAIL not in str(out.headers)
    assert dict(out.headers)["event-index"] == b"4"
    assert isinstance(out.record, DeadLetter)
    assert out.record.headers == {"baggage": MAIL.encode(), MAIL: b"1"}


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf])
def test_figures_that_nothing_can_hold_are_unknown_and_stop_nobody(seconds: float) -> None:
    many = Usage(input_tokens=2**62, output_tokens=-(2**63))
    run = Run("t").starts(goal="g").hears("h")
    for _ in range(5):
        run.add(ModelCalled(output=Message(role="assistant", content="x"), usage=many))
    bench = bench_with(RULES_ALONE)
    bench.send(run.ends(duration_seconds=seconds).events)
    bench.wait(5_000)
    (trace,) = bench.world.records("traces", Trace)
    assert (trace.withheld, trace.input_tokens, trace.output_tokens) == (None, None, None)
    assert math.isfinite(trace.duration_seconds)
    assert trace_entry(trace, 0, 0).row
