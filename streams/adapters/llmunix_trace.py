"""One entry of LLMunix as the events of a run, and no more than the entry says.

Most entries are written afterwards by the agent itself: sections tell what was done, and their text is a change of
state, not a message of a model. Only a step that names its tool is a tool call, and only one that was executed has a
result. `components_used` is no call; an `error_count` gives as many errors without a message. What feeling the user is
said to have had is feedback. The time stamp is that of the writing down: the run ends with it.
"""

import re
from dataclasses import dataclass
from typing import cast

import msgspec

from schemas.records import (
    AgentEnded,
    AgentStarted,
    CompletionStatus,
    ErrorRaised,
    Event,
    ExecutionMode,
    FeedbackGiven,
    RecoveryAttempted,
    SourceRef,
    StateChanged,
    StepEnded,
    StepStarted,
    ToolCall,
)
from streams.adapters.base import ImportOptions, RunBuilder, stable_id
from streams.adapters.chat_fields import tool_result
from streams.adapters.conversation import Conversation
from streams.adapters.llmunix_markdown import Section, bold_fields, fenced_mapping, indented_value, sections
from streams.adapters.tolerant import Json, as_json, count, first_text, identity, items, label, micros_of_iso, number

FORMAT = "llmunix"
_DIVIDES = re.compile(r"(step|agent)\s+\d+\b", re.IGNORECASE)
_STEP = re.compile(r"step\s+\d+\b", re.IGNORECASE)
_AGENT = re.compile(r"agent\s+\d+\s*[:-]\s*(.+)", re.IGNORECASE)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?")
_USER_REQUEST = re.compile(
    r"\*\*User(?:'s)? (?:Request|Goal):?\*\*:?\s*(.+?)(?=\n\s*\n|\n\*\*|\Z)", re.DOTALL | re.IGNORECASE
)
_TASK = re.compile(r"^Task:\s*(.+)$", re.MULTILINE)
_AMOUNT = re.compile(r"~?\s*\$?\s*(\d{1,12}(?:\.\d{1,9})?)\s*([a-z]*)", re.IGNORECASE)
_CLOCK = re.compile(r"~?\s*(\d{1,4}):(\d\d):(\d\d)\b")
_UNITS = {"": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600}
_NOTHING = frozenset({"", "none", "n/a", "na", "no", "0", "[]", "-", "null", "none.", "false", "no errors"})
_NOT_DONE = frozenset({"pending", "planned", "skipped", "running", "in_progress", "not started"})
_MAX_ERRORS = 1_000
_ID_FIELDS = ("experience_id", "trace_id", "execution_id", "session_id")
_OUTCOME_FIELDS = ("outcome", "final_outcome", "status", "success_level")
_GOAL_FIELDS = ("goal", "primary_goal", "goal_signature", "objective")
_DURATION_FIELDS = ("duration_seconds", "execution_duration", "total_duration", "duration", "actual_time")
_COST_FIELDS = ("cost", "total_cost", "actual_cost", "cost_usd")
_START_FIELDS = ("start_time", "started_at")
_END_FIELDS = ("timestamp", "end_time", "ended_at", "completed_at")
_FEEDBACK_FIELDS = ("feedback_sentiment", "user_satisfaction", "user_feedback", "user_sentiment")
_TOLD = frozenset(
    (*_ID_FIELDS, *_GOAL_FIELDS, *_DURATION_FIELDS, *_COST_FIELDS, *_START_FIELDS, *_END_FIELDS, *_FEEDBACK_FIELDS,
     "agent", "error_count", "errors", "recovery_actions", "constraints_active")
)  # fmt: skip


@dataclass
class Entry:
    """A run as it was written down: fields by name, then Markdown. `line` is where it begins, from 1."""

    fields: Json
    body: list[str]
    line: int


def step_log(lines: list[str]) -> Entry | None:
    """An entry without front matter: step sections that say what came of them, or a session's head; None for others."""
    parts = sections(lines, _DIVIDES)
    head = bold_fields([line for part in parts if not _STEP.match(part.title) for line in part.lines])
    executed = any(_STEP.match(part.title) and _is_executed(bold_fields(part.lines)) for part in parts)
    names_run = any(name in head for name in _ID_FIELDS) and ("status" in head or "start_time" in head)
    if not executed and not names_run:
        return None
    known = {*_ID_FIELDS, *_GOAL_FIELDS, *_START_FIELDS, *_END_FIELDS, *_OUTCOME_FIELDS, "project", "mode", "agent"}
    fields: Json = {name: indented_value(str(value)) for name, value in head.items() if name in known}
    return Entry(fields, lines, 1)


def entry_events(entry: Entry, options: ImportOptions) -> list[Event]:
    """All events of an entry."""
    return _Run(entry, options).events()


class _Run:
    def __init__(self, entry: Entry, options: ImportOptions) -> None:
        fields = entry.fields
        self._fields = fields
        self._parts = sections(entry.body, _DIVIDES)
        mode = label(fields.get("execution_mode")) or label(fields.get("mode")) or ""
        scenario = label(fields.get("project")) or label(fields.get("scenario")) or FORMAT
        record = self._first(_ID_FIELDS)
        run = RunBuilder(
            source=SourceRef(format=FORMAT, record=label(record)),
            trace_id=stable_id(FORMAT, identity(fields), "\n".join(entry.body).strip()),
            agent=label(fields.get("agent")) or FORMAT,
            scenario=scenario,
            execution_mode=cast(ExecutionMode, mode.upper())
            if mode.upper() in ("EXECUTION", "SIMULATION", "OPTIMIZATION")
            else "EXECUTION",
            options=options,
        )
        self._start, self._end = self._time(_START_FIELDS), self._time(_END_FIELDS)
        day = next((micros_of_iso(str(fields[name])) for name in ("date", "completion_date") if name in fields), None)
        told = (_time_in(bold_fields(part.lines).get("time")) or _time_in(part.title) for part in self._parts)
        times = (self._start, self._end, day, *told, _time_in(fields.get("created_at")))
        self._talk = Conversation(run, first_micros=next((time for time in times if time is not None), None))

    def _first(self, names: tuple[str, ...]) -> object:
        return next((self._fields[name] for name in names if self._fields.get(name) is not None), None)

    def _time(self, names: tuple[str, ...]) -> int | None:
        return next((time for name in names if (time := _time_in(self._fields.get(name))) is not None), None)

    def events(self) -> list[Event]:
        """All events of the run."""
        talk = self._talk
        request = next((part for part in self._parts if part.title.lower() == "request" and part.text), None)
        constraints = self._fields.get("constraints_active")
        stated = constraints.items() if isinstance(constraints, dict) else ()
        talk.start(
            AgentStarted(
                root=True,
                goal=first_text(self._first(_GOAL_FIELDS), request.text if request else None),
                task_id=label(self._first(_ID_FIELDS)) or label(self._fields.get("action")),
                constraints=tuple(f"{key}: {_words(value)}" for key, value in stated),
            ),
            self._start,
        )
        for part in self._parts:
            # A section about an agent that tells of no task is no delegation.
            agent = _AGENT.match(part.title) if _TASK.search(part.text) else None
            if part is request or not part.text:
                continue
            if (asked := _USER_REQUEST.search(part.text)) is not None:
                talk.user(asked.group(1).strip().strip('"'))
            if _STEP.match(part.title):
                self._step(part)
            elif agent is not None:
                self._agent(agent.group(1), part)
            else:
                self._section(talk, part)
        self._troubles()
        said = [f"{name}: {_words(self._fields[name])}" for name in _FEEDBACK_FIELDS if self._fields.get(name)]
        if said:
            talk.add(FeedbackGiven(comment="; ".join(said)))
        rest = {name: value for name, value in self._fields.items() if name not in _TOLD and value is not None}
        outcome = label(self._first(_OUTCOME_FIELDS))
        talk.end(
            AgentEnded(
                root=True,
                completion_status=_status(outcome),
                reason=outcome,
                outputs_json=as_json(rest) if rest else None,
                cost_usd=_amount(self._first(_COST_FIELDS)),
                duration_seconds=_seconds(self._first(_DURATION_FIELDS)),
            ),
            self._end,
        )
        return talk.events

    def _section(self, talk: Conversation, part: Section) -> None:
        talk.add(StateChanged(current_step=part.title[:200] or "notes", variables_json=as_json({"text": part.text})))

    def _agent(self, name: str, part: Section) -> None:
        """An agent that the run gave a part of the work to."""
        child = self._talk.sub_agent(label(name) or FORMAT, None, self._talk.new_span("agent"))
        task = _TASK.search(part.text)
        child.start(AgentStarted(root=False, goal=task.group(1).strip() if task else None), parent_span_id=self._root)
        self._section(child, part)
        child.end(AgentEnded(root=False))

    @property
    def _root(self) -> str:
        return self._talk.span_id

    def _step(self, part: Section) -> None:
        fields = bold_fields(part.lines)
        plan = fenced_mapping(fields.get("tool_call"))
        span = self._talk.new_span("step")
        inside = self._talk.sub_agent(label(fields.get("agent")) or FORMAT, None, span)
        began = _time_in(fields.get("time")) or _time_in(part.title)
        inputs = next((fields[name] for name in ("real_inputs", "inputs") if fields.get(name)), None)
        inside.add(
            StepStarted(
                step_name=part.title,
                inputs_json=None if inputs is None else as_json(indented_value(str(inputs))),
                reasoning=first_text(fields.get("purpose"), fields.get("reasoning")),
            ),
            began,
            parent_span_id=self._root,
        )
        problem = _problem(fields)
        success = _success(fields, problem)
        tool = label(plan.get("tool")) or (_tool(fields) if _is_executed(fields) else None)
        if tool is not None:
            parameters = plan.get("parameters") if plan else indented_value(str(inputs)) if inputs else {}
            inside.tool_call(ToolCall(name=tool, arguments_json=as_json({} if parameters is None else parameters)))
        # The outputs of a plan are what is expected.
        told = ("real_outputs", "observation") if plan else ("real_outputs", "observation", "outputs")
        output = next((fields[name] for name in told if fields.get(name)), None)
        if tool is not None and (output is not None or problem is not None or success is not None):
            content = None if output is None else indented_value(str(output))
            returned = tool_result(
                content if isinstance(content, str | dict | list) or content is None else str(output),
                error=success is False or problem is not None,
                latency_seconds=_seconds(fields.get("actual_time")),
            )
            message = returned.error_message if problem is None else problem
            cost = _amount(fields.get("actual_cost"))
            inside.tool_result(msgspec.structs.replace(returned, error_message=message, cost_usd=cost))
        elif problem is not None:
            inside.add(ErrorRaised(error_kind="step_error", message=problem))
        inside.add(StepEnded(step_name=part.title, outputs_json=as_json({"text": part.text}), success=success))

    def _troubles(self) -> None:
        stated = [error for error in items(self._fields.get("errors")) if _words(error).lower() not in _NOTHING]
        for error in stated[:_MAX_ERRORS]:
            self._talk.add(ErrorRaised(error_kind="stated", message=_words(error)))
        for _ in range(len(stated), min(count(self._fields.get("error_count")) or 0, _MAX_ERRORS)):
            self._talk.add(ErrorRaised(error_kind="unspecified"))
        for action in items(self._fields.get("recovery_actions")):
            self._talk.add(RecoveryAttempted(action=_words(action)))


def _words(value: object) -> str:
    return value if isinstance(value, str) else as_json(value)


def _time_in(value: object) -> int | None:
    """A time with its hour in a text; a day alone is no time."""
    found = _TIME.search(value[:1_000]) if isinstance(value, str) else None
    return micros_of_iso(found.group(0)) if found else None


def _seconds(value: object) -> float | None:
    """A duration: `120`, `~120s (note)`, `~21 minutes`, `00:02:30`."""
    if (clock := _CLOCK.match(str(value))) is not None:
        hours, minutes, seconds = (int(part) for part in clock.groups())
        return hours * 3600.0 + minutes * 60 + seconds
    found = _AMOUNT.match(str(value))
    if value is None or isinstance(value, bool) or found is None:
        return None
    unit = found.group(2).lower().removesuffix("s") if len(found.group(2)) > 1 else found.group(2).lower()
    factor = _UNITS.get({"second": "s", "minute": "min", "hr": "h"}.get(unit, unit))
    return None if factor is None else float(found.group(1)) * factor


def _amount(value: object) -> float | None:
    """An amount of dollars: `0.05`, `$0.15`."""
    found = _AMOUNT.match(str(value)) if value is not None and not isinstance(value, bool) else None
    return number(found.group(1)) if found else None


def _status(outcome: str | None) -> CompletionStatus:
    word = re.sub(r"[^a-z]+", "_", (outcome or "").lower()).strip("_")
    if word.startswith("partial"):
        return "partial"
    if re.search(r"fail|error", word):
        return "failed"
    if re.search(r"interrupt|cancel|paused|aborted", word):
        return "interrupted"
    return "successful" if re.search(r"success", word) else "unknown"


def _is_executed(fields: Json) -> bool:
    """Whether a step section says what came of the step, and not only what is planned."""
    state = str(fields.get("status") or fields.get("result") or "").lower()
    if any(word in state for word in _NOT_DONE):
        return False
    return bool(state) or any(
        fields.get(name) for name in ("real_outputs", "real_inputs", "observation", "actual_time")
    )


def _tool(fields: Json) -> str | None:
    """The tool a step used."""
    for name in ("tool_used", "component_used", "tool"):
        found = label(str(fields.get(name) or "").strip().strip("`"))
        if found and found.lower() not in _NOTHING:
            return found
    return None


def _problem(fields: Json) -> str | None:
    """What a step says went wrong."""
    for name in ("errors", "error"):
        found = str(fields.get(name) or "").strip()
        if found.lower() not in _NOTHING:
            return found
    return None


def _success(fields: Json, problem: str | None) -> bool | None:
    state = str(fields.get("status") or fields.get("result") or "").lower()
    if re.search(r"fail|error|timeout|❌", state):
        return False
    if re.search(r"success|complete|✅|done", state):
        return True
    return False if problem is not None else None
