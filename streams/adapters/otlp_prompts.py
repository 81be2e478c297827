"""What agents were told: prompts repeat the conversation so far, only what is new in them counts."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from schemas.records import Body, Message, ToolCall, ToolCalled, UserMessage
from streams.adapters.base import stable_id
from streams.adapters.chat_fields import tool_result
from streams.adapters.drafts import Draft
from streams.adapters.otlp_calls import ToolCalls
from streams.adapters.otlp_messages import Result, Said
from streams.adapters.otlp_tree import SpanTree


@dataclass
class _Awaited:
    """A tool call whose result may still be told in a prompt."""

    call: ToolCall
    span_id: str
    parent_span_id: str
    has_span: bool


class Prompts:
    """The conversations of all agents of a trace."""

    def __init__(self, tree: SpanTree, calls: ToolCalls, emit: Callable[[Draft], None]) -> None:
        self._tree = tree
        self._calls = calls
        self._emit = emit
        self.systems: dict[str, str | None] = {}
        """System prompt of each agent, which its start states."""
        self._heard: dict[str, Counter[tuple[object, ...]]] = defaultdict(Counter)
        self._pieces: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._awaited: dict[str, list[_Awaited]] = defaultdict(list)
        self._waiting: dict[str, list[Message]] = defaultdict(list)

    def hear(self, agent: str, inputs: Iterable[Said], at: int | None, key: str) -> list[Message]:
        """Take a whole prompt: events for what is new in it; gives the new messages that have no event."""
        counts: Counter[tuple[object, ...]] = Counter()
        left: list[Message] = []
        for position, said in enumerate(inputs):
            counts[said.key] += 1
            if counts[said.key] > self._heard[agent][said.key] and not self._is_known(agent, said):
                left.extend(self.hear_once(agent, said, at, f"{key}:{position}"))
        return left

    def hear_once(self, agent: str, said: Said, at: int | None, key: str) -> list[Message]:
        """Take one message that is new."""
        self.remember(agent, said)
        left: list[Message] = []
        if said.role == "system" and said.text == self.systems.get(agent):
            return left
        if said.role == "user" and said.text and not self._tree.is_delegated(agent):
            self._put(agent, UserMessage(content=said.text), at, key, agent, self._tree.parent_of_agent(agent))
        elif said.role != "tool" and (said.text or said.calls or said.reasoning):
            left.append(said.message())
        for number, call in enumerate(said.calls):
            self.ask(agent, call, None, agent, at, f"{key}:{number}")
        for number, result in enumerate(said.results):
            self._told(agent, result, at, f"{key}:{number}")
        return left

    def remember(self, agent: str, said: Said) -> None:
        """The next prompt of the agent will repeat this message."""
        self._heard[agent][said.key] += 1
        self._pieces[agent].update(_pieces(said))

    def _is_known(self, agent: str, said: Said) -> bool:
        """Whether an answer repeats parts of known ones: some prompts list the calls of one answer one by one."""
        pieces = _pieces(said)
        return bool(pieces) and pieces <= self._pieces[agent]

    def wait(self, agent: str, messages: Iterable[Message]) -> None:
        """Keep messages for the agent's next model call."""
        self._waiting[agent].extend(messages)

    def waiting(self, agent: str) -> tuple[Message, ...]:
        """Take the messages that were kept."""
        return tuple(self._waiting.pop(agent, ()))

    def unanswered(self) -> list[Message]:
        """Messages that no model call took."""
        return [message for messages in self._waiting.values() for message in messages]

    def ask(self, agent: str, call: ToolCall, tool_span: str | None, parent: str, at: int | None, key: str) -> None:
        """A call in a message: an event, unless a span states it."""
        if tool_span is None and self._calls.has_span(call.call_id):
            return
        span_id = tool_span or stable_id(agent, key, "call")[:16]
        self._awaited[agent].append(_Awaited(call, span_id, parent, tool_span is not None))
        if tool_span is None:
            body = ToolCalled(call_id=call.call_id, tool=call.name, parameters_json=call.arguments_json)
            self._put(agent, body, at, key, span_id, parent)

    def _told(self, agent: str, result: Result, at: int | None, key: str) -> None:
        """A result in a message: an event, unless the span of its call states it."""
        waiting = self._awaited[agent]
        found = next((one for one in waiting if result.call_id and one.call.call_id == result.call_id), None)
        if found is None and result.call_id is None:
            found = next((one for one in waiting if result.tool in (None, one.call.name)), None)
        if found is not None:
            waiting.remove(found)
        if found.has_span if found else self._calls.has_span(result.call_id):
            return
        body = tool_result(
            result.content,
            call=result.call_id or (found.call.call_id if found else None),
            tool=found.call.name if found else result.tool,
            error=result.failed,
        )
        span_id = found.span_id if found else stable_id(agent, key, "result")[:16]
        self._put(agent, body, at, key, span_id, found.parent_span_id if found else agent)

    def _put(self, agent: str, body: Body, at: int | None, key: str, span_id: str, parent: str | None) -> None:
        self._emit(Draft(body, key, at, span_id, parent, self._tree.name_of(agent), is_derived=True))


def _pieces(said: Said) -> set[tuple[str, str]]:
    """Text and calls of an answer; none for other messages, which may well repeat."""
    if said.role != "assistant":
        return set()
    text = {("text", said.text.strip())} if said.text else set()
    return text | {("call", call.call_id or f"{call.name} {call.arguments_json}") for call in said.calls}
