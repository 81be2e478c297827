"""What is remembered of a verdict, so that a later revision replaces it in the counters. Pure."""

import msgspec

from streams.core.curate import Curated


class Settled(msgspec.Struct, frozen=True, array_like=True):
    """The latest verdict on a trace."""

    revision: int
    verdict: str
    reason: str
    """First reason code."""
    examples: int
    withheld: bool = False
    """No content was passed on."""


def settled(result: Curated, withheld: bool) -> Settled:
    """What to remember of a verdict."""
    decision = result.decision
    reason = decision.reasons[0] if decision.reasons else "none"
    return Settled(decision.revision, decision.verdict, reason, len(result.examples), withheld)


def count_changes(before: Settled | None, now: Settled) -> dict[str, int]:
    """Counter deltas when `now` takes the place of `before`: counters always speak of latest verdicts."""
    deltas: dict[str, int] = {}

    def add(entry: Settled, sign: int) -> None:
        names = ["decided", entry.verdict]
        if entry.verdict == "rejected":
            names.append(f"rejected:{entry.reason}")
        if entry.withheld:
            names.append("withheld")
        for name in names:
            deltas[name] = deltas.get(name, 0) + sign
        deltas["examples"] = deltas.get("examples", 0) + sign * entry.examples

    if before is not None:
        add(before, -1)
    add(now, 1)
    return {name: by for name, by in deltas.items() if by}
