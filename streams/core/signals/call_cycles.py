"""Loops of two or three calls: A B A B, A B C A B C."""

from streams.core.signals.base import Context, SignalKind, share
from streams.core.view import TraceView

PERIODS = (2, 3)


def measure(view: TraceView, _: Context) -> float | None:
    """Share of the agent's tool calls that go round a second time or more, tool and arguments the same.

    Calls that repeat the one before them are no cycle: `repeated_calls` counts them.
    """
    numbers: dict[tuple[str, str], int] = {}
    calls = [numbers.setdefault((action.tool, action.parameters_json), len(numbers)) for action in view.actions]
    if len(numbers) == len(calls):
        return share(0, len(calls))
    again = bytearray(len(calls))
    for period in PERIODS:
        same = 0
        for at in range(period, len(calls)):
            same = same + 1 if calls[at] == calls[at - period] else 0
            if same >= period and len(set(calls[at - period + 1 : at + 1])) > 1:
                again[at - period + 1 : at + 1] = b"\x01" * period
    return share(sum(again), len(calls))


SIGNAL = SignalKind("call_cycles", 1, "share of tool calls that repeat a round of two or three calls", measure)
