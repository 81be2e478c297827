"""Windowed quality: what the runs of one kind needed and how they went, hour by hour. Pure.

Of one kind are runs of the same scenario, execution mode and model. A run is compared with its own kind and no other:
simulated runs are synthetic, and cost, time and tokens are the model's before they are the run's, so a run would be
cheap or dear for the company it is in. Where too few of its kind are known there is no comparison, rather than one
with others.

A window is an aggregate of bounded size: counts, and sketches of duration, cost, tokens, tool latency, calls and
score. It belongs to one partition of `traces` and holds the traces of that partition alone. Whoever calls keeps the
windows with the partition's state and stores them in the same commit as the offset: then a trace is measured against
earlier traces of its own partition only, whatever worker decides it, and a replay measures exactly the same. A trace
enters its window *after* it was measured, once: a later revision of it must not be counted again.

Hours go by `closed_at` of the trace, the time that decides when traces close, so they follow the log and no clock.

Names of scenarios and models are foreign text. A partition knows `MAX_KINDS` at most; further ones, and those with a
name longer than `MAX_NAME_CHARS`, share the scenario `OTHER` (one for each mode), which gives no context: its runs have
nothing in common.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter

import msgspec

from schemas.records import ExecutionMode, QualityWindow, WindowMeasure
from streams.core.signals import amounts
from streams.core.signals.base import Context, ScenarioWindow
from streams.core.signals.sketch import Sketch, merged
from streams.core.view import TraceView

HOUR_MICROS = 3_600_000_000
MAX_KINDS = 400
MAX_NAME_CHARS = 200
OTHER = "*other*"
CONTEXT_HOURS = 24
"""How far back a context looks: a day, so that the habits of day and night are inside."""
MIN_RUNS = 8
"""Fewer runs are no context."""
_SUCCESS, _FAILURE = 1.0, 0.0


class Kind(msgspec.Struct, frozen=True, array_like=True):
    """Which runs may be compared."""

    scenario: str
    execution_mode: ExecutionMode
    model: str | None
    """None where it is not known: these runs are a kind of their own."""


class WindowKey(msgspec.Struct, frozen=True, array_like=True):
    """Which runs a window holds."""

    hour: int
    """Hours since 1970 UTC."""
    kind: Kind

    @property
    def text(self) -> str:
        """The key as one text; `parse_key` reads it."""
        return msgspec.json.encode(self).decode()

    @property
    def order(self) -> tuple[int, str, str, str]:
        """What windows are sorted by."""
        return self.hour, self.kind.scenario, self.kind.execution_mode, self.kind.model or ""

    @property
    def ends_at(self) -> int:
        """Microseconds since 1970 at which the hour is over."""
        return (self.hour + 1) * HOUR_MICROS


class Outcomes(msgspec.Struct, frozen=True, array_like=True):
    """How many runs ended how."""

    succeeded: int = 0
    partial: int = 0
    failed: int = 0
    unknown: int = 0


class Window(msgspec.Struct, frozen=True, array_like=True):
    """Runs of one kind in one hour. Compare by value."""

    count: int = 0
    outcomes: Outcomes = Outcomes()
    duration_seconds: Sketch = Sketch()
    cost_usd: Sketch = Sketch()
    output_tokens: Sketch = Sketch()
    read_tokens: Sketch = Sketch()
    tool_latency_seconds: Sketch = Sketch()
    calls: Sketch = Sketch()
    quality_score: Sketch = Sketch()
    published: int = 0
    """How often it was published; the revision of its last record."""
    published_count: int = 0
    """Runs it held then."""


SKETCHES = (
    "duration_seconds",
    "cost_usd",
    "output_tokens",
    "read_tokens",
    "tool_latency_seconds",
    "calls",
    "quality_score",
)
_sketches: Callable[[Window], tuple[Sketch, ...]] = attrgetter(*SKETCHES)
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Window)


def pack(window: Window) -> bytes:
    """A window as MessagePack: equal windows give equal bytes, under 200 for one run and 40 KB at the very most."""
    ordered = {
        name: msgspec.structs.replace(sketch, buckets=dict(sorted(sketch.buckets.items())))
        for name, sketch in zip(SKETCHES, _sketches(window), strict=True)
    }
    return _encoder.encode(msgspec.structs.replace(window, **ordered))


def unpack(packed: bytes) -> Window:
    """The window of `pack`'s bytes. Raises msgspec.DecodeError (ValidationError) on anything else."""
    return _decoder.decode(packed)


def parse_key(text: str) -> WindowKey:
    """The key of `WindowKey.text`. Raises msgspec.DecodeError."""
    return msgspec.json.decode(text, type=WindowKey)


def key_of(kind: Kind, closed_at: int, known: Collection[Kind]) -> WindowKey:
    """Window of a trace; `known` are the kinds that the partition has windows of (a set: it is searched).

    `closed_at` is in microseconds since 1970.
    """
    short = len(kind.scenario) <= MAX_NAME_CHARS and len(kind.model or "") <= MAX_NAME_CHARS
    if not short or (kind not in known and len(known) >= MAX_KINDS):
        kind = Kind(OTHER, kind.execution_mode, None)
    return WindowKey(closed_at // HOUR_MICROS, kind)


def observe(window: Window, view: TraceView, score: float | None, outcome: float | None = None) -> Window:
    """The window with one more run. `outcome` is `judged_outcome` of its signals, None where it is not known."""
    return Window(
        count=window.count + 1,
        outcomes=_counted(window.outcomes, outcome),
        duration_seconds=window.duration_seconds.with_value(amounts.duration_seconds(view)),
        cost_usd=window.cost_usd.with_value(amounts.cost_usd(view)),
        output_tokens=window.output_tokens.with_value(amounts.output_tokens(view)),
        read_tokens=window.read_tokens.with_value(amounts.read_tokens(view)),
        tool_latency_seconds=window.tool_latency_seconds.with_value(amounts.tool_latency_seconds(view)),
        calls=window.calls.with_value(amounts.calls(view)),
        quality_score=window.quality_score.with_value(score),
        published=window.published,
        published_count=window.published_count,
    )


def _counted(outcomes: Outcomes, outcome: float | None) -> Outcomes:
    if outcome is None:
        return msgspec.structs.replace(outcomes, unknown=outcomes.unknown + 1)
    if outcome >= _SUCCESS:
        return msgspec.structs.replace(outcomes, succeeded=outcomes.succeeded + 1)
    if outcome <= _FAILURE:
        return msgspec.structs.replace(outcomes, failed=outcomes.failed + 1)
    return msgspec.structs.replace(outcomes, partial=outcomes.partial + 1)


def merge(windows: Iterable[Window]) -> Window:
    """All runs of several windows as one, in any order; what was published is not carried over."""
    found = [window for window in windows if window.count]
    ended = zip(*(msgspec.structs.astuple(window.outcomes) for window in found), strict=True)
    return Window(
        count=sum(window.count for window in found),
        outcomes=Outcomes(*(sum(counts) for counts in ended)),
        duration_seconds=merged(window.duration_seconds for window in found),
        cost_usd=merged(window.cost_usd for window in found),
        output_tokens=merged(window.output_tokens for window in found),
        read_tokens=merged(window.read_tokens for window in found),
        tool_latency_seconds=merged(window.tool_latency_seconds for window in found),
        calls=merged(window.calls for window in found),
        quality_score=merged(window.quality_score for window in found),
    )


def context_of(windows: Iterable[Window], novelty: float | None = None, judge: float | None = None) -> Context:
    """What a trace is measured against: its kind's windows of the last hours (not those of `OTHER`).

    A day of windows takes hundreds of µs to merge: `merge` the hours before once, and give that and the present one.
    """
    total = merge(windows)
    if total.count < MIN_RUNS:
        return Context(None, novelty, judge)
    runs = ScenarioWindow(
        count=total.count,
        duration_seconds=total.duration_seconds,
        cost_usd=total.cost_usd,
        output_tokens=total.output_tokens,
        read_tokens=total.read_tokens,
        tool_latency_seconds=total.tool_latency_seconds,
        calls=total.calls,
        quality_score=total.quality_score,
    )
    return Context(runs, novelty, judge)


def context_keys(key: WindowKey, hours: int = CONTEXT_HOURS) -> tuple[WindowKey, ...]:
    """Windows that a trace of this window is measured against, its own hour among them; none for `OTHER`."""
    if key.kind.scenario == OTHER:
        return ()
    return tuple(WindowKey(hour, key.kind) for hour in range(key.hour - hours + 1, key.hour + 1))


def relative(value: float, sketch: Sketch) -> float | None:
    """Share of runs that needed more than `value`, those that needed about as much counted half."""
    return sketch.share_above(value)


@dataclass(frozen=True)
class Finished:
    """What is due at a time."""

    records: tuple[QualityWindow, ...]
    """To publish, in order of hour and kind."""
    published: dict[WindowKey, Window]
    """The same windows, marked as published: to be stored."""
    dropped: tuple[WindowKey, ...]
    """Too old for any context, and published: to be deleted."""


def finished(
    windows: Mapping[WindowKey, Window],
    now_us: int,
    lateness_us: int,
    *,
    partition: int = 0,
    keep_hours: int = CONTEXT_HOURS,
) -> Finished:
    """Windows whose hour ended at least `lateness_us` ago and that changed since they were published, and old ones.

    `now_us` is in microseconds since 1970. It must not run ahead of traces still to be read (their `closed_at`), or
    hours are dropped that they are measured against: the clock will do for a worker that has read everything, the
    latest `closed_at` for one that catches up. A run that comes later still enters its window, and the window is
    published again with the next revision.
    """
    due = sorted(
        (key for key, window in windows.items() if key.ends_at + lateness_us <= now_us and _changed(window)),
        key=lambda key: key.order,
    )
    published = {
        key: msgspec.structs.replace(
            windows[key], published=windows[key].published + 1, published_count=windows[key].count
        )
        for key in due
    }
    records = tuple(_record(key, window, partition) for key, window in published.items())
    oldest = (now_us - lateness_us) // HOUR_MICROS - keep_hours
    dropped = tuple(sorted((key for key in windows if key.hour < oldest), key=lambda key: key.order))
    return Finished(records, {key: window for key, window in published.items() if key.hour >= oldest}, dropped)


def _changed(window: Window) -> bool:
    return window.count > window.published_count


def _record(key: WindowKey, window: Window, partition: int) -> QualityWindow:
    outcomes = window.outcomes
    return QualityWindow(
        scenario=key.kind.scenario,
        execution_mode=key.kind.execution_mode,
        model=key.kind.model,
        partition=partition,
        revision=window.published,
        started_at=key.hour * HOUR_MICROS,
        ended_at=key.ends_at,
        run_count=window.count,
        succeeded_count=outcomes.succeeded,
        partial_count=outcomes.partial,
        failed_count=outcomes.failed,
        unknown_count=outcomes.unknown,
        measures=tuple(_measure(name, sketch) for name, sketch in zip(SKETCHES, _sketches(window), strict=True)),
    )


def _measure(name: str, sketch: Sketch) -> WindowMeasure:
    return WindowMeasure(
        name=name,
        count=sketch.count,
        total=sketch.total,
        p10=sketch.quantile(0.1),
        p50=sketch.quantile(0.5),
        p90=sketch.quantile(0.9),
        buckets={str(bucket): count for bucket, count in sorted(sketch.buckets.items())},
    )
