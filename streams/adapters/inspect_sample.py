"""One sample of an Inspect eval log as the events of a run.

Two records of the sample stand side by side. Its event stream is the authority, see `inspect_events`. The list of
messages is the chat as it stood at the end; it gives the run where there is no event stream, and otherwise only what
the stream does not have. The target is the hidden part of the task and gives nothing; scores stand in the end of the
run and nowhere else.
"""

from collections import Counter
from dataclasses import dataclass

from schemas.records import (
    AgentEnded,
    AgentStarted,
    CompletionStatus,
    Event,
    Message,
    ModelCalled,
    RecoveryAttempted,
    SourceRef,
)
from streams.adapters.base import ImportOptions, RunBuilder, stable_id
from streams.adapters.chat_fields import call_id, model_ref, tool_definitions
from streams.adapters.conversation import Conversation
from streams.adapters.inspect_events import EventStream
from streams.adapters.inspect_fields import Attachments, message_of, reward_of, score_details, spoken, usage_of
from streams.adapters.outcome import status_of_reward
from streams.adapters.runs import NotARunError, trial_number
from streams.adapters.tolerant import (
    Json,
    as_json,
    identity,
    items,
    label,
    mapping,
    mappings,
    micros_of_iso,
    number,
)

FORMAT = "inspect"
_EVAL_IDS = ("eval_id", "run_id", "task_id", "task", "created", "model")


@dataclass(frozen=True)
class EvalHeader:
    """What a log says about the whole eval."""

    task: str | None = None
    model: str | None = None
    agent: str | None = None
    key: str = ""
    """Tells the eval from others; a sample may not."""

    @classmethod
    def of(cls, log: Json) -> "EvalHeader":
        """From the fields of a log."""
        spec = mapping(log.get("eval"))
        ids = [spec.get(name) for name in _EVAL_IDS]
        return cls(
            task=label(spec.get("task")),
            model=label(spec.get("model")),
            agent=label(spec.get("solver")),
            key=identity(ids) if spec else "",
        )


def sample_events(value: object, header: EvalHeader, options: ImportOptions) -> list[Event]:
    """All events of a sample. Raises NotARunError."""
    sample = mapping(value)
    parts = (sample.get("messages"), sample.get("events"), mapping(sample.get("transcript")).get("events"))
    if not any(isinstance(part, list) for part in parts) and not ("input" in sample and "epoch" in sample):
        raise NotARunError("is no sample of an eval log")
    try:
        return _Sample(sample, header, options).events()
    except RecursionError:
        raise NotARunError("is nested too deeply") from None


class _Sample:
    """One sample; the order of its methods is that of the run."""

    def __init__(self, sample: Json, header: EvalHeader, options: ImportOptions) -> None:
        transcript = mapping(sample.get("transcript"))
        self._sample = sample
        self._header = header
        self._events = mappings(sample.get("events")) or mappings(transcript.get("events"))
        self._attachments = Attachments(sample.get("attachments"), transcript.get("content"))
        name = f"{label(sample.get('id'))}_epoch_{label(sample.get('epoch'))}"
        run = RunBuilder(
            source=SourceRef(format=FORMAT, record=label(sample.get("uuid")) or name),
            trace_id=stable_id(FORMAT, header.key, identity(sample)),
            agent=header.agent or FORMAT,
            scenario=header.task or FORMAT,
            execution_mode="EXECUTION",
            options=options,
            model=model_ref(header.model),
        )
        stated = [sample.get("started_at"), *(event.get("timestamp") for event in self._events)]
        times = (micros_of_iso(time) for time in stated)
        self._talk = Conversation(run, first_micros=next((time for time in times if time is not None), None))
        pool = items(mapping(sample.get("events_data")).get("messages")) or items(sample.get("message_pool"))
        self._stream = EventStream(self._talk, self._attachments, pool)

    def events(self) -> list[Event]:
        """All events of the run."""
        self._start()
        for retried in items(self._sample.get("error_retries")):
            self._stream.error("sample_error", retried)
            self._talk.add(RecoveryAttempted(action="retry"))
        for event in self._events:
            self._stream.feed(event)
        self._messages()
        if self._sample.get("error") is not None:
            self._stream.error("sample_error", self._sample["error"], repeated=True)
        self._stream.finish()
        self._end()
        return self._talk.events

    def _start(self) -> None:
        opening: Json = {}
        for event in self._events:
            if event.get("event") == "model" and event.get("role") != "grader":
                opening = event
                break
            if event.get("type") == "scorer":
                break
        system = None
        for message in self._stream.inputs(opening) or self._final_messages():
            if message.get("role") == "system":
                system = self._attachments.fields(message)
                self._stream.root.seen[self._stream.key(message)] += 1
                break
            if message.get("role") == "assistant":
                break
        self._talk.start(
            AgentStarted(
                root=True,
                task_id=label(self._sample.get("id")),
                trial=trial_number(self._sample.get("epoch")),
                system_prompt=None if system is None else spoken(system.get("content")),
                tools=tool_definitions(self._attachments.resolve(opening.get("tools"))),
            ),
            micros_of_iso(self._sample.get("started_at")),
        )

    def _final_messages(self) -> list[Json]:
        given = self._sample.get("input")
        asked: list[Json] = [{"role": "user", "content": given}] if isinstance(given, str) else mappings(given)
        return mappings(self._sample.get("messages")) or asked

    def _messages(self) -> None:
        """Messages of the final chat that no event told."""
        stream, count = self._stream, Counter[str]()
        stream.release_results()
        output = mapping(self._sample.get("output"))
        choice = mapping(next(iter(items(output.get("choices"))), None))
        # The input of a sample may be rewritten before it is asked: the first prompt has what was asked.
        untold = [] if stream.model_calls and not self._sample.get("messages") else self._final_messages()
        for raw in untold:
            key = stream.key(raw)
            count[key] += 1
            if count[key] <= stream.root.seen[key]:
                continue
            message = self._attachments.fields(raw)
            role, call = message.get("role"), call_id(message.get("tool_call_id"))
            said = message_of(message)
            if role == "user":
                self._talk.user(said.content)
            elif role == "tool":
                if call not in stream.answered or self._talk.span_awaiting(call) is not None:
                    stream.tool_message(self._talk, message, None)
            elif role == "assistant" and self._is_unheard(said):
                is_output = stream.key(mapping(choice.get("message"))) == key
                body = ModelCalled(
                    call_id=label(message.get("id")),
                    output=said,
                    finish_reason=label(choice.get("stop_reason")) if is_output else None,
                    usage=usage_of(mapping(output.get("usage"))) if is_output else None,
                )
                self._talk.model_call(body, model=model_ref(self._header.model) or model_ref(message.get("model")))
                stream.note_calls(self._talk, said, message)
            else:
                self._talk.context(said)

    def _is_unheard(self, said: Message) -> bool:
        """Whether an answer of the final chat is one that the event stream does not have in any form."""
        return not self._stream.model_calls or any(
            call.call_id is None or call.call_id not in self._stream.called for call in said.tool_calls
        )

    def _end(self) -> None:
        sample = self._sample
        single = sample.get("score")
        scores = self._attachments.fields(sample.get("scores")) or ({"score": single} if single is not None else {})
        reward = reward_of(scores)
        status: CompletionStatus = status_of_reward(reward)
        limit = self._stream.limit
        if limit is None and mapping(sample.get("limit")):
            limit = f"limit: {label(mapping(sample['limit']).get('type'))}"
        if reward is None and sample.get("error") is not None:
            status = "failed"
        elif reward is None and limit is not None:
            status = "interrupted"
        usage = {key: sample[key] for key in ("model_usage", "role_usage") if mapping(sample.get(key))}
        self._talk.end(
            AgentEnded(
                root=True,
                completion_status=status,
                reason=limit or ("error" if sample.get("error") is not None else None),
                reward=reward,
                reward_json=score_details(scores, self._stream.intermediate_scores),
                outputs_json=as_json(usage) if usage else None,
                duration_seconds=number(sample.get("total_time")),
            ),
            micros_of_iso(sample.get("completed_at")),
        )
