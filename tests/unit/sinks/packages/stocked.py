"""Tables with runs in them, for tests of packages: written by the sink, so that offsets and versions are real."""

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec

from schemas.records import (
    AgentStarted,
    Consent,
    Decision,
    Event,
    Example,
    Message,
    ModelCalled,
    ModelRef,
    Outcome,
    Signal,
    ToolCall,
    Trace,
    Verdict,
)
from schemas.settings import Settings, StorageSettings
from tests.unit.sinks.driving import batch_of, opened
from tests.unit.sinks.samples import decision, event, example, trace


def settings_at(path: Path) -> Settings:
    """Tables and packages in a directory."""
    return Settings(storage=StorageSettings.model_validate({"root": str(path / "tables")}))


def call(name: str, arguments: str) -> ToolCall:
    return ToolCall(call_id="c1", name=name, arguments_json=arguments)


def run(
    name: str,
    *,
    scenario: str = "support",
    task: str | None = "task1",
    mode: str = "EXECUTION",
    consent: str = "granted",
    provider: str | None = "acme",
    model: str | None = "acme-1",
    revision: int = 1,
    chat: Sequence[Message] = (),
    time: int = 1_700_000_000_123_456,
) -> Trace:
    """A trace; `chat` is what was said in it."""
    base = trace(name, revision)
    events = tuple(_events(name, chat)) if chat else base.events
    return msgspec.structs.replace(
        base,
        scenario=scenario,
        task_id=task,
        execution_mode=mode,
        provider=provider,
        model=model,
        closed_at=time,
        consent=Consent(status=consent, basis="contract", data_subject_id="ds1"),  # type: ignore[arg-type]
        events=events,
    )


def _events(name: str, chat: Sequence[Message]) -> list[Event]:
    made: list[Event] = []
    for number, message in enumerate(chat):
        base = event(name, number)
        if message.role == "system":
            started = AgentStarted(root=True, system_prompt=message.content)
            made.append(msgspec.structs.replace(base, kind="agent_started", user_message=None, agent_started=started))
        elif message.role == "assistant":
            called = ModelCalled(output=message)
            made.append(
                msgspec.structs.replace(
                    base,
                    kind="model_called",
                    user_message=None,
                    model_called=called,
                    model=ModelRef(provider="acme", name="acme-1"),
                    span_id=f"m{number}",
                )
            )
        else:
            made.append(msgspec.structs.replace(base, user_message=type(base.user_message)(content=message.content)))  # type: ignore[misc]
    return made


def verdict(
    of: Trace, word: Verdict = "accepted", *, score: float = 0.9, outcome: float = 1.0, duplicate_of: str | None = None
) -> Decision:
    """The decision on a trace."""
    return msgspec.structs.replace(
        decision(of.trace_id, of.revision),
        verdict=word,
        quality_score=score,
        signals=(Signal(name="outcome", version=1, value=outcome),),
        duplicate_of=duplicate_of,
        reasons=() if word == "accepted" else ("low_quality_score",),
        decided_at=of.closed_at,
    )


def sample(
    of: Trace,
    number: int = 0,
    *,
    text: str | None = None,
    score: float = 0.9,
    cluster: str | None = None,
    type_: str = "agent_execution",
    packages: tuple[str, ...] = ("tool_selection",),
    arguments: str = '{"n": 9007199254740993}',
    outcome: Outcome = "success",
    rejected: str | None = None,
) -> Example:
    """An example of a trace: a user's message, and a tool call in answer."""
    messages = [
        {"role": "user", "content": text or f"please do {of.trace_id} {number}"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "do", "arguments": arguments}}],
        },
    ]
    return msgspec.structs.replace(
        example(of.trace_id, of.revision, number),
        type=type_,
        packages=packages,
        scenario=of.scenario,
        task_id=of.task_id,
        execution_mode=of.execution_mode,
        provider=of.provider,
        model=of.model,
        quality_score=score,
        cluster_id=cluster or of.trace_id,
        messages=json.dumps(messages),
        tools='[{"type":"function","function":{"name":"do","description":"does","parameters":{"type":"object"}}}]',
        context='{"goal":"g"}',
        expected_output='{"action":"tool_request","tool":"do","parameters":{"n":1},"reasoning":null}',
        outcome=outcome,
        rejected=rejected,
        source_offsets=of.offsets,
        created_at=of.closed_at,
    )


def store(settings: Settings, *records: Trace | Decision | Example, first: int = 0) -> None:
    """Commit records, as the sink would; offsets count from `first`."""
    opened(settings).flush(batch_of(*records, first=first))


def stock(settings: Settings, runs: int = 40, *, first: int = 0, tasks: int = 20) -> list[Trace]:
    """Accepted runs of several scenarios and tasks, two examples each."""
    records: list[Trace | Decision | Example] = []
    made = []
    for number in range(first, first + runs):
        one = run(f"t{number:04d}", scenario=("support", "retail")[number % 2], task=f"task{number % tasks}",
                  time=1_700_000_000_000_000 + number)  # fmt: skip
        made.append(one)
        records += [one, verdict(one), sample(one, 0), sample(one, 1, type_="conversation")]
    store(settings, *records, first=first * 2)
    return made
