"""A run that called no tool where runs of its scenario do."""

from streams.core.signals.base import Context, SignalKind
from streams.core.signals.relative import MIN_RUNS
from streams.core.view import TraceView

MOSTLY = 0.5


def measure(view: TraceView, context: Context) -> float | None:
    """1 when no tool was called though most of the window's runs called one, else 0.

    None where the window is too small or its runs mostly call none.
    """
    if context.window is None or context.window.calls.count < MIN_RUNS:
        return None
    without = context.window.calls.zero_share
    if without is None or without >= MOSTLY:
        return None
    return float(not view.actions)


SIGNAL = SignalKind("no_calls", 1, "1 when it called no tool though most runs of its scenario do", measure)
