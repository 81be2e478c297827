"""SWE-agent trajectories (`.traj`): versions 0.7 and 1.x, and files or rows that hold a history only.

Two records of the run stand side by side. `trajectory` is the authority: one step is one answer of the model, its
action and the observation. `history` is the prompt as the model saw it; from it come the system prompt, the task,
demonstrations (input of the first model call, never part of the run), the tool calls of function-calling runs, and
messages without a step. Its observations repeat those of the steps inside a prompt template and are not taken twice.
Where it states another answer than the step, both are kept.

An action without a recorded function call is a call of the tool `bash`, whatever command of the interface it names.
Where a chat is all there is, the last fenced block of an answer is its action, the next user message the result.
The source marks no result as an error, so all succeed. "Submitted" says nothing of correctness: the completion status
stays unknown; the limits of cost, context and time interrupt a run, other `exit_*` are failures.
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
    SourceRef,
    StateChanged,
    ToolCall,
    ToolReturned,
)
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile, RunBuilder, stable_id
from streams.adapters.chat_fields import call_id, model_ref, tool_calls
from streams.adapters.conversation import Conversation
from streams.adapters.jsonstream import read_records
from streams.adapters.outcome import rewarded_end
from streams.adapters.runs import NotARunError, broken, runs_of
from streams.adapters.swe_blocks import last_block
from streams.adapters.swe_instance import instance_in_name
from streams.adapters.tolerant import (
    Json,
    as_json,
    content_text,
    first_text,
    identity,
    items,
    label,
    mapping,
    mappings,
    number,
    parsed,
    text,
)

FORMAT = "swe-agent"
TOOL = "bash"
_EXIT_ACTION = re.compile(r"exit_[a-z_]+$")
_EXIT_STATUS = re.compile(r"(?:submitted \()?(exit_[a-z_]+)\)?")
_EXIT_WORDS = ("Exit due to", "Exiting")
_AUTOSUBMITTED = "Exited (autosubmitted)"
_STOPPED = re.compile(r"cost|context|time|limit|interrupt", re.IGNORECASE)


def read(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    """Events of every trajectory of a file; the attempts of a retried run are runs of their own."""
    instance = instance_in_name(source)
    for found in read_records(source):
        if isinstance(found, BrokenRecord):
            yield found
            continue
        for value in runs_of(found.value):
            # The record around its attempts repeats the best of them.
            attempts: list[object] = list(mappings(mapping(value).get("attempts"))) or [value]
            for number_, attempt in enumerate(attempts):
                trial = number_ + 1 if len(attempts) > 1 else None
                try:
                    yield from _Run(attempt, mapping(value), trial, instance, options).events()
                except NotARunError as error:
                    yield broken(source, found, error)


class _Run:
    """One trajectory; `outer` is the record that holds it (itself, but for attempts)."""

    def __init__(
        self, value: object, outer: Json, trial: int | None, instance: str | None, options: ImportOptions
    ) -> None:
        self._record = mapping(value)
        self._steps = mappings(parsed(self._record.get("trajectory")))
        self._history = mappings(parsed(self._record.get("history")))
        if self._steps and all("role" in step and "action" not in step for step in self._steps):
            self._steps, self._history = [], self._steps  # published data sets keep the chat under this name
        self._patch = first_text(self._record.get("generated_patch"))
        if not self._steps and not self._history and _is_published(self._record):
            self._history = mappings(parsed(self._record.get("messages")))
            self._patch = self._patch or first_text(self._record.get("patch"))
        if not self._steps and not self._history:
            raise NotARunError("has neither a trajectory nor a history")
        if not self._history:
            self._history = _prompt_of(self._steps[0])
        self._info = mapping(self._record.get("info"))
        self._status = label(self._info.get("exit_status")) or label(self._record.get("exit_status"))
        self._outer = outer
        config = mapping(parsed(self._record.get("replay_config"))) or mapping(parsed(outer.get("replay_config")))
        self._problem = mapping(config.get("problem_statement"))
        self._trial = trial
        self._instance = first_text(
            label(self._problem.get("id")),
            label(outer.get("instance_id")),
            label(self._info.get("instance_id")),
            instance,
        )
        self._only_words = not self._steps and not any(_states_action(message) for message in self._history)
        """Nothing tells the actions but the answers themselves."""
        self._position = 0
        """The next step."""
        self._repeats_observation = False
        """The next message of the history repeats the observation of a step."""
        self._open_calls: tuple[ToolCall, ...] = ()
        """Calls of the answer before that have no result yet."""
        self._state: object = None
        self._failed = False
        configured = mapping(mapping(config.get("agent")).get("model")).get("name")
        model = configured or outer.get("model_name") or outer.get("model")
        run = RunBuilder(
            source=SourceRef(format=FORMAT, record=self._instance),
            trace_id=stable_id(FORMAT, identity(value), *(() if trial is None else (trial,))),
            agent="swe-agent",
            scenario=FORMAT,
            execution_mode="EXECUTION",
            options=options,
            model=model_ref(model),
        )
        self._talk = Conversation(run)

    def events(self) -> list[Event]:
        """All events of the run."""
        history = self._history
        system = None
        if history and history[0].get("role") == "system":
            system, history = _content(history[0]), history[1:]
        answers = [position for position, message in enumerate(history) if _is_answer(message)]
        before = history[: answers[0]] if answers else history
        task = next((message for message in before if message.get("role") == "user" and not _is_demo(message)), None)
        said = _content(task) if task else None
        environment = label(self._record.get("environment"))
        start = AgentStarted(
            root=True,
            goal=first_text(self._problem.get("text")) or said,
            task_id=self._instance,
            trial=self._trial,
            system_prompt=system,
            inputs_json=as_json({"environment": environment}) if environment else None,
        )
        self._talk.start(start)
        for message in history:
            if message is task:
                self._talk.user(said)
            elif _is_answer(message):
                self._answer(message)
            else:
                self._other(message)
        while self._position < len(self._steps):
            self._step(None)
        self._end()
        return self._talk.events

    def _answer(self, message: Json) -> None:
        """An answer in the history: that of the next step that fits it, else one without a step."""
        fitting = range(self._position, len(self._steps))
        target = next((number_ for number_ in fitting if _fits(message, self._steps[number_])), None)
        self._repeats_observation = False
        if target is None:
            said, thought, action = _content(message), text(message.get("thought")), first_text(message.get("action"))
            if self._only_words:
                action = last_block(said or "")
            kind = None if action else self._exit_kind(None, said, thought, None)
            if kind is None:
                self._model_call(said, thought, message, action)
            else:
                self._exit(kind, said)
            return
        while self._position < target:
            self._step(None)
        self._step(message)

    def _step(self, message: Json | None) -> None:
        step = self._steps[self._position]
        self._position += 1
        self._repeats_observation = False
        action = first_text(step.get("action"))
        said = first_text(step.get("response"), step.get("output"))
        thought = text(step.get("thought"))
        observation = step.get("observation")
        kind = self._exit_kind(action, said, thought, content_text(observation))
        if kind is not None and (message is None or not action):  # an exit action in the history is the model's own
            self._exit(kind, thought or said)
            calls: tuple[ToolCall, ...] = ()
        else:
            calls = self._model_call(said, thought, message or step, action)
            stated = _content(message) if message else None
            if stated is not None and said is not None and stated.strip() != said.strip():
                body = StateChanged(current_step="history_differs", variables_json=as_json({"content": stated}))
                self._talk.add(body)
        if observation is not None:
            self._observation(observation, calls, number(step.get("execution_time")))
            self._repeats_observation = True
        state = parsed(step.get("state")) or step.get("state")
        if state and state != self._state:
            self._state = state
            self._talk.add(StateChanged(variables_json=as_json(state)))

    def _exit_kind(
        self, action: str | None, said: str | None, thought: str | None, observation: str | None
    ) -> str | None:
        """What stopped the agent, where the harness wrote the step and no model said it."""
        action = (action or "").strip()
        if action:
            return action if _EXIT_ACTION.match(action) else None
        status = _EXIT_STATUS.fullmatch(self._status or "")
        in_words = said is not None and said == thought and said.startswith(_EXIT_WORDS)
        submitted = status is not None and (observation or "").endswith(_AUTOSUBMITTED)
        if not in_words and not submitted:
            return None
        return status.group(1) if status else "exit"

    def _exit(self, kind: str, message: str | None) -> None:
        self._failed = True
        self._open_calls = ()
        self._talk.add(ErrorRaised(error_kind=kind, message=message))

    def _model_call(
        self, said: str | None, thought: str | None, stated: Json, action: str | None
    ) -> tuple[ToolCall, ...]:
        calls = tool_calls(stated)
        if not calls and action and action.strip():
            calls = (ToolCall(name=TOOL, arguments_json=as_json({"command": action})),)
        thinking = (first_text(block.get("thinking")) for block in mappings(stated.get("thinking_blocks")))
        reasoning = "\n".join(filter(None, thinking)) or None
        if reasoning is None and thought and thought.strip() not in (said or ""):
            reasoning = thought
        output = Message(role="assistant", content=said, reasoning=reasoning, tool_calls=calls)
        self._talk.model_call(ModelCalled(output=output))
        self._open_calls = calls
        return calls

    def _observation(self, content: object, calls: tuple[ToolCall, ...], seconds: float | None) -> None:
        shown = content_text(content)
        if calls:
            body = ToolReturned(
                call_id=calls[0].call_id, success=True, result_json=as_json(shown or ""), latency_seconds=seconds
            )
            self._talk.tool_result(body)
        elif shown is not None:
            self._talk.context(Message(role="user", content=shown))
        self._open_calls = ()

    def _other(self, message: Json) -> None:
        role = label(message.get("role")) or "unknown"
        if role in ("user", "tool") and not _is_demo(message):
            if self._repeats_observation:
                self._repeats_observation = False
                return
            if self._open_calls:
                ids = [call_id(value) for value in (*items(message.get("tool_call_ids")), message.get("tool_call_id"))]
                answered = [call for call in self._open_calls if call.call_id and call.call_id in ids]
                self._observation(_content(message), tuple(answered) or self._open_calls, None)
                return
        self._talk.context(
            Message(role=role, content=_content(message), name="demonstration" if _is_demo(message) else None)
        )

    def _end(self) -> None:
        status = self._status
        completion = _status(status)
        if completion == "failed" and not self._failed and status:
            self._talk.add(ErrorRaised(error_kind=status))
        stats = mapping(self._info.get("model_stats"))
        cost = number(stats.get("instance_cost"))
        resolved = self._outer.get("target", self._outer.get("resolved"))
        end = rewarded_end(
            float(resolved) if isinstance(resolved, bool) else None,
            {"resolved": resolved} if isinstance(resolved, bool) else None,
            reason=status,
            cost_usd=cost if cost is not None else stats.get("total_cost"),
        )
        outputs = {key: value for key, value in self._info.items() if not key.startswith("edited_files")}
        if self._patch:
            outputs["submission"] = self._patch
        end = msgspec.structs.replace(
            end,
            completion_status=completion if end.reward is None else end.completion_status,
            outputs_json=as_json(outputs) if outputs else None,
        )
        self._talk.end(end)


def _is_published(record: Json) -> bool:
    """Whether a record may be a row of SWE-smith: its `messages` are a history, its `patch` is the agent's."""
    return "instance_id" in record and any(key in record for key in ("traj_id", "resolved", "patch"))


def _prompt_of(step: Json) -> list[Json]:
    """The prompt of the first step, where no history was kept: what comes before the first answer."""
    found = []
    for message in mappings(step.get("query")) or mappings(step.get("messages")):
        if _is_answer(message) and not _is_demo(message):
            break
        found.append(message)
    return found


def _content(message: Json) -> str | None:
    return content_text(message.get("content")) or first_text(message.get("text"), message.get("system_prompt"))


def _is_demo(message: Json) -> bool:
    return message.get("is_demo") is True or message.get("message_type") == "demonstration"


def _is_answer(message: Json) -> bool:
    return message.get("role") in ("assistant", "ai") and not _is_demo(message)


def _states_action(message: Json) -> bool:
    return "action" in message or bool(message.get("tool_calls"))


def _fits(message: Json, step: Json) -> bool:
    action, stated = first_text(message.get("action")), first_text(step.get("action"))
    if action is not None and stated is not None:
        return action.strip() == stated.strip()
    said = _content(message)
    return said is not None and said == first_text(step.get("response"), step.get("output"))


def _status(exit_status: str | None) -> CompletionStatus:
    if exit_status is None or exit_status in ("submitted", "skipped"):
        return "unknown"
    return "interrupted" if _STOPPED.search(exit_status) else "failed" if "exit" in exit_status else "unknown"
