"""How the events of one trace hang together: who ran inside whom, and which result answers which tool call.

Both answers take linear time; a trace may have 200,000 events, cyclic parents and results without a call.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.records import Event


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a span belongs."""

    thread: str | None
    """Span of the sub-agent it ran in; None for the agent that owns the trace."""
    step: str | None
    """Span of the innermost explicit step around it inside that agent; None outside of any."""


_ROOT = Scope(None, None)


class Scopes:
    """Finds the scope of every span of a trace by walking parent spans upward, once for each span."""

    def __init__(self, events: Sequence[Event]) -> None:
        self._parents: dict[str, str] = {}
        self._agents: dict[str, bool] = {}
        """Span of an agent to whether it is the root."""
        self._steps: set[str] = set()
        self._known: dict[str, Scope] = {}
        for event in events:
            if event.parent_span_id is not None:
                self._parents.setdefault(event.span_id, event.parent_span_id)
            if event.kind == "agent_started" and event.agent_started is not None:
                self._agents[event.span_id] = event.agent_started.root or self._agents.get(event.span_id, False)
            elif event.kind == "agent_ended" and event.agent_ended is not None and event.agent_ended.root:
                self._agents[event.span_id] = True
            elif event.kind in ("step_started", "step_ended"):
                self._steps.add(event.span_id)
        # An agent's own span is no step span: a source without step spans of its own may have put steps there,
        # and then only the order of events tells what lies inside the step.
        self._steps -= self._agents.keys()

    def of(self, span_id: str) -> Scope:
        """Scope of a span. Unknown spans and cycles belong to the root agent."""
        path: list[str] = []
        entered: set[str] = set()
        span: str | None = span_id
        scope = _ROOT
        while span is not None and span not in entered:
            known = self._known.get(span)
            if known is not None:
                scope = known
                break
            if span in self._agents:
                scope = self._known[span] = _ROOT if self._agents[span] else Scope(span, None)
                break
            path.append(span)
            entered.add(span)
            span = self._parents.get(span)
        for name in reversed(path):
            if name in self._steps:
                scope = Scope(scope.thread, name)
            self._known[name] = scope
        return scope


def join_results(events: Sequence[Event]) -> dict[int, int]:
    """Position of each tool call that has a result to the position of that result.

    The span id joins them. Only where one span holds several calls does the call id, then the order, tell them
    apart: call ids repeat inside a trace in real recordings, so they never join by themselves.
    """
    calls: dict[str, list[int]] = defaultdict(list)
    results: dict[str, list[int]] = defaultdict(list)
    for position, event in enumerate(events):
        if event.kind == "tool_called":
            calls[event.span_id].append(position)
        elif event.kind == "tool_returned":
            results[event.span_id].append(position)
    joined: dict[int, int] = {}
    for span, found in results.items():
        candidates = calls.get(span)
        if not candidates:
            continue
        if len(candidates) == 1:
            joined[candidates[0]] = found[0]
        else:
            joined.update(_join_in_span(events, candidates, found))
    return joined


def _join_in_span(events: Sequence[Event], calls: list[int], results: list[int]) -> dict[int, int]:
    by_id: dict[str | None, deque[int]] = defaultdict(deque)
    for position in calls:
        by_id[_call_id(events[position])].append(position)
    joined: dict[int, int] = {}
    without_match: list[int] = []
    for position in results:
        queue = by_id.get(_call_id(events[position]))
        if queue:
            joined[queue.popleft()] = position
        else:
            without_match.append(position)
    nameless_calls = by_id.get(None, deque())
    rest = deque(position for position in calls if position not in joined)
    for position in without_match:
        if _call_id(events[position]) is not None:
            if nameless_calls:
                joined[nameless_calls.popleft()] = position
            continue
        while rest and rest[0] in joined:
            rest.popleft()
        if rest:
            joined[rest.popleft()] = position
    return joined


def _call_id(event: Event) -> str | None:
    body = event.tool_called or event.tool_returned
    return body.call_id if body else None
