"""What is broken, when, and for how long: drawn from a seed, pure, written down before anything runs."""

import random
from collections import Counter
from pathlib import Path

import msgspec

SESSION_SECONDS = 6.0
"""The session timeout of the workers; what is frozen stays so past it."""

WORKERS = ("assemble", "curate", "sink")
PROCESSES = (*WORKERS, "sender", "supervisor")
S3_ANSWERS = ("500", "503", "slow", "lost", "409", "412", "412-after", "full")
KINDS: dict[str, tuple[float, float]] = {
    **{f"kill {name}": (0.2, 1.0) for name in PROCESSES},
    **{f"freeze {name}": (SESSION_SECONDS + 1, SESSION_SECONDS + 3) for name in PROCESSES},
    **{f"join {name}": (3.0, 8.0) for name in WORKERS},
    "rival sink": (3.0, 8.0),
    "zombie sink": (SESSION_SECONDS + 2, SESSION_SECONDS + 4),
    "kill kafka": (0.5, 4.0),
    "restart kafka": (0.1, 0.5),
    "freeze kafka": (2.0, 8.0),
    "kill redis": (0.5, 4.0),
    "restart redis": (0.1, 0.5),
    "flush redis": (0.1, 0.2),
    "tear redis": (0.5, 2.0),
    "kill registry": (1.0, 6.0),
    "kill s3": (0.5, 5.0),
    "disk full": (3.0, 6.0),
    **{f"s3 {answer}": (3.0, 7.0) for answer in S3_ANSWERS},
    **{f"cut {way}": (1.0, 6.0) for way in ("kafka", "redis", "registry", "s3")},
    **{f"drop {way}": (2.0, 8.0) for way in ("kafka", "redis", "s3")},
}
"""Every kind of fault, and the shortest and longest time that it lasts, in seconds."""


class Fault(msgspec.Struct, frozen=True):
    """One thing that is broken for a while."""

    kind: str
    at_seconds: float
    """After the start of its round."""
    lasts_seconds: float
    share: float
    """Of requests that are hit, where a fault hits some only."""

    @property
    def target(self) -> str:
        """What it strikes; two faults on one target come one after the other."""
        verb, _, name = self.kind.partition(" ")
        if verb in ("cut", "drop", "s3"):
            return f"way to {'s3' if verb == 's3' else name}"
        return "s3" if self.kind == "disk full" else name


class Plan(msgspec.Struct, frozen=True):
    """All rounds of a run."""

    seed: int
    rounds: tuple[tuple[Fault, ...], ...]

    def counts(self) -> Counter[str]:
        """Faults by kind."""
        return Counter(fault.kind for faults in self.rounds for fault in faults)

    def store(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self), indent=1))


def draw(seed: int, rounds: int, faults: int = 12, window_seconds: float = 14.0) -> Plan:
    """A plan of `faults` a round, which begin within the window. No kind comes again before all others came."""
    rng = random.Random(seed)
    deck: list[str] = []
    drawn = []
    for _ in range(rounds):
        own = []
        for _ in range(faults):
            if not deck:
                deck = sorted(KINDS)
                rng.shuffle(deck)
            kind = deck.pop()
            shortest, longest = KINDS[kind]
            own.append(
                Fault(
                    kind,
                    round(rng.uniform(0.5, window_seconds), 2),
                    round(rng.uniform(shortest, longest), 2),
                    round(rng.choice((0.3, 0.6, 1.0)), 2),
                )
            )
        drawn.append(tuple(sorted(own, key=lambda fault: fault.at_seconds)))
    return Plan(seed, tuple(drawn))
