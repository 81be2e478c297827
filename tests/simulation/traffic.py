"""What foreign producers may send to `agent-events`: good, late, doubled, disordered, endless, broken."""

import random
from dataclasses import dataclass, field

from schemas.codec import encode
from schemas.records import AgentEnded, AgentStarted, Body, Consent, Event, EventBatch, SourceRef, UserMessage
from tests.simulation.world import SCHEMA_IDS

START_MICROS = 1_700_000_000_000_000


@dataclass(frozen=True)
class Sent:
    """One message, and when it reaches the broker."""

    at_ms: int
    key: bytes | None
    value: bytes | None


@dataclass
class Traffic:
    """Messages in order of arrival, and the truth about them."""

    messages: list[Sent] = field(default_factory=list)
    events: dict[str, dict[str, Event]] = field(default_factory=dict)
    """Valid events by trace and event id."""
    denied: set[str] = field(default_factory=set)


def make_traffic(rng: random.Random, traces: int, span_ms: int, *, huge_bytes: int) -> Traffic:
    """Traffic of some traces over a span of time. Messages above `huge_bytes` may occur: they are refused."""
    traffic = Traffic()
    for number in range(traces):
        _one_trace(rng, traffic, f"trace-{number}", rng.randrange(span_ms), huge_bytes)
    for _ in range(rng.randrange(4)):
        junk = rng.choice([None, b"", b"\x00\x00\x00\x00\x63junk", b"\x07junk", b"\x00" + rng.randbytes(30)])
        traffic.messages.append(Sent(rng.randrange(span_ms), rng.choice([None, b"trace-0"]), junk))
    traffic.messages.sort(key=lambda sent: sent.at_ms)
    return traffic


def _one_trace(rng: random.Random, traffic: Traffic, trace_id: str, begin_ms: int, huge_bytes: int) -> None:
    flavour = rng.choice(["plain", "plain", "endless", "long", "denied", "subjects", "broken", "foreign key", "huge"])
    count = rng.randrange(30, 60) if flavour == "long" else rng.randrange(1, 9)
    events: list[Event] = []
    for number in range(count):
        body: Body = UserMessage(
            content=rng.choice(["hello", "mail me: mia@b.example", "4111 1111 1111 1111", "x" * 200])
        )
        if number == 0:
            body = AgentStarted(root=True, goal="goal")
        elif number == count - 1 and flavour != "endless":
            body = AgentEnded(root=True, completion_status="successful")
        status = "denied" if flavour == "denied" and number == count // 2 else "granted"
        subject = f"person-{number % 2}" if flavour == "subjects" else None
        events.append(_event(rng, trace_id, number, body, Consent(status=status, data_subject_id=subject)))  # type: ignore[arg-type]
    traffic.events[trace_id] = {event.event_id: event for event in events}
    if flavour == "denied":
        traffic.denied.add(trace_id)
    order = list(events)
    if rng.random() < 0.3:
        rng.shuffle(order)
    at_ms = begin_ms
    while order:
        size = rng.randrange(1, 6)
        group, order = order[:size], order[size:]
        # Some come while the trace is open, some after its quiet period, some after the amend window.
        at_ms += rng.choice([0, 1, 20, 20, 150, 150, 400, 1_200, 4_000])
        _send(rng, traffic, trace_id, group, at_ms, broken=flavour == "broken")
        while rng.random() < 0.2:  # sent again, perhaps in other company
            again = rng.sample(events, min(len(events), rng.randrange(1, 4)))
            again = [event for event in again if event not in order]
            if again:
                _send(rng, traffic, trace_id, again, at_ms + rng.choice([0, 5, 300, 5_000]), broken=False)
    if flavour == "foreign key":
        value = encode(events[0], SCHEMA_IDS["Event"])
        traffic.messages.append(Sent(at_ms, b"another", value))
    if flavour == "huge":
        body = UserMessage(content="x" * (huge_bytes + 1))
        huge = _event(rng, trace_id, 99, body, Consent(status="granted"))
        traffic.messages.append(Sent(at_ms, trace_id.encode(), encode(huge, SCHEMA_IDS["Event"])))


def _send(rng: random.Random, traffic: Traffic, trace_id: str, group: list[Event], at_ms: int, *, broken: bool) -> None:
    if len(group) == 1 and not broken and rng.random() < 0.7:
        value = encode(group[0], SCHEMA_IDS["Event"])
    else:
        batch = list(group)
        if broken:
            bad = _event(rng, trace_id, 0, UserMessage(content="?"), Consent(), occurred_at=-5)
            batch.insert(rng.randrange(len(batch) + 1), bad)
        value = encode(EventBatch(trace_id=trace_id, producer_id="p", events=tuple(batch)), SCHEMA_IDS["EventBatch"])
    traffic.messages.append(Sent(at_ms, trace_id.encode(), value))


def _event(
    rng: random.Random, trace_id: str, number: int, body: Body, consent: Consent, occurred_at: int | None = None
) -> Event:
    kind = {AgentStarted: "agent_started", AgentEnded: "agent_ended", UserMessage: "user_message"}[type(body)]
    time_micros = START_MICROS + rng.randrange(1_000_000) if occurred_at is None else occurred_at
    return Event(
        event_id=f"{trace_id}-e{number}",
        trace_id=trace_id,
        span_id="root",
        producer_id=rng.choice(["p", "q"]),
        sequence=number,
        occurred_at=time_micros,
        agent="helper",
        scenario="support",
        execution_mode="EXECUTION",
        consent=consent,
        source=SourceRef(format="sdk"),
        kind=kind,
        **{kind: body},  # type: ignore[arg-type]
    )
