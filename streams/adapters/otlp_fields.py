"""What a span stands for, and what it tells besides messages, in the words of the conventions in use."""

import re
from typing import Literal

from schemas.records import ModelRef, ToolDefinition, Usage
from streams.adapters.chat_fields import tool_definitions
from streams.adapters.otlp_messages import Said
from streams.adapters.otlp_spans import Span
from streams.adapters.otlp_values import first_of, nested
from streams.adapters.tolerant import (
    Json,
    clean,
    count,
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
_AI_SDK: dict[str, Kind] = {
    "ai.generateText": "agent",
    "ai.generateText.doGenerate": "llm",
    "ai.streamText": "agent",
    "ai.streamText.doStream": "llm",
    # An object takes one call of the model, which both of its spans tell.
    "ai.generateObject": "llm",
    "ai.generateObject.doGenerate": "llm",
    "ai.streamObject": "llm",
    "ai.streamObject.doStream": "llm",
    "ai.toolCall": "tool",
}
"""Operations of Vercel's AI SDK: `generateText` runs a model and its tools until an answer stands."""
VERB = re.compile(r"^(invoke_agent|create_agent|execute_tool|running tool:?)\s+")


def kind_of(span: Span) -> Kind:
    """What a span stands for; `other` is infrastructure that says nothing of the agent."""
    attributes = span.attributes
    stated = label(attributes.get("openinference.span.kind"))
    if stated:
        return _OPENINFERENCE.get(stated.upper(), "step")
    operation = label(attributes.get("gen_ai.operation.name"))
    if operation:
        return _OPERATIONS.get(operation, "step")
    ai_sdk = label(attributes.get("ai.operationId"))
    if ai_sdk:
        return _AI_SDK.get(ai_sdk, "step")
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
        found = tool_definitions([parsed(tool) for tool in items(parsed(attributes.get("ai.prompt.tools")))])
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
    names = ("gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "model_name", "ai.model.id")
    providers = ("gen_ai.provider.name", "gen_ai.system", "llm.provider", "llm.system", "ai.model.provider")
    name, provider = label(first_of(attributes, *names)), label(first_of(attributes, *providers))
    return ModelRef(provider=provider, name=name) if name else None


def usage_of(span: Span) -> Usage | None:
    """Tokens of a model call."""
    a = span.attributes
    found = Usage(
        input_tokens=_count(
            a,
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.prompt_tokens",
            "llm.token_count.prompt",
            "ai.usage.promptTokens",
            "ai.usage.inputTokens",
        ),
        output_tokens=_count(
            a,
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.completion_tokens",
            "llm.token_count.completion",
            "ai.usage.completionTokens",
            "ai.usage.outputTokens",
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
    names = ("gen_ai.agent.name", "agent.name", "agent_name", "traceloop.entity.name", "graph.node.id")
    stated = first_of(span.attributes, *names, "ai.telemetry.functionId")
    return label(stated) or VERB.sub("", span.name) or "agent"


def evaluations_of(span: Span) -> list[Json]:
    """Results of evaluators attached to a span."""
    return [
        {clean(key): value for key, value in event.attributes.items()}
        for event in span.events
        if event.name == "gen_ai.evaluation.result"
    ]


def _count(attributes: Json, *names: str) -> int | None:
    return next((found for name in names if (found := count(attributes.get(name))) is not None), None)
