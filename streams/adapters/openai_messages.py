"""Chat messages in OpenAI's shape: one `{messages, tools?, ...}` a line or array item, or bare lists of messages.

Also read: `developer` messages, the older `function_call` and `functions`, content parts, refusals, reasoning of
several vendors, `tool_use` and `tool_result` parts, items of the Responses API, `{prompt, completion}`, logged
`{request, response}` pairs, lines of the Batch API, preference rows, turns of ShareGPT and rows with an instruction.
Metadata is used where it stands beside the messages, in their request or response, or in `metadata`; none is required.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from schemas.records import AgentStarted, Event, ExecutionMode, Message, ModelCalled, SourceRef, ToolCall, Usage
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile, RunBuilder, stable_id
from streams.adapters.chat_fields import call_id, model_ref, tool_call, tool_calls, tool_definitions, tool_result
from streams.adapters.conversation import Conversation
from streams.adapters.jsonstream import JsonRecord, read_records
from streams.adapters.openai_layouts import bodies_of, is_message, messages_of, system_prompt
from streams.adapters.outcome import first_fields, stated_end
from streams.adapters.runs import NotARunError, broken, runs_of, trial_number
from streams.adapters.tolerant import (
    Json,
    content_text,
    count,
    first_text,
    identity,
    label,
    mapping,
    micros_of_iso,
    micros_of_seconds,
    number,
)

FORMAT = "openai-messages"
AGENT = "assistant"
SCENARIO = "chat"
_MODES = ("EXECUTION", "SIMULATION", "OPTIMIZATION")
_TIME_FIELDS = ("created", "created_at", "timestamp", "start_time")


def read(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    """Events of every conversation of a file."""
    loose = _LooseMessages()
    for found in read_records(source):
        if isinstance(found, BrokenRecord):
            yield found
            continue
        if is_message(found.value):
            if loose.record is not None and loose.record.document != found.document:
                yield from _events(source, loose.take(), options)
            loose.put(found)
            continue
        if loose.record is not None:
            yield from _events(source, loose.take(), options)
        value = found.value
        bare = isinstance(value, list) and any(is_message(item) for item in value)
        for run in [value] if bare else runs_of(value):
            yield from _events(source, (found, run), options)
    if loose.record is not None:
        yield from _events(source, loose.take(), options)


@dataclass
class _LooseMessages:
    """Messages that stand alone as records: together they are one conversation."""

    record: JsonRecord | None = None
    messages: list[object] = field(default_factory=list)

    def put(self, record: JsonRecord) -> None:
        self.record = self.record or record
        self.messages.append(record.value)

    def take(self) -> tuple[JsonRecord, object]:
        assert self.record is not None
        taken = self.record, self.messages
        self.record, self.messages = None, []
        return taken


def _events(
    source: RecordingFile, run: tuple[JsonRecord, object], options: ImportOptions
) -> Iterator[Event | BrokenRecord]:
    record, value = run
    try:
        yield from _run(value, options)
    except NotARunError as error:
        yield broken(source, record, error)


def _run(value: object, options: ImportOptions) -> list[Event]:
    record: Json = {"messages": value} if isinstance(value, list) else mapping(value)
    messages = messages_of(record)
    if not any(isinstance(message.get("role"), str) for message in messages):
        raise NotARunError("holds no messages with a role")
    request, response = mapping(record.get("request")), mapping(record.get("response"))
    outer = first_fields([record, mapping(record.get("metadata")), request, response, mapping(record.get("info"))])
    bodies = first_fields(bodies_of(record))
    fields = first_fields([outer, bodies])
    prompt = system_prompt(record)
    mode = fields.get("execution_mode")
    run = RunBuilder(
        source=SourceRef(format=FORMAT, record=_first_label(fields, "id", "conversation_id", "trace_id", "custom_id")),
        trace_id=stable_id(FORMAT, identity(value)),
        agent=_first_label(fields, "agent", "agent_name") or AGENT,
        scenario=_first_label(fields, "scenario", "domain") or SCENARIO,
        execution_mode=cast(ExecutionMode, mode) if mode in _MODES else "EXECUTION",
        options=options,
        model=model_ref(fields.get("model") or fields.get("model_name")),
    )
    times = [_time(message) for message in messages]
    started = _time(outer) or _time(bodies)
    talk = Conversation(run, first_micros=next((time for time in (started, *times) if time is not None), None))
    system = _system_position(messages, prompt)
    talk.start(
        AgentStarted(
            root=True,
            goal=first_text(fields.get("goal"), fields.get("task_description")),
            task_id=_first_label(fields, "task_id", "instance_id", "task"),
            trial=trial_number(fields.get("trial")),
            system_prompt=prompt if system is None else content_text(messages[system].get("content")),
            tools=tool_definitions(fields.get("tools") or fields.get("functions")),
        ),
        started,
    )
    answers = sum(message.get("role") == "assistant" for message in messages)
    for position, (message, time) in enumerate(zip(messages, times, strict=True)):
        if position != system:
            _add(talk, message, time, fields if answers == 1 else {})
    talk.end(stated_end([fields]))
    return talk.events


def _system_position(messages: list[Json], prompt: str | None) -> int | None:
    """The system message that the run starts with: the first one before any answer, unless the record states another.

    Where it states one beside its messages, theirs are input of the first answer.
    """
    for position, message in enumerate(messages):
        if message.get("role") in ("system", "developer"):
            return position if prompt is None or content_text(message.get("content")) == prompt else None
        if message.get("role") == "assistant":
            return None
    return None


def _add(talk: Conversation, message: Json, time: int | None, run_fields: Json) -> None:
    role = label(message.get("role"))
    parts = _Parts.of(message.get("content"))
    name = label(message.get("name"))
    if role == "assistant":
        talk.model_call(_model_called(message, parts, run_fields), time, model=model_ref(message.get("model")))
    elif role in ("tool", "function"):
        error = message.get("is_error", message.get("error"))
        body = tool_result(
            message.get("content"),
            call=call_id(message.get("tool_call_id")),
            tool=name,
            error=error if isinstance(error, bool) else None,
        )
        talk.tool_result(body, time)
    elif role == "user":
        for result in parts.results:
            flag = result.get("is_error")
            call = call_id(result.get("tool_use_id"))
            error = flag if isinstance(flag, bool) else None
            talk.tool_result(tool_result(result.get("content"), call=call, error=error), time)
        if parts.text is not None or not parts.results:
            talk.user(parts.text, time, name)
    else:
        talk.context(Message(role=role or "unknown", content=parts.text, name=name))


def _model_called(message: Json, parts: "_Parts", run_fields: Json) -> ModelCalled:
    refusal = first_text(message.get("refusal"), parts.refusal)
    finish = label(message.get("finish_reason") or run_fields.get("finish_reason"))
    output = Message(
        role="assistant",
        content=first_text(parts.text, refusal, mapping(message.get("audio")).get("transcript")),
        reasoning=first_text(
            message.get("reasoning_content"), message.get("reasoning"), message.get("thinking"), parts.reasoning
        ),
        tool_calls=tool_calls(message) + parts.calls,
        name=label(message.get("name")),
    )
    return ModelCalled(
        call_id=label(message.get("id")),
        output=output,
        finish_reason=finish or ("refusal" if refusal else None),
        usage=_usage(mapping(message.get("usage") or run_fields.get("usage"))),
        cost_usd=number(message.get("cost")),
        latency_seconds=number(message.get("latency_seconds")),
    )


@dataclass(frozen=True)
class _Parts:
    """Content of a message, by what its parts are."""

    text: str | None
    refusal: str | None = None
    reasoning: str | None = None
    calls: tuple[ToolCall, ...] = ()
    results: tuple[Json, ...] = ()

    @classmethod
    def of(cls, content: object) -> "_Parts":
        if not isinstance(content, list):
            return cls(content_text(content))
        special = ("refusal", "thinking", "reasoning", "tool_use", "tool_result")
        kinds: dict[str, list[Json]] = {kind: [] for kind in special}
        plain: list[object] = []
        for part in content:
            kind = part.get("type") if isinstance(part, dict) else None
            if isinstance(kind, str) and kind in kinds:
                kinds[kind].append(part)
            else:
                plain.append(part)
        thoughts = [
            first_text(p.get("thinking"), p.get("reasoning"), p.get("text"))
            for p in kinds["thinking"] + kinds["reasoning"]
        ]
        return cls(
            text=content_text(plain),
            refusal=first_text(*(part.get("refusal") for part in kinds["refusal"])),
            reasoning="\n".join(thought for thought in thoughts if thought) or None,
            calls=tuple(tool_call(part) for part in kinds["tool_use"]),
            results=tuple(kinds["tool_result"]),
        )


def _usage(usage: Json) -> Usage | None:
    prompt = mapping(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
    answer = mapping(usage.get("completion_tokens_details") or usage.get("output_tokens_details"))
    found = Usage(
        input_tokens=count(usage.get("prompt_tokens", usage.get("input_tokens"))),
        output_tokens=count(usage.get("completion_tokens", usage.get("output_tokens"))),
        cache_read_tokens=count(prompt.get("cached_tokens")),
        reasoning_tokens=count(answer.get("reasoning_tokens")),
    )
    return found if found != Usage() else None


def _first_label(fields: Json, *names: str) -> str | None:
    return next((found for name in names if (found := label(fields.get(name)))), None)


def _time(fields: Json) -> int | None:
    """A time as ISO text, or as seconds or milliseconds since 1970."""
    for name in _TIME_FIELDS:
        value = fields.get(name)
        seconds = number(value)
        if seconds is not None and seconds > 1e11:
            seconds /= 1000
        found = micros_of_seconds(seconds) if seconds is not None else micros_of_iso(value)
        if found is not None:
            return found
    return None
