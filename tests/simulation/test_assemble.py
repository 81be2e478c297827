"""Assembly with crashes between any two effects, lost state, zombies and a full store: what comes out is the same."""

import asyncio
import random
from dataclasses import replace

import msgspec
import pytest

from schemas.records import DeadLetter, LateEvent, Trace
from streams.core.assemble import Closing, build_trace, unique_in_order
from streams.core.redact.events import redact_events
from streams.core.redact.pseudonyms import Pseudonyms
from streams.core.timers import Windows
from streams.stages import assemble as stage_module
from streams.stages.assemble import AssembleStage
from tests.simulation.traffic import Traffic, make_traffic
from tests.simulation.world import LOOKUP, TroubledState, Worker, World

KEY = b"k" * 32
WINDOWS = Windows(
    quiet_ms=200, idle_ms=1_000, max_age_ms=6_000, amend_ms=2_000, remember_ms=10**9, max_events=25, max_bytes=20_000
)
END_MS = 10**7
ARRIVAL_FIELDS = {
    "revision": 0, "redelivered": False, "close_reason": "ended", "closed_at": 0, "offsets": ()
}  # fmt: skip


def assemble(
    seed: int, windows: Windows, *, trouble: float, loses_state: bool = False, fills: bool = False
) -> tuple[World, Traffic]:
    """Run the stage over the traffic of a seed until nothing is open."""
    world = World(seed, trouble)
    traffic = make_traffic(random.Random(seed), traces=6, span_ms=4_000, huge_bytes=windows.max_bytes)

    def make(owner: str) -> AssembleStage:
        return AssembleStage(
            owner=owner, state_of=lambda _: TroubledState(world), publisher=world, log=world, lookup=LOOKUP,
            windows=windows, pseudonym_key=KEY,
        )  # fmt: skip

    async def run() -> None:
        worker = Worker(world, "agent-events", make, loses_state=loses_state)
        start = world.now_ms
        for sent in traffic.messages:
            world.now_ms = start + sent.at_ms
            world.append("agent-events", sent.key, sent.value)
            if fills and world.rng.random() < 0.1:
                world.state.full = True
            while world.rng.random() < 0.4:
                await worker.step(world.rng.randrange(1, 6))
        world.state.full = False
        while await worker.step(world.rng.randrange(1, 50)):
            pass
        world.now_ms = END_MS
        while world.state.open or await worker.step(50):
            await worker.step(50)

    asyncio.run(run())
    return world, traffic


def content(trace: Trace) -> Trace:
    """What does not depend on arrival."""
    return msgspec.structs.replace(trace, **ARRIVAL_FIELDS)


def expected(traffic: Traffic, late: dict[str, set[str]]) -> dict[str, Trace]:
    """Pure assembly of the sets of events that are not late."""
    traces = {}
    for trace_id, events in traffic.events.items():
        kept = [event for event_id, event in events.items() if event_id not in late.get(trace_id, ())]
        redacted = redact_events(unique_in_order(kept), Pseudonyms(KEY, trace_id))
        closing = Closing(trace_id, 0, "ended", 0, (), False)
        traces[trace_id] = build_trace(redacted.events, closing, redacted.report)
    return traces


def table(published: list[Trace]) -> dict[str, list[Trace]]:
    """Rows as the sink makes them: what is new for certain is appended without a look."""
    rows: dict[str, list[Trace]] = {}
    for trace in published:
        stored = rows.setdefault(trace.trace_id, [])
        if trace.redelivered or trace.revision > 1:
            if all(trace.revision >= row.revision for row in stored):
                stored[:] = [trace]
        else:
            stored.append(trace)
    return rows


def check(world: World, traffic: Traffic) -> None:
    """What holds after any run."""
    counts = world.state.counters
    fates = ("duplicate", "assembled", "late", "dead_lettered", "pending")
    assert counts["received"] == sum(counts.get(fate, 0) for fate in fates)
    assert not counts.get("pending")
    assert not counts.get("open_bytes")
    assert not world.state.held
    published = world.records("traces", Trace)
    seen: dict[tuple[str, int], Trace] = {}
    for trace in published:
        first = seen.setdefault((trace.trace_id, trace.revision), trace)
        if first is not trace:
            assert trace.redelivered, "published twice and not said so"
            assert content(first) == content(trace)
    late: dict[str, set[str]] = {}
    for record in world.records("late-events", LateEvent):
        late.setdefault(record.trace_id, set()).update(record.event_ids)
    want = expected(traffic, late)
    rows = table(published)
    assert set(rows) == set(want)
    for trace_id, stored in rows.items():
        assert len(stored) == 1, "more than one row for a trace"
        if stored[0].withheld:
            assert trace_id in traffic.denied
            assert stored[0].event_count == want[trace_id].event_count
            assert not stored[0].events
        else:
            assert content(stored[0]) == want[trace_id]
    assert counts["traces"] == len(rows)
    assert counts["assembled"] == sum(stored[0].event_count for stored in rows.values())
    letters = {(r.offset, r.event_index) for r in world.records("dead-letters", DeadLetter)}
    assert counts.get("dead_lettered", 0) == len(letters)


def distinct(world: World) -> list[Trace]:
    """Published traces, repetitions aside."""
    found: dict[tuple[str, int], Trace] = {}
    for trace in world.records("traces", Trace):
        found[trace.trace_id, trace.revision] = msgspec.structs.replace(trace, redelivered=False)
    return [found[key] for key in sorted(found)]


VARIANTS = {
    "usual": WINDOWS,
    "no quiet period": replace(WINDOWS, quiet_ms=0),
    "no amendments": replace(WINDOWS, amend_ms=0),
    "amended for long": replace(WINDOWS, amend_ms=10**6, max_events=1_000, max_age_ms=700),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_crashes_change_nothing(name: str) -> None:
    lives = 0
    for seed in range(30):
        windows = VARIANTS[name]
        try:
            calm, traffic = assemble(seed, windows, trouble=0)
            check(calm, traffic)
            world, _ = assemble(seed, windows, trouble=0.03)
            check(world, traffic)
            assert world.state.counters == calm.state.counters
            assert distinct(world) == distinct(calm)
            lives += len(world.records("traces", Trace)) - len(distinct(world))
        except BaseException:
            print(f"seed {seed}, {name}")
            raise
    assert lives > 10, "the faults hit nothing: the test proves nothing"


@pytest.mark.parametrize("name", VARIANTS)
def test_lost_state_is_made_again_from_the_log(name: str) -> None:
    for seed in range(1_000, 1_030):
        windows = VARIANTS[name]
        try:
            calm, traffic = assemble(seed, windows, trouble=0)
            world, _ = assemble(seed, windows, trouble=0.03, loses_state=True)
            check(world, traffic)
            assert world.state.counters == calm.state.counters
            assert distinct(world) == distinct(calm)
        except BaseException:
            print(f"seed {seed}, {name}")
            raise


def test_small_portions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_CLOSE_TRACES": 2, "_CLOSE_BYTES": 1_000, "_TICK_TRACES": 3, "_REFETCH_TRACES": 1}.items():
        monkeypatch.setattr(stage_module, name, value)
    for seed in range(3_000, 3_020):
        windows = VARIANTS["amended for long"]
        try:
            calm, traffic = assemble(seed, windows, trouble=0)
            check(calm, traffic)
            world, _ = assemble(seed, windows, trouble=0.03)
            check(world, traffic)
            assert distinct(world) == distinct(calm)
        except BaseException:
            print(f"seed {seed}")
            raise


def test_evictions_for_want_of_room_keep_every_promise_but_the_number_of_revisions() -> None:
    evicted = 0
    for seed in range(2_000, 2_060):
        windows = replace(WINDOWS, max_open_traces=2, max_open_bytes=3_000)
        try:
            world, traffic = assemble(seed, windows, trouble=0.03, fills=True)
            check(world, traffic)
            evicted += world.state.counters.get("close:evicted", 0)
        except BaseException:
            print(f"seed {seed}")
            raise
    assert evicted > 30
