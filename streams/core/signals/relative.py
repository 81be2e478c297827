"""What a run needed against the runs of its own scenario before it: one number for each amount.

A value is the share of the window's runs that needed more: 1 the least of all, 0.5 the middle, 0 the most. None where
the run has no such amount, or too few runs before it had one.
"""

from collections.abc import Callable
from operator import attrgetter

from streams.core.signals import amounts
from streams.core.signals.base import Context, Measure, ScenarioWindow, SignalKind
from streams.core.signals.sketch import Sketch
from streams.core.view import TraceView

MIN_RUNS = 8
"""Fewer values than this are no distribution."""


def _compared(amount: Callable[[TraceView], float | None], sketch_of: Callable[[ScenarioWindow], Sketch]) -> Measure:
    def measure(view: TraceView, context: Context) -> float | None:
        if context.window is None:
            return None
        sketch = sketch_of(context.window)
        if sketch.count < MIN_RUNS:
            return None
        value = amount(view)
        return None if value is None else sketch.share_above(value)

    return measure


def _kind(name: str, noun: str, amount: Callable[[TraceView], float | None], field: str) -> SignalKind:
    sketch_of: Callable[[ScenarioWindow], Sketch] = attrgetter(field)
    return SignalKind(name, 1, f"share of the scenario's recent runs with more {noun}", _compared(amount, sketch_of))


SIGNALS = (
    _kind("relative_duration", "seconds", amounts.duration_seconds, "duration_seconds"),
    _kind("relative_cost", "cost", amounts.cost_usd, "cost_usd"),
    _kind("relative_output", "tokens written by models", amounts.output_tokens, "output_tokens"),
    _kind("relative_reading", "text read from tools", amounts.read_tokens, "read_tokens"),
    _kind("relative_latency", "seconds a tool call", amounts.tool_latency_seconds, "tool_latency_seconds"),
    _kind("relative_calls", "tool calls", amounts.calls, "calls"),
)
