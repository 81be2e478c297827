"""Parts of Claude Code lines as bodies of events: model calls, tool calls and their results."""

import re
from dataclasses import dataclass, field

from schemas.records import ClaudeCodeMapping, Message, ModelCalled, ModelRef, ToolCall, ToolCalled, ToolReturned, Usage
from streams.adapters.drafts import Draft
from streams.adapters.tolerant import (
    Json,
    as_json,
    content_text,
    count,
    first_text,
    items,
    label,
    mapping,
    number,
    text,
    total,
)

TOOL_USES = ("tool_use", "server_tool_use", "mcp_tool_use")


@dataclass
class OpenModelCall:
    """A model call whose lines are still arriving; it keeps its place in the order of events."""

    group: str
    """`message.id`."""
    repeat: int
    """How often the group was closed before: a later part is a further event, without the usage again."""
    span_id: str
    parent_span_id: str
    agent: str
    at_micros: int | None
    inputs: list[Message]
    closed: bool = False
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    usage: Usage | None = None
    finish_reason: str | None = None
    model: ModelRef | None = None
    cost_usd: float | None = None
    milliseconds: float | None = None

    def add(self, line: Json, message: Json) -> None:
        """Take the parts of one more line of the same message."""
        content = message.get("content")
        for part in [content] if isinstance(content, str) else items(content):
            kind = part.get("type") if isinstance(part, dict) else None
            if isinstance(part, dict) and kind == "thinking":
                self.thoughts.extend(found for found in (text(part.get("thinking")),) if found)
            elif isinstance(part, dict) and kind in TOOL_USES:
                body = tool_called(part)
                self.calls.append(ToolCall(call_id=body.call_id, name=body.tool, arguments_json=body.parameters_json))
            elif kind != "redacted_thinking" and not (isinstance(kind, str) and kind.endswith("tool_result")):
                self.texts.extend(found for found in (content_text([part]),) if found)
        self.finish_reason = label(message.get("stop_reason")) or self.finish_reason
        self.cost_usd = self.cost_usd if self.cost_usd is not None else number(line.get("costUSD"))
        self.milliseconds = self.milliseconds if self.milliseconds is not None else number(line.get("durationMs"))
        if (name := label(message.get("model"))) is not None:
            self.model = ModelRef(provider="anthropic", name=name)
        # Every line repeats the usage of the whole message; the output count grows while it streams: the last is it.
        self.usage = _usage(mapping(message.get("usage"))) or self.usage

    def draft(self) -> Draft:
        """The model call as an event to be."""
        again = self.repeat > 0
        body = ModelCalled(
            call_id=self.group,
            input_messages=tuple(self.inputs),
            output=Message(
                role="assistant",
                content="\n".join(self.texts) or None,
                reasoning="\n".join(self.thoughts) or None,
                tool_calls=tuple(self.calls),
            ),
            finish_reason=self.finish_reason,
            usage=None if again else self.usage,
            cost_usd=None if again else self.cost_usd,
            latency_seconds=None if self.milliseconds is None else self.milliseconds / 1000,
        )
        key = f"model:{self.group}:{self.repeat}"
        return Draft(body, key, self.at_micros, self.span_id, self.parent_span_id, self.agent, self.model)


@dataclass
class Chain:
    """The main conversation or that of one sub-agent."""

    span_id: str
    agent: str
    key: str
    parent_span_id: str | None = None
    call: OpenModelCall | None = None
    inputs: list[Message] = field(default_factory=list)
    ended: bool = False


def _usage(usage: Json) -> Usage | None:
    """Tokens; the source counts cached prompt tokens apart, `input_tokens` here is the whole prompt."""
    cached = count(usage.get("cache_read_input_tokens"))
    found = Usage(
        input_tokens=total(count(usage.get("input_tokens")), count(usage.get("cache_creation_input_tokens")), cached),
        output_tokens=count(usage.get("output_tokens")),
        cache_read_tokens=cached,
    )
    return None if found == Usage() else found


@dataclass(frozen=True)
class OpenCall:
    """A tool call that waits for its result."""

    tool: str
    span_id: str
    parent_span_id: str
    agent: str
    mapping: ClaudeCodeMapping | None
    prompt: str | None
    """What a call that starts a sub-agent asks of it."""
    subagent: str | None

    @classmethod
    def of(cls, body: ToolCalled, part: Json, span_id: str, parent_span_id: str, agent: str) -> "OpenCall":
        """Remember what its result and its sub-agent will need, and no more: inputs can be large."""
        given = mapping(part.get("input"))
        starts = body.tool in ("Task", "Agent")
        prompt = text(given.get("prompt")) if starts else None
        mapped = body.claude_code_mapping
        return cls(
            tool=body.tool,
            span_id=span_id,
            parent_span_id=parent_span_id,
            agent=agent,
            mapping=ClaudeCodeMapping(tool=mapped.tool, file_path=mapped.file_path) if mapped else None,
            prompt=prompt.strip() if prompt else None,
            subagent=label(given.get("subagent_type")) if starts else None,
        )


def tool_called(part: Json) -> ToolCalled:
    """A `tool_use` part; parameters are its input as JSON text."""
    name = label(part.get("name")) or "unknown"
    given = part.get("input")
    parameters = as_json({} if given is None else given)
    path = first_text(*(mapping(given).get(key) for key in ("file_path", "notebook_path", "path")))
    return ToolCalled(
        call_id=label(part.get("id"), 512),
        tool=name,
        parameters_json=parameters,
        claude_code_mapping=ClaudeCodeMapping(tool=name, file_path=path, parameters_json=parameters),
    )


def tool_returned(part: Json, details: Json, call: OpenCall | None) -> ToolReturned:
    """A `tool_result` part; `details` is the line's `toolUseResult`. The result is what the model was shown."""
    shown = shown_content(part.get("content"))
    failed = part.get("is_error") is True
    interrupted = details.get("interrupted") is True
    message = (shown if isinstance(shown, str) else as_json(shown)) if failed and shown is not None else None
    milliseconds = number(details.get("durationMs"))
    if milliseconds is None:
        milliseconds = number(details.get("totalDurationMs"))
    seconds = number(details.get("durationSeconds")) if milliseconds is None else milliseconds / 1000
    mapped = call.mapping if call else None
    return ToolReturned(
        call_id=label(part.get("tool_use_id"), 512),
        tool=call.tool if call else None,
        success=not failed and not interrupted,
        result_json=None if shown is None else as_json(shown),
        error_kind=_error_kind(message or "") if failed else "interrupted" if interrupted else None,
        error_message=text(message),
        latency_seconds=seconds,
        claude_code_mapping=ClaudeCodeMapping(
            tool=mapped.tool, file_path=mapped.file_path, execution_time_seconds=seconds
        )
        if mapped
        else None,
    )


def shown_content(content: object) -> object:
    """The content of a result, its texts as one; an image or another file stands as its type in brackets."""
    if not isinstance(content, list):
        return content
    parts = [content_text([item]) if _is_file(mapping(item)) else item for item in content]
    only_text = all(isinstance(item, str) or mapping(item).get("type") == "text" for item in parts)
    return content_text(parts) or "" if only_text else parts


def _is_file(part: Json) -> bool:
    return part.get("type") == "image" or mapping(part.get("source")).get("type") == "base64"


_ERROR_KINDS = (
    (re.compile(r"The user doesn't want to|\[Request interrupted by user"), "rejected_by_user"),
    (re.compile(r"(Error: )?Exit code \d+"), "exit_code"),
    (re.compile(r"Command timed out|.{0,40}timed out after", re.IGNORECASE), "timeout"),
    (re.compile(r"\s*<tool_use_error>"), "tool_use_error"),
)


def _error_kind(message: str) -> str:
    return next((kind for pattern, kind in _ERROR_KINDS if pattern.match(message)), "tool_error")
