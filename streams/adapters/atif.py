"""ATIF, the Agent Trajectory Interchange Format of Harbor: `{schema_version, session_id, agent, steps: [...]}`.

Read by shape, not by version (1.2 to 1.7 seen). A file holds one trajectory, several (as values of an object, as
array items, as lines), or a parent with its sub-agents: a trajectory that another one of the same record refers to
is a sub-agent inside that run; its events stand before the result of the call that delegated to it. References to
trajectories that the record does not hold are kept as a state change.

Copied context (`is_copied_context`, in continuations and sub-agents) is prompt, not action: it gives no events of
its own but is input of the next model call. So are observations of steps without tool calls (a terminal's screen).
"""

from collections.abc import Iterator

from schemas.records import AgentEnded, AgentStarted, Event, Message, ModelCalled, SourceRef, StateChanged, Usage
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile, RunBuilder, stable_id
from streams.adapters.chat_fields import call_id, model_ref, result_json, tool_calls, tool_definitions, tool_result
from streams.adapters.conversation import Conversation
from streams.adapters.outcome import first_fields, stated_end
from streams.adapters.runs import NotARunError, events_of_runs, trial_number
from streams.adapters.tolerant import (
    Json,
    as_json,
    content_text,
    count,
    first_text,
    identity,
    label,
    mapping,
    mappings,
    micros_of_iso,
    number,
)

FORMAT = "atif"
AGENT = "agent"
ENVIRONMENT = "environment"


def read(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    """Events of every trajectory of a file."""
    yield from events_of_runs(source, lambda value: _record(value, options))


def _record(value: object, options: ImportOptions) -> list[Event]:
    together = _Together(_trajectories(value))
    if not together.all:
        raise NotARunError("holds no trajectory with steps")
    content = identity(value)
    events: list[Event] = []
    for position, trajectory in enumerate(together.roots):
        events += _run(trajectory, together, stable_id(FORMAT, content, position), options)
    return events


def _trajectories(value: object) -> list[Json]:
    """Trajectories of a record: itself, or the values of an object that is none."""
    record = mapping(value)
    if _is_trajectory(record):
        return [record]
    found: list[Json] = []
    for item in record.values():
        found += [part for part in (mappings(item) or [mapping(item)]) if _is_trajectory(part)]
    return found


def _is_trajectory(value: Json) -> bool:
    return isinstance(value.get("steps"), list)


class _Together:
    """The trajectories of one record, and which of them are sub-agents of others."""

    def __init__(self, top: list[Json]) -> None:
        self.all: list[Json] = []
        embedded: set[int] = set()
        waiting = list(reversed(top))
        while waiting:
            trajectory = waiting.pop()
            self.all.append(trajectory)
            inner = [found for found in mappings(trajectory.get("subagent_trajectories")) if _is_trajectory(found)]
            embedded.update(id(found) for found in inner)
            waiting.extend(reversed(inner))
        referred: set[int] = set()
        for trajectory in self.all:
            for step in mappings(trajectory["steps"]):
                for ref in (ref for result in _results(step) for ref in _refs(result)):
                    child = self.find(ref)
                    if child is not None and child is not trajectory:
                        referred.add(id(child))
        self.roots = [found for found in self.all if id(found) not in referred | embedded] or self.all[:1]

    def find(self, ref: Json) -> Json | None:
        """The trajectory that a reference means; a session id counts only where it is unique."""
        wanted = label(ref.get("trajectory_id"))
        if wanted:
            return next((found for found in self.all if label(found.get("trajectory_id")) == wanted), None)
        session = label(ref.get("session_id"))
        same = [found for found in self.all if session and label(found.get("session_id")) == session]
        return same[0] if len(same) == 1 else None


def _results(step: Json) -> list[Json]:
    return mappings(mapping(step.get("observation")).get("results"))


def _refs(result: Json) -> list[Json]:
    refs = result.get("subagent_trajectory_ref")
    return [refs] if isinstance(refs, dict) else mappings(refs)


def _run(trajectory: Json, together: _Together, trace_id: str, options: ImportOptions) -> list[Event]:
    agent = mapping(trajectory.get("agent"))
    name = label(agent.get("name"))
    times = [micros_of_iso(step.get("timestamp")) for step in mappings(trajectory["steps"])]
    record = label(trajectory.get("trajectory_id")) or label(trajectory.get("session_id"))
    run = RunBuilder(
        source=SourceRef(format=FORMAT, record=record),
        trace_id=trace_id,
        agent=name or AGENT,
        scenario=f"{FORMAT}-{name}" if name else FORMAT,
        execution_mode="EXECUTION",
        options=options,
        model=model_ref(agent.get("model_name")),
    )
    talk = Conversation(run, first_micros=next((time for time in times if time is not None), None))
    _Walk(together).agent(talk, trajectory, root=True)
    return talk.events


class _Walk:
    """Walks through a trajectory and the sub-agents it delegates to, each once."""

    def __init__(self, together: _Together) -> None:
        self._together = together
        self._seen: set[int] = set()

    def agent(self, talk: Conversation, trajectory: Json, *, root: bool, parent_span_id: str | None = None) -> None:
        """One trajectory from start to end."""
        self._seen.add(id(trajectory))
        steps = mappings(trajectory["steps"])
        agent = mapping(trajectory.get("agent"))
        fields = first_fields([mapping(trajectory.get("extra")), mapping(agent.get("extra"))])
        system = _system_position(steps)
        talk.start(
            AgentStarted(
                root=root,
                task_id=label(fields.get("task_id") or fields.get("task_name") or fields.get("instance_id")),
                trial=trial_number(fields.get("trial")),
                system_prompt=None if system is None else content_text(steps[system].get("message")),
                tools=tool_definitions(agent.get("tool_definitions")),
            ),
            parent_span_id=parent_span_id,
        )
        for position, step in enumerate(steps):
            self._step(talk, step, is_system_prompt=position == system)
        for inner in mappings(trajectory.get("subagent_trajectories")):
            if _is_trajectory(inner) and id(inner) not in self._seen:
                self._sub_agent(talk, inner, parent_span_id=None)
        talk.end(_ended(trajectory, root=root))

    def _step(self, talk: Conversation, step: Json, *, is_system_prompt: bool) -> None:
        time = micros_of_iso(step.get("timestamp"))
        source = label(step.get("source"))
        content = content_text(step.get("message"))
        if step.get("is_copied_context") is True:
            if not is_system_prompt:
                _copied(talk, step, source, content)
            return
        calls = tool_calls(step)
        if source == "agent":
            _agent_step(talk, step, content, time)
        elif source == "user":
            talk.user(content, time)
        elif not is_system_prompt and content is not None:
            talk.context(Message(role=source or "unknown", content=content))
        if source != "agent":
            for call in calls:
                talk.tool_call(call, time)
        for result in _results(step):
            self._result(talk, result, has_calls=bool(calls))

    def _result(self, talk: Conversation, result: Json, *, has_calls: bool) -> None:
        call = call_id(result.get("source_call_id"))
        span = talk.span_awaiting(call) if call or has_calls else None
        missing = []
        for ref in _refs(result):
            child = self._together.find(ref)
            if child is None:
                missing.append(ref)
            elif id(child) not in self._seen:
                self._sub_agent(talk, child, parent_span_id=span)
        if missing:
            refs = as_json({"subagent_trajectory_ref": missing})
            talk.add(StateChanged(current_step="sub_agent", variables_json=refs))
        content = result.get("content")
        if call is not None or has_calls:
            extra = mapping(result.get("extra"))
            flag = extra.get("is_error", extra.get("error"))
            error = flag if isinstance(flag, bool) else None
            talk.tool_result(tool_result(content, call=call, error=error))
        elif content is not None:
            words = content_text(content) if isinstance(content, str | list) else result_json(content)
            talk.context(Message(role="user", content=words, name=ENVIRONMENT))

    def _sub_agent(self, talk: Conversation, trajectory: Json, *, parent_span_id: str | None) -> None:
        agent = mapping(trajectory.get("agent"))
        child = talk.sub_agent(
            label(agent.get("name")) or AGENT, model_ref(agent.get("model_name")), talk.new_span("agent")
        )
        self.agent(child, trajectory, root=False, parent_span_id=parent_span_id or talk.span_id)


def _system_position(steps: list[Json]) -> int | None:
    """The step with the system prompt: the first system message before the agent acts."""
    for position, step in enumerate(steps):
        if step.get("source") == "system" and not _results(step):
            return position
        if step.get("source") == "agent" and step.get("is_copied_context") is not True:
            return None
    return None


def _copied(talk: Conversation, step: Json, source: str | None, content: str | None) -> None:
    role = "assistant" if source == "agent" else source or "unknown"
    calls = tool_calls(step)
    if content is not None or calls:
        reasoning = first_text(step.get("reasoning_content")) if source == "agent" else None
        talk.context(Message(role=role, content=content, reasoning=reasoning, tool_calls=calls))
    for result in _results(step):
        if result.get("content") is not None:
            call = call_id(result.get("source_call_id"))
            words = content_text(result["content"])
            role = "tool" if call or calls else "user"
            talk.context(
                Message(role=role, content=words, tool_call_id=call, name=None if call or calls else ENVIRONMENT)
            )


def _agent_step(talk: Conversation, step: Json, content: str | None, time: int | None) -> None:
    metrics = mapping(step.get("metrics"))
    extra = mapping(metrics.get("extra"))
    output = Message(
        role="assistant",
        content=content,
        reasoning=first_text(step.get("reasoning_content")),
        tool_calls=tool_calls(step),
    )
    usage = Usage(
        input_tokens=count(metrics.get("prompt_tokens")),
        output_tokens=count(metrics.get("completion_tokens")),
        cache_read_tokens=count(metrics.get("cached_tokens")),
        reasoning_tokens=count(extra.get("reasoning_tokens")),
    )
    milliseconds = number(extra.get("latency_ms"))
    body = ModelCalled(
        output=output,
        usage=usage if usage != Usage() else None,
        cost_usd=number(metrics.get("cost_usd")),
        latency_seconds=None if milliseconds is None else milliseconds / 1000,
    )
    talk.model_call(body, time, model=model_ref(step.get("model_name")))


def _ended(trajectory: Json, *, root: bool) -> AgentEnded:
    metrics = mapping(trajectory.get("final_metrics"))
    places = [metrics, mapping(metrics.get("extra")), mapping(trajectory.get("extra"))]
    body = stated_end(places, root=root)
    continued = label(trajectory.get("continued_trajectory_ref"))
    if continued is None:
        return body
    return AgentEnded(
        root=root,
        completion_status=body.completion_status,
        reason=body.reason or "continued",
        reward=body.reward,
        reward_json=body.reward_json,
        outputs_json=as_json({"continued_trajectory_ref": continued}),
        cost_usd=body.cost_usd,
        duration_seconds=body.duration_seconds,
    )
