"""A seeded world of agent runs with a ledger: what was sent, and what must come of it.

`World` makes traces and the messages that carry them (whole, split, doubled, out of order, broken); every message
that is sent is entered in the `Ledger`. What the pipeline made of it is held against the ledger by `checker`.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from confluent_kafka import Producer

from schemas.codec import encode
from schemas.records import Consent, ConsentStatus, Event, EventBatch
from tests.unit.core.build import Run, call

TOPIC = "agent-events"
CANARY = "zebra-canary@example.org"
"""Stands in contents: it must show up nowhere behind redaction, and in no error message."""


@dataclass(frozen=True)
class Sending:
    """One message to `agent-events`."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Meaning:
    """What must become of one message."""

    events: tuple[Event, ...] = ()
    """The valid events in it."""
    letters: int = 0
    """Dead letters it must lead to."""


@dataclass
class Ledger:
    """What was sent, message by message."""

    events: dict[str, dict[str, Event]] = field(default_factory=dict)
    """Valid events by trace id and event id."""
    received: int = 0
    """Events in all messages; a message that cannot be decoded counts as one."""
    dead: Counter[tuple[bytes | None, bytes | None]] = field(default_factory=Counter)
    """(key, value) of each message that must become a dead letter, with the number of letters."""
    late: int = 0
    """Events that must end in `late-events`."""

    def valid(self, events: Sequence[Event]) -> None:
        """Enter the events of a message that was sent."""
        self.received += len(events)
        for event in events:
            self.events.setdefault(event.trace_id, {})[event.event_id] = event

    def broken(self, key: bytes | None, value: bytes | None) -> None:
        """Enter a message that cannot be processed."""
        self.received += 1
        self.dead[key, value] += 1

    @property
    def unique(self) -> int:
        """Unique valid events."""
        return sum(map(len, self.events.values()))


class World:
    """Makes and sends runs; the same seed makes the same ones."""

    def __init__(self, seed: int, producer: Producer | None, schema_ids: Mapping[tuple[str, str], int]) -> None:
        """Without a producer it only makes messages."""
        self.random = random.Random(seed)
        self.ledger = Ledger()
        self.meanings: dict[tuple[bytes | None, bytes | None], Meaning] = {}
        """By key and value, of every message made here."""
        self._producer = producer
        self.event_id = schema_ids[TOPIC, "Event"]
        self.batch_id = schema_ids[TOPIC, "EventBatch"]
        self._failures: list[str] = []
        self._seed = seed
        self._made = 0

    def run(
        self,
        *,
        ends: bool = True,
        consent: ConsentStatus = "granted",
        turns: int | None = None,
        like: int | None = None,
    ) -> list[Event]:
        """The events of a new run, in order. Runs with the same number in `like` do and say the same."""
        rng = self.random if like is None else random.Random(like)
        self._made += 1
        run = Run(f"run-{self._seed}-{self._made}").starts(tools=("Search", "Book"), system="You research.", goal="A")
        run.hears(f"Write to {CANARY}, run {self._made}")
        for number in range(rng.randint(1, 4) if turns is None else turns):
            name, arguments = rng.choice(("Search", "Book")), f'{{"q":"price {number} {rng.random():.6f}"}}'
            run.says("I look.", call(name, arguments, f"c{number}")).calls(name, arguments, call_id=f"c{number}")
            run.returns({"hits": number, "from": CANARY}, success=rng.random() > 0.1)
        run.says("Done.")
        if ends:
            run.ends(rng.choice(("successful", "successful", "successful", "failed", "unknown")))
        granted = Consent(status=consent, basis="contract" if consent == "granted" else None, data_subject_id="ds-7")
        return [msgspec.structs.replace(event, consent=granted) for event in run.events]

    def mixed_run(self) -> list[Event]:
        """A run of any kind: most end, some have no consent, a few never end."""
        roll = self.random.random()
        consent: ConsentStatus = "denied" if roll < 0.06 else "unknown" if roll < 0.12 else "granted"
        return self.run(ends=not 0.12 <= roll < 0.16, consent=consent)

    def message(self, events: Sequence[Event]) -> Sending:
        """One message with these events of one trace."""
        key, meaning = events[0].trace_id.encode(), Meaning(tuple(events))
        if len(events) == 1 and self.random.random() < 0.7:
            return self.meant(Sending(key, encode(events[0], self.event_id)), meaning)
        batch = EventBatch(trace_id=events[0].trace_id, producer_id=events[0].producer_id, events=tuple(events))
        return self.meant(Sending(key, encode(batch, self.batch_id)), meaning)

    def meant(self, sending: Sending, meaning: Meaning) -> Sending:
        """The same message, after writing down what must become of it."""
        self.meanings[sending.key, sending.value] = meaning
        return sending

    def messages(self, runs: Sequence[Sequence[Event]], *, doubled: float = 0.1, mixed: bool = True) -> list[Sending]:
        """Messages of these runs, interleaved; some twice, some out of order. All are entered in the ledger."""
        rng = self.random
        parts: list[tuple[float, Sequence[Event]]] = []
        for number, events in enumerate(runs):
            at = number * 0.3
            left: Sequence[Event] = events
            while left:
                size = rng.randint(1, 6)
                part, left = left[:size], left[size:]
                at += rng.random()
                early = rng.random() * 2 if mixed and rng.random() < 0.15 else 0.0
                parts.append((at - early, part))
                if rng.random() < doubled:
                    parts.append((at + rng.random() * 3, part[: rng.randint(1, len(part))]))
        parts.sort(key=lambda item: item[0])
        for _, part in parts:
            self.ledger.valid(part)
        return [self.message(part) for _, part in parts]

    def send(self, messages: Sequence[Sending], *, flush: bool = True) -> None:
        """Send; with `flush` all are at the broker when it returns."""
        assert self._producer is not None
        for message in messages:
            while True:
                try:
                    self._producer.produce(
                        TOPIC, value=message.value, key=message.key, headers=list(message.headers),
                        on_delivery=lambda error, _: self._failures.append(error.name()) if error else None,
                    )  # fmt: skip
                    break
                except BufferError:
                    self._producer.poll(0.1)
            self._producer.poll(0)
        if flush:
            self.flush()

    def flush(self) -> None:
        """Wait until the broker has everything."""
        assert self._producer is not None
        assert self._producer.flush(90) == 0, "the broker did not take everything"
        assert not self._failures, self._failures[:5]

    def broken(
        self, value: bytes | None, key: bytes | None = b"x", headers: tuple[tuple[str, bytes], ...] = ()
    ) -> Sending:
        """A message that must become a dead letter; it is entered in the ledger."""
        self.ledger.broken(key, value)
        return self.meant(Sending(key, value, headers), Meaning(letters=1))
