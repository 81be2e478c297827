"""Who&When: failed runs of agent teams with a person's attribution of the failure, one JSON object a run.

`history` holds what was said. Two kinds of teams, told apart by their roles. In a group chat (CaptainAgent) every
message has a `name`; code blocks of a message are run by `Computer_terminal`, which answers with an exit code: a tool
call. In an orchestrated team (Magentic-One) the role is the speaker: `Orchestrator (thought)` is seen by nobody else,
`Orchestrator (-> WebSurfer)` hands over work, `Orchestrator (termination condition)` says why the run ended.

The orchestrator owns the run, else the team does; all others are sub-agents with a span each. What others said since
an agent's last turn is input of its next model call, because both kinds of teams broadcast what is said.

The attribution is feedback that rejects the span of the message `mistake_step` (counted from 0). Where another agent
than `mistake_agent` said it, the two contradict each other and the feedback is on that agent, else on the run. The
true answer and the attribution stand in the reward of the root's end as well. No times, no models are recorded.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from schemas.records import (
    AgentEnded,
    AgentStarted,
    CompletionStatus,
    ErrorRaised,
    Event,
    FeedbackGiven,
    Message,
    ModelCalled,
    SourceRef,
    StateChanged,
    ToolCall,
    ToolReturned,
    UserMessage,
)
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile, RunBuilder, stable_id
from streams.adapters.conversation import Conversation
from streams.adapters.runs import NotARunError, events_of_runs
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
    text,
)

FORMAT = "who-and-when"
TEAM = "team"
TERMINAL = "Computer_terminal"
MAX_INFORMED_AGENTS = 40
"""Agents that are given what others said; a team of more costs too much, for each message would be held for each."""
_USERS = frozenset({"human", "user"})
_ROLE = re.compile(r"(?P<agent>[^()]+?)\s*\((?P<note>[^()]+)\)\s*\Z")
_FENCE = re.compile(r"```[ \t]*+(?P<language>[\w+#.-]*+)[ \t]*+\r?\n")
_FENCE_END = re.compile(r"\r?\n[ \t]*+```")
_EXIT = re.compile(r"\s*exitcode:\s*(?P<code>-?\d{1,9})\s*(?:\((?P<words>[^)\n]{1,80})\))?")
_RUNTIME_ERROR = re.compile(r"^Error processing publish message\b.*", re.MULTILINE | re.DOTALL)
_DETAILS = ("mistake_agent", "mistake_step", "mistake_reason", "mistake_type")


def read(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    """Events of every run of a file."""
    yield from events_of_runs(source, lambda value: _run(value, options))


@dataclass(frozen=True)
class _Said:
    """One entry of the history."""

    agent: str
    content: str | None
    note: str | None = None
    """What the role says beyond the speaker: `thought`, `-> WebSurfer`, `termination condition`."""


def _run(value: object, options: ImportOptions) -> list[Event]:
    record = mapping(value)
    history = mappings(record.get("history"))
    if not history:
        raise NotARunError("has no history of messages")
    said = [_said(message) for message in history]
    lead = next((entry.agent for entry in said if entry.note is not None), None)
    team = _Team(record, said, lead, options)
    for position, entry in enumerate(said):
        team.hear(position, entry)
    return team.end()


def _said(message: Json) -> _Said:
    content = content_text(message.get("content"))
    name = label(message.get("name"))
    role = label(message.get("role")) or "unknown"
    if name is not None:
        return _Said(name, content)
    found = _ROLE.match(role)
    return _Said(found.group("agent"), content, found.group("note").strip()) if found else _Said(role, content)


@dataclass
class _Member:
    """An agent of the team."""

    talk: Conversation
    is_root: bool
    heard: int
    """Public messages so far that its prompts hold."""


@dataclass
class _Team:
    """Turns the history into events, entry by entry."""

    record: Json
    said: list[_Said]
    lead: str | None
    options: ImportOptions
    members: dict[str, _Member] = field(default_factory=dict)
    spans: dict[int, str] = field(default_factory=dict)
    """Position of an entry to the span of its event."""
    public: list[tuple[tuple[str, ...], Message]] = field(default_factory=list)
    """What everybody hears, and who has it as an event of its own."""
    termination: str | None = None

    def __post_init__(self) -> None:
        record = self.record
        self.prompts = mapping(record.get("system_prompt"))
        kind = "orchestrated" if self.lead else "group-chat"
        task = first_text(record.get("question_ID"), record.get("question_id")) or label(record.get("question_ID"))
        run = RunBuilder(
            source=SourceRef(format=FORMAT, record=label(task)),
            trace_id=stable_id(FORMAT, identity(record)),
            agent=self.lead or TEAM,
            scenario=f"{FORMAT}-{kind}",
            execution_mode="EXECUTION",
            options=self.options,
        )
        self.talk = Conversation(run)
        speakers = {entry.agent for entry in self.said}
        silent = {name: text(prompt) for name, prompt in self.prompts.items() if name not in speakers}
        inputs: Json = {"system_prompts_of_silent_agents": silent} if silent else {}
        if record.get("level") is not None:
            inputs["level"] = record["level"]
        self.talk.start(
            AgentStarted(
                root=True,
                goal=first_text(record.get("question"), record.get("task")),
                task_id=label(task),
                system_prompt=text(self.prompts.get(self.lead)) if self.lead else None,
                inputs_json=as_json(inputs) if inputs else None,
            )
        )
        if self.lead:
            self.members[self.lead] = _Member(self.talk, is_root=True, heard=0)

    def hear(self, position: int, entry: _Said) -> None:
        """One entry of the history."""
        if entry.agent.lower() in _USERS and entry.agent not in self.prompts:
            self.spans[position] = self.talk.add(UserMessage(content=entry.content)).span_id
            self._broadcast(entry.content, None, self.lead or TEAM)
        elif entry.agent == TERMINAL:
            self._terminal(position, entry)
        elif entry.note == "termination condition":
            self.termination = (entry.content or "").partition("\n")[0].strip()[:200] or None
            state = as_json({"termination_condition": entry.content})
            self.spans[position] = self.talk.add(StateChanged(variables_json=state)).span_id
        else:
            self._speaks(position, entry)

    def _broadcast(self, content: str | None, speaker: str | None, *known_to: str) -> None:
        if content is not None:
            self.public.append((known_to, Message(role="user", content=content, name=speaker)))

    def _member(self, name: str) -> _Member:
        member = self.members.get(name)
        if member is None:
            talk = self.talk.sub_agent(name, None, self.talk.new_span("agent"))
            heard = 0 if len(self.members) < MAX_INFORMED_AGENTS else len(self.public)
            member = self.members[name] = _Member(talk, is_root=False, heard=heard)
            talk.start(
                AgentStarted(root=False, system_prompt=text(self.prompts.get(name))),
                parent_span_id=self.talk.span_id,
            )
        return member

    def _speaks(self, position: int, entry: _Said) -> None:
        member = self._member(entry.agent)
        heard: tuple[Message, ...] = ()
        if len(self.members) <= MAX_INFORMED_AGENTS:
            heard = tuple(message for known_to, message in self.public[member.heard :] if entry.agent not in known_to)
        member.heard = len(self.public)
        private = entry.note == "thought"
        failure = _RUNTIME_ERROR.search(entry.content or "") if entry.note else None
        content = text((entry.content or "")[: failure.start()].rstrip()) if failure else entry.content
        output = Message(
            role="assistant",
            content=None if private else content,
            reasoning=content if private else None,
            tool_calls=self._code_run_next(position),
            name=entry.note.removeprefix("->").strip()[:200] if entry.note and entry.note.startswith("->") else None,
        )
        span = member.talk.new_span("message")
        self.spans[position] = span
        member.talk.add(ModelCalled(input_messages=heard, output=output), span_id=span)
        for call in output.tool_calls:
            member.talk.tool_call(call)
        if failure:
            member.talk.add(ErrorRaised(error_kind="runtime_error", message=text(failure.group())))
        if not private:
            self._broadcast(content, entry.agent, entry.agent)

    def _code_run_next(self, position: int) -> tuple[ToolCall, ...]:
        """The code of a message as a call, where the terminal says next that it ran code."""
        following = self.said[position + 1] if position + 1 < len(self.said) else None
        if following is None or following.agent != TERMINAL or not _EXIT.match(following.content or ""):
            return ()
        blocks = _code_blocks(self.said[position].content or "")
        return (ToolCall(name=TERMINAL, arguments_json=as_json({"code_blocks": blocks})),) if blocks else ()

    def _terminal(self, position: int, entry: _Said) -> None:
        ran = _EXIT.match(entry.content or "")
        before = self.said[position - 1].agent if position else None
        caller = self.members.get(before) if before is not None else None
        if ran is None:  # it had no code to run: a message, not a result
            state = as_json({TERMINAL: entry.content})
            self.spans[position] = self.talk.add(StateChanged(variables_json=state)).span_id
            self._broadcast(entry.content, TERMINAL)
            return
        talk = caller.talk if caller else self.talk
        talk.tool_result(_exit_result(ran, entry.content))
        self.spans[position] = talk.events[-1].span_id
        self._broadcast(entry.content, TERMINAL, *([before] if before is not None else []))

    def end(self) -> list[Event]:
        """The attribution, and the ends of all agents."""
        for member in self.members.values():
            if not member.is_root:
                member.talk.end(AgentEnded(root=False))
        feedback = self._attribution()
        if feedback is not None:
            self.talk.add(feedback)
        details = {name: self.record[name] for name in _DETAILS if self.record.get(name) is not None}
        truth = next((self.record[n] for n in ("ground_truth", "groundtruth") if self.record.get(n) is not None), None)
        if truth is not None:
            details = {"ground_truth": truth, **details}
        self.talk.end(
            AgentEnded(
                root=True,
                completion_status=self._status(),
                reason=self.termination,
                reward_json=as_json(details) if details else None,
            )
        )
        return self.talk.events

    def _status(self) -> CompletionStatus:
        claimed = next(
            (self.record[n] for n in ("is_correct", "is_corrected") if isinstance(self.record.get(n), bool)), None
        )
        if claimed is not None:
            return "successful" if claimed else "failed"
        return "failed" if self.record.get("mistake_agent") is not None else "unknown"

    def _attribution(self) -> FeedbackGiven | None:
        agent = label(self.record.get("mistake_agent"))
        step = count(self.record.get("mistake_step"))
        reason = text(self.record.get("mistake_reason"))
        if agent is None and step is None and reason is None:
            return None
        target = None
        wanted = agent.casefold() if agent else None
        if step is not None and step < len(self.said) and wanted in (None, self.said[step].agent.casefold()):
            target = self.spans.get(step)
        else:
            named = [member for name, member in self.members.items() if name.casefold() == wanted]
            target = next((member.talk.span_id for member in named if not member.is_root), None)
        return FeedbackGiven(human_validated=False, comment=reason, target_span_id=target)


def _code_blocks(words: str) -> list[Json]:
    """Fenced code, in order; linear in the length of the text."""
    blocks: list[Json] = []
    begin = _FENCE.search(words)
    while begin is not None:
        end = _FENCE_END.search(words, begin.end() - 1)  # an empty block ends with the line break it began with
        if end is None:
            break
        blocks.append({"language": begin.group("language"), "code": words[begin.end() : end.start()]})
        begin = _FENCE.search(words, end.end())
    return blocks


def _exit_result(ran: re.Match[str], content: str | None) -> ToolReturned:
    code = int(ran.group("code"))
    return ToolReturned(
        tool=TERMINAL,
        success=code == 0,
        result_json=as_json(content),
        error_kind=None if code == 0 else "exit_code",
        error_message=None if code == 0 else f"exit code {code}",
    )
