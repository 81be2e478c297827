"""The producer: one per process and destination, made once, used from any thread or task."""

from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from training_data_producer._encoding import AgentContext
from training_data_producer._ids import new_span_id, new_trace_id, parse_traceparent
from training_data_producer._outlet import Outlet
from training_data_producer._settings import (
    DEFAULT_SPOOL_BYTES,
    Settings,
    default_spool,
    destination_directory,
    environment,
)
from training_data_producer._stats import Stats
from training_data_producer._wrapping import Function, wrapped
from training_data_producer.trace import Agent, AgentDetails, Scope, current_scope

if TYPE_CHECKING:
    from typing_extensions import Unpack

Consent = Literal["granted", "denied", "unknown"]
ExecutionMode = Literal["EXECUTION", "SIMULATION", "OPTIMIZATION"]
_FunctionT = TypeVar("_FunctionT", bound=Function)


class Producer:
    """Sends the events of this process's agents to the collector.

    `bootstrap_servers`, `registry_url`: where Kafka and the schema registry (Confluent API) listen; `kafka_config`:
    further settings in librdkafka's words (TLS, SASL); `spool_directory`: where events wait while Kafka is away
    (raw content; made with mode 0700); `spool_bytes`: its bound; `queue_events`, `queue_bytes`: bounds of memory;
    `flush_seconds`: how long the exit of the process may wait for delivery.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        registry_url: str,
        *,
        kafka_config: Mapping[str, Any] | None = None,
        registry_credentials: tuple[str, str] | None = None,
        topic: str = "agent-events",
        spool_directory: str | Path | None = None,
        spool_bytes: int = DEFAULT_SPOOL_BYTES,
        queue_events: int = 50_000,
        queue_bytes: int = 64 * 2**20,
        flush_seconds: float = 5.0,
        handle_sigterm: bool = True,
    ) -> None:
        root = Path(spool_directory) if spool_directory else default_spool()
        settings = Settings(
            kafka_config={"bootstrap.servers": bootstrap_servers, **(kafka_config or {})},
            registry_url=registry_url,
            registry_credentials=registry_credentials,
            topic=topic,
            spool_directory=destination_directory(root, bootstrap_servers, topic),
            spool_bytes=spool_bytes,
            queue_events=queue_events,
            queue_bytes=queue_bytes,
            flush_seconds=flush_seconds,
        )
        self._outlet = Outlet(settings, handle_sigterm=handle_sigterm)

    @classmethod
    def from_env(cls, **arguments: Any) -> "Producer":
        """A producer from `TDC_*` environment variables (see the README); `arguments` win over them."""
        return cls(**{**environment(), **arguments})

    def trace(
        self,
        *,
        scenario: str,
        agent: str,
        goal: str | None = None,
        consent: Consent = "unknown",
        consent_basis: str | None = None,
        data_subject_id: str | None = None,
        execution_mode: ExecutionMode = "EXECUTION",
        model: tuple[str | None, str | None] | None = None,
        traceparent: str | None = None,
        **details: "Unpack[AgentDetails]",
    ) -> Agent:
        """A new trace, with its root agent. `model`: provider and name.

        `traceparent` continues the trace of another process: then the agent is a child there, and the trace ends
        where it began. `details`: `task_id`, `trial`, `system_prompt`, `tools`, `inputs`, `constraints`.
        """
        values = self._outlet.values
        remote = parse_traceparent(traceparent) if traceparent is not None else None
        if traceparent is not None and remote is None:
            values.repaired += 1
        trace_id, parent_span_id = remote or (new_trace_id(), None)
        span_id = new_span_id()
        context = AgentContext(
            trace_id=trace_id,
            span_id=span_id,
            agent=values.required_text(agent),
            scenario=values.required_text(scenario),
            # A mode that is none of the three must not pass for a real run.
            execution_mode=values.one_of(execution_mode, ("EXECUTION", "SIMULATION", "OPTIMIZATION"), "SIMULATION"),
            model=values.model(model),
            consent={
                "status": values.one_of(consent, ("granted", "denied", "unknown"), "unknown"),
                "basis": values.text(consent_basis),
                "data_subject_id": values.text(data_subject_id),
            },
            sequence=count(),
        )
        return Agent(self._outlet, context, span_id, parent_span_id, root=remote is None, goal=goal, **details)

    def traced(self, *, scenario: str, agent: str | None = None, **details: Any) -> Callable[[_FunctionT], _FunctionT]:
        """Decorator: each call of the function (plain, async or generator) is a trace, with the arguments as inputs
        and what it returns as outputs; inside another trace it is a child agent. Arguments as in `trace`."""

        def open_scope(function: Function, inputs: Mapping[str, object]) -> Scope:
            name = agent or function.__name__
            outer = current_scope()
            if outer is None:
                return self.trace(scenario=scenario, agent=name, inputs=inputs, **details)
            inherited = {key: value for key, value in details.items() if key not in _OF_THE_TRACE}
            return outer.agent(name, inputs=inputs, **inherited)

        def record(scope: Scope, value: object) -> None:
            if isinstance(scope, Agent) and scope._last.get("outputs_json") is None:
                scope._last["outputs_json"] = self._outlet.values.json(value)

        return wrapped(open_scope, record)

    def flush(self, timeout_seconds: float | None = None) -> bool:
        """Wait until everything emitted so far is in Kafka. False when it is not; then it is on disk."""
        return self._outlet.flush(timeout_seconds)

    def close(self, timeout_seconds: float | None = None) -> None:
        """Flush, leave the rest on disk for the next process, and stop. Happens by itself at exit."""
        self._outlet.close(timeout_seconds)

    def stats(self) -> Stats:
        """What was emitted, delivered, spooled and dropped in this process."""
        return self._outlet.pipeline.stats()

    def __enter__(self) -> "Producer":
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


_OF_THE_TRACE = frozenset({"consent", "consent_basis", "data_subject_id", "execution_mode", "traceparent"})
