"""What the sample agents' processes share: arguments, consent, and telling the launcher which traces exist.

A process announces a trace on stdout, one JSON line, as soon as its first events are in Kafka. From then on a kill
cannot make the trace unknown; the launcher kills some of them right there.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from ops.demo.agents.session import Tool
from ops.demo.scripted_model import NAME, PROVIDER
from training_data_producer import Agent, Producer

Consent = Literal["granted", "denied", "unknown"]
_FLUSH_SECONDS = 5.0
_CONSENTS: dict[int, Consent] = {5: "denied", 7: "unknown"}
"""Consent by run; granted for all others."""


@dataclass(frozen=True)
class Job:
    """One run of one agent."""

    producer: Producer
    demo_run: str
    """Letters; first part of the task id of every trace of this demo."""
    seed: int
    number: int
    """Which run of this process, from 0."""
    directory: Path
    """Empty, for the files of this run."""
    pages: str
    """Base URL of the local pages."""
    announce: Callable[[Agent], None]
    """To be called once the run is under way."""
    command: tuple[str, ...] = ()
    """This process's own arguments, for a helper process; empty where there can be none."""

    @property
    def task_number(self) -> int:
        """Which of the possible tasks this run does."""
        return self.seed + self.number

    def consent(self) -> Consent:
        """Most people agree; some do not, and some were never asked."""
        return _CONSENTS.get(self.number % 9, "granted")

    def trace(self, *, kind: str, agent: str, task: str, goal: str, system_prompt: str, tools: tuple[Tool, ...],
              constraints: Sequence[str] = (), inputs: object = None) -> Agent:  # fmt: skip
        """A new trace of the scenario `demo-<kind>`."""
        consent = self.consent()
        return self.producer.trace(
            scenario=f"demo-{kind}",
            agent=agent,
            goal=goal,
            consent=consent,
            consent_basis="demo: generated content, no real person" if consent == "granted" else None,
            data_subject_id=f"demo-customer-{self.task_number % 12}",
            model=(PROVIDER, NAME),
            task_id=f"{self.demo_run}/{kind}/{task}",
            trial=self.number,
            system_prompt=system_prompt,
            tools=[tool.definition() for tool in tools],
            constraints=list(constraints),
            inputs=inputs,
        )


def arguments(description: str) -> argparse.ArgumentParser:
    """Arguments of every sample agent."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--bootstrap", required=True, help="host:port of Kafka")
    parser.add_argument("--registry", required=True, help="base URL of the schema registry")
    parser.add_argument("--seed", type=int, default=0, help="which tasks are done")
    parser.add_argument("--runs", type=int, default=1, help="how many runs")
    parser.add_argument("--demo-run", default="demo", help="first part of the task ids")
    parser.add_argument("--pages", default="", help="base URL of the local pages")
    parser.add_argument("--spool", type=Path, default=None, help="where events wait while Kafka is away")
    return parser


def open_producer(options: argparse.Namespace) -> Producer:
    """The process's producer; credentials and TLS, where needed, come from the usual `TDC_*` variables."""
    return Producer.from_env(
        bootstrap_servers=options.bootstrap, registry_url=options.registry, spool_directory=options.spool
    )


def work(options: argparse.Namespace, run: Callable[[Job], None]) -> None:
    """Do all runs, one after the other, then say how delivery went."""
    with open_producer(options) as producer:
        for number in range(options.runs):
            with tempfile.TemporaryDirectory(prefix="tdc-demo-") as directory:
                run(Job(
                    producer=producer,
                    demo_run=options.demo_run,
                    seed=options.seed,
                    number=number,
                    directory=Path(directory).resolve(),
                    pages=options.pages,
                    announce=partial(_announce, producer, number),
                    command=tuple(sys.argv[1:]),
                ))  # fmt: skip
        producer.flush(_FLUSH_SECONDS)
        stats = producer.stats()
    _tell({"finished": True, "emitted": stats.emitted, "delivered": stats.delivered, "dropped": stats.dropped})


def _announce(producer: Producer, number: int, trace: Agent) -> None:
    if producer.flush(_FLUSH_SECONDS):
        _tell({"trace_id": trace.trace_id, "number": number})


def _tell(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()
