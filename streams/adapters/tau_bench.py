"""tau-bench trajectories: `[{task_id, reward, info, traj, trial}]`, as a JSON array or one record a line.

The user is simulated by a model, so the runs are SIMULATION. The record names neither domain nor model: the domain
stands in the policy (the system message), the model at best in the file's name. No times are recorded. Agents without
tool calling write their actions as text; these are read as calls and speech, the thought before them as reasoning.
`info.task` (the user's hidden instruction and the expected actions) never enters an event; the evaluation, which
repeats the expected actions, stands in the reward of the root's end only.
"""

import re
from collections.abc import Iterator

import msgspec

from schemas.records import AgentStarted, ErrorRaised, Event, Message, ModelCalled, ModelRef, SourceRef
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile, RunBuilder, stable_id
from streams.adapters.chat_fields import call_id, model_ref, tool_calls, tool_result
from streams.adapters.conversation import Conversation
from streams.adapters.outcome import rewarded_end
from streams.adapters.runs import NotARunError, events_of_runs, trial_number
from streams.adapters.tau_action import answer_in_words, result_in_words
from streams.adapters.tolerant import Json, content_text, first_text, identity, label, mapping, mappings

FORMAT = "tau-bench"
AGENT = "tau-bench-agent"
DOMAINS = ("airline", "retail", "telecom")
_POLICY_TITLE = re.compile(r"^\s*#+\s*([A-Za-z][\w-]{0,40}) agent policy", re.IGNORECASE)
_TRAJECTORY_FIELDS = ("traj", "trajectory", "messages")
# `tool-calling-gpt-4o-0.0_range_0--1_user-gpt-4o-llm_0612.json` (written by its run.py) and `gpt-4o-airline.json`.
_RUN_FILE = re.compile(r"^(?:tool-calling|act|react|few-shot)-(?P<model>.+?)-\d+(?:\.\d+)?_range_")
_PUBLISHED_FILE = re.compile(r"^(?P<model>[\w.:-]+?)-(?:airline|retail|telecom)\b")


def read(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    """Events of every record of a file."""
    model = _model(source.name)
    yield from events_of_runs(source, lambda value: _run(value, model, source.name, options))


def _run(value: object, model: ModelRef | None, file_name: str, options: ImportOptions) -> list[Event]:
    record = mapping(value)
    if not any(field in record for field in _TRAJECTORY_FIELDS):
        raise NotARunError("has no traj, trajectory or messages")
    messages = mappings(next((record[field] for field in _TRAJECTORY_FIELDS if record.get(field)), None))
    info = mapping(record.get("info"))
    if not messages and not info.get("error"):
        raise NotARunError("holds neither messages nor an error")
    trace_id = stable_id(FORMAT, identity(value))
    system, rest = _split_system(messages)
    task_id = label(record.get("task_id"))
    trial = trial_number(record.get("trial"))
    run = RunBuilder(
        source=SourceRef(format=FORMAT, record=f"task {task_id or '?'} trial {'?' if trial is None else trial}"),
        trace_id=trace_id,
        agent=AGENT,
        scenario=_scenario(system, file_name),
        execution_mode="SIMULATION",
        options=options,
        model=model,
    )
    talk = Conversation(run)
    talk.start(AgentStarted(root=True, task_id=task_id, trial=trial, system_prompt=system))
    for message in rest:
        _add(talk, message)
    failure = first_text(info.get("error"))
    if failure is not None:
        talk.add(ErrorRaised(error_kind="run_error", message=first_text(info.get("traceback")) or failure))
    reward = record["reward"] if record.get("reward") is not None else mapping(info.get("reward_info")).get("reward")
    reason = "error" if failure else None
    talk.end(rewarded_end(reward, info.get("reward_info"), reason=reason, cost_usd=info.get("agent_cost")))
    return talk.events


def _split_system(messages: list[Json]) -> tuple[str | None, list[Json]]:
    if messages and messages[0].get("role") == "system":
        return content_text(messages[0].get("content")), messages[1:]
    return None, messages


def _add(talk: Conversation, message: Json) -> None:
    role = label(message.get("role"))
    content = content_text(message.get("content"))
    if role == "assistant":
        calls = tool_calls(message)
        output = None if calls else answer_in_words(content)
        output = output or Message(role="assistant", content=content, tool_calls=calls)
        thoughts = (first_text(message.get("reasoning_content")), output.reasoning)
        reasoning = "\n".join(filter(None, thoughts)) or None
        talk.model_call(ModelCalled(output=msgspec.structs.replace(output, reasoning=reasoning)))
    elif role in ("tool", "function"):
        call = call_id(message.get("tool_call_id"))
        talk.tool_result(tool_result(message.get("content"), call=call, tool=label(message.get("name"))))
    elif (result := result_in_words(message)) is not None and talk.span_awaiting(None):
        talk.tool_result(tool_result(result))
    elif role == "user":
        talk.user(content)
    else:
        talk.context(Message(role=role or "unknown", content=content))


def _scenario(system: str | None, file_name: str) -> str:
    title = _POLICY_TITLE.match(system or "")
    if title:
        return f"{FORMAT}-{title.group(1).lower()}"
    named = next((domain for domain in DOMAINS if domain in file_name.lower()), None)
    return f"{FORMAT}-{named}" if named else FORMAT


def _model(file_name: str) -> ModelRef | None:
    found = _RUN_FILE.match(file_name) or _PUBLISHED_FILE.match(file_name)
    return model_ref(found.group("model")) if found else None
