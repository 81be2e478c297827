"""The messages that a span holds, in the conventions in use: OpenTelemetry GenAI (attributes, and the span events of
its older versions), OpenInference, OpenLLMetry (`traceloop`), Google's ADK, pydantic-ai, Vercel's AI SDK."""

from streams.adapters.otlp_ai_sdk import ai_sdk_talk
from streams.adapters.otlp_messages import Said, Talk, messages_of
from streams.adapters.otlp_spans import Span
from streams.adapters.otlp_values import first_of, nested
from streams.adapters.tolerant import Json, first_text, label, mapping, mappings, parsed

_EVENT_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
}


def talk_of(span: Span) -> Talk:
    """Messages of a span, from the first convention that has any."""
    found = Talk()
    for source in _SOURCES:
        found = found.or_else(source(span))
        if found.inputs and found.outputs:
            break
    return found


def value_talk(span: Span) -> Talk:
    """Messages in `input.value` and `output.value` (or traceloop's): texts or JSON with messages."""
    return Talk(tuple(messages_of(input_value(span), "user")), tuple(messages_of(output_value(span), "assistant")))


def input_value(span: Span) -> object:
    """Input of a span that is no message list."""
    return first_of(span.attributes, "input.value", "traceloop.entity.input")


def output_value(span: Span) -> object:
    """Output of a span that is no message list."""
    return first_of(span.attributes, "output.value", "traceloop.entity.output", "final_result")


def _genai(span: Span) -> Talk:
    return _talk_in(span.attributes)


def _details(span: Span) -> Talk:
    found = Talk()
    for event in span.events:
        found = found.or_else(_talk_in(event.attributes))
        body = mapping(parsed(event.attributes.get("body")))
        sides = (body.get("input"), "user"), (body.get("output"), "assistant")
        inputs, outputs = (tuple(messages_of(mapping(side).get("messages"), role)) for side, role in sides)
        found = found.or_else(Talk(inputs, outputs))
    return found


def _talk_in(attributes: Json) -> Talk:
    instructions = attributes.get("gen_ai.system_instructions")
    system = [Said("system", said.text) for said in messages_of(_as_message(instructions), "system") if said.text]
    inputs = messages_of(attributes.get("gen_ai.input.messages"), "user")
    return Talk((*system, *inputs), tuple(messages_of(attributes.get("gen_ai.output.messages"), "assistant")))


def _as_message(instructions: object) -> object:
    """System instructions are parts without a message around them."""
    found = parsed(instructions)
    return [{"role": "system", "parts": found}] if isinstance(found, list) else instructions


def _message_events(span: Span) -> Talk:
    inputs: list[Said] = []
    outputs: list[Said] = []
    for event in span.events:
        role = _EVENT_ROLES.get(event.name)
        if role is None:
            continue
        body = mapping(parsed(event.attributes.get("body")))
        plain: Json = {**body, **event.attributes}
        for key in ("message", "content", "tool_calls"):
            plain[key] = parsed(plain.get(key)) or plain.get(key)
        plain.setdefault("role", role)
        (outputs if event.name == "gen_ai.choice" else inputs).extend(messages_of([plain], role))
    return Talk(tuple(inputs), tuple(outputs))


def _content_events(span: Span) -> Talk:
    """Before the conventions had an event for each message: all of a prompt in one, all of an answer in another."""
    inputs: list[Said] = []
    outputs: list[Said] = []
    for event in span.events:
        if event.name == "gen_ai.content.prompt":
            inputs.extend(messages_of(event.attributes.get("gen_ai.prompt"), "user"))
        elif event.name == "gen_ai.content.completion":
            outputs.extend(messages_of(event.attributes.get("gen_ai.completion"), "assistant"))
    return Talk(tuple(inputs), tuple(outputs))


def _openinference(span: Span) -> Talk:
    inputs = messages_of(nested(span.attributes, "llm.input_messages"), "user")
    return Talk(tuple(inputs), tuple(messages_of(nested(span.attributes, "llm.output_messages"), "assistant")))


def _traceloop(span: Span) -> Talk:
    inputs = messages_of(nested(span.attributes, "gen_ai.prompt"), "user")
    return Talk(tuple(inputs), tuple(messages_of(nested(span.attributes, "gen_ai.completion"), "assistant")))


def _adk(span: Span) -> Talk:
    request = mapping(parsed(span.attributes.get("gcp.vertex.agent.llm_request")))
    response = mapping(parsed(span.attributes.get("gcp.vertex.agent.llm_response")))
    instruction = first_text(mapping(request.get("config")).get("system_instruction"))
    system = [Said("system", instruction)] if instruction else []
    answer = mapping(response.get("content"))
    return Talk(
        (*system, *messages_of(request.get("contents"), "user")),
        tuple(messages_of([answer], "assistant")) if answer else (),
    )


def _logfire(span: Span) -> Talk:
    """Older pydantic-ai: the events of the conventions in an attribute."""
    inputs: list[Said] = []
    outputs: list[Said] = []
    for event in mappings(parsed(first_of(span.attributes, "events", "all_messages_events"))):
        name = label(event.get("event.name")) or ""
        role = _EVENT_ROLES.get(name) or label(event.get("role")) or "user"
        (outputs if name == "gen_ai.choice" else inputs).extend(messages_of([event], role))
    return Talk(tuple(inputs), tuple(outputs))


def all_messages(span: Span) -> list[Said]:
    """The whole conversation where an agent span holds it: for agents whose model calls were not recorded."""
    return messages_of(span.attributes.get("pydantic_ai.all_messages"), "user")


_SOURCES = (
    _genai,
    _details,
    _message_events,
    _content_events,
    _openinference,
    _traceloop,
    _adk,
    _logfire,
    ai_sdk_talk,
)


def system_of(inputs: tuple[Said, ...]) -> str | None:
    """The system prompt of a call."""
    return next((said.text for said in inputs if said.role == "system" and said.text), None)
