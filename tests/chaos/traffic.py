"""What is sent during a round: runs of every awkward kind, as messages with the time at which each is due."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from schemas.codec import encode
from schemas.records import Consent, ConsentStatus, Event, EventBatch, UserMessage
from tests.integration.poison import broken_message, framed_by_header, partly_broken
from tests.integration.world import CANARY, Sending, World

HOUR_MICROS = 3_600_000_000
LARGE_EVENTS = 100_000
_LARGE_BATCH = 500
_TOLD_AGAIN = 12
"""Runs of which others do and say the same: near-duplicates, where a policy looks for them."""
_OVERSIZE_CHARS = 17 * 2**20
_CONSENTS: tuple[ConsentStatus, ...] = ("granted", "granted", "granted", "granted", "denied", "unknown")


@dataclass(frozen=True)
class Due:
    """A message and when it is to be sent, in seconds after the start of the round."""

    seconds: float
    message: Sending


class Traffic:
    """The messages of all rounds; the same seed makes the same ones."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._poisoned = 0

    def round(self, runs: int, seconds: float, *, oversize: bool = False, large: bool = False) -> list[Due]:
        """Messages of a round that are due within `seconds`, and stragglers after that."""
        rng = self.world.random
        made = [self._run(number) for number in range(runs)]
        due: list[Due] = []
        prompt: list[list[Event]] = []
        for events in made:
            roll = rng.random()
            if roll < 0.2 and len(events) > 4:  # some events come when the trace is closed, or long after that
                after = rng.uniform(1.5, 5) if roll < 0.1 else rng.uniform(10, 16)
                held = [event for event in events[1:-1] if rng.random() < 0.3] or [events[1]]
                due.append(Due(seconds + after, self.world.message(held)))
                ids = {event.event_id for event in held}
                events = [event for event in events if event.event_id not in ids]
            prompt.append(events)
        plain = [events for events in prompt if len({event.producer_id for event in events}) == 1]
        messages = self.world.messages(plain)
        messages += [self.world.message(part) for events in prompt if events not in plain for part in _parts(events)]
        due += [Due(seconds * (n + rng.uniform(-4, 4)) / len(messages), one) for n, one in enumerate(messages)]
        odd = [self._poison() for _ in range(max(2, runs // 8))]
        odd += [partly_broken(self.world), framed_by_header(self.world)]
        if oversize:
            odd.append(self._oversize())
        due += [Due(rng.uniform(0, seconds), message) for message in odd]
        if large:
            due += [Due(1 + 4 * n / len(many), message) for many in [self._large()] for n, message in enumerate(many)]
        return sorted(due, key=lambda one: one.seconds)

    def _run(self, number: int) -> list[Event]:
        rng = self.world.random
        kind = number % 6
        like = rng.randrange(_TOLD_AGAIN) if rng.random() < 0.3 else None
        events = self.world.run(ends=kind != 0 or rng.random() < 0.5, consent=rng.choice(_CONSENTS), like=like)
        if kind == 1:  # who speaks last is stricter than those before
            last = msgspec.structs.replace(events[-2], consent=Consent(status=rng.choice(_CONSENTS)))
            events = [*events[:-2], last, events[-1]]
        if kind == 2:
            events = _two_clocks(events, rng.choice((-HOUR_MICROS, HOUR_MICROS)))
        if kind == 3:  # the order in which it arrives is not the one in which it happened
            rng.shuffle(events)
        return events

    def _poison(self) -> Sending:
        self._poisoned += 1
        return broken_message(self.world, self._poisoned)

    def _oversize(self) -> Sending:
        """Valid, but more than a trace may hold; it is small on the wire."""
        events = self.world.run(turns=1)
        said = UserMessage(content=CANARY + " " + "a" * _OVERSIZE_CHARS)
        batch = EventBatch(
            trace_id=events[0].trace_id,
            producer_id="test",
            events=(msgspec.structs.replace(events[1], user_message=said),),
        )
        return self.world.broken(encode(batch, self.world.batch_id), events[0].trace_id.encode())

    def _large(self) -> list[Sending]:
        """One run of 100,000 events."""
        first, *_, last = self.world.run(turns=1)
        middle = [
            msgspec.structs.replace(
                first,
                event_id=f"{first.trace_id[-6:]}-{n}",
                sequence=n,
                occurred_at=first.occurred_at + n,
                kind="user_message",
                agent_started=None,
                user_message=UserMessage(content=f"n{n}"),
            )
            for n in range(1, LARGE_EVENTS - 1)
        ]
        end = msgspec.structs.replace(last, sequence=LARGE_EVENTS, occurred_at=first.occurred_at + LARGE_EVENTS)
        events = [first, *middle, end]
        return [self.world.message(events[at : at + _LARGE_BATCH]) for at in range(0, len(events), _LARGE_BATCH)]


def _two_clocks(events: Sequence[Event], skew_micros: int) -> list[Event]:
    """Every other step comes from a second producer, whose clock is wrong."""
    counts = [0, 0]
    found = []
    for number, event in enumerate(events):
        which = number // 2 % 2
        found.append(
            msgspec.structs.replace(
                event,
                producer_id=("test", "elsewhere")[which],
                sequence=counts[which],
                occurred_at=event.occurred_at + which * skew_micros,
            )
        )
        counts[which] += 1
    return found


def _parts(events: Sequence[Event]) -> list[list[Event]]:
    """Runs of events of one producer: a batch has no other."""
    parts: list[list[Event]] = []
    for event in events:
        if not parts or parts[-1][0].producer_id != event.producer_id:
            parts.append([])
        parts[-1].append(event)
    return parts
