"""The event stream of an Inspect sample as events of a run: who speaks, what was new in a prompt, what a tool gave.

Scorers, graders, and agents that a tool runs are sub-agents: what they ask a model is no turn of the agent under test.
Spans and steps are changes of state and not steps of a trace: one of them may hold a whole run of turns.
Skipped on purpose: what a tool does inside its sandbox, and changes of the state's copies of messages and tools.
"""

from collections import Counter
from dataclasses import dataclass, field

from schemas.records import AgentEnded, AgentStarted, ErrorRaised, Message, ModelCalled, StateChanged
from streams.adapters.chat_fields import call_id, model_ref, tool_call
from streams.adapters.conversation import Conversation
from streams.adapters.inspect_fields import (
    Attachments,
    error_text,
    message_key,
    message_of,
    pooled,
    returned,
    server_calls,
    spoken,
    usage_of,
)
from streams.adapters.tolerant import Json, as_json, first_text, label, mapping, mappings, micros_of_iso, number

_SKIPPED = frozenset({"sandbox", "sample_init", "score"})
_COPIES = ("/messages", "/output", "/tools", "/tool_choice", "/store", "/target")
"""Paths of the state whose changes other events tell, or that hold the ground truth."""
_FRAME = frozenset({"event", "span_id", "timestamp", "working_start", "uuid", "pending", "metadata", "completed"})
_MAX_WAITING_SPANS = 1_000


@dataclass
class Thread:
    """The agent under test, or a sub-agent, which begins with its first model or tool call."""

    name: str
    span: str | None = None
    """The log's span that the sub-agent lasts as long as."""
    parent_span_id: str | None = None
    talk: Conversation | None = None
    seen: Counter[str] = field(default_factory=Counter)
    """How often each message stands in the chat so far."""
    ended: bool = False


@dataclass(frozen=True)
class _Held:
    """A tool event whose result waits for the end of the tool's span."""

    thread: Thread
    event: Json


class EventStream:
    """Takes the events of a sample one by one; raises RecursionError for what is nested too deeply."""

    def __init__(self, talk: Conversation, attachments: Attachments, pool: list[object]) -> None:
        self.root = Thread("", talk=talk)
        self.called: set[str] = set()
        """Ids of the tool calls so far."""
        self.answered: set[str] = set()
        """Ids of those with a result."""
        self.model_calls = 0
        self.limit: str | None = None
        self.intermediate_scores: list[object] = []
        self._talk = talk
        self._attachments = attachments
        self._pool = pool
        self._sub_agents: list[Thread] = []
        self._grader: Thread | None = None
        self._threads: dict[str, Thread] = {}
        self._inside_tool: set[str] = set()
        self._tool_spans: list[tuple[str, object]] = []
        """Spans of tools whose tool event has not come yet: id and name."""
        self._held: dict[str, _Held] = {}
        self._steps: list[Thread] = []
        self._keys: dict[str, str] = {}
        self._input_keys: dict[int, str] = {}
        """By identity of the object, which lives as long as the sample: a pool's messages stand in every prompt."""
        self._errors: set[str | None] = set()

    def feed(self, event: Json) -> None:
        """The next event of the stream."""
        self._event(event, None)

    def release_results(self) -> None:
        """Results that wait for the end of a span which the log does not have."""
        self._release(None)

    def finish(self) -> None:
        """The ends of what has not ended."""
        self._release(None)
        for thread in reversed(self._sub_agents):
            self._end_thread(thread)

    def _event(self, event: Json, around: Thread | None) -> None:
        """One event of the stream; `around` is the thread of the event that holds it, in older logs."""
        kind = label(event.get("event")) or "unknown"
        thread = self._threads.get(label(event.get("span_id")) or "")
        thread = thread or around or (self._steps[-1] if self._steps else self.root)
        time = micros_of_iso(event.get("timestamp"))
        if kind == "model":
            self._model(thread, event, time)
        elif kind == "tool":
            self._tool(thread, event, time)
        elif kind == "span_begin":
            self._span(event, thread, time)
        elif kind == "span_end":
            self._span_end(label(event.get("id")) or "")
        elif kind == "step":
            self._step(event, thread, time)
        elif kind == "error":
            self.error("sample_error", event.get("error"), time)
        elif kind == "input":
            self._talk.user(first_text(self._attachments.resolve(event.get("input"))), time)
        elif kind == "score" and event.get("intermediate") is True:
            self.intermediate_scores.append(self._attachments.resolve(event.get("score")))
        elif kind == "sample_limit":
            parts = (label(event.get("type")), first_text(event.get("message")))
            self.limit = "limit: " + ": ".join(part for part in parts if part)
            self._state(kind, event, time)
        elif kind in ("state", "store"):
            self._changes(kind, event, time)
        elif kind not in _SKIPPED:
            nested = mappings(event.get("events"))
            self._state(label(event.get("name")) or kind, {**event, "events": None}, time)
            self._nested(nested, label(event.get("name")) or kind, None)

    def _state(self, step: str, event: Json, time: int | None) -> None:
        told = {key: value for key, value in event.items() if key not in _FRAME and value is not None}
        body = StateChanged(current_step=step, variables_json=as_json(self._attachments.resolve(told)))
        self._talk.add(body, time)

    def _changes(self, kind: str, event: Json, time: int | None) -> None:
        changes = [
            change
            for change in mappings(event.get("changes"))
            if kind == "store" or not str(change.get("path")).startswith(_COPIES)
        ]
        if changes:
            self._state(kind, {"changes": changes}, time)

    def _span(self, event: Json, thread: Thread, time: int | None) -> None:
        span, parent = label(event.get("id")) or "", label(event.get("parent_id")) or ""
        kind, name = label(event.get("type")), label(event.get("name")) or "span"
        thread = self._threads.get(parent, self.root if parent else thread)
        if kind == "tool" or parent in self._inside_tool:
            self._inside_tool.add(span)
        if kind == "scorer" or (kind == "agent" and parent in self._inside_tool):
            held = self._held.get(parent)
            call = call_id(held.event.get("id")) if held else None
            owner = held.thread.talk if held else None
            thread = self._sub_agent(name, owner.span_awaiting(call) if owner else None, span)
        self._threads[span] = thread
        if kind == "tool":
            self._tool_spans = [*self._tool_spans[-_MAX_WAITING_SPANS:], (span, event.get("name"))]
        else:
            self._state(name, {"type": kind}, time)

    def _span_end(self, span: str) -> None:
        if span in self._held:
            self._result(self._held.pop(span))
        thread = self._threads.get(span)
        if thread is not None and thread.span == span:
            self._end_thread(thread)

    def _step(self, event: Json, thread: Thread, time: int | None) -> None:
        """A step of older logs, which have no spans."""
        name = label(event.get("name")) or "step"
        if event.get("action") == "end":
            if self._steps:
                self._steps.pop()
            return
        self._steps.append(self._sub_agent(name) if event.get("type") == "scorer" else thread)
        self._state(name, {"type": event.get("type")}, time)

    def _sub_agent(self, name: str, parent_span_id: str | None = None, span: str | None = None) -> Thread:
        thread = Thread(name, span, parent_span_id)
        self._sub_agents.append(thread)
        return thread

    def _nested(self, events: list[Json], name: str, parent_span_id: str | None) -> None:
        if events:
            thread = self._sub_agent(name, parent_span_id)
            for event in events:
                self._event(event, thread)
            self._end_thread(thread)

    def _speaks(self, thread: Thread) -> Conversation:
        """The conversation of a thread; that of a sub-agent begins here."""
        if thread.talk is None:
            thread.talk = self._talk.sub_agent(thread.name, None, self._talk.new_span("agent"))
            parent = thread.parent_span_id or self._talk.span_id
            thread.talk.start(AgentStarted(root=False), parent_span_id=parent)
        return thread.talk

    def _end_thread(self, thread: Thread) -> None:
        if thread.talk is not None and not thread.ended:
            self._release(thread)
            thread.ended = True
            thread.talk.end(AgentEnded(root=False))

    def inputs(self, event: Json) -> list[Json]:
        """The prompt of a model event."""
        return mappings(event.get("input")) or pooled(event.get("input_refs"), self._pool)

    def key(self, message: Json) -> str:
        """Key of a message with its references resolved, worked out once for each way to write it."""
        raw = message_key(message)
        if raw not in self._keys:
            self._keys[raw] = message_key(self._attachments.fields(message))
        return self._keys[raw]

    def _model(self, thread: Thread, event: Json, time: int | None) -> None:
        if event.get("role") == "grader" and thread is self.root:
            self._grader = thread = self._grader or self._sub_agent("grader")
        talk = self._speaks(thread)
        self._release(thread)
        count: Counter[str] = Counter()
        for message in self.inputs(event):
            key = self._input_keys.get(id(message)) or self.key(message)
            self._input_keys[id(message)] = key
            count[key] += 1
            if count[key] <= max(thread.seen[key], self.root.seen[key]):
                continue
            thread.seen[key] = count[key]
            self._prompt(thread, self._attachments.fields(message), time)
        output = mapping(event.get("output"))
        choices = [self._attachments.fields(choice) for choice in mappings(output.get("choices"))]
        answer = mapping(choices[0].get("message")) if choices else {}
        usage = mapping(output.get("usage"))
        latency = number(output.get("time"))
        body = ModelCalled(
            call_id=label(answer.get("id")),
            output=message_of(answer, "assistant") if answer else None,
            finish_reason=label(choices[0].get("stop_reason")) if choices else None,
            usage=usage_of(usage),
            cost_usd=number(usage.get("total_cost")),
            latency_seconds=number(event.get("working_time")) if latency is None else latency,
        )
        ended = micros_of_iso(event.get("completed"))
        model = model_ref(event.get("model")) or model_ref(output.get("model"))
        talk.model_call(body, time if ended is None else ended, model)
        self.model_calls += 1
        if answer:
            thread.seen[self.key({**answer, "role": "assistant"})] += 1
            self.note_calls(talk, body.output, answer)
        if len(choices) > 1:
            self._state("other_choices", {"choices": choices[1:]}, ended)
        for problem in dict.fromkeys((first_text(event.get("error")), first_text(output.get("error")))):
            if problem is not None:
                self.error("model_error", problem, ended)

    def note_calls(self, talk: Conversation, output: Message | None, answer: Json) -> None:
        """Remember what an answer calls, and tell the calls that the provider ran itself."""
        self.called.update(call.call_id for call in (output.tool_calls if output else ()) if call.call_id)
        for call, result in server_calls(answer):
            talk.tool_call(call)
            talk.tool_result(result)

    def _prompt(self, thread: Thread, message: Json, time: int | None) -> None:
        """A message that is new in a prompt."""
        talk, role = self._speaks(thread), message.get("role")
        if role == "user" and thread is self.root:
            talk.user(spoken(message.get("content")), time)
        elif role == "tool":
            call = call_id(message.get("tool_call_id"))
            if talk.span_awaiting(call) is not None:
                self.tool_message(talk, message, time)
            elif call not in self.answered:
                talk.context(message_of(message))
        else:
            talk.context(message_of(message))

    def tool_message(self, talk: Conversation, message: Json, time: int | None) -> None:
        """A message of the chat that is the result of a call."""
        call = call_id(message.get("tool_call_id"))
        if call is not None:
            self.answered.add(call)
        tool = label(message.get("function"))
        error = message.get("error") or message.get("tool_error")
        talk.tool_result(returned(message.get("content"), error, call=call, tool=tool), time)

    def _tool(self, thread: Thread, event: Json, time: int | None) -> None:
        talk = self._speaks(thread)
        call = call_id(event.get("id"))
        span = talk.span_awaiting(call)
        if span is None:
            talk.tool_call(tool_call(self._attachments.fields({**event, "events": None})), time)
            span = talk.span_awaiting(call)
        if call is not None:
            self.called.add(call)
        self._nested(mappings(event.get("events")), label(event.get("function")) or "tool", span)
        held = _Held(thread, event)
        for position in range(len(self._tool_spans) - 1, -1, -1):
            if self._tool_spans[position][1] == event.get("function"):
                self._held[self._tool_spans.pop(position)[0]] = held
                return
        self._result(held)

    def _result(self, held: _Held) -> None:
        event = held.event
        ended = micros_of_iso(event.get("completed"))
        error = event.get("error")
        if event.get("pending") is True or ("result" not in event and error is None and ended is None):
            return
        call = call_id(event.get("id"))
        if call is not None:
            self.answered.add(call)
        body = returned(
            self._attachments.resolve(event.get("result")),
            self._attachments.resolve(error),
            call=call,
            tool=label(event.get("function")),
            latency_seconds=event.get("working_time"),
            failed=event.get("failed"),
        )
        self._speaks(held.thread).tool_result(body, ended)

    def _release(self, thread: Thread | None) -> None:
        """Results of tools of a thread (or of all) whose span did not end."""
        for span in [span for span, held in self._held.items() if thread in (None, held.thread)]:
            self._result(self._held.pop(span))

    def error(self, kind: str, error: object, time: int | None = None, *, repeated: bool = False) -> None:
        """Something failed; `repeated` where it may be what an error before tells already."""
        message = error_text(self._attachments.resolve(error))
        if not (repeated and message in self._errors):
            self._talk.add(ErrorRaised(error_kind=kind, message=message), time)
        self._errors.add(message)
