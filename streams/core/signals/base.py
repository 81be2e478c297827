"""What a signal is: one small, versioned, opinion-free measurement of a trace. Judging is the policy's work."""

from collections.abc import Callable
from dataclasses import dataclass

from streams.core.signals.sketch import Sketch
from streams.core.view import TraceView


@dataclass(frozen=True)
class ScenarioWindow:
    """What the runs of one scenario, execution mode and model needed of late; a sketch holds one value a run that had
    one."""

    count: int
    """Runs."""
    duration_seconds: Sketch
    cost_usd: Sketch
    output_tokens: Sketch
    read_tokens: Sketch
    tool_latency_seconds: Sketch
    calls: Sketch
    quality_score: Sketch


@dataclass(frozen=True)
class Context:
    """What a trace is measured against: everything that is not in the trace itself."""

    window: ScenarioWindow | None = None
    """Runs of its scenario before it; None where too few are known."""
    novelty: float | None = None
    """1 - similarity to the nearest known trace, from the near-duplicate index."""
    judge: float | None = None
    """What a judge said of the run, 0 to 1, see `streams.core.judge`."""


NOTHING_KNOWN = Context()

Measure = Callable[[TraceView, Context], float | None]


@dataclass(frozen=True)
class SignalKind:
    """One line of the catalogue."""

    name: str
    version: int
    """Raised whenever the meaning of the value changes."""
    doc: str
    """For people: what the number says."""
    measure: Measure
    """The measurement; None where it does not apply."""


def share(part: int, whole: int) -> float | None:
    """Part of a whole, 0 to 1; None where there is nothing."""
    return part / whole if whole else None
