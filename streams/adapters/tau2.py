"""tau2-bench results: `{timestamp, info, tasks, simulations: [...]}`, or a file with a single simulation.

The user is simulated by a model, so the runs are SIMULATION. Times have no zone and are taken as UTC. Of `tasks`
(the user's hidden scenario and the expected actions) only the task id is used; the evaluation stands in the reward
of the root's end only. In some domains the user calls tools too.
"""

from collections.abc import Iterator
from pathlib import Path

from schemas.records import (
    AgentStarted,
    ErrorRaised,
    Event,
    Message,
    ModelCalled,
    ModelRef,
    Requester,
    SourceRef,
    Usage,
)
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile, RunBuilder, stable_id
from streams.adapters.chat_fields import call_id, model_ref, tool_calls, tool_definitions, tool_result
from streams.adapters.conversation import Conversation
from streams.adapters.jsonstream import JsonRecord, read_fields, read_records
from streams.adapters.outcome import rewarded_end
from streams.adapters.runs import NotARunError, broken, runs_of, trial_number
from streams.adapters.tolerant import (
    Json,
    content_text,
    count,
    first_text,
    identity,
    items,
    label,
    mapping,
    mappings,
    micros_of_iso,
    number,
)

FORMAT = "tau2"
AGENT = "tau2-agent"
_EVALUATIONS = ("review", "user_only_review", "auth_classification", "hallucination_check")


def read(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    """Events of every simulation of a file."""
    info = _info(source)
    for found in read_records(source, inside=("simulations",), without=("tasks",)):
        if isinstance(found, BrokenRecord):
            yield found
        else:
            yield from _simulations(source, found, info, options)


def _simulations(
    source: RecordingFile, record: JsonRecord, info: Json, options: ImportOptions
) -> Iterator[Event | BrokenRecord]:
    for value in runs_of(record.value):
        results = mapping(value)
        if "simulations" in results:  # a whole result file on one line
            simulations, own_info = items(results["simulations"]), mapping(results.get("info"))
        elif "simulation_index" in results or "environment_info" in mapping(results.get("info")):
            continue  # the head of results whose simulations are files of their own
        else:
            simulations, own_info = [value], info
        for simulation in simulations:
            try:
                yield from _run(simulation, own_info, options)
            except NotARunError as error:
                yield broken(source, record, error)


def _info(source: RecordingFile) -> Json:
    """What the results say about agent and domain; for a simulation of its own file, what the file above it says."""
    own = mapping(read_fields(source, ("info",)).get("info"))
    if "environment_info" in own or "agent_info" in own or source.path.parent.name != "simulations":
        return own
    for name in ("results.json", "results.json.gz", "results.json.zst"):
        above: Path = source.path.parent.parent / name
        if above.is_file():
            return mapping(read_fields(RecordingFile(above), ("info",)).get("info"))
    return own


def _run(value: object, info: Json, options: ImportOptions) -> list[Event]:
    simulation = mapping(value)
    messages = _messages(simulation)
    failures = [found for key in ("error", "error_message") if (found := first_text(_diagnostics(simulation).get(key)))]
    if not messages and not failures:
        raise NotARunError("holds no messages")
    agent_info = mapping(info.get("agent_info"))
    environment = mapping(info.get("environment_info"))
    domain = label(environment.get("domain_name") or simulation.get("domain"))
    simulation_id = label(simulation.get("id"))
    visible = {"agent": agent_info, "domain": domain, "policy": environment.get("policy")}
    run = RunBuilder(
        source=SourceRef(format=FORMAT, record=simulation_id),
        trace_id=stable_id(FORMAT, simulation_id, identity([value, visible])),
        agent=label(agent_info.get("implementation")) or AGENT,
        scenario=f"{FORMAT}-{domain}" if domain else FORMAT,
        execution_mode="SIMULATION",
        options=options,
        model=_model(agent_info, messages),
    )
    times = [micros_of_iso(message.get("timestamp")) for message in messages]
    started = micros_of_iso(simulation.get("start_time"))
    first = next((time for time in (started, *times) if time is not None), None)
    talk = Conversation(run, first_micros=first)
    started_body = AgentStarted(
        root=True,
        task_id=label(simulation.get("task_id")),
        trial=trial_number(simulation.get("trial")),
        system_prompt=first_text(simulation.get("policy"), environment.get("policy")),
        tools=tool_definitions(environment.get("tool_defs")),
    )
    talk.start(started_body, started)
    for message, time in zip(messages, times, strict=True):
        _add(talk, message, time)
    for failure in failures:
        kind = label(_diagnostics(simulation).get("error_type")) or "run_error"
        talk.add(ErrorRaised(error_kind=kind, message=failure))
    _end(talk, simulation)
    return talk.events


def _model(agent_info: Json, messages: list[Json]) -> ModelRef | None:
    """The model of the run: as the provider's answers call it (with its date), else as it was configured."""
    configured = model_ref(agent_info.get("llm"))
    for message in messages:
        if message.get("role") == "assistant":
            exact = model_ref(mapping(message.get("raw_data")).get("model"))
            if exact:
                provider = configured.provider if configured else None
                return ModelRef(provider=provider or exact.provider, name=exact.name)
    return configured


def _diagnostics(simulation: Json) -> Json:
    return mapping(simulation.get("info"))


def _end(talk: Conversation, simulation: Json) -> None:
    reward_info = mapping(simulation.get("reward_info"))
    details = {**reward_info, **{key: simulation[key] for key in _EVALUATIONS if simulation.get(key)}}
    reward = reward_info["reward"] if reward_info.get("reward") is not None else simulation.get("reward")
    body = rewarded_end(
        reward,
        details,
        reason=label(simulation.get("termination_reason")),
        cost_usd=simulation.get("agent_cost"),
        duration_seconds=simulation.get("duration"),
    )
    talk.end(body, micros_of_iso(simulation.get("end_time")))


def _messages(simulation: Json) -> list[Json]:
    """Messages one after another: results of parallel calls may be nested, voice runs have ticks instead."""
    found = mappings(simulation.get("messages"))
    if not found:
        found = [message for tick in mappings(simulation.get("ticks")) for message in _tick(tick)]
    flat: list[Json] = []
    for message in found:
        nested = mappings(message.get("tool_messages"))
        flat.extend(nested or [message])
    return flat


def _tick(tick: Json) -> Iterator[Json]:
    for side, role in (("agent", "assistant"), ("user", "user")):
        chunk, calls = mapping(tick.get(f"{side}_chunk")), tick.get(f"{side}_tool_calls")
        if calls or content_text(chunk.get("content")):
            yield {"timestamp": tick.get("timestamp"), **chunk, "role": role, "tool_calls": calls}
        yield from mappings(tick.get(f"{side}_tool_results"))


def _add(talk: Conversation, message: Json, time: int | None) -> None:
    role = label(message.get("role"))
    content = content_text(message.get("content"))
    if role == "assistant":
        _assistant(talk, message, content, time)
    elif role == "tool":
        error = message.get("error")
        body = tool_result(
            message.get("content"),
            call=call_id(message.get("id") or message.get("tool_call_id")),
            tool=label(message.get("name")),
            error=error if isinstance(error, bool) else None,
        )
        talk.tool_result(body, time, requested_by=_REQUESTERS.get(label(message.get("requestor")) or ""))
    elif role == "user":
        calls = tool_calls(message)
        if content is not None or not calls:
            talk.user(content, time)
        talk.user_tool_calls(calls, time)
    else:
        talk.context(Message(role=role or "unknown", content=content))
    for error_text in items(message.get("errors")):
        talk.add(ErrorRaised(error_kind="invalid_message", message=content_text(error_text)), time)


_REQUESTERS: dict[str, Requester] = {"assistant": "agent", "user": "user"}


def _assistant(talk: Conversation, message: Json, content: str | None, time: int | None) -> None:
    raw = mapping(message.get("raw_data"))
    output = Message(
        role="assistant", content=content, reasoning=_reasoning(message, raw), tool_calls=tool_calls(message)
    )
    body = ModelCalled(
        call_id=label(raw.get("id")),
        output=output,
        finish_reason=label(raw.get("finish_reason") or raw.get("stop_reason")),
        usage=_usage(mapping(message.get("usage")), mapping(raw.get("usage"))),
        cost_usd=number(message.get("cost")),
        latency_seconds=number(message.get("generation_time_seconds")),
    )
    talk.model_call(body, time)


def _reasoning(message: Json, raw: Json) -> str | None:
    blocks = [text for block in mappings(raw.get("thinking_blocks")) if (text := first_text(block.get("thinking")))]
    answer = mapping(raw.get("message"))
    return first_text(
        message.get("reasoning"), message.get("reasoning_content"), "\n".join(blocks), answer.get("reasoning_content")
    )


def _usage(usage: Json, raw: Json) -> Usage | None:
    details = mapping(usage.get("prompt_tokens_details")) or mapping(raw.get("prompt_tokens_details"))
    thought = mapping(usage.get("completion_tokens_details")) or mapping(raw.get("completion_tokens_details"))
    found = Usage(
        input_tokens=count(usage.get("prompt_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        cache_read_tokens=count(details.get("cached_tokens") or raw.get("cache_read_input_tokens")),
        reasoning_tokens=count(thought.get("reasoning_tokens")),
    )
    return found if found != Usage() else None
