"""One Codex session as events: records go in one by one, events come out in order.

The items of one answer (thoughts, a text, calls) are one model call. Its tokens come in a record behind them, before or
after the outputs of its calls, so an answer waits until the next one or a message begins; memory is bounded by one
answer and its outputs.

The product writes down much of what happens twice, as an item of the model's history and as an event for its display;
what the one told the other does not tell again. Messages that the product put in the user's role are input of the next
model call. Skipped on purpose: progress of calls whose output follows, settings of turns, copies of the history.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field

import msgspec

from schemas.records import (
    AgentEnded,
    AgentStarted,
    Body,
    CompletionStatus,
    ErrorRaised,
    Event,
    Message,
    ModelCalled,
    ModelRef,
    SourceRef,
    StateChanged,
    ToolCall,
    Usage,
)
from streams.adapters.base import ImportOptions, RunBuilder, stable_id
from streams.adapters.chat_fields import call_id, model_ref, tool_definitions
from streams.adapters.codex_items import (
    CallEnd,
    call_of,
    details,
    is_from_a_person,
    item_call_id,
    result_of,
    system_prompt,
    texts_of,
    thoughts_of,
    tool_name,
    usage_of,
)
from streams.adapters.conversation import Conversation
from streams.adapters.tolerant import Json, content_text, first_text, identity, label, mapping, micros_of_iso, text

FORMAT = "codex"
_SKIPPED = frozenset(
    {
        "task_started", "turn_started", "task_complete", "turn_complete", "session_configured", "thread_name_updated",
        "agent_message_delta", "agent_reasoning_delta", "agent_reasoning_section_break", "item_started",
        "item_completed", "exec_command_begin", "exec_command_output_delta", "mcp_tool_call_begin", "patch_apply_begin",
        "web_search_begin", "web_search_end", "view_image_tool_call", "turn_diff", "plan_update", "raw_response_item",
        "image_generation_begin", "image_generation_end", "thread_settings_applied", "ghost_snapshot",
        "context_compacted",
    }
)  # fmt: skip
_CALL_ENDS = frozenset({"exec_command_end", "patch_apply_end", "mcp_tool_call_end"})
_REMEMBERED = 500
_MAX_AFTER = 500
_MAX_OPEN_CALLS = 200


class UnreadableItemError(ValueError):
    """A record that says nothing this importer can read; the message holds none of its content."""


@dataclass
class _Answer:
    """What the model said at once, and what came back before its next answer."""

    at_micros: int | None
    text: str | None = None
    thoughts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    usage: Usage | None = None
    item_id: str | None = None
    finished: bool = False
    """Its tokens are known: what the model says next is another answer."""
    after: list[tuple[Json | Body, int | None]] = field(default_factory=list)
    """Outputs of calls as they were recorded, and other events, with their times."""


class _Talk(Conversation):
    """A conversation that gives its events away as it goes."""

    _given = 0

    def new_span(self, purpose: str) -> str:
        return stable_id(self._run.trace_id, purpose, self._given + len(self.events))[:16]

    def take(self) -> list[Event]:
        """All events but the last, whose time the next may need."""
        taken = self.events[:-1]
        del self.events[:-1]
        self._given += len(taken)
        del self._open[:-_MAX_OPEN_CALLS]  # searches of the web never have a result
        return taken


class _Echoes:
    """What was told as an item or as an event, so that the other is known as its echo."""

    def __init__(self) -> None:
        self._balance: OrderedDict[bytes, int] = OrderedDict()

    def is_echo(self, kind: str, words: str | None, *, event: bool) -> bool:
        """Whether the other record told the same before; remembers this one."""
        key = hashlib.sha256(f"{kind}\x1f{(words or '').strip()}".encode()).digest()
        before = self._balance.pop(key, 0)
        self._balance[key] = before - 1 if event else before + 1
        if len(self._balance) > _REMEMBERED:
            self._balance.popitem(last=False)
        return before > 0 if event else before < 0


class Session:
    """State of one session. `head` is what is known of it at its beginning."""

    def __init__(self, trace_id: str, name: str | None, head: Json, options: ImportOptions) -> None:
        spawned = mapping(mapping(mapping(head.get("source")).get("subagent")).get("thread_spawn"))
        role = label(head.get("agent_role")) or label(spawned.get("agent_role"))
        self._head = head
        self._run = RunBuilder(
            source=SourceRef(format=FORMAT, record=name),
            trace_id=trace_id,
            agent=f"{FORMAT}:{role}" if role else FORMAT,
            scenario=FORMAT,
            execution_mode="EXECUTION",
            options=options,
        )
        self._talk: _Talk | None = None
        self._answer: _Answer | None = None
        self._echoes = _Echoes()
        self._ends: OrderedDict[str, CallEnd] = OrderedDict()
        self._calls: OrderedDict[str, None] = OrderedDict()
        self._has_items = False
        self._total_tokens: str | None = None
        self._status: CompletionStatus = "unknown"
        self._reason: str | None = None
        self._provider = label(head.get("model_provider"))
        self._model = self._model_ref(head.get("model"))

    def feed(self, envelope: str, payload: Json, timestamp: object) -> None:
        """One record. Raises UnreadableItemError."""
        kind = label(payload.get("type")) or ""
        time = micros_of_iso(timestamp)
        if envelope == "turn_context":
            self._model = self._model_ref(payload.get("model")) or self._model
        elif envelope == "response_item":
            if not kind:
                raise UnreadableItemError("the item has no type")
            self._has_items = True
            self._item(kind, payload, time)
        elif envelope == "event_msg":
            if not kind:
                raise UnreadableItemError("the event has no type")
            self._event(kind, payload, time)
        elif envelope == "compacted":
            self._note(
                StateChanged(current_step="compacted", variables_json=details(payload, "replacement_history")), time
            )
        elif envelope != "world_state":
            self._note(StateChanged(current_step=envelope[:200], variables_json=details(payload)), time)

    def drain(self) -> list[Event]:
        """Events that nothing changes any more."""
        return self._talk.take() if self._talk else []

    def finish(self) -> list[Event]:
        """The rest, and the end of the session; nothing for a session in which nothing happened."""
        if self._talk is None and self._answer is None:
            return []
        self._flush()
        talk = self._started(None)
        talk.end(AgentEnded(root=True, completion_status=self._status, reason=self._reason))
        # The end keeps its id when the rollout has grown, so that a run has one end.
        talk.events[-1] = msgspec.structs.replace(
            talk.events[-1], event_id=stable_id(self._run.trace_id, "agent_ended", "end")
        )
        return talk.events

    def _model_ref(self, name: object) -> ModelRef | None:
        found = model_ref(name)
        if self._provider is None:
            return found
        return ModelRef(provider=self._provider, name=label(name))

    def _started(self, time: int | None) -> _Talk:
        """The conversation, which begins here if it has not."""
        if self._talk is None:
            began = micros_of_iso(self._head.get("timestamp"))
            self._talk = _Talk(self._run, first_micros=time if began is None else began)
            self._talk.start(
                AgentStarted(
                    root=True,
                    system_prompt=system_prompt(self._head),
                    tools=tool_definitions(self._head.get("dynamic_tools")),
                ),
                began,
            )
        return self._talk

    def _item(self, kind: str, item: Json, time: int | None) -> None:
        if kind == "message":
            self._message(item, time)
        elif kind == "reasoning":
            for thought in thoughts_of(item):
                self._thought(thought, time, event=False)
        elif kind.endswith("_call") or kind in ("function_call", "custom_tool_call"):
            call = call_of(item)
            self._speaking(time).calls.append(call)
            if call.call_id:
                self._remember(call.call_id)
            if kind == "image_generation_call" and item.get("result") is not None:
                picture: Json = {"call_id": call.call_id, "output": "[image]"}
                self._after(picture, time)
        elif kind.endswith("_output"):
            self._after(item, time)
        elif kind not in _SKIPPED:
            self._note(StateChanged(current_step=kind, variables_json=details(item)), time)

    def _message(self, item: Json, time: int | None) -> None:
        role, words = label(item.get("role")) or "unknown", texts_of(item.get("content"))
        if role == "assistant":
            self._said(words, time, event=False, item_id=label(item.get("id")))
        elif role == "user" and is_from_a_person(words):
            if not self._echoes.is_echo("user", words, event=False):
                self._user(content_text(item.get("content")), time)
        else:
            self._flush()
            self._started(time).context(Message(role=role, content=content_text(item.get("content"))))

    def _event(self, kind: str, event: Json, time: int | None) -> None:
        if kind == "user_message":
            words = text(event.get("message"))
            if is_from_a_person(words) and not self._echoes.is_echo("user", words, event=True):
                self._user(words, time)
        elif kind == "agent_message":
            self._said(text(event.get("message")), time, event=True)
        elif kind in ("agent_reasoning", "agent_reasoning_raw_content"):
            if (thought := text(event.get("text"))) is not None:
                self._thought(thought, time, event=True)
        elif kind == "token_count":
            self._tokens(mapping(event.get("info")))
        elif kind in _CALL_ENDS:
            self._call_end(kind, event, time)
        elif kind in ("error", "stream_error"):
            message = first_text(event.get("message"))
            self._note(ErrorRaised(error_kind=kind if kind == "stream_error" else "agent_error", message=message), time)
            if kind == "error":
                self._status, self._reason = "failed", "error"
        elif kind == "turn_aborted":
            self._note(StateChanged(current_step=kind, variables_json=details(event)), time)
            self._status, self._reason = "interrupted", label(event.get("reason"))
        elif kind not in _SKIPPED and not kind.endswith(("_delta", "_begin")):
            self._note(StateChanged(current_step=kind, variables_json=details(event)), time)

    def _user(self, content: str | None, time: int | None) -> None:
        self._flush()
        self._status, self._reason = "unknown", None
        self._started(time).user(content, time)

    def _said(self, words: str | None, time: int | None, *, event: bool, item_id: str | None = None) -> None:
        if self._echoes.is_echo("assistant", words, event=event):
            return
        answer = self._speaking(time)
        if answer.text is not None or answer.calls:
            self._flush()
            answer = self._speaking(time)
        answer.text, answer.item_id = words or "", item_id

    def _thought(self, thought: str, time: int | None, *, event: bool) -> None:
        if not self._echoes.is_echo("thought", thought, event=event):
            self._speaking(time).thoughts.append(thought)

    def _speaking(self, time: int | None) -> _Answer:
        """The answer that the model is giving now."""
        answer = self._answer
        if answer is not None and (answer.finished or any(isinstance(told, dict) for told, _ in answer.after)):
            self._flush()
            answer = None
        if answer is None:
            self._started(time)
            answer = self._answer = _Answer(time)
        answer.at_micros = time
        return answer

    def _after(self, told: Json | Body, time: int | None) -> None:
        if self._answer is not None and len(self._answer.after) >= _MAX_AFTER:
            self._flush()
        if self._answer is None:
            self._tell(told, time)
        else:
            self._answer.after.append((told, time))

    def _note(self, body: Body, time: int | None) -> None:
        self._after(body, time)

    def _tell(self, told: Json | Body, time: int | None) -> None:
        talk = self._started(time)
        if isinstance(told, dict):
            talk.tool_result(result_of(told, self._ends.pop(call_id(told.get("call_id")) or "", None)), time)
        else:
            talk.add(told, time)

    def _flush(self) -> None:
        answer, self._answer = self._answer, None
        if answer is None:
            return
        output = Message(
            role="assistant",
            content=answer.text or None,
            reasoning="\n".join(answer.thoughts) or None,
            tool_calls=tuple(answer.calls),
        )
        body = ModelCalled(call_id=answer.item_id, output=output, usage=answer.usage)
        self._started(answer.at_micros).model_call(body, answer.at_micros, self._model)
        for told, time in answer.after:
            self._tell(told, time)

    def _tokens(self, info: Json) -> None:
        """Tokens of the answer before; the same totals again are none of a new one."""
        totals = mapping(info.get("total_token_usage"))
        total = identity(totals) if totals else None
        if not info or (total is not None and total == self._total_tokens):
            return
        self._total_tokens = total
        if self._answer is not None:
            self._answer.usage = usage_of(mapping(info.get("last_token_usage")))
            self._answer.finished = True

    def _remember(self, call: str) -> None:
        self._calls[call] = None
        if len(self._calls) > _REMEMBERED:
            self._calls.popitem(last=False)

    def _call_end(self, kind: str, event: Json, time: int | None) -> None:
        """The event of a call's end tells of an item's call how it ended, and of any other all there is."""
        call = item_call_id(event)
        by_user = event.get("source") in ("user_shell", "userShell")
        if call is not None and call in self._calls:
            self._ends[call] = CallEnd.of(event)
            if len(self._ends) > _REMEMBERED:
                self._ends.popitem(last=False)
        elif self._has_items and not by_user:
            self._note(StateChanged(current_step=kind, variables_json=details(event)), time)
        else:
            self._flush()
            talk = self._started(time)
            invoked = mapping(event.get("invocation"))
            arguments = invoked.get("arguments", {key: event[key] for key in ("command", "changes") if key in event})
            name = tool_name({"name": invoked.get("tool"), "type": kind.removesuffix("_end")})
            item: Json = {"call_id": call, "name": name, "arguments": arguments}
            talk.tool_call(call_of(item), time, requested_by="user" if by_user else "agent")
            output = next((event[key] for key in ("aggregated_output", "stdout", "result") if key in event), None)
            end = CallEnd.of(event)
            talk.tool_result(result_of({"call_id": call, "output": output}, end), time)
