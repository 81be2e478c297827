from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import ExecutionMode
from streams.core.signals.sketch import HIGHEST, LOWEST, Sketch, bucket_of, merged
from streams.core.view import TraceView, view_of
from streams.core.windows import (
    CONTEXT_HOURS,
    HOUR_MICROS,
    MAX_KINDS,
    MAX_NAME_CHARS,
    MIN_RUNS,
    OTHER,
    Kind,
    Outcomes,
    Window,
    WindowKey,
    context_keys,
    context_of,
    finished,
    key_of,
    merge,
    observe,
    pack,
    parse_key,
    relative,
    unpack,
)
from tests.unit.core.build import Run, good_run

amounts = st.floats(0, 1e12)
KIND = Kind("a", "EXECUTION", "m")
hostile = st.one_of(st.floats(), st.none(), st.floats(0, 1e-9), st.floats(1e12))


def sketch_of(values: list[float] | list[float | None]) -> Sketch:
    sketch = Sketch()
    for value in values:
        sketch = sketch.with_value(value)
    return sketch


def view(turns: int = 2, **fields: object) -> TraceView:
    return view_of(good_run(turns=turns).trace(**fields))


@given(st.lists(amounts, min_size=1), st.floats(0, 1))
def test_a_quantile_is_right_to_within_five_percent(values: list[float], at: float) -> None:
    exact = sorted(values)[int(at * (len(values) - 1))]
    found = sketch_of(values).quantile(at)
    assert found is not None
    assert abs(found - exact) <= 0.05 * exact + 2**-20


@given(st.lists(hostile))
def test_a_sketch_takes_any_number_and_stays_finite(values: list[float | None]) -> None:
    sketch = sketch_of(values)
    assert sketch.count == sum(sketch.buckets.values()) == sum(v is not None and 0 <= v < float("inf") for v in values)
    assert sketch.total < float("inf")
    assert all(LOWEST <= bucket <= HIGHEST for bucket in sketch.buckets)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(sketch), type=Sketch) == sketch


@given(st.lists(amounts), st.lists(amounts), st.randoms())
def test_sketches_merge_to_that_of_all_values_in_any_order(one: list[float], two: list[float], order: object) -> None:
    both, mixed = merged([sketch_of(one), sketch_of(two)]), one + two
    order.shuffle(mixed)  # type: ignore[attr-defined]
    whole = sketch_of(mixed)
    assert (both.count, both.buckets) == (whole.count, whole.buckets)
    assert both.total == pytest.approx(whole.total)


@pytest.mark.parametrize(("value", "bucket"), [(1, 0), (2, 8), (2**0.5, 4), (0.5, -8), (3, 12), (1024, 80)])
def test_bucket_n_begins_at_2_to_the_nth_eighth(value: float, bucket: int) -> None:
    assert bucket_of(value) == bucket
    assert bucket_of(value * 2) == bucket + 8


def test_the_outer_buckets_hold_all_that_is_smaller_or_larger() -> None:
    assert bucket_of(0) == bucket_of(1e-300) == LOWEST
    assert bucket_of(1e300) == HIGHEST


def test_relative_is_the_share_that_needed_more_with_equals_counted_half() -> None:
    sketch = sketch_of([1.0, 2.0, 4.0, 8.0])
    assert relative(0.5, sketch) == 1
    assert relative(2.0, sketch) == 0.625
    assert relative(100, sketch) == 0
    assert relative(1.0, Sketch()) is None
    assert relative(float("nan"), sketch) is None


@given(st.lists(amounts, min_size=1), amounts, amounts)
def test_who_needs_less_is_never_worse(values: list[float], one: float, two: float) -> None:
    sketch = sketch_of(values)
    less, more = relative(min(one, two), sketch), relative(max(one, two), sketch)
    assert less is not None
    assert more is not None
    assert 1 >= less >= more >= 0


def test_a_window_counts_runs_outcomes_and_amounts() -> None:
    window = Window()
    for outcome in (1.0, 0.5, 0.0, 0.0, None):
        window = observe(window, view(cost_usd=0.02), 0.75, outcome)
    assert (window.count, window.outcomes) == (5, Outcomes(succeeded=1, partial=1, failed=2, unknown=1))
    assert (window.calls.mean, window.cost_usd.count, window.tool_latency_seconds.count) == (2, 5, 0)
    assert window.quality_score.quantile(0.5) == pytest.approx(0.75, rel=0.05)


def test_times_that_were_made_up_are_no_duration() -> None:
    run = good_run()
    run.events = [msgspec.structs.replace(event, occurred_at_synthetic=True) for event in run.events]
    window = observe(Window(), view_of(run.trace()), None)
    assert (window.count, window.duration_seconds.count, window.quality_score.count) == (1, 0, 0)


def test_windows_pack_to_the_same_bytes_whatever_came_first_and_come_back_equal() -> None:
    views = [view(turns=turns) for turns in (1, 2, 3, 9)]
    one = two = Window()
    for at in range(4):
        one, two = observe(one, views[at], at / 4, 1.0), observe(two, views[3 - at], (3 - at) / 4, 1.0)
    assert pack(one) == pack(two)
    assert unpack(pack(one)) == one
    with pytest.raises(msgspec.DecodeError):
        unpack(b"\xc1")
    with pytest.raises(msgspec.ValidationError):
        unpack(msgspec.msgpack.encode({"a": 1}))


def test_a_window_is_bounded_whatever_it_saw() -> None:
    window = Window()
    sketch = Sketch(10**9, 1e18, dict.fromkeys(range(LOWEST, HIGHEST + 1), 10**6))
    full = msgspec.structs.replace(
        window, **{name: sketch for name in window.__struct_fields__ if isinstance(getattr(window, name), Sketch)}
    )
    assert len(pack(full)) < 40_000
    assert len(pack(observe(window, view(), 0.5))) < 200


def test_merging_hours_is_observing_them_in_one() -> None:
    hours = [observe(observe(Window(), view(turns), 0.5, 1.0), view(turns + 1), 0.7, None) for turns in (1, 4)]
    whole = Window()
    for turns, score, outcome in ((1, 0.5, 1.0), (2, 0.7, None), (4, 0.5, 1.0), (5, 0.7, None)):
        whole = observe(whole, view(turns), score, outcome)
    assert merge(hours).calls == whole.calls
    assert merge(reversed(hours)).outcomes == whole.outcomes
    assert merge([]) == Window()


def test_a_context_needs_enough_runs_and_carries_what_else_is_known() -> None:
    window = Window()
    for _ in range(MIN_RUNS - 1):
        window = observe(window, view(), 0.5)
    assert context_of([window], novelty=0.25, judge=0.5) == replace(context_of([]), novelty=0.25, judge=0.5)
    enough = context_of([window, observe(Window(), view(), 0.5)])
    assert enough.window is not None
    assert enough.window.count == enough.window.calls.count == MIN_RUNS


@given(st.text(), st.sampled_from(["EXECUTION", "SIMULATION", "OPTIMIZATION"]), st.none() | st.text())
def test_keys_go_by_the_hour_and_come_back_from_their_text(
    scenario: str, mode: ExecutionMode, model: str | None
) -> None:
    kind = Kind(scenario[:MAX_NAME_CHARS], mode, model and model[:MAX_NAME_CHARS])
    key = key_of(kind, 5 * HOUR_MICROS + 1, ())
    assert (key, key.ends_at) == (WindowKey(5, kind), 6 * HOUR_MICROS)
    assert parse_key(key.text) == key


def test_a_text_that_is_no_key_is_refused() -> None:
    for text in ("nonsense", "5:a", '[5,["a","REHEARSAL",null]]'):
        with pytest.raises(msgspec.DecodeError):
            parse_key(text)


def test_a_context_looks_back_over_its_own_hour_and_those_before() -> None:
    keys = context_keys(WindowKey(100, KIND))
    assert (len(keys), keys[-1], keys[0]) == (CONTEXT_HOURS, WindowKey(100, KIND), WindowKey(77, KIND))
    assert context_keys(WindowKey(100, Kind(OTHER, "EXECUTION", None))) == ()


def test_kinds_beyond_the_cap_share_one_window_for_each_mode() -> None:
    known: set[Kind] = set()
    keys = set()
    for number in range(3 * MAX_KINDS):
        mode: ExecutionMode = "SIMULATION" if number % 5 == 0 else "EXECUTION"
        key = key_of(Kind(f"scenario-{number}", mode, f"model-{number % 3}"), 0, known)
        keys.add(key)
        known.add(key.kind)
    assert len(keys) <= MAX_KINDS + 2
    assert {WindowKey(0, Kind(OTHER, mode, None)) for mode in ("SIMULATION", "EXECUTION")} <= keys
    assert key_of(Kind("scenario-1", "EXECUTION", "model-1"), 0, known).kind.scenario == "scenario-1"
    assert key_of(Kind("scenario-1", "EXECUTION", "model-2"), 0, known).kind.scenario == OTHER
    long = "x" * (MAX_NAME_CHARS + 1)
    assert key_of(Kind(long, "EXECUTION", None), 0, ()).kind == Kind(OTHER, "EXECUTION", None)
    assert key_of(Kind("a", "SIMULATION", long), 0, ()).kind == Kind(OTHER, "SIMULATION", None)


def hours(*numbers: int) -> dict[WindowKey, Window]:
    return {WindowKey(number, KIND): observe(Window(), view(), 0.5, 1.0) for number in numbers}


def test_an_hour_is_published_once_it_is_over_and_its_late_runs_are_in() -> None:
    windows = hours(10, 11)
    lateness = HOUR_MICROS // 4
    assert not finished(windows, 11 * HOUR_MICROS + lateness - 1, lateness).records
    due = finished(windows, 11 * HOUR_MICROS + lateness, lateness, partition=7)
    (record,) = due.records
    assert (record.scenario, record.execution_mode, record.model) == ("a", "EXECUTION", "m")
    assert (record.partition, record.revision, record.run_count) == (7, 1, 1)
    assert (record.started_at, record.ended_at) == (10 * HOUR_MICROS, 11 * HOUR_MICROS)
    assert (record.succeeded_count, record.failed_count) == (1, 0)
    measures = {measure.name: measure for measure in record.measures}
    assert (measures["calls"].count, measures["calls"].total, measures["calls"].buckets) == (1, 2, {"8": 1})
    assert measures["cost_usd"].p50 is None


def test_a_published_hour_is_published_again_only_when_a_run_was_added() -> None:
    windows = hours(10)
    now = 20 * HOUR_MICROS
    windows |= finished(windows, now, 0).published
    assert not finished(windows, now, 0).records
    key = WindowKey(10, KIND)
    windows[key] = observe(windows[key], view(), 0.9, 0.0)
    (record,) = finished(windows, now, 0).records
    assert (record.revision, record.run_count) == (2, 2)


def test_hours_outside_of_every_context_are_dropped_and_published_before() -> None:
    windows = hours(10, 30)
    due = finished(windows, 40 * HOUR_MICROS, 0)
    assert due.dropped == (WindowKey(10, KIND),)
    assert [record.started_at // HOUR_MICROS for record in due.records] == [10, 30]
    assert set(due.published) == {WindowKey(30, KIND)}
    newest = (40 * HOUR_MICROS) // HOUR_MICROS
    assert due.dropped[0] not in context_keys(WindowKey(newest, KIND))


def test_what_is_due_does_not_depend_on_the_order_of_the_windows() -> None:
    windows = {
        **hours(12, 10),
        WindowKey(11, Kind("0", "EXECUTION", None)): observe(Window(), view(), None),
        WindowKey(11, Kind("a", "EXECUTION", None)): observe(Window(), view(), None),
        WindowKey(11, Kind("a", "SIMULATION", "m")): observe(Window(), view(), None),
    }
    turned = dict(reversed(windows.items()))
    assert finished(windows, 30 * HOUR_MICROS, 0) == finished(turned, 30 * HOUR_MICROS, 0)


def test_a_trace_is_measured_against_earlier_ones_the_same_in_every_replay() -> None:
    def replay() -> list[bytes]:
        window, seen = Window(), []
        for turns in (1, 5, 2, 2, 7, 3, 1, 4, 6, 2):
            context = context_of([window])
            seen.append(repr(context.window).encode())
            window = observe(window, view_of(Run(f"t{turns}").says("x" * turns).trace()), 0.5)
        return seen

    assert replay() == replay()
