"""mini-SWE-agent trajectories: one record a line, or a single `.traj.json`; formats 1.0 (text actions) and 1.1.

An action is one call of the tool `bash`. In 1.0 it stands in a fenced block of the answer and the user message after
it is its result; in 1.1 it is a tool call, or listed in `extra.actions`. A command that ends with another code than
0 is a failed call of kind `exit_code`: the agent sees that code. The call that submits never has a result.

What the harness writes as `user` (a format error, a limit) is input of the next model call; only the task and what
the user of the interactive mode says are user messages. "Submitted" says nothing of success: the verdict of the
benchmark is used where it lies beside the recording as `<stem>.eval.json`, else what the record says of its outcome.
"""

import re
from collections.abc import Iterator

import msgspec

from schemas.records import (
    AgentStarted,
    CompletionStatus,
    ErrorRaised,
    Event,
    Message,
    ModelCalled,
    ModelRef,
    SourceRef,
    ToolCall,
    ToolReturned,
    Usage,
)
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile, RunBuilder, stable_id
from streams.adapters.chat_fields import call_id, model_ref, tool_calls
from streams.adapters.conversation import Conversation
from streams.adapters.mini_swe_verdict import Verdicts
from streams.adapters.outcome import rewarded_end
from streams.adapters.runs import NotARunError, events_of_runs
from streams.adapters.swe_instance import instance_in_name
from streams.adapters.tolerant import (
    Json,
    as_json,
    content_text,
    count,
    first_text,
    identity,
    items,
    label,
    mapping,
    mappings,
    micros_of_seconds,
    number,
    parsed,
)

FORMAT = "mini-swe"
TOOL = "bash"
_ACTION = re.compile(r"```(?:mswea_bash_command|bash)\s*\n(.*?)\n```", re.DOTALL)
_RETURN_CODE = re.compile(r"\s*(?:<exception>.*?</exception>\s*)?<returncode>(-?\d+)</returncode>", re.DOTALL)
_TIMED_OUT = re.compile(r"\s*The last command <command>.*timed out", re.DOTALL)
_BY_USER = ("UserInterruption", "UserNewTask", "UserRejection")
_STOPPED = re.compile(r"limit|exceeded|interrupt|timeout", re.IGNORECASE)


def read(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    """Events of every trajectory of a file."""
    verdicts = Verdicts.beside(source)
    named = instance_in_name(source)
    yield from events_of_runs(source, lambda value: _Run(value, verdicts, named, options).events())


class _Run:
    """One trajectory."""

    def __init__(self, value: object, verdicts: Verdicts, named: str | None, options: ImportOptions) -> None:
        self._record = mapping(value)
        messages = parsed(self._record.get("messages"))
        if not isinstance(messages, list):
            raise NotARunError("has no messages")
        self._messages = mappings(messages)
        self._info = mapping(self._record.get("info"))
        if not self._messages and not self._info:
            raise NotARunError("is empty")
        if self._info.get("exit_status") is None and (status := label(self._record.get("exit_status"))):
            self._info = {**self._info, "exit_status": status}
        self._instance = label(self._record.get("instance_id")) or label(self._info.get("instance_id")) or named
        self._resolved, self._reward = self._outcome(verdicts)
        self._text_calls = 0
        """Calls of the answer before that have no id and no result yet."""
        run = RunBuilder(
            source=SourceRef(format=FORMAT, record=self._instance),
            trace_id=stable_id(FORMAT, identity(value)),
            agent="mini-swe-agent",
            scenario=FORMAT,
            execution_mode="EXECUTION",
            options=options,
            model=self._configured_model(),
        )
        times = (_at(message) for message in self._messages)
        self._talk = Conversation(run, first_micros=next((at for at in times if at is not None), None))

    def events(self) -> list[Event]:
        """All events of the run."""
        messages = self._messages
        system = None
        if messages and messages[0].get("role") == "system":
            system, messages = content_text(messages[0].get("content")), messages[1:]
        task = None
        if messages and messages[0].get("role") == "user":
            task, messages = messages[0], messages[1:]
        goal = content_text(task.get("content")) if task else None
        config = {key: self._info[key] for key in ("config", "mini_version") if self._info.get(key)}
        start = AgentStarted(
            root=True,
            goal=goal,
            task_id=self._instance,
            system_prompt=system,
            inputs_json=as_json(config) if config else None,
        )
        self._talk.start(start, _at(task) if task else None)
        if task:
            self._talk.user(goal, _at(task))
        for position, message in enumerate(messages):
            self._add(message, is_last=position == len(messages) - 1)
        self._end()
        return self._talk.events

    def _add(self, message: Json, *, is_last: bool) -> None:
        role = label(message.get("role"))
        content = content_text(message.get("content"))
        interrupt = label(mapping(message.get("extra")).get("interrupt_type"))
        if role == "assistant" or message.get("object") == "response":
            self._answer(message)
        elif role == "tool" or message.get("type") == "function_call_output":
            self._result(message, call_id(message.get("tool_call_id") or message.get("call_id")))
        elif role == "exit":
            self._exit(message)
        elif role == "user" and interrupt in _BY_USER:
            self._talk.user(content, _at(message))
        elif role == "user" and is_last and content is not None and content.strip() == self._last_words():
            pass  # 1.0 repeats the submission as a message; the end of the run states it
        elif role == "user" and self._text_calls and interrupt is None:
            self._text_calls -= 1
            self._result(message, None)
        else:
            self._talk.context(Message(role=role or "unknown", content=content))
            if interrupt:
                self._talk.add(ErrorRaised(error_kind=interrupt, message=content), _at(message))

    def _answer(self, message: Json) -> None:
        extra = mapping(message.get("extra"))
        response = mapping(extra.get("response")) or (message if message.get("object") == "response" else {})
        choice = next(iter(mappings(response.get("choices"))), {})
        said, thought, calls = _parts(message)
        if not calls:
            calls = _text_actions(message, said, extra)
            self._text_calls = sum(call.call_id is None for call in calls)
        else:
            self._text_calls = 0
        details = mapping(message.get("provider_specific_fields"))
        reasoning = first_text(message.get("reasoning_content"), details.get("reasoning_content"), thought)
        body = ModelCalled(
            call_id=label(response.get("id")),
            output=Message(role="assistant", content=said, reasoning=reasoning, tool_calls=calls),
            finish_reason=label(choice.get("finish_reason")),
            usage=_usage(mapping(response.get("usage"))),
            cost_usd=number(extra.get("cost")),
        )
        self._talk.model_call(body, _at(message), self._answering_model(response))

    def _result(self, message: Json, call: str | None) -> None:
        extra = mapping(message.get("extra"))
        content = message.get("content") if message.get("content") is not None else message.get("output")
        shown = content_text(content)
        code = number(extra.get("returncode"))
        if code is None and (stated := _RETURN_CODE.match(shown or "")):
            code = number(stated.group(1))
        exception = first_text(extra.get("exception_info"), mapping(extra.get("extra")).get("exception_info"))
        kind = None
        if exception is not None:
            kind = label(mapping(extra.get("extra")).get("exception_type")) or "exception"
        elif _TIMED_OUT.match(shown or ""):
            kind, exception = "timeout", "the command timed out"
        elif code:
            kind, exception = "exit_code", f"exit code {int(code)}"
        body = ToolReturned(
            call_id=call,
            success=kind is None,
            result_json=None if content is None else as_json(shown or ""),
            error_kind=kind,
            error_message=exception,
        )
        self._talk.tool_result(body, _at(message))

    def _exit(self, message: Json) -> None:
        extra = mapping(message.get("extra"))
        for key in ("exit_status", "submission", "traceback", "exception_str"):
            if self._info.get(key) is None and extra.get(key) is not None:
                self._info = {**self._info, key: extra[key]}
        if self._info.get("submission") is None and (said := content_text(message.get("content"))):
            self._info = {**self._info, "submission": said}

    def _last_words(self) -> str | None:
        said = first_text(self._info.get("submission"))
        return said.strip() if said is not None else None

    def _end(self) -> None:
        status = label(self._info.get("exit_status"))
        failure = first_text(self._info.get("traceback"), self._info.get("exception_str"))
        if failure is not None:
            self._talk.add(ErrorRaised(error_kind=status or "exception", message=failure))
        stats = mapping(self._info.get("model_stats"))
        details = None if self._resolved is None else {"resolved": self._resolved}
        end = rewarded_end(self._reward, details, reason=status, cost_usd=stats.get("instance_cost"))
        submission = first_text(self._info.get("submission"))
        end = msgspec.structs.replace(
            end,
            completion_status=_status(status) if self._reward is None else end.completion_status,
            outputs_json=None if submission is None else as_json({"submission": submission}),
        )
        self._talk.end(end)

    def _outcome(self, verdicts: Verdicts) -> tuple[bool | None, float | None]:
        """Whether the task is resolved, and the reward: by the verdict beside the file, else as the record says."""
        verdict, stated = verdicts.of(self._instance), self._record.get("resolved")
        if verdict is not None:
            return verdict == 1.0, verdict
        resolved, reward = (stated if isinstance(stated, bool) else None), number(self._record.get("reward"))
        return resolved, reward if reward is not None or resolved is None else float(resolved)

    def _configured_model(self) -> ModelRef | None:
        return model_ref(mapping(mapping(self._info.get("config")).get("model")).get("model_name"))

    def _answering_model(self, response: Json) -> ModelRef | None:
        """The model that the answer names; its provider stands in the configuration only."""
        answered, configured = label(response.get("model")), self._configured_model()
        if answered is None:
            return None
        if configured is not None and configured.provider and "/" not in answered:
            return ModelRef(provider=configured.provider, name=answered)
        return model_ref(answered)


def _at(message: Json) -> int | None:
    for value in (mapping(message.get("extra")).get("timestamp"), message.get("timestamp")):
        if (found := micros_of_seconds(value)) is not None:
            return found
    return None


def _parts(message: Json) -> tuple[str | None, str | None, tuple[ToolCall, ...]]:
    """Text, thinking and tool calls of an answer, in the shape of chat completions or of responses."""
    if message.get("object") != "response":
        return content_text(message.get("content")), None, tool_calls(message)
    output = mappings(message.get("output"))
    said = "\n".join(
        filter(None, (content_text(part.get("content")) for part in output if part.get("type") == "message"))
    )
    thoughts = (content_text(part.get("summary")) for part in output if part.get("type") == "reasoning")
    flat = [{**part, "id": part.get("call_id")} for part in output if part.get("type") == "function_call"]
    return said or None, "\n".join(filter(None, thoughts)) or None, tool_calls({"tool_calls": flat})


def _text_actions(message: Json, said: str | None, extra: Json) -> tuple[ToolCall, ...]:
    """Actions that the harness found in the text; where it kept no list, the one fenced block it accepts."""
    if isinstance(extra.get("actions"), list):
        actions: list[tuple[object, object]] = [
            (action.get("command"), action.get("tool_call_id")) if isinstance(action, dict) else (action, None)
            for action in items(extra["actions"])
        ]
    else:
        blocks = _ACTION.findall(said or "")
        actions = [(blocks[0].strip(), None)] if len(blocks) == 1 else []
    return tuple(
        ToolCall(call_id=call_id(given), name=TOOL, arguments_json=as_json({"command": command}))
        for command, given in actions
    )


def _usage(usage: Json) -> Usage | None:
    prompt = mapping(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
    answer = mapping(usage.get("completion_tokens_details") or usage.get("output_tokens_details"))
    cached = count(prompt.get("cached_tokens"))
    found = Usage(
        input_tokens=count(usage.get("prompt_tokens", usage.get("input_tokens"))),
        output_tokens=count(usage.get("completion_tokens", usage.get("output_tokens"))),
        cache_read_tokens=cached if cached is not None else count(usage.get("prompt_cache_hit_tokens")),
        reasoning_tokens=count(answer.get("reasoning_tokens")),
    )
    return None if found == Usage() else found


def _status(exit_status: str | None) -> CompletionStatus:
    """What an exit status alone allows to say: submitting is no success."""
    if exit_status is None or exit_status.lower() == "submitted":
        return "unknown"
    return "interrupted" if _STOPPED.search(exit_status) else "failed"
