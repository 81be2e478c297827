"""What tool spans tell of their call, and any span of its errors."""

from collections.abc import Iterator
from dataclasses import dataclass

from streams.adapters.chat_fields import call_id
from streams.adapters.otlp_ai_sdk import ai_sdk_result
from streams.adapters.otlp_fields import VERB
from streams.adapters.otlp_messages import Result
from streams.adapters.otlp_spans import Span
from streams.adapters.otlp_talk import talk_of
from streams.adapters.otlp_values import first_of
from streams.adapters.tolerant import first_text, label, mapping, parsed


@dataclass(frozen=True)
class ToolData:
    """What a tool span tells."""

    call_id: str | None
    name: str
    arguments: object
    result: Result | None


def tool_of(span: Span) -> ToolData:
    """Tool, arguments and result of a tool span."""
    a = span.attributes
    talk = talk_of(span)
    call = next((found for said in (*talk.inputs, *talk.outputs) for found in said.calls), None)
    answers = [found for said in (*talk.outputs, *talk.inputs) for found in said.results]
    stated = first_of(a, "gen_ai.tool.name", "tool.name", "traceloop.entity.name", "ai.toolCall.name")
    name = label(stated) or VERB.sub("", span.name)
    ident = call_id(first_of(a, "gen_ai.tool.call.id", "tool.id", "tool_call.id", "tool_call_id", "ai.toolCall.id"))
    arguments = first_of(
        a,
        "gen_ai.tool.call.arguments",
        "gcp.vertex.agent.tool_call_args",
        "tool_arguments",
        "input.value",
        "tool.parameters",
        "traceloop.entity.input",
        "ai.toolCall.args",
    )
    content = first_of(
        a,
        "gen_ai.tool.call.result",
        "gcp.vertex.agent.tool_response",
        "tool_response",
        "output.value",
        "traceloop.entity.output",
    )
    content = ai_sdk_result(a) if content is None else content
    failed: bool | None = None
    for event in span.events:  # Strands: arguments and result as message events of the tool span
        if event.name == "gen_ai.tool.message" and arguments is None:
            arguments = event.attributes.get("content")
            ident = ident or call_id(event.attributes.get("id"))
            answers = []
        elif event.name == "gen_ai.choice" and content is None:
            content = event.attributes.get("message")
    if call is not None:
        ident, arguments = ident or call.call_id, call.arguments_json if arguments is None else arguments
    if content is None and answers:
        content, failed = answers[0].content, answers[0].failed
        ident = ident or answers[0].call_id
    wrapped = mapping(parsed(content))  # LangChain: a whole tool message as output
    if "content" in wrapped and "tool_call_id" in wrapped:
        ident = ident or call_id(wrapped["tool_call_id"])
        failed = True if wrapped.get("status") == "error" else failed
        content = wrapped["content"]
    if failed is None and a.get("gen_ai.tool.status") == "error":
        failed = True
    return ToolData(ident, name, arguments, None if content is None else Result(ident, name, content, failed))


@dataclass(frozen=True)
class Problem:
    """An error that a span records."""

    kind: str
    message: str | None


def problems_of(span: Span) -> Iterator[Problem]:
    """Exceptions of a span; else its error status."""
    found = False
    for event in span.events:
        if event.name == "exception" or "exception.type" in event.attributes:
            found = True
            kind = label(event.attributes.get("exception.type")) or "exception"
            yield Problem(kind, first_text(event.attributes.get("exception.message")) or span.status_message)
    stated = label(span.attributes.get("error.type"))
    if not found and (span.failed or stated):
        yield Problem(stated or "error", span.status_message or first_text(span.attributes.get("error.message")))
