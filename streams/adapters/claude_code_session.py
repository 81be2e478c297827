"""One Claude Code session as events: lines go in one by one, events come out in order.

Lines that share `message.id` are one model call. Its parts may stand between results of parallel tools, so an open
call keeps a place in a bounded queue and the events behind it wait. Prompts that no person wrote (hook feedback,
command output, attachments, summaries of a compacted context) are input messages of the model call they lead to.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace

from schemas.records import (
    AgentEnded,
    AgentStarted,
    Body,
    CompletionStatus,
    ErrorRaised,
    Event,
    Message,
    SourceRef,
    StateChanged,
    UserMessage,
)
from streams.adapters.base import ImportOptions, RunBuilder, stable_id
from streams.adapters.claude_code_order import EventOrder
from streams.adapters.claude_code_parts import Chain, OpenCall, OpenModelCall, shown_content, tool_called, tool_returned
from streams.adapters.claude_code_prompts import (
    INTERRUPTED,
    command_parts,
    is_side_line,
    prompt_text,
    starting_call,
    words_of_a_person,
)
from streams.adapters.drafts import Draft
from streams.adapters.tolerant import (
    Json,
    as_json,
    content_text,
    first_text,
    identity,
    items,
    label,
    mapping,
    micros_of_iso,
    number,
    text,
)

FORMAT = "claude-code"
SCENARIO = FORMAT
SKIPPED = frozenset(
    {
        "queue-operation",  # the prompt itself follows as a user line
        "file-history-snapshot",
        "progress",  # but for messages of sub-agents, see `_progress`
        "custom-title",
        "ai-title",
        "agent-name",
        "last-prompt",
        "pr-link",
        "tag",
    }
)
"""Line types that carry nothing an agent or a person said or did."""

_MAX_INPUTS = 500
_REMEMBERED = 20_000
_ENVELOPE = frozenset({"uuid", "parentUuid", "sessionId", "timestamp", "type", "version", "cwd", "gitBranch",
                       "userType", "isSidechain", "isMeta", "slug", "logicalParentUuid", "entrypoint"})  # fmt: skip


class UnreadableLineError(ValueError):
    """A line that says nothing this importer can read; the message holds none of its content."""


class Session:
    """State of one session; memory is bounded by the calls that wait for a result."""

    def __init__(self, session_id: str, agent_id: str | None, options: ImportOptions) -> None:
        parts = (FORMAT, session_id, agent_id) if agent_id else (FORMAT, session_id)
        self._record = session_id
        agent = f"claude-code:{agent_id}" if agent_id else FORMAT
        self._run = RunBuilder(
            source=SourceRef(format=FORMAT, record=session_id),
            trace_id=stable_id(*parts),
            agent=agent,
            scenario=SCENARIO,
            execution_mode="EXECUTION",
            options=options,
        )
        self._own_agent_id = agent_id
        self._main = Chain(self._run.root_span_id, agent, "main")
        self._chains: dict[str, Chain] = {}
        self._chain_of_line: OrderedDict[str, str] = OrderedDict()
        self._open_calls: dict[str, OpenCall] = {}
        self._groups: OrderedDict[str, int] = OrderedDict()
        self._order = EventOrder(self._run)
        self._last_micros: int | None = None
        self._nameless_lines = 0
        self._interrupted = False
        self._summaries: list[str] = []
        self._result: Json = {}

    def feed(self, line: Json) -> Iterator[Event]:
        """Events that are certain after this line. Raises UnreadableLineError."""
        kind = line.get("type")
        if not isinstance(kind, str) and isinstance(line.get("message"), dict):
            kind = mapping(line["message"]).get("role")
        if not isinstance(kind, str) or not kind:
            raise UnreadableLineError("the line has no type")
        self._line(kind, line)
        yield from self._order.drain()

    def leave_out(self, line: Json) -> Iterator[Event]:
        """Say what a person asked in a turn that was rewound: the conversation went on without it."""
        words = words_of_a_person(line)
        if words is not None and not is_side_line(line):
            body = StateChanged(current_step="abandoned_branch", variables_json=as_json({"content": words}))
            at = micros_of_iso(line.get("timestamp"))
            if self._order.first_micros is None:
                self._order.first_micros = at
            self._put(self._main, Draft(body, f"{self._line_key(line)}:abandoned", at))
        yield from self._order.drain()

    def finish(self) -> Iterator[Event]:
        """The events that waited, the ends of sub-agents, and the end of the session. Nothing for an empty session."""
        for chain in (*self._chains.values(), self._main):
            self._close(chain)
        for chain in (*self._chains.values(), self._main):
            self._leftovers(chain)
        for chain in self._chains.values():
            self._end_chain(chain, None, self._last_micros)
        if self._order.is_empty:
            return
        self._order.start()
        failed = self._result.get("is_error") is True
        status: CompletionStatus = "failed" if failed else "interrupted" if self._interrupted else "unknown"
        outputs: Json = {"summaries": self._summaries} if self._summaries else {}
        if (answer := text(self._result.get("result"))) is not None:
            outputs["result"] = answer
        seconds = number(self._result.get("duration_ms"))
        body = AgentEnded(
            root=True,
            completion_status=status,
            reason=label(self._result.get("subtype")) or (INTERRUPTED + "]" if self._interrupted else None),
            outputs_json=as_json(outputs) if outputs else None,
            cost_usd=number(self._result.get("total_cost_usd")),
            duration_seconds=seconds / 1000 if seconds is not None else None,
        )
        self._order.put(Draft(body, "ended", self._last_micros))
        yield from self._order.drain()

    # Lines

    def _line(self, kind: str, line: Json) -> None:
        at = micros_of_iso(line.get("timestamp"))
        if kind in ("user", "assistant", "message"):
            message = line.get("message")
            if not isinstance(message, dict) or message.get("content") is None:
                raise UnreadableLineError(f"a line of type {kind} has no message content")
        if not self._order.first_line and kind not in SKIPPED and kind != "summary":
            self._order.first_line = line
        if kind in SKIPPED:
            if kind == "progress":
                self._progress(line)
            return
        if self._order.first_micros is None:
            self._order.first_micros = at
        if at is not None:
            self._last_micros = max(at, self._last_micros or at)
        key = self._line_key(line)
        chain = self._chain(line, at)
        if kind == "assistant":
            self._assistant(line, chain, key, at)
        elif kind == "user":
            self._user(line, chain, key, at)
        elif kind == "summary":
            self._summary(line)
        elif kind == "result":
            self._result = line
        elif kind == "attachment":
            self._attachment(line, chain, key, at)
        elif kind == "system":
            self._system(line, chain, key, at)
        else:
            self._state(kind, line, chain, key, at)

    def _line_key(self, line: Json) -> str:
        """What the ids of a line's events come from. Content too: edited recordings use one uuid for two lines."""
        uuid = line.get("uuid")
        if not isinstance(uuid, str):
            self._nameless_lines += 1
            uuid = f"line {self._nameless_lines}"
        return stable_id(uuid, identity(line.get("message", line)))

    def _assistant(self, line: Json, chain: Chain, key: str, at: int | None) -> None:
        message = mapping(line["message"])
        self._interrupted = False
        if line.get("isApiErrorMessage") is True or message.get("model") == "<synthetic>":
            said = content_text(message.get("content"))
            self._close(chain)
            body: Body = (
                ErrorRaised(error_kind=label(line.get("error")) or "api_error", message=said)
                if line.get("isApiErrorMessage") is True
                else StateChanged(current_step="synthetic_message", variables_json=as_json({"content": said}))
            )
            self._put(chain, Draft(body, f"{key}:0", at))
            return
        group = label(message.get("id")) or label(line.get("requestId")) or key
        call = self._call(chain, group, at)
        call.add(line, message)
        content = message["content"]
        for number_, part in enumerate([content] if isinstance(content, str) else items(content)):
            kind = part.get("type") if isinstance(part, dict) else None
            if isinstance(part, dict) and kind in ("tool_use", "server_tool_use", "mcp_tool_use"):
                body = tool_called(part)
                span = stable_id(self._run.trace_id, key, number_, "tool")[:16]
                model = call.model
                if body.call_id:
                    self._open_calls[body.call_id] = OpenCall.of(body, part, span, call.span_id, chain.agent)
                self._put(chain, Draft(body, f"{key}:{number_}", at, span, call.span_id, model=model))
            elif isinstance(part, dict) and isinstance(kind, str) and kind.endswith("tool_result"):
                self._tool_result(part, {}, chain, f"{key}:{number_}", at)

    def _user(self, line: Json, chain: Chain, key: str, at: int | None) -> None:
        content = mapping(line["message"])["content"]
        parts = [content] if isinstance(content, str) else items(content)
        is_result = [isinstance(part, dict) and part.get("type") == "tool_result" for part in parts]
        if line.get("toolUseResult") is not None and parts and not any(is_result):
            raise UnreadableLineError("a tool result does not name its tool call")
        for number_, part in enumerate(parts):
            if is_result[number_]:
                details = mapping(line.get("toolUseResult")) if sum(is_result) == 1 else {}
                self._tool_result(mapping(part), details, chain, f"{key}:{number_}", at)
        said = content_text([part for part, result in zip(parts, is_result, strict=True) if not result])
        if said is None:
            return
        if not any(is_result):
            self._close(chain)
        if said.startswith(INTERRUPTED):
            self._interrupted = True
            body = StateChanged(current_step="interrupted_by_user", variables_json=as_json({"content": said}))
            self._put(chain, Draft(body, f"{key}:said", at))
        elif chain is not self._main or (words := words_of_a_person(line)) is None:
            self._input(chain, Message(role="user", content=said), at)
        else:
            self._interrupted = False
            if words != said:  # what a slash command was given
                self._input(chain, Message(role="user", content=command_parts(said)[0]), at)
            self._put(chain, Draft(UserMessage(content=words), f"{key}:said", at))

    def _tool_result(self, part: Json, details: Json, chain: Chain, key: str, at: int | None) -> None:
        call_id = label(part.get("tool_use_id"), 512)
        call = self._open_calls.pop(call_id, None) if call_id else None
        child_id = label(details.get("agentId"))
        if details.get("status") != "async_launched":
            for name, child in self._chains.items():
                if name == child_id or (call is not None and child.parent_span_id == call.span_id):
                    self._end_chain(child, part, at)
        body = tool_returned(part, details, call)
        span = call.span_id if call else stable_id(self._run.trace_id, key, "tool")[:16]
        parent = call.parent_span_id if call else chain.span_id
        self._put(chain, Draft(body, key, at, span, parent, agent=call.agent if call else None))

    def _summary(self, line: Json) -> None:
        # A summary at the head of a file tells of another session; one of this session names a line of it.
        said = text(line.get("summary"))
        leaf = line.get("leafUuid")
        if said and isinstance(leaf, str) and leaf in self._chain_of_line:
            self._summaries.append(said)

    def _system(self, line: Json, chain: Chain, key: str, at: int | None) -> None:
        subtype = label(line.get("subtype")) or "system"
        if subtype == "init":
            if not self._order.set_up(line):
                self._state(subtype, line, chain, key, at)
            return
        said = content_text(line.get("content"))
        if subtype == "api_error" or line.get("level") == "error":
            problem = mapping(line.get("error"))
            message = said or first_text(problem.get("message"), line.get("error")) or as_json(line.get("error"))
            self._put(chain, Draft(ErrorRaised(error_kind=subtype, message=message), f"{key}:0", at))
            return
        hook_errors = [found for found in items(line.get("hookErrors")) if isinstance(found, str) and found]
        for position, found in enumerate(hook_errors):
            body = ErrorRaised(error_kind="hook_error", message=text(found))
            self._put(chain, Draft(body, f"{key}:hook:{position}", at))
        if said is not None:
            self._state(subtype, line, chain, key, at)

    def _attachment(self, line: Json, chain: Chain, key: str, at: int | None) -> None:
        attachment = mapping(line.get("attachment"))
        kind = label(attachment.get("type")) or "attachment"
        if kind == "queued_command" and (said := content_text(attachment.get("prompt"))) and chain is self._main:
            self._put(chain, Draft(UserMessage(content=said), f"{key}:said", at))
        elif attachment:
            said = first_text(attachment.get("content"), attachment.get("stdout")) or as_json(attachment)
            self._input(chain, Message(role="user", name=kind, content=said), at)

    def _progress(self, line: Json) -> None:
        """Sub-agents of newer versions report their messages as progress of the call that started them."""
        data = mapping(line.get("data"))
        inner = data.get("message")
        if data.get("type") != "agent_progress" or not isinstance(inner, dict) or not label(data.get("agentId")):
            return
        kind = inner.get("type")
        if kind in ("user", "assistant") and mapping(inner.get("message")).get("content") is not None:
            parent = {"parentToolUseID": line.get("parentToolUseID"), "agentId": data["agentId"], "isSidechain": True}
            self._line(str(kind), {"timestamp": line.get("timestamp"), **inner, **parent})

    def _state(self, step: str, line: Json, chain: Chain, key: str, at: int | None) -> None:
        content = {name: value for name, value in line.items() if name not in _ENVELOPE}
        body = StateChanged(current_step=label(step), variables_json=as_json(content))
        self._put(chain, Draft(body, f"{key}:state", at))

    # Chains

    def _chain(self, line: Json, at: int | None) -> Chain:
        uuid, parent, agent_id = line.get("uuid"), line.get("parentUuid"), label(line.get("agentId"))
        name = ""
        if is_side_line(line) and (agent_id is None or agent_id != self._own_agent_id):
            inherited = self._chain_of_line.get(parent, "") if isinstance(parent, str) else ""
            name = (
                agent_id
                or starting_call(line)
                or inherited
                or (uuid if isinstance(uuid, str) and uuid else "sidechain")
            )
        if isinstance(uuid, str):
            self._chain_of_line[uuid] = name
            if len(self._chain_of_line) > _REMEMBERED:
                self._chain_of_line.popitem(last=False)
        if not name:
            return self._main
        return self._chains.get(name) or self._begin_chain(name, line, at)

    def _begin_chain(self, name: str, line: Json, at: int | None) -> Chain:
        prompt = prompt_text(line)
        starter_id = starting_call(line)
        starter = self._open_calls.get(starter_id) if starter_id else None
        if starter is None and prompt is not None:
            taken = {chain.parent_span_id for chain in self._chains.values()}
            waiting = [call for call in self._open_calls.values() if call.prompt and call.span_id not in taken]
            starter = next((call for call in waiting if call.prompt == prompt.strip()), None)
        chain = Chain(
            span_id=stable_id(self._run.trace_id, "agent", name)[:16],
            agent=(starter.subagent if starter else None) or label(line.get("agentName")) or "sub-agent",
            key=f"agent:{name}",
            parent_span_id=starter.span_id if starter else self._main.span_id,
        )
        self._chains[name] = chain
        self._put(chain, Draft(AgentStarted(root=False, goal=prompt), f"{chain.key}:started", at))
        return chain

    def _end_chain(self, chain: Chain, result: Json | None, at: int | None) -> None:
        if chain.ended:
            return
        chain.ended = True
        self._close(chain)
        status: CompletionStatus = "failed" if result and result.get("is_error") is True else "unknown"
        outputs = shown_content(result.get("content")) if result else None
        body = AgentEnded(
            root=False, completion_status=status, outputs_json=as_json(outputs) if outputs is not None else None
        )
        self._put(chain, Draft(body, f"{chain.key}:ended", at))

    # Order

    def _input(self, chain: Chain, message: Message, at: int | None) -> None:
        chain.inputs.append(message)
        if len(chain.inputs) > _MAX_INPUTS:
            self._leftovers(chain)

    def _leftovers(self, chain: Chain) -> None:
        """Prompts that no model call answered."""
        if chain.inputs:
            content = [{"role": message.role, "content": message.content} for message in chain.inputs]
            body = StateChanged(current_step="unanswered_input", variables_json=as_json(content))
            self._put(chain, Draft(body, f"{chain.key}:unanswered:{identity(content)}", self._last_micros))
            chain.inputs = []

    def _call(self, chain: Chain, group: str, at: int | None) -> OpenModelCall:
        if chain.call is not None and not chain.call.closed and chain.call.group == group:
            return chain.call
        self._close(chain)
        repeat = self._groups.get(group, 0)
        self._groups[group] = repeat + 1
        if len(self._groups) > _REMEMBERED:
            self._groups.popitem(last=False)
        span = stable_id(self._run.trace_id, "model", group, repeat)[:16]
        call = OpenModelCall(group, repeat, span, chain.span_id, chain.agent, at, chain.inputs)
        chain.inputs = []
        chain.call = call
        self._order.put(call)
        return call

    def _close(self, chain: Chain) -> None:
        if chain.call is not None:
            chain.call.closed = True
            chain.call = None
            self._order.release()

    def _put(self, chain: Chain, draft: Draft) -> None:
        if draft.span_id is None:
            draft = replace(draft, span_id=chain.span_id, parent_span_id=chain.parent_span_id)
        self._order.put(replace(draft, agent=draft.agent or chain.agent))
