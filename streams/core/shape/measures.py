"""Time, cost and tokens of turns and runs, as far as the record tells. Times that were made up by an importer count
as unknown."""

from streams.core.figures import finite, long_sum
from streams.core.shape.moments import Moment
from streams.core.shape.notes import PerformanceNote, Shares, performance_note
from streams.core.view import TraceView

MICROS = 1_000_000


class Measures:
    """Figures of one trace."""

    def __init__(self, view: TraceView) -> None:
        trace = view.trace
        timed = not any(event.occurred_at_synthetic for event in trace.events)
        claimed = view.root_end.duration_seconds if view.root_end else None
        seconds = finite(claimed if claimed is not None else trace.duration_seconds if timed else None)
        self.seconds = seconds if seconds is not None and seconds > 0 else None
        """Of the whole run."""
        self.cost_usd = finite(trace.cost_usd)
        self.input_tokens = trace.input_tokens
        self.output_tokens = trace.output_tokens
        both = (trace.input_tokens, trace.output_tokens)
        self.tokens = None if both == (None, None) else sum(count or 0 for count in both)

    def run(self) -> PerformanceNote:
        """The whole run."""
        return performance_note(self.seconds, self.cost_usd, self.input_tokens, self.output_tokens)

    def of(self, *moments: Moment) -> PerformanceNote:
        """These turns together: the sum of what is known of their model calls and of their agent's tool calls."""
        seconds: list[float] = []
        costs: list[float] = []
        inputs: list[int] = []
        outputs: list[int] = []
        for moment in moments:
            called = moment.turn.model_call.model_called if moment.turn.model_call else None
            if called:
                seconds += [value for value in (finite(called.latency_seconds),) if value is not None]
                costs += [value for value in (finite(called.cost_usd),) if value is not None]
                usage = called.usage
                inputs += [usage.input_tokens] if usage and usage.input_tokens is not None else []
                outputs += [usage.output_tokens] if usage and usage.output_tokens is not None else []
            for action in moment.turn.agent_actions:
                returned = action.returned.tool_returned if action.returned else None
                if action.returned is None or returned is None:
                    continue
                costs += [value for value in (finite(returned.cost_usd),) if value is not None]
                latency = finite(returned.latency_seconds)
                if latency is None and not (action.call.occurred_at_synthetic or action.returned.occurred_at_synthetic):
                    latency = (action.returned.occurred_at - action.call.occurred_at) / MICROS
                seconds += [latency] if latency is not None and latency >= 0 else []
        time = sum(seconds) if seconds else None
        cost = sum(costs) if costs else None
        input_tokens = long_sum(inputs)
        output_tokens = long_sum(outputs)
        tokens = (input_tokens or 0) + (output_tokens or 0) if inputs or outputs else None
        share = Shares(_share(time, self.seconds), _share(cost, self.cost_usd), _share(tokens, self.tokens))
        return performance_note(time, cost, input_tokens, output_tokens, share)


def _share(part: float | None, whole: float | None) -> float | None:
    """None where one of both is not known, or the part is larger: calls at the same time add up to more than a run."""
    if part is None or not whole or not 0 <= part <= whole:
        return None
    return round(part / whole, 4)
