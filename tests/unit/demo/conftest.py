"""Sample agents on the real SDK, without Kafka: what they emit is caught where it would be queued."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ops.demo.agents.common import Job
from ops.demo.pages import serve_pages
from schemas.codec import WriterSchema, decode_events, validate_event
from schemas.contracts import parsed_schema
from schemas.records import Event, Trace
from streams.core.assemble import Closing, build_trace, unique_in_order
from streams.core.curate import Curated, curate
from streams.core.policy import Policy
from streams.core.redact.events import redact_events
from streams.core.redact.pseudonyms import Pseudonyms
from training_data_producer import Agent, Producer
from training_data_producer._encoding import AgentContext, Emitted, Encoder


class Caught:
    """Takes the place of the SDK's queue."""

    def __init__(self) -> None:
        self.emitted: list[Emitted] = []

    def emit(
        self, context: AgentContext, kind: str, body: dict[str, Any], span_id: str, parent_span_id: str | None
    ) -> None:
        number = len(self.emitted)
        at = 1_800_000_000_000_000 + number
        self.emitted.append(
            Emitted(context, f"{number:032x}", next(context.sequence), at, span_id, parent_span_id, kind, body, 1)
        )

    def save(self, timeout_seconds: float) -> None:
        """There is nothing to save."""

    def close(self, timeout_seconds: float) -> None:
        """There is nothing to close."""


class _OnlyBatches:
    def writer_schema(self, schema_id: object) -> WriterSchema:
        return WriterSchema("EventBatch", parsed_schema("EventBatch"), True)


def _decoded(payload: bytes) -> tuple[Event, ...]:
    events = decode_events(b"\0\0\0\0\1" + payload, _OnlyBatches())
    for event in events:
        validate_event(event)
    return tuple(events)


@pytest.fixture(scope="session")
def pages() -> Iterator[str]:
    with serve_pages() as url:
        yield url


RunAgent = Callable[..., dict[str, tuple[Event, ...]]]


@pytest.fixture
def run_agent(tmp_path: Path, pages: str) -> RunAgent:
    """`run_agent(run, numbers)`: events of each trace, decoded by the project's own records."""

    def run_it(run: Callable[[Job], None], numbers: range, *, seed: int = 0) -> dict[str, tuple[Event, ...]]:
        producer = Producer(
            "127.0.0.1:1", "http://127.0.0.1:1", spool_directory=tmp_path / "spool", handle_sigterm=False
        )
        caught = Caught()
        producer._outlet.pipeline = caught  # type: ignore[assignment]
        announced: list[Agent] = []
        for number in numbers:
            directory = tmp_path / f"{seed}-{number}"
            directory.mkdir()
            run(Job(producer, "demorun", seed, number, directory.resolve(), pages, announced.append))
        producer.close()  # else it would be looked after when a later test forks
        by_trace: dict[str, list[Emitted]] = defaultdict(list)
        for event in caught.emitted:
            by_trace[event.context.trace_id].append(event)
        assert [trace.trace_id for trace in announced] == list(by_trace)
        assert producer._outlet.values.repaired == 0
        encoder = Encoder("sdk:test", producer._outlet.values)
        return {trace_id: _decoded(encoder.encode(events).payload) for trace_id, events in by_trace.items()}

    return run_it


Judge = Callable[[tuple[Event, ...]], tuple[Trace, Curated]]


@pytest.fixture
def judge() -> Judge:
    """Assemble, redact and curate one trace as the stages do."""

    def judge_it(events: tuple[Event, ...]) -> tuple[Trace, Curated]:
        trace_id = events[0].trace_id
        redacted = redact_events(unique_in_order(events), Pseudonyms(b"k" * 32, trace_id))
        trace = build_trace(redacted.events, Closing(trace_id, 1, "ended", 1, (), False), redacted.report)
        return trace, curate(trace, Policy())

    return judge_it
