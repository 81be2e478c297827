"""What the demo found out, and whether all is well. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ops.demo.collect import Collected
from ops.demo.launch import Finished
from streams.core.reasons import REASONS


@dataclass(frozen=True)
class AgentTally:
    """The runs of one kind of agent."""

    kind: str
    runs: int
    """Whose first events are in Kafka."""
    killed: int
    arrived: int
    """For which there is a verdict in the tables."""


@dataclass(frozen=True)
class Report:
    """All that the summary shows."""

    demo_run: str
    seconds: Mapping[str, float]
    """By phase."""
    status: Mapping[str, Any]
    """The balance of everything in this TDC_HOME, as `tdc status --json` has it."""
    agents: tuple[AgentTally, ...]
    collected: Collected
    places: Mapping[str, str]
    next_commands: tuple[str, ...]
    faults: tuple[str, ...]
    """What is not as it should be; empty when all is well."""

    @property
    def ok(self) -> bool:
        return not self.faults

    def to_json(self) -> dict[str, Any]:
        """The same content for `--json`."""
        found = self.collected
        return {
            "ok": self.ok,
            "faults": list(self.faults),
            "demo_run": self.demo_run,
            "seconds": dict(self.seconds),
            "balanced": self.status["balanced"],
            "status": dict(self.status),
            "agents": {tally.kind: asdict(tally) for tally in self.agents},
            "close_reasons": close_reasons(found),
            "verdicts": verdicts(found),
            "reasons": first_reasons(found),
            "examples": found.examples_by_type,
            "execution_trace": found.shown_trace,
            "accepted_example": found.accepted,
            "rejected": found.rejected,
            "redactions": found.redactions,
            "planted_values_found": sum(found.planted_found.values()),
            "places": dict(self.places),
            "next": list(self.next_commands),
        }


def tally(finished: Sequence[Finished], collected: Collected) -> tuple[AgentTally, ...]:
    """Runs by kind of agent, and how many of them have a verdict."""
    decided = {row["trace_id"] for row in collected.decisions}
    kinds = dict.fromkeys(process.assignment.kind for process in finished)
    tallies = []
    for kind in kinds:
        own = [process for process in finished if process.assignment.kind == kind]
        ids = {trace_id for process in own for trace_id in process.announced}
        tallies.append(AgentTally(kind, len(ids), sum(process.killed for process in own), len(ids & decided)))
    return tuple(tallies)


def faults_of(
    status: Mapping[str, Any], finished: Sequence[Finished], tallies: Sequence[AgentTally], collected: Collected
) -> tuple[str, ...]:
    """Everything that is not as it should be, in words."""
    faults = [] if status["balanced"] else ["the balance does not hold", *status.get("faults", ())]
    faults += [process.fault for process in finished if process.fault]
    for kind in tallies:
        if kind.runs == 0:
            faults.append(f"no run of the {kind.kind} agent arrived")
        elif kind.arrived < kind.runs:
            faults.append(f"{kind.runs - kind.arrived} of {kind.runs} runs of the {kind.kind} agent have no verdict")
    faults += [
        f"{rows} rows hold a planted value of kind {kind}" for kind, rows in collected.planted_found.items() if rows
    ]
    if not collected.redactions:
        # Without this, finding no planted value would prove nothing.
        faults.append("nothing was redacted, though every agent met personal data")
    return tuple(faults)


def close_reasons(collected: Collected) -> dict[str, int]:
    """Why the runs that are in the tables were taken as complete."""
    return dict(Counter(row["close_reason"] for row in collected.traces).most_common())


def verdicts(collected: Collected) -> dict[str, int]:
    """Runs by verdict."""
    return dict(Counter(row["verdict"] for row in collected.decisions).most_common())


def first_reasons(collected: Collected) -> dict[str, int]:
    """Runs that were not accepted, by their most important reason."""
    return dict(
        Counter(
            row["reasons"][0] for row in collected.decisions if row["reasons"] and row["verdict"] != "accepted"
        ).most_common()
    )


def words_of(code: str) -> str:
    """A reason code in words."""
    reason = REASONS.get(code)
    return reason.words if reason else "a reason of another version"
