"""ToolBench (ToolLLM) answers: search trees (DFSDT), tries without branches (CoT), and flattened training chats.

A run is one attempt of the search: a way from the root of the tree to a leaf. The way that led to the answer is a
successful run (`win` says that an answer was given, not that it is right); a branch that was given up is a failed run
of the same task. Every turn of the tree is an event of exactly one run: what an attempt shares with another one is
input of its first model call, as it was when the model was asked. So no chat shows a dead branch as if it had been
part of the way, and two attempts at one task can be held against each other.

`task_id` comes from the words of the request: query ids repeat between groups and are in file names only. `trial`
counts attempts from 1 in the order in which they ended. Tools are the API definitions. No times are recorded.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas.records import (
    AgentEnded,
    AgentStarted,
    CompletionStatus,
    ErrorRaised,
    Event,
    Message,
    ModelCalled,
    ModelRef,
    SourceRef,
    ToolCall,
    ToolDefinition,
    ToolReturned,
)
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile, RunBuilder, stable_id
from streams.adapters.chat_fields import model_ref, tool_definitions, tool_result
from streams.adapters.conversation import Conversation
from streams.adapters.runs import NotARunError, events_of_runs
from streams.adapters.tolerant import (
    Json,
    as_json,
    content_text,
    count,
    identity,
    json_argument,
    mapping,
    mappings,
    parsed,
    text,
)
from streams.adapters.toolbench_chat import Chat, chat_of
from streams.adapters.toolbench_tree import (
    ANSWERED,
    FAILURES,
    GAVE_UP,
    Attempt,
    Turn,
    attempts_of,
    chain_turns,
    kept_leaf,
    prompts_of,
    tree_turns,
)

FORMAT = "toolbench"
AGENT = "toolbench-agent"
MAX_CONTEXT_TURNS = 60
"""Shared turns that an attempt repeats as input; searches go 12 nodes deep by default."""
MAX_CONTEXT_CHARS = 300_000
# `10_ChatGPT_DFS_woFilter_w2.json`, `G1_answer_10_ChatGPT_CoT@1.json`, `588_DFS_woFilter_w2.json`
_FILE = re.compile(r"(?:^|_)(?P<query>\d+)_(?:(?P<model>[^_][\w.-]*?)_)??(?:DFS|CoT|BFS|UCT)(?:[_@.]|$)")
_ERROR_FIELD = re.compile(r'\s*\{\s*"error"\s*:\s*"(?!")')


def read(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    """Events of every attempt of every record of a file."""
    names = _FILE.search(source.name)
    model = model_ref(names.group("model")) if names else None
    yield from events_of_runs(
        source, lambda value: _record(value, model, names.group("query") if names else None, options)
    )


@dataclass(frozen=True)
class _Search:
    """What all attempts of a record share."""

    key: str
    query: str | None
    """Query id as the file name has it."""
    model: ModelRef | None
    goal: str | None
    system: str | None
    request: str | None
    tools: tuple[ToolDefinition, ...]
    won: bool | None
    answer: Json
    options: ImportOptions

    def run(self, trial: int, attempts: int) -> Conversation:
        """The beginning of an attempt."""
        named = f"query {self.query}" if self.query else "search"
        run = RunBuilder(
            source=SourceRef(format=FORMAT, record=f"{named} attempt {trial} of {attempts}"),
            trace_id=stable_id(FORMAT, self.key, trial),
            agent=AGENT,
            scenario=FORMAT,
            execution_mode="EXECUTION",
            options=self.options,
            model=self.model,
        )
        talk = Conversation(run)
        talk.start(
            AgentStarted(
                root=True,
                goal=self.goal,
                task_id=f"{FORMAT}-{stable_id(self.goal.strip())[:16]}" if self.goal else None,
                trial=trial,
                system_prompt=self.system,
                tools=self.tools,
            )
        )
        if self.request is not None:
            talk.user(self.request)
        return talk


def _record(value: object, model: ModelRef | None, query: str | None, options: ImportOptions) -> Iterator[Event]:
    record = mapping(value)
    answer = mapping(record.get("answer_generation"))
    system, request, asked = prompts_of(answer)
    goal = text(answer.get("query")) or text(record.get("query"))
    won = record.get("win")
    search = _Search(
        key=identity(value),
        query=query,
        model=model,
        goal=goal or request,
        system=system,
        request=request or goal,
        tools=tool_definitions(answer.get("function")),
        won=won if isinstance(won, bool) else None,
        answer=answer,
        options=options,
    )
    ways = _ways(record, answer)
    if ways is not None:
        if not ways and search.request is None:
            raise NotARunError("holds neither turns nor a request")
        yield from _attempts(search, ways, asked)
        return
    chat = chat_of(record)
    if chat is None:
        raise NotARunError("holds no tree, tries or training messages")
    yield from _flat(search, chat)


@dataclass(frozen=True)
class _Way:
    """An attempt with its turns."""

    turns: Sequence[Turn]
    attempt: Attempt
    is_kept: bool
    won: bool | None
    """What the record says of this very attempt; None where it speaks of the search only."""


def _ways(record: Json, answer: Json) -> list[_Way] | None:
    """All attempts of a record; None where it holds no search."""
    if isinstance(record.get("tree"), dict):
        turns = tree_turns(record)
        kept = kept_leaf(turns, answer)
        attempts = attempts_of(turns, kept, MAX_CONTEXT_TURNS)
        return [_Way(turns, found, found.own[-1] == kept, None) for found in attempts]
    if not isinstance(record.get("trys"), list):
        return None
    tries = [(chain_turns(mappings(given.get("chain"))), given.get("win")) for given in mappings(record["trys"])]
    held = [(turns, won if isinstance(won, bool) else None) for turns, won in tries if turns]
    last = len(held) - 1
    return [
        _Way(turns, Attempt((), tuple(range(len(turns)))), position == last, won)
        for position, (turns, won) in enumerate(held)
    ]


def _attempts(search: _Search, ways: list[_Way], asked: list[list[str]]) -> Iterator[Event]:
    if not ways:
        talk = search.run(1, 1)
        talk.end(AgentEnded(root=True, completion_status="failed" if search.won is False else "unknown"))
        yield from talk.events
    for trial, way in enumerate(ways, start=1):
        talk = search.run(trial, len(ways))
        for message in _context(way):
            talk.context(message)
        own = [way.turns[position] for position in way.attempt.own]
        told = asked if way.is_kept and len(asked) == len(own) else []
        for number, turn in enumerate(own):
            for words in told[number] if told else ():
                talk.context(Message(role="user", content=words))
            _turn(talk, turn)
        talk.end(_ended(search, way, own[-1]))
        yield from talk.events


def _context(way: _Way) -> list[Message]:
    """What the model had in its prompt from the attempts that this one branches from; none where that is too much."""
    messages: list[Message] = []
    size = 0
    for number, position in enumerate(way.attempt.context, start=1):
        turn = way.turns[position]
        calls: tuple[ToolCall, ...] = ()
        if turn.has_call:
            calls = (_tool_call(turn, f"call_{number}"),)
        messages.append(Message(role="assistant", content=turn.thought, tool_calls=calls))
        if calls and turn.observation is not None:
            seen = turn.observation if isinstance(turn.observation, str) else as_json(turn.observation)
            content = text(seen) or ""
            messages.append(Message(role="tool", content=content, tool_call_id=calls[0].call_id, name=calls[0].name))
            size += len(content)
        size += len(turn.thought or "") + sum(len(call.arguments_json) for call in calls)
        if size > MAX_CONTEXT_CHARS:
            return []
    return messages


def _tool_call(turn: Turn, call_id: str | None = None) -> ToolCall:
    return ToolCall(call_id=call_id, name=turn.tool or "unknown", arguments_json=json_argument(turn.arguments))


def _turn(talk: Conversation, turn: Turn) -> None:
    calls = (_tool_call(turn),) if turn.has_call else ()
    talk.model_call(ModelCalled(output=Message(role="assistant", content=turn.thought, tool_calls=calls)))
    if calls and turn.observation is not None:
        talk.tool_result(observed(turn.observation, calls[0].name, turn.code))
    elif not calls and turn.code:
        talk.add(ErrorRaised(error_kind="model_error", message=f"the model call ended with code {turn.code}"))


def observed(observation: object, tool: str | None, code: int | None = None) -> ToolReturned:
    """A tool result. Its code tells of a failure, else its own words do, even where they are cut off."""
    kind = FAILURES.get(code) if code is not None else None
    failed = True if kind else None
    if failed is None and isinstance(observation, str) and parsed(observation) is None:
        failed = True if _ERROR_FIELD.match(observation[:200]) else None
    body = tool_result(observation, tool=tool, error=failed)
    if kind is None or body.success:
        return body
    return ToolReturned(
        tool=tool,
        success=False,
        result_json=body.result_json,
        error_kind=kind,
        error_message=body.error_message or content_text(observation),
    )


def _ended(search: _Search, way: _Way, leaf: Turn) -> AgentEnded:
    status, reason = _outcome(search, way, leaf)
    outputs: Json = {}
    if way.is_kept:
        if search.answer.get("final_answer"):
            outputs["final_answer"] = search.answer["final_answer"]
        for name in ("query_count", "total_tokens"):
            if count(search.answer.get(name)) is not None:
                outputs[name] = search.answer[name]
    return AgentEnded(
        root=True, completion_status=status, reason=reason, outputs_json=as_json(outputs) if outputs else None
    )


def _outcome(search: _Search, way: _Way, leaf: Turn) -> tuple[CompletionStatus, str | None]:
    won = way.won if way.won is not None else search.won
    if leaf.code == ANSWERED and not leaf.pruned:
        # Only one that a record contradicts is no success.
        return ("unknown" if won is False else "successful"), "give_answer"
    if leaf.code == GAVE_UP:
        return "failed", "give_up_and_restart"
    if way.won is not None or (way.is_kept and won is not None):
        return ("successful" if won else "failed"), "pruned" if leaf.pruned else None
    if leaf.pruned:
        return "failed", "pruned"
    return "interrupted", "not_expanded"


def _flat(search: _Search, chat: Chat) -> Iterator[Event]:
    """A training chat as one run. Its record says nothing of the outcome, unless it has `win`."""
    goal = search.goal or chat.request
    search = _Search(
        key=search.key,
        query=search.query,
        model=search.model,
        goal=goal,
        system=chat.system,
        request=None,
        tools=search.tools or chat.tools,
        won=search.won,
        answer=search.answer,
        options=search.options,
    )
    talk = search.run(1, 1)
    for message in chat.messages:
        if message.role == "assistant":
            talk.model_call(ModelCalled(output=message))
        elif message.role == "function":
            talk.tool_result(observed(message.content or "", message.name))
        elif message.role == "user":
            talk.user(message.content)
        else:
            talk.context(message)
    status: CompletionStatus = "unknown" if search.won is None else "successful" if search.won else "failed"
    talk.end(AgentEnded(root=True, completion_status=status, reason=chat.ending))
    yield from talk.events
