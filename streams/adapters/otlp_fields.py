"""What a span tells, in the words of the conventions in use: OpenTelemetry GenAI (attributes, and the span events of
its older versions), OpenInference, OpenLLMetry (`traceloop`), Google's ADK, pydantic-ai."""

import re
from dataclasses import dataclass
from typing import Literal

from schemas.records import ModelRef, ToolDefinition, Usage
from streams.adapters.chat_fields import tool_definitions
from streams.adapters.otlp_messages import Said, messages_of
from streams.adapters.otlp_spans import Span
from streams.adapters.tolerant import (
    Json,
    clean,
    count,
    first_text,
    items,
    label,
    mapping,
    mappings,
    number,
    parsed,
)

Kind = Literal["agent", "llm", "tool", "step", "other"]

_OPERATIONS: dict[str, Kind] = {
    "chat": "llm",
    "text_completion": "llm",
    "completion": "llm",
    "generate_content": "llm",
    "execute_tool": "tool",
    "invoke_agent": "agent",
    "create_agent": "agent",
    "invoke_workflow": "step",
    "plan": "step",
    "embeddings": "step",
    "retrieval": "step",
}
_OPENINFERENCE: dict[str, Kind] = {"LLM": "llm", "TOOL": "tool", "AGENT": "agent"}
_TRACELOOP: dict[str, Kind] = {"agent": "agent", "tool": "tool", "workflow": "step", "task": "step"}
VERB = re.compile(r"^(invoke_agent|create_agent|execute_tool|running tool:?)\s+")
_EVENT_ROLES = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
    "gen_ai.choice": "assistant",
}


@dataclass(frozen=True)
class Talk:
    """The messages that a span holds."""

    inputs: tuple[Said, ...] = ()
    outputs: tuple[Said, ...] = ()

    def or_else(self, other: "Talk") -> "Talk":
        """The other's messages where this one has none."""
        return Talk(self.inputs or other.inputs, self.outputs or other.outputs)


def kind_of(span: Span) -> Kind:
    """What a span stands for; `other` is infrastructure that says nothing of the agent."""
    attributes = span.attributes
    stated = label(attributes.get("openinference.span.kind"))
    if stated:
        return _OPENINFERENCE.get(stated.upper(), "step")
    operation = label(attributes.get("gen_ai.operation.name"))
    if operation:
        return _OPERATIONS.get(operation, "step")
    if mapping(parsed(attributes.get("gcp.vertex.agent.llm_request"))):
        return "llm"
    traceloop = label(attributes.get("traceloop.span.kind"))
    if traceloop:
        return _TRACELOOP.get(traceloop, "step")
    if attributes.get("llm.request.type") or "gen_ai.request.model" in attributes:
        return "llm"
    if "gen_ai.tool.name" in attributes:
        return "tool"
    return "agent" if "gen_ai.agent.name" in attributes else "other"


def talk_of(span: Span) -> Talk:
    """Messages of a span, from the first convention that has any."""
    found = Talk()
    for source in (_genai, _details, _message_events, _openinference, _traceloop, _adk, _logfire):
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


def nested(attributes: Json, prefix: str) -> object:
    """The value under a prefix of flat keys (`prefix.0.message.role`), as lists and objects."""
    if prefix in attributes:
        return attributes[prefix]
    tree: Json = {}
    for key, value in attributes.items():
        if not key.startswith(prefix + "."):
            continue
        *path, last = key[len(prefix) + 1 :].split(".")
        node = tree
        for name in path[:12]:
            child = node.get(name)
            if not isinstance(child, dict):
                child = node[name] = {}
            node = child
        node[last] = value
    return _listed(tree) if tree else None


def _listed(node: object) -> object:
    if not isinstance(node, dict):
        return node
    if node and all(key.isdecimal() for key in node):
        return [_listed(node[key]) for key in sorted(node, key=int)]
    return {key: _listed(value) for key, value in node.items()}


def system_of(inputs: tuple[Said, ...]) -> str | None:
    """The system prompt of a call."""
    return next((said.text for said in inputs if said.role == "system" and said.text), None)


def tools_of(span: Span) -> tuple[ToolDefinition, ...]:
    """Tools that a span says the model could call."""
    attributes = span.attributes
    found = tool_definitions(parsed(first_of(attributes, "gen_ai.tool.definitions", "gen_ai.request.tools")))
    if not found:
        schemas = (mapping(item).get("tool") for item in items(nested(attributes, "llm.tools")))
        found = tool_definitions([parsed(mapping(tool).get("json_schema")) for tool in schemas])
    if not found:
        found = tool_definitions(nested(attributes, "llm.request.functions"))
    if not found:
        request = mapping(parsed(attributes.get("gcp.vertex.agent.llm_request")))
        declared = [
            {**declaration, "parameters": declaration.get("parameters_json_schema") or declaration.get("parameters")}
            for tool in mappings(mapping(request.get("config")).get("tools"))
            for declaration in mappings(tool.get("function_declarations"))
        ]
        found = tool_definitions(declared)
    return found


def model_of(span: Span) -> ModelRef | None:
    """Model and provider; None where no model is named."""
    attributes = span.attributes
    name = label(first_of(attributes, "gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "model_name"))
    provider = label(first_of(attributes, "gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system"))
    return ModelRef(provider=provider, name=name) if name else None


def usage_of(span: Span) -> Usage | None:
    """Tokens of a model call."""
    a = span.attributes
    found = Usage(
        input_tokens=_count(a, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "llm.token_count.prompt"),
        output_tokens=_count(
            a, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens", "llm.token_count.completion"
        ),
        cache_read_tokens=_count(
            a,
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cache_read_input_tokens",
            "gen_ai.usage.details.cache_read_tokens",
            "llm.token_count.prompt_details.cache_read",
        ),
        reasoning_tokens=_count(
            a,
            "gen_ai.usage.reasoning.output_tokens",
            "gen_ai.usage.reasoning_tokens",
            "gen_ai.usage.details.reasoning_tokens",
            "llm.token_count.completion_details.reasoning",
        ),
    )
    return None if found == Usage() else found


def cost_of(span: Span) -> float | None:
    """Cost in US dollars."""
    return number(
        first_of(span.attributes, "operation.cost", "llm.cost.total", "gen_ai.usage.cost", "gen_ai.cost.total")
    )


def finish_reason_of(span: Span, outputs: tuple[Said, ...]) -> str | None:
    """Why the model stopped."""
    reasons = span.attributes.get("gen_ai.response.finish_reasons")
    reasons = parsed(reasons) or reasons
    stated = next((found for item in items(reasons) if (found := label(item))), None)
    return stated or label(reasons) or next((said.finish_reason for said in outputs if said.finish_reason), None)


def agent_name_of(span: Span) -> str:
    """Name of the agent that an agent span stands for."""
    stated = first_of(
        span.attributes, "gen_ai.agent.name", "agent.name", "agent_name", "traceloop.entity.name", "graph.node.id"
    )
    return label(stated) or VERB.sub("", span.name) or "agent"


def evaluations_of(span: Span) -> list[Json]:
    """Results of evaluators attached to a span."""
    return [
        {clean(key): value for key, value in event.attributes.items()}
        for event in span.events
        if event.name == "gen_ai.evaluation.result"
    ]


def first_of(attributes: Json, *names: str) -> object:
    """The first of the attributes that is there and not empty."""
    return next((attributes[name] for name in names if attributes.get(name) not in (None, "")), None)


def _count(attributes: Json, *names: str) -> int | None:
    return next((found for name in names if (found := count(attributes.get(name))) is not None), None)
