"""The canonical form of a trace: what it is about and what was done, without what differs from run to run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import msgspec
import xxhash

from schemas.conversation import result_text
from schemas.records import DecisionMade
from schemas.seed_text import json_value
from schemas.steps import Action
from streams.core.near_duplicates.records import MAX_TOOL_NAMES, TwinSummary
from streams.core.near_duplicates.words import word_hashes
from streams.core.redact.keys import kind_by_key, plain_key
from streams.core.view import TraceView

_TEXT_CHARS = 4_000
_RESULT_CHARS = 600
_RESULT_LEAVES = 120
_MAX_LEAVES = 1_000_000
_ARGUMENT_CHARS = 4_000
_EXACT_ARGUMENT_CHARS = 200
"""A longer text among the arguments is compared by its words, not to the letter."""
_PARSED_CHARS = 65_536
_MAX_DEPTH = 40
_MIN_PERSONAL_CHARS = 5
_MAX_PERSONAL = 64

_VOLATILE = (
    "id uuid guid call_id tool_call_id tool_use_id trace_id span_id parent_span_id parent_id parent_uuid request_id "
    "response_id message_id session_id run_id execution_id event_id correlation_id decision_id error_id "
    "conversation_id thread_id nonce etag hash sha sha1 sha256 md5 checksum digest signature fingerprint timestamp "
    "timestamps ts time datetime now created created_at updated_at started_at ended_at finished_at completed_at "
    "occurred_at start_time end_time elapsed elapsed_ms elapsed_seconds duration duration_ms duration_seconds "
    "latency latency_ms latency_seconds took runtime wall_time execution_time execution_time_seconds cost cost_usd "
    "total_cost total_cost_usd tokens token_count input_tokens output_tokens total_tokens prompt_tokens "
    "completion_tokens cached_tokens usage counter sequence seq sequence_number attempt iteration pid port uptime "
    "version_id revision_id"
)
_VOLATILE_KEYS = frozenset(_VOLATILE.split())
_ARGUMENT_KEYS = _VOLATILE_KEYS - frozenset(
    ("id", "time", "datetime", "start_time", "end_time", "duration", "cost", "tokens", "port", "pid", "hash", "sha")
)
"""In arguments some of them are what the agent chose: the time of a meeting, the id of a record."""


_plain = lru_cache(maxsize=4096)(plain_key)


@dataclass(frozen=True, slots=True)
class Document:
    """A trace in canonical form."""

    particulars: bytes
    """64-bit hash of the execution mode, the task and the tool calls."""
    text: str
    """Everything that counts, as plain text: words in order."""


def document_of(view: TraceView) -> Document:
    """The canonical form of a trace; linear in its size, raises nothing of its own."""
    exact = xxhash.xxh3_64(view.trace.execution_mode.encode())
    personal: dict[str, str] = {}
    lines: list[str] = [view.trace.scenario]
    task = _task(view)
    lines.append(_shortened(task, _TEXT_CHARS))
    if view.root_start and view.root_start.system_prompt:
        lines.append(_prompt(view.root_start.system_prompt))
    for step in view.steps:
        for decision in step.decisions:
            if decision.decision_made:
                lines.extend(_decision(decision.decision_made, personal))
        for turn in step.turns:
            for said in turn.user_messages:
                if said.user_message and said.user_message.content:
                    lines.append(_shortened(said.user_message.content, _TEXT_CHARS))
            if turn.text:
                lines.append(_shortened(turn.text, _TEXT_CHARS))
            for action in turn.actions:
                arguments = _words(json_value(action.parameters_json), _ARGUMENT_KEYS, personal)
                if action.by_agent:
                    exact.update(_call(action, arguments))
                lines.append(action.tool)
                lines.append(_shortened(" ".join(arguments), _ARGUMENT_CHARS))
                lines.append(_result(action, personal))
        for recovery in step.recoveries:
            if recovery.recovery_attempted:
                lines.append(_shortened(recovery.recovery_attempted.action, _TEXT_CHARS))
    exact.update(_strict(_without(personal, task)))
    return Document(exact.digest(), _without(personal, "\n".join(lines)))


def _without(personal: Mapping[str, str], text: str) -> str:
    """A text with the kinds of personal values in their place, longest first."""
    for value in sorted(personal, key=lambda one: (-len(one), one)):
        text = text.replace(value, personal[value])
    return text


def twin_summary(view: TraceView) -> TwinSummary:
    """What a later, faster run of the same task is compared with."""
    trace = view.trace
    counted = [count for count in (trace.input_tokens, trace.output_tokens) if count is not None]
    return TwinSummary(
        duration_seconds=trace.duration_seconds,
        cost_usd=trace.cost_usd,
        total_tokens=sum(counted) if counted else None,
        call_count=len(view.actions),
        tools=tuple(action.tool for action in view.actions[:MAX_TOOL_NAMES]),
    )


def _task(view: TraceView) -> str:
    """What was asked for: the goal, else the first words of the user."""
    if view.root_start and view.root_start.goal:
        return view.root_start.goal
    for event in view.trace.events:
        if event.user_message and event.user_message.content:
            return event.user_message.content
    return ""


@lru_cache(maxsize=64)
def _prompt(text: str) -> str:
    """A system prompt as one word: agents have the same one in all their runs, and it would drown the rest."""
    return f"prompt{xxhash.xxh3_64_intdigest(word_hashes(text))}"


def _strict(text: str) -> bytes:
    """Hash of a text word by word; times count."""
    return xxhash.xxh3_64_digest(word_hashes(text, keep_times=True))


def _call(action: Action, arguments: list[str]) -> bytes:
    short = [word for word in arguments if len(word) <= _EXACT_ARGUMENT_CHARS]
    return _strict(action.tool) + _strict(" ".join(short))


def _decision(made: DecisionMade, personal: dict[str, str]) -> Iterator[str]:
    yield from (made.choice, *(option.option for option in made.options))
    for text in (made.context, made.reasoning):
        if text:
            yield _shortened(" ".join(_words(json_value(text[:_PARSED_CHARS]), _VOLATILE_KEYS, personal)), _TEXT_CHARS)


def _result(action: Action, personal: dict[str, str]) -> str:
    if action.returned is None or action.returned.tool_returned is None:
        return "*nothing"
    outcome = "*returned" if action.returned.tool_returned.success else "*failed"
    text = result_text(action.returned)
    if text[:1] in "{[" and len(text) <= _PARSED_CHARS:
        text = " ".join(_words(json_value(text), _VOLATILE_KEYS, personal, _RESULT_LEAVES))
    return f"{outcome} {_shortened(text, _RESULT_CHARS)}"


@dataclass(frozen=True, slots=True)
class _Leaves:
    """Keys and leaves of JSON without the volatile ones, keys in order; JSON inside a text is opened."""

    volatile: frozenset[str]
    personal: dict[str, str]
    """Values that are personal by their key, as far as seen: replacements that differ from trace to trace."""
    found: list[str]
    enough: int
    """Leaves to stop after."""

    def walk(self, value: object, key: str = "", parent: str = "", depth: int = 0) -> None:
        if depth > _MAX_DEPTH or len(self.found) >= self.enough:
            return
        if isinstance(value, dict):
            for name in sorted(value):
                plain = _plain(name)
                if plain not in self.volatile:
                    self.found.append(name)
                    self.walk(value[name], plain, key, depth + 1)
        elif isinstance(value, list):
            for item in value:
                self.walk(item, key, parent, depth + 1)
        elif isinstance(value, str):
            self._text(value, key, parent, depth)
        else:
            self.found.append(msgspec.json.encode(value).decode())

    def _text(self, text: str, key: str, parent: str, depth: int) -> None:
        if text[:1] in ("{", "[") and len(text) <= _PARSED_CHARS:
            inside = json_value(text)
            if not isinstance(inside, str):
                self.walk(inside, key, parent, depth + 1)
                return
        keyed = kind_by_key(key, parent, text) if key else None
        if keyed is not None:
            kind = f"*{keyed.kind.lower()}"
            if not keyed.local and len(text) >= _MIN_PERSONAL_CHARS and len(self.personal) < _MAX_PERSONAL:
                self.personal[text] = kind
            text = kind
        self.found.append(text)


def _words(value: object, volatile: frozenset[str], personal: dict[str, str], enough: int = _MAX_LEAVES) -> list[str]:
    leaves = _Leaves(volatile, personal, [], enough)
    leaves.walk(value)
    return leaves.found


def _shortened(text: str, max_chars: int) -> str:
    """Beginning and end of a long text."""
    if len(text) <= max_chars:
        return text
    kept = max_chars // 2
    return f"{text[:kept]} {text[-kept:]}"
