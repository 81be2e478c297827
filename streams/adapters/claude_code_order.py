"""The order of a session's events: model calls keep their place until their last line, the start waits for a goal."""

from collections import deque

from schemas.records import AgentStarted, Event, ToolDefinition, UserMessage
from streams.adapters.base import RunBuilder
from streams.adapters.claude_code_parts import OpenModelCall
from streams.adapters.drafts import Draft
from streams.adapters.tolerant import Json, as_json, items, label

_MAX_QUEUE = 512
_MAX_BUFFER = 64
_FACTS = ("cwd", "version", "gitBranch", "model", "permissionMode", "mcp_servers")


class EventOrder:
    """A bounded queue in front of the run builder."""

    def __init__(self, run: RunBuilder) -> None:
        self._run = run
        self._queue: deque[Draft | OpenModelCall] = deque()
        self._buffer: list[Draft] = []
        self._events: list[Event] = []
        self._started = False
        self.first_line: Json = {}
        self.first_micros: int | None = None
        self._set_up: Json = {}

    @property
    def is_empty(self) -> bool:
        """Whether nothing ever happened."""
        return not (self._started or self._buffer or self._queue)

    def set_up(self, line: Json) -> bool:
        """Take the line that lists tools, model and permissions; False once the trace has begun or has another."""
        if self._started or self._set_up:
            return False
        self._set_up = line
        return True

    def put(self, item: Draft | OpenModelCall) -> None:
        """An event, or the place of a model call that is still growing."""
        self._queue.append(item)
        self.release()

    def release(self) -> None:
        """Let out what no open model call holds back; a queue that has grown too long closes the call at its head."""
        while self._queue:
            head = self._queue[0]
            if isinstance(head, OpenModelCall):
                if not head.closed and len(self._queue) < _MAX_QUEUE:
                    return
                head.closed = True
                head = head.draft()
            self._queue.popleft()
            self._send(head)

    def start(self) -> None:
        """Begin the trace, once: its goal is the first thing a person said."""
        if self._started:
            return
        self._started = True
        said = (draft.body.content for draft in self._buffer if isinstance(draft.body, UserMessage))
        lines = {**self._set_up, **self.first_line}
        facts = {name: lines[name] for name in _FACTS if lines.get(name)}
        names = [name for tool in items(self._set_up.get("tools")) if (name := label(tool)) is not None]
        body = AgentStarted(
            root=True,
            goal=next(said, None),
            tools=tuple(ToolDefinition(name=name) for name in names),
            inputs_json=as_json(facts) if facts else None,
        )
        self._events.append(Draft(body, "started", self.first_micros).event(self._run))
        self._events.extend(draft.event(self._run) for draft in self._buffer)
        self._buffer.clear()

    def drain(self) -> list[Event]:
        """Events that are certain since the last call."""
        events, self._events = self._events, []
        return events

    def _send(self, draft: Draft) -> None:
        if self._started:
            self._events.append(draft.event(self._run))
            return
        self._buffer.append(draft)
        if len(self._buffer) >= _MAX_BUFFER or isinstance(draft.body, UserMessage):
            self.start()
