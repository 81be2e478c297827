"""The chat of a trace: system, user, assistant with tool calls, tool results. Pure, linear in the number of events.

Each agent has a chat of its own: what a sub-agent says is not part of the chat of the agent that called it. Tool
results stand directly after the assistant message that asked for them, in the order of the calls: chat templates
demand it. Tool-call ids are made unique within the trace, because real recordings repeat them. Arguments stay the
very text that the source holds. Tool calls that the *user* made are not part of the agent's chat.
"""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from schemas.chat_text import unquoted
from schemas.records import Event, Message, ToolCall
from schemas.spans import Scopes
from schemas.steps import Action, Step, Turn, steps


@dataclass(frozen=True, slots=True)
class Chat:
    """The chat of one agent."""

    thread: str | None
    """Span of the sub-agent; None for the agent that owns the trace."""
    messages: tuple[Message, ...]
    assistant_at: dict[tuple[int, int], int]
    """(position of a step among the steps of the trace, position of a turn in it) to that of its assistant message.
    A model call that failed has none."""


class CallIds:
    """Tool-call ids that are unique within one trace; the source's id is kept where it is free."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = defaultdict(lambda: 2)
        self._latest: dict[str, str] = {}

    def new(self, source_id: str | None) -> str:
        """An id for one more call."""
        stem = source_id or "call"
        found = stem if source_id else "call_1"
        while found in self._taken:
            found = f"{stem}_{self._next[stem]}"
            self._next[stem] += 1
        self._taken.add(found)
        self._latest[stem] = found
        return found

    def answering(self, source_id: str | None) -> str | None:
        """Id of the latest call that the source names like this."""
        return self._latest.get(source_id, source_id) if source_id else None


@dataclass(slots=True)
class _Thread:
    messages: list[Message]
    assistant_at: dict[tuple[int, int], int]
    users: int = 0
    """User messages so far."""


class _Writer:
    def __init__(self, events: Sequence[Event]) -> None:
        self.threads: dict[str | None, _Thread] = {}
        self._ids = CallIds()
        scopes = Scopes(events)
        self._said: dict[str | None, list[Event]] = defaultdict(list)
        self._prompts: dict[str | None, str] = {}
        for event in events:
            if event.kind == "agent_started" and event.agent_started and event.agent_started.system_prompt:
                self._prompts.setdefault(scopes.of(event.span_id).thread, event.agent_started.system_prompt)
            elif event.kind == "user_message":
                self._said[scopes.of(event.span_id).thread].append(event)

    def thread(self, name: str | None) -> _Thread:
        found = self.threads.get(name)
        if found is None:
            found = self.threads[name] = _Thread([], {})
            if name in self._prompts:
                found.messages.append(Message(role="system", content=self._prompts[name]))
        return found

    def write(self, found: Sequence[Step]) -> None:
        self.thread(None)
        for number, step in enumerate(found):
            for position, turn in enumerate(step.turns):
                self._turn(self.thread(step.thread), (number, position), turn)
        for name, said in self._said.items():  # what users said after the last turn
            thread = self.thread(name)
            self._users(thread, said[thread.users :])

    def _users(self, thread: _Thread, said: Sequence[Event]) -> None:
        thread.users += len(said)
        for event in said:
            if event.user_message and event.user_message.content is not None:
                thread.messages.append(Message(role="user", content=event.user_message.content))

    def _turn(self, thread: _Thread, position: tuple[int, int], turn: Turn) -> None:
        self._users(thread, turn.user_messages)
        called = turn.model_call.model_called if turn.model_call else None
        for message in called.input_messages if called else ():
            self._input(thread, message)
        output = called.output if called else None
        actions = turn.agent_actions
        if output is None and not actions:
            return
        said = output or Message(role="assistant")
        calls, results = self._calls(said.tool_calls, actions)
        thread.assistant_at[position] = len(thread.messages)
        thread.messages.append(
            Message(role="assistant", content=said.content, reasoning=said.reasoning, tool_calls=calls, name=said.name)
        )
        thread.messages.extend(results)

    def _input(self, thread: _Thread, message: Message) -> None:
        if message.role == "system" and message in thread.messages[:1]:
            return  # the prompt that AgentStarted already gave
        if message.tool_calls:
            calls = tuple(
                ToolCall(call_id=self._ids.new(call.call_id), name=call.name, arguments_json=call.arguments_json)
                for call in message.tool_calls
            )
            message = msgspec.structs.replace(message, tool_calls=calls)
        elif message.tool_call_id:
            message = msgspec.structs.replace(message, tool_call_id=self._ids.answering(message.tool_call_id))
        thread.messages.append(message)

    def _calls(
        self, requested: tuple[ToolCall, ...], actions: tuple[Action, ...]
    ) -> tuple[tuple[ToolCall, ...], list[Message]]:
        """Calls as the model wrote them, then calls that are only known because they ran; and their results."""
        ran: dict[tuple[str | None, str], deque[int]] = defaultdict(deque)
        for number, candidate in enumerate(actions):
            ran[(_call_id(candidate), candidate.tool)].append(number)
        pairs: list[tuple[ToolCall, Action | None]] = []
        matched: set[int] = set()
        for call in requested:
            queue = ran.get((call.call_id, call.name))
            action: Action | None = None
            if queue:
                matched.add(queue[0])
                action = actions[queue.popleft()]
            pairs.append((call, action))
        rest = deque(number for number in range(len(actions)) if number not in matched)
        for number, (call, matching) in enumerate(pairs):
            # The source named the calls in one of the two places only: then the tool name and the order join them.
            if matching is None and rest and actions[rest[0]].tool == call.name:
                candidate = actions[rest[0]]
                if call.call_id is None or _call_id(candidate) is None:
                    rest.popleft()
                    pairs[number] = (call, candidate)
        for number in rest:
            ran_only = actions[number]
            call = ToolCall(call_id=_call_id(ran_only), name=ran_only.tool, arguments_json=ran_only.parameters_json)
            pairs.append((call, ran_only))
        calls: list[ToolCall] = []
        results: list[Message] = []
        for call, ran_as in pairs:
            unique = self._ids.new(call.call_id or (_call_id(ran_as) if ran_as else None))
            calls.append(ToolCall(call_id=unique, name=call.name, arguments_json=call.arguments_json))
            if ran_as and ran_as.returned:
                content = result_text(ran_as.returned)
                results.append(Message(role="tool", content=content, tool_call_id=unique, name=call.name))
        return tuple(calls), results


def _call_id(action: Action) -> str | None:
    return action.call.tool_called.call_id if action.call.tool_called else None


def result_text(returned: Event) -> str:
    """What the model saw of a tool result: a JSON string is unquoted, other JSON stays the source's text."""
    body = returned.tool_returned
    if body is None:
        return ""
    text = body.result_json
    if text is None:
        return body.error_message or body.error_kind or ""
    return unquoted(text)


def chats(events: Sequence[Event], found: Sequence[Step] | None = None) -> dict[str | None, Chat]:
    """The chats of all agents of a trace, that of the owner (None) always among them.

    `found` are the trace's steps where the caller has them already.
    """
    writer = _Writer(events)
    writer.write(steps(events) if found is None else found)
    return {name: Chat(name, tuple(thread.messages), thread.assistant_at) for name, thread in writer.threads.items()}


def conversation(events: Sequence[Event]) -> tuple[Message, ...]:
    """The chat of the agent that owns the trace."""
    return chats(events)[None].messages
