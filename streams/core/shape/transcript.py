"""The chat of one agent as JSON texts, and the latest part of it that fits.

Messages that no trainer takes are left out: tool messages that answer no call of the assistant message before them,
and messages with neither content nor calls.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schemas.chat_text import message_text, messages_text, shortened
from schemas.conversation import Chat
from schemas.records import Message

_MIN_SHORTENED_CHARS = 200


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Messages as JSON text, and how much of the chat they are."""

    messages: str
    shown: int
    left_out: int
    """Earlier messages that did not fit."""
    first: int
    """Position in the chat of the first message after the system prompt."""
    system_prompt: bool


class Transcript:
    """Chat of one agent; texts are made once."""

    def __init__(self, chat: Chat) -> None:
        self.chat = chat
        self.start = 1 if chat.messages and chat.messages[0].role == "system" else 0
        """Position of the first message after the system prompt."""
        self._said: list[int] = []
        """For each message, the position of the latest user message before it; -1 where there is none."""
        said = -1
        for number, message in enumerate(chat.messages):
            self._said.append(said)
            said = number if message.role == "user" and message.content else said
        self._texts = [message_text(message) if fit else "" for message, fit in _fit(chat.messages)]

    def whole(self) -> str:
        """All messages."""
        return messages_text(text for text in self._texts if text)

    def speaks(self) -> bool:
        """Whether the agent says anything in it."""
        return any(
            text and message.role == "assistant" for message, text in zip(self.chat.messages, self._texts, strict=True)
        )

    def text(self, position: int) -> str:
        """One message; empty where it is left out."""
        return self._texts[position]

    def fit_after(self, position: int) -> int:
        """Position of the first message after this assistant message and its results."""
        position += 1
        while position < len(self._texts) and self.chat.messages[position].role == "tool":
            position += 1
        return position

    def until(
        self,
        position: int,
        room: int,
        opening: Callable[[str | None], Message],
        *,
        answer: str | None = None,
        inserted: tuple[int, Message] | None = None,
    ) -> Excerpt:
        """The system prompt, the latest history that fits in `room` characters, and the message at `position`.

        `answer` stands in the place of that message. `opening` makes the message that speaks first where the history
        that fits does not begin with a user, out of what the user said last before it; many chat templates refuse a
        chat that an assistant opens. `inserted` is a message and its place in the chat.
        """
        messages, texts = self.chat.messages, self._texts
        start = min(self.start, position)
        first = position
        block = position
        while first > start:
            # An assistant message and the results it got stay together: one without the other is no valid chat.
            block = first - 1
            while block > start and messages[block].role == "tool":
                block -= 1
            size = sum(map(len, texts[block:first]))
            if size > room:
                break
            room -= size
            first = block
        history = texts[first:position]
        if first == position > start:
            history, first = self._shortened(block, position, room)
        shown = [text for text in history if text]
        if inserted and first <= inserted[0] <= position:
            shown = [text for text in history[: inserted[0] - first] if text]
            rest = [text for text in history[inserted[0] - first :] if text]
            shown += [message_text(inserted[1]), *rest]
        roles = [message.role for message, text in zip(messages[first:position], history, strict=True) if text]
        if roles[:1] != ["user"]:
            before = self._said[first] if first < len(messages) else -1
            request = messages[before].content if before >= 0 else None
            shown.insert(0, message_text(opening(request)))
        system = [text for text in texts[:start] if text]
        return Excerpt(
            messages=messages_text([*system, *shown, texts[position] if answer is None else answer]),
            shown=len(system) + len(shown) + 1,
            left_out=first - start,
            first=first,
            system_prompt=bool(system),
        )

    def _shortened(self, block: int, position: int, room: int) -> tuple[list[str], int]:
        """The latest block where even that is too long: beginnings and ends of its texts, if they fit at all."""
        each = room // (position - block)
        if each >= _MIN_SHORTENED_CHARS:
            texts = [
                message_text(shortened(message, each)) if text else ""
                for message, text in zip(self.chat.messages[block:position], self._texts[block:position], strict=True)
            ]
            if sum(map(len, texts)) <= 2 * room:  # arguments of calls are never shortened, and JSON escapes add up
                return texts, block
        return [], position


def _fit(messages: Sequence[Message]) -> list[tuple[Message, bool]]:
    """Messages, and whether a trainer takes them."""
    found: list[tuple[Message, bool]] = []
    asked: set[str | None] = set()
    for message in messages:
        if message.role == "tool":
            fit = message.tool_call_id in asked
            asked.discard(message.tool_call_id)
        else:
            asked = {call.call_id for call in message.tool_calls}
            fit = bool(message.content or message.tool_calls)
        found.append((message, fit))
    return found
