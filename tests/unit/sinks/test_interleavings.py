"""Whatever way batches are cut, topics run ahead, records are redelivered or the process restarts: the same tables.

The log is made as the stages make it: per trace the revisions in order, each `trace` before its examples and its
decision, in one partition number through all topics; a crash of a stage repeats what it published last, marked, and
perhaps with other examples, after a word that the ones before are void.
"""

import tempfile
from dataclasses import dataclass

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import example as example_of
from hypothesis import strategies as st

from schemas.errors import StorageUnavailable
from schemas.records import Decision, Example, ExampleRetraction, Trace
from schemas.settings import Settings, StorageSettings
from sinks import maintenance
from sinks.flush import TableSink
from sinks.tables import LANE_TOPICS
from tests.unit.sinks.driving import Log, opened, stored
from tests.unit.sinks.samples import decision, example, trace

LANES = (0, 1)


@dataclass(frozen=True)
class Revision:
    """One revision of one trace, as published."""

    trace: int
    examples: int
    withheld: bool
    redelivered: tuple[int, ...]
    """For each time its records are published again: how many examples there are then."""


@dataclass(frozen=True)
class Step:
    """Read up to `counts` further messages (of traces, decisions, examples), flush, then perhaps restart or compact."""

    counts: tuple[int, int, int]
    then: str


revisions = st.builds(
    Revision,
    st.integers(0, 2),
    st.integers(0, 2),
    st.sampled_from([False, False, True]),
    st.sampled_from([(), (), (), (0,), (1,), (2, 0), (0, 1)]),
)
steps = st.builds(
    Step,
    st.tuples(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6)),
    st.sampled_from(["go on", "go on", "restart", "crash in examples", "compact"]),
)


def published(history: list[Revision]) -> tuple[Log, dict[str, list[tuple[str, int]]]]:
    """The log of a history, and what must be stored in the end."""
    log = Log()
    latest: dict[int, tuple[int, Revision]] = {}
    for made in history:
        number = latest[made.trace][0] + 1 if made.trace in latest else 1
        latest[made.trace] = (number, made)
        name, lane = f"t{made.trace}", made.trace % len(LANES)
        for again, count in enumerate((made.examples, *made.redelivered)):
            examples = [] if made.withheld else [example(name, number, i) for i in range(count)]
            records: list[Trace | Decision | Example] = [trace(name, number, withheld=made.withheld)]
            records += [*examples, decision(name, number, example_count=len(examples))]
            if again:
                log.append(ExampleRetraction(trace_id=name, revision=number, reason="test", retracted_at=0), lane)
            for record in records:
                log.append(msgspec.structs.replace(record, redelivered=again > 0), lane)
    return log, {
        "traces": sorted((f"t{t}", n) for t, (n, made) in latest.items() if not made.withheld),
        "decisions": sorted((f"t{t}", n) for t, (n, _) in latest.items()),
        "examples": sorted(
            (f"t{t}-r{n}-{i}", n)
            for t, (n, made) in latest.items()
            for i in range(0 if made.withheld else (made.examples, *made.redelivered)[-1])
        ),
    }


ONE = Revision(trace=0, examples=1, withheld=False, redelivered=())
TAKEN_BACK = Revision(trace=0, examples=2, withheld=False, redelivered=(0,))


@example_of([ONE, ONE], [Step((0, 0, 1), "go on"), Step((0, 2, 0), "go on")])  # decisions run ahead
@example_of([ONE, ONE], [Step((0, 0, 1), "go on"), Step((0, 2, 0), "restart")])
@example_of([ONE, ONE], [Step((2, 0, 2), "go on")])  # examples run ahead
@example_of([TAKEN_BACK], [Step((0, 0, 2), "go on")])
@example_of([TAKEN_BACK, ONE], [Step((0, 9, 2), "restart"), Step((0, 0, 9), "go on")])
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(revisions, min_size=1, max_size=7), st.lists(steps, max_size=6))
def test_the_tables_do_not_depend_on_the_way_there(history: list[Revision], way: list[Step]) -> None:
    log, expected = published(history)
    with tempfile.TemporaryDirectory() as place:
        configured = Settings(storage=StorageSettings.model_validate({"root": place}))
        sink = opened(configured, LANES)
        read = {(topic, lane): 0 for topic in LANE_TOPICS for lane in LANES}
        for step in way:
            stops = {
                key: min(len(log.partitions.get(key, [])), position + step.counts[LANE_TOPICS.index(key[0])])
                for key, position in read.items()
            }
            if step.then == "crash in examples":
                crash(sink)
            try:
                sink.flush(log.batch(read, stops))
                read = stops
            except StorageUnavailable:
                pass
            if step.then == "compact":
                for name in expected:
                    maintenance.compact(configured, name)
            if step.then in ("restart", "crash in examples"):
                sink = opened(configured, LANES)
                read = {key: sink.resume_offset(*key) for key in read}
        sink.flush(log.batch(read))
        assert stored(configured) == expected


def crash(sink: TableSink) -> None:
    """Let the next flush end before the examples are committed."""

    def fail(*_: object) -> int:
        raise StorageUnavailable("crash")

    sink._tables["examples"].commit = fail  # type: ignore[method-assign, assignment]
