"""Records in the very formats of the original description: its keys, in its order, its ways of writing values.

A key whose value is not known stays, with null or an empty value. Pure.
"""

from collections.abc import Sequence

import msgspec

from schemas.records import DecisionMade, DecisionOption, DecisionOutcome, Event, Example, Pattern, PatternTool, Trace
from schemas.seed_text import (
    clock_duration,
    iso_time,
    json_object,
    json_value,
    money,
    nests_too_deep,
    seconds_text,
    whole_if_whole,
)
from schemas.steps import Action, Step, steps

MICROS = 1_000_000


def execution_trace(trace: Trace) -> dict[str, object]:
    """`{"execution_trace": {...}}` of a trace. A withheld trace has no steps."""
    return {
        "execution_trace": {
            "trace_id": trace.trace_id,
            "scenario": trace.scenario,
            "execution_mode": trace.execution_mode,
            "start_time": iso_time(trace.started_at),
            "end_time": iso_time(trace.ended_at),
            "total_duration": clock_duration(trace.duration_seconds),
            "completion_status": trace.completion_status,
            "steps": [_step(step) for step in steps(trace.events)],
        }
    }


def _step(step: Step) -> dict[str, object]:
    return {
        "step_id": step.step_id,
        "step_name": step.step_name,
        "agent": step.agent,
        "start_time": iso_time(step.started_at),
        "duration": clock_duration((step.ended_at - step.started_at) / MICROS),
        "inputs": _inputs(step),
        "reasoning": step.reasoning,
        "actions": [_action(action) for action in step.actions],
        "outputs": _outputs(step),
        "state_changes": _state_changes(step.state_changes),
    }


def _inputs(step: Step) -> dict[str, object]:
    if step.inputs_json is not None:
        return json_object(step.inputs_json)
    said = [event.user_message.content for event in step.user_messages if event.user_message]
    return {"user_messages": said} if said else {}


def _outputs(step: Step) -> dict[str, object]:
    if step.outputs_json is not None:
        return json_object(step.outputs_json)
    if step.turns and not step.turns[-1].agent_actions and step.turns[-1].text:
        return {"message": step.turns[-1].text}
    return {}


def _action(action: Action) -> dict[str, object]:
    called = action.call.tool_called
    returned = action.returned.tool_returned if action.returned else None
    mapping = (returned.claude_code_mapping if returned else None) or (called.claude_code_mapping if called else None)
    return {
        "action_type": "tool_call" if action.by_agent else "user_tool_call",
        "tool": action.tool,
        "parameters": json_value(action.parameters_json),
        "result": _result(action),
        "claude_code_mapping": {
            "tool": mapping.tool,
            "file_path": mapping.file_path,
            "execution_time": seconds_text(mapping.execution_time_seconds),
        }
        if mapping
        else None,
    }


def _result(action: Action) -> dict[str, object] | None:
    """`{"success": ..., ...}`: fields of the result beside its success; None where no result was recorded."""
    returned = action.returned.tool_returned if action.returned else None
    if returned is None:
        return None
    value = json_value(returned.result_json)
    result: dict[str, object] = {"success": returned.success}
    if isinstance(value, dict):
        result |= value
    elif value is not None:
        result["result"] = value
    if not returned.success:
        if returned.error_kind is not None:
            result.setdefault("error_kind", returned.error_kind)
        if returned.error_message is not None:
            result.setdefault("error", returned.error_message)
    return result


def _state_changes(changes: Sequence[Event]) -> dict[str, object]:
    """State after the step: the last word on each field counts, variables add up."""
    current_step: str | None = None
    progress: float | None = None
    variables: dict[str, object] = {}
    for event in changes:
        state = event.state_changed
        if state is None:
            continue
        current_step = state.current_step if state.current_step is not None else current_step
        progress = state.progress_percentage if state.progress_percentage is not None else progress
        variables |= json_object(state.variables_json)
    return {"current_step": current_step, "progress_percentage": whole_if_whole(progress), "variables": variables}


def decision_trace(made: DecisionMade, outcome: DecisionOutcome | None) -> dict[str, object]:
    """`{"decision_trace": {...}}` of a decision and what came of it."""
    return {
        "decision_trace": {
            "decision_id": made.decision_id,
            "context": made.context,
            "available_options": [_option(option) for option in made.options],
            "decision": made.choice,
            "reasoning": made.reasoning,
            "confidence": made.confidence,
            "outcome": {
                "actual_cost": money(outcome.actual_cost_usd) if outcome else None,
                "actual_time": seconds_text(outcome.actual_time_seconds) if outcome else None,
                "success": outcome.success if outcome else None,
                "quality": outcome.quality if outcome else None,
            },
        }
    }


def _option(option: DecisionOption) -> dict[str, object]:
    return {
        "option": option.option,
        "pros": list(option.pros),
        "cons": list(option.cons),
        "estimated_cost": money(option.estimated_cost_usd),
        "estimated_time": seconds_text(option.estimated_time_seconds),
    }


def tool_execution_pattern(pattern: Pattern) -> dict[str, object]:
    """`{"tool_execution_pattern": {...}}` of a pattern."""
    return {
        "tool_execution_pattern": {
            "pattern_id": pattern.pattern_id,
            "pattern_type": pattern.pattern_type,
            "frequency": pattern.frequency,
            "success_rate": _hundredths(pattern.success_rate),
            "sequence": [_pattern_tool(tool) for tool in pattern.sequence],
        }
    }


def _pattern_tool(tool: PatternTool) -> dict[str, object]:
    return {
        "tool": tool.tool,
        "typical_inputs": {name: list(words) for name, words in tool.typical_inputs.items()},
        "performance": {
            "avg_latency": seconds_text(tool.avg_latency_seconds),
            "success_rate": _hundredths(tool.success_rate),
            "common_failures": list(tool.common_failures),
            "quality_score": _hundredths(tool.quality_score),
        },
    }


def _hundredths(share: float | None) -> float | None:
    return None if share is None else round(share, 2)


def training_example(example: Example) -> dict[str, object]:
    """`{"training_example": {...}}` of an example; a conversation has an empty context and expected output."""
    context = json_object(example.context)
    state = context.get("current_state")
    state = state if isinstance(state, dict) else {}
    expected = json_object(example.expected_output)
    return {
        "training_example": {
            "id": example.example_id,
            "type": example.type,
            "context": {
                "scenario": context.get("scenario", example.scenario),
                "goal": context.get("goal"),
                "current_state": {
                    "step": state.get("step"),
                    "available_data": state.get("available_data", []),
                    "constraints": state.get("constraints", []),
                },
                "available_tools": context.get("available_tools", []),
            },
            "expected_output": {key: expected.get(key) for key in ("action", "tool", "parameters", "reasoning")},
            "metadata": {
                "quality_score": example.quality_score,
                "human_validated": example.human_validated,
                "execution_successful": example.execution_successful,
                "training_weight": example.training_weight,
            },
        }
    }


class _Function(msgspec.Struct, frozen=True):
    name: str = ""
    arguments: str = ""


class _Call(msgspec.Struct, frozen=True):
    function: _Function = _Function()


class _ChatMessage(msgspec.Struct, frozen=True):
    role: str
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: tuple[_Call, ...] = ()


def conversation_example(example: Example) -> dict[str, object]:
    """`{"conversation_example": {...}}` of an example: tool calls written into the assistant's text.

    Raises msgspec.DecodeError when `example.messages` is no list of chat messages.
    """
    messages = msgspec.json.decode(example.messages, type=tuple[_ChatMessage, ...])
    return {
        "conversation_example": {
            "id": example.example_id,
            "messages": [{"role": message.role, "content": _content(message)} for message in messages],
            "metadata": {
                "scenario": example.scenario,
                "quality_score": example.quality_score,
                "training_type": example.packages[0] if example.packages else example.type,
            },
        }
    }


def _content(message: _ChatMessage) -> str:
    paragraphs = [message.content] if message.content else []
    for call in message.tool_calls:
        name, arguments = call.function.name, _indented(call.function.arguments)
        paragraphs.append(f"Action: tool_request\nTool: {name}\nParameters: {arguments}")
    if message.reasoning_content and message.role == "assistant":
        paragraphs.append(f"Reasoning: {message.reasoning_content}")
    return "\n\n".join(paragraphs)


def _indented(arguments: str) -> str:
    if nests_too_deep(arguments):
        return arguments
    try:
        return msgspec.json.format(arguments, indent=2)
    except msgspec.DecodeError:
        return arguments
