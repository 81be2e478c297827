"""Assemble: the events of one trace become one ordered record. A pure function of the *set* of events.

Order, duplication, batching and redelivery of the events change nothing: duplicates go by event id, order comes
from each producer's own sequence, merged by a time that never runs backwards within a producer.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from schemas.records import (
    AgentEnded,
    CloseReason,
    CompletionStatus,
    Consent,
    ConsentStatus,
    Event,
    OffsetRange,
    RedactionReport,
    Trace,
    WithheldReason,
)
from schemas.steps import step_count
from streams.core.figures import finite, long_sum

WITHHELD = "withheld"
"""Stands where a producer's own words would."""

_STRICTNESS: dict[ConsentStatus, int] = {"granted": 0, "unknown": 1, "denied": 2}


class Closing(msgspec.Struct, frozen=True):
    """How a trace came to be closed."""

    trace_id: str
    revision: int
    reason: CloseReason
    closed_ms: int
    offsets: tuple[OffsetRange, ...]
    redelivered: bool


def unique_in_order(events: Iterable[Event]) -> tuple[Event, ...]:
    """Each event once, in causal order."""
    unique: dict[str, Event] = {}
    for event in events:
        other = unique.get(event.event_id)
        if other is None:
            unique[event.event_id] = event
        elif other != event and _bytes(event) < _bytes(other):
            # Two events claim one id. Either would do, but it must be the same one whatever came first.
            unique[event.event_id] = event
    by_producer: dict[str, list[Event]] = {}
    for event in unique.values():
        by_producer.setdefault(event.producer_id, []).append(event)
    keyed: list[tuple[int, str, int, str, Event]] = []
    for producer_id, own in by_producer.items():
        own.sort(key=lambda e: (e.sequence, e.occurred_at, e.event_id))
        latest = 0
        for event in own:
            latest = max(latest, event.occurred_at)
            keyed.append((latest, producer_id, event.sequence, event.event_id, event))
    keyed.sort(key=lambda item: item[:4])
    return tuple(item[4] for item in keyed)


def _bytes(event: Event) -> bytes:
    return msgspec.msgpack.encode(event)


def strictest_consent(events: Sequence[Event]) -> Consent:
    """The most restrictive consent of all events, with every data subject named."""
    strictest = max((event.consent for event in events), key=lambda c: (_STRICTNESS[c.status], c.basis or ""))
    subjects = sorted({e.consent.data_subject_id for e in events if e.consent.data_subject_id})
    return Consent(status=strictest.status, basis=strictest.basis, data_subject_id=",".join(subjects) or None)


def shell_trace(events: Sequence[Event], closing: Closing, reason: WithheldReason) -> Trace:
    """A withheld trace of events that could not be redacted. It looks at nothing that may have been the cause."""
    times = [event.occurred_at for event in events]
    root_end = _root_end(events)
    return Trace(
        trace_id=closing.trace_id,
        revision=closing.revision,
        redelivered=closing.redelivered,
        close_reason=closing.reason,
        closed_at=closing.closed_ms * 1000,
        offsets=closing.offsets,
        withheld=reason,
        scenario=WITHHELD,
        execution_mode=events[0].execution_mode,
        source_format=WITHHELD,
        completion_status=_completion(root_end),
        started_at=min(times),
        ended_at=max(times),
        duration_seconds=(max(times) - min(times)) / 1e6,
        event_count=len(events),
        step_count=0,
        tool_call_count=0,
        tool_error_count=0,
        decision_count=0,
        error_count=0,
        user_message_count=0,
        agents=(),
        consent=Consent(status=strictest_consent(events).status),
        redaction=RedactionReport(rules_version=""),
        events=(),
    )


def build_trace(events: tuple[Event, ...], closing: Closing, redaction: RedactionReport) -> Trace:
    """The trace record of ordered, unique, redacted events (at least one)."""
    kinds = Counter(event.kind for event in events)
    root_end = _root_end(events)
    started = next((e.agent_started for e in events if e.agent_started and e.agent_started.root), None)
    started_at = min(event.occurred_at for event in events)
    ended_at = max(event.occurred_at for event in events)
    stated = finite(root_end.duration_seconds) if root_end else None
    model = _main_model(events)
    first = events[0]
    return Trace(
        trace_id=closing.trace_id,
        revision=closing.revision,
        redelivered=closing.redelivered,
        close_reason=closing.reason,
        closed_at=closing.closed_ms * 1000,
        offsets=closing.offsets,
        scenario=first.scenario,
        execution_mode=first.execution_mode,
        source_format=first.source.format,
        task_id=started.task_id if started else None,
        trial=started.trial if started else None,
        completion_status=_completion(root_end),
        reward=root_end.reward if root_end else None,
        started_at=started_at,
        ended_at=ended_at,
        duration_seconds=stated if stated is not None else (ended_at - started_at) / 1e6,
        event_count=len(events),
        step_count=step_count(events),
        tool_call_count=kinds["tool_called"],
        tool_error_count=sum(1 for e in events if e.tool_returned and not e.tool_returned.success),
        decision_count=kinds["decision_made"],
        error_count=kinds["error_raised"],
        user_message_count=kinds["user_message"],
        agents=tuple(dict.fromkeys(event.agent for event in events)),
        provider=model[0],
        model=model[1],
        cost_usd=_cost(events, root_end),
        input_tokens=_tokens(events, "input_tokens"),
        output_tokens=_tokens(events, "output_tokens"),
        consent=strictest_consent(events),
        redaction=redaction,
        events=events,
    )


def withheld_trace(trace: Trace, reason: WithheldReason) -> Trace:
    """The shell of a trace whose content must not be passed on: ids, times and counts, nothing else."""
    return msgspec.structs.replace(
        trace,
        withheld=reason,
        events=(),
        agents=(),
        scenario=WITHHELD,
        source_format=WITHHELD,
        task_id=None,
        provider=None,
        model=None,
        consent=Consent(status=trace.consent.status),
        redaction=RedactionReport(rules_version=trace.redaction.rules_version),
    )


def offset_ranges(topic: str, partition: int, offsets: Iterable[int]) -> tuple[OffsetRange, ...]:
    """Offsets as ranges, ascending."""
    ranges: list[OffsetRange] = []
    first = last = -1
    for offset in sorted(set(offsets)):
        if first >= 0 and offset == last + 1:
            last = offset
            continue
        if first >= 0:
            ranges.append(OffsetRange(topic=topic, partition=partition, first_offset=first, last_offset=last))
        first = last = offset
    if first >= 0:
        ranges.append(OffsetRange(topic=topic, partition=partition, first_offset=first, last_offset=last))
    return tuple(ranges)


def _root_end(events: Sequence[Event]) -> AgentEnded | None:
    ends = [event.agent_ended for event in events if event.agent_ended and event.agent_ended.root]
    return ends[-1] if ends else None


def _completion(root_end: AgentEnded | None) -> CompletionStatus:
    return root_end.completion_status if root_end else "interrupted"


def _main_model(events: Sequence[Event]) -> tuple[str | None, str | None]:
    calls = Counter((e.model.provider, e.model.name) for e in events if e.model and e.kind == "model_called")
    if not calls:
        calls = Counter((e.model.provider, e.model.name) for e in events if e.model)
    if not calls:
        return None, None
    most = max(calls.values())
    return min((pair for pair, count in calls.items() if count == most), key=lambda p: (p[1] or "", p[0] or ""))


def _cost(events: Sequence[Event], root_end: AgentEnded | None) -> float | None:
    if root_end and root_end.cost_usd is not None:
        return root_end.cost_usd
    costs = [body.cost_usd for e in events if (body := e.model_called or e.tool_returned) and body.cost_usd is not None]
    return sum(costs) if costs else None


def _tokens(events: Sequence[Event], field: str) -> int | None:
    counts = [
        count
        for e in events
        if e.model_called and e.model_called.usage and (count := getattr(e.model_called.usage, field)) is not None
    ]
    return long_sum(counts)
