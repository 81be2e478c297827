"""The original description's own records, rebuilt from events, and held against that file where it is at hand."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from schemas.records import (
    ClaudeCodeMapping,
    DecisionMade,
    DecisionOption,
    DecisionOutcome,
    Example,
    StateChanged,
    StepEnded,
    StepStarted,
    ToolCalled,
    ToolReturned,
)
from schemas.render import conversation_example, decision_trace, execution_trace, training_example
from tests.unit.core.build import SECOND, TEN_O_CLOCK, Run

SEED = Path(__file__).parents[4] / "shared" / "data" / "llmunix" / "seed" / "TrainingDataCollector.md"


def seed_blocks() -> dict[str, Any]:
    """The JSON blocks of the original description by their outer key."""
    if not SEED.exists():
        pytest.skip("the recordings (../shared/data) are not here")
    blocks = re.findall(r"```json\n(.*?)```", SEED.read_text(encoding="utf-8"), re.DOTALL)
    found: dict[str, Any] = {}
    for block in blocks:
        found.update(json.loads(block))
    return found


def research_trace() -> dict[str, object]:
    run = Run("trace_2024_001_a7b3c", agent="SystemAgent")
    competitors = ["OpenAI", "Anthropic", "Google"]
    inputs = {
        "goal": "Analyze AI tools market competition",
        "scope": "comprehensive",
        "timeframe": "current_quarter",
    }
    reasoning = (
        "Need to establish research parameters and identify key competitors before proceeding with data collection"
    )
    outputs = {
        "research_plan_created": True,
        "competitors_identified": competitors,
        "next_step": "competitor_analysis",
    }
    mapping = ClaudeCodeMapping(
        tool="Write", file_path="/full/path/workspace/research_plan.md", execution_time_seconds=1.2
    )
    run.add(
        StepStarted(step_name="initialize_research", inputs_json=json.dumps(inputs), reasoning=reasoning),
        span="step",
        at=TEN_O_CLOCK,
    )
    parameters = {"file_path": "workspace/research_plan.md", "content": "# Market Research Plan\n..."}
    run.add(ToolCalled(tool="FileWriterTool", parameters_json=json.dumps(parameters)), span="call", parent="step")
    result = {"success": True, "file_created": "workspace/research_plan.md"}
    run.add(
        ToolReturned(success=True, result_json=json.dumps(result), claude_code_mapping=mapping),
        span="call",
        parent="step",
    )
    variables = {"research_scope": "comprehensive", "competitor_list": competitors}
    run.add(
        StateChanged(
            current_step="competitor_analysis", progress_percentage=10.0, variables_json=json.dumps(variables)
        ),
        span="state",
        parent="step",
    )
    run.add(
        StepEnded(step_name="initialize_research", outputs_json=json.dumps(outputs)),
        span="step",
        at=TEN_O_CLOCK + 30 * SECOND,
    )
    trace = run.trace(completion_status="successful", ended_at=TEN_O_CLOCK + 9000 * SECOND, duration_seconds=9000.0)
    return execution_trace(trace)


def pricing_decision() -> dict[str, object]:
    scraping = DecisionOption(
        option="web_scraping",
        pros=("comprehensive", "up_to_date"),
        cons=("may be blocked", "time_consuming"),
        estimated_cost_usd=0.15,
        estimated_time_seconds=45,
    )
    cached = DecisionOption(
        option="cached_reports",
        pros=("fast", "reliable"),
        cons=("may be outdated", "limited scope"),
        estimated_cost_usd=0.05,
        estimated_time_seconds=5,
    )
    made = DecisionMade(
        decision_id="dec_001",
        context="Need to gather competitor pricing information",
        options=(scraping, cached),
        choice="web_scraping",
        reasoning="Current pricing critical for accurate analysis, worth the extra cost and time",
        confidence=0.85,
    )
    outcome = DecisionOutcome(
        decision_id="dec_001", success=True, actual_cost_usd=0.18, actual_time_seconds=52, quality=0.92
    )
    return decision_trace(made, outcome)


def example(**fields: Any) -> Example:
    known: dict[str, Any] = {
        "example_id": "train_001",
        "trace_id": "t",
        "revision": 1,
        "type": "agent_execution",
        "scenario": "MarketResearchAnalysis",
        "execution_mode": "EXECUTION",
        "quality_score": 0.95,
        "human_validated": True,
        "execution_successful": True,
        "training_weight": 1.0,
        "messages": "[]",
        "tools": "[]",
        "context": "{}",
        "expected_output": "{}",
        "policy_hash": "0",
        "event_ids": (),
        "source_offsets": (),
        "created_at": 0,
    }
    return Example(**(known | fields))


def pricing_example() -> dict[str, object]:
    context = {
        "scenario": "MarketResearchAnalysis",
        "goal": "Analyze competitive landscape",
        "current_state": {
            "step": "competitor_analysis",
            "available_data": ["company_list", "research_framework"],
            "constraints": ["time_limit: 2_hours", "budget_limit: $5"],
        },
        "available_tools": ["RealWebFetchTool", "RealSummarizationAgent", "FileWriterTool", "TranslationTool"],
    }
    expected = {
        "action": "tool_request",
        "tool": "RealWebFetchTool",
        "parameters": {
            "url": "https://openai.com/pricing",
            "extraction_prompt": "Extract pricing information for API services",
        },
        "reasoning": "Need current pricing data for OpenAI to complete competitive analysis",
    }
    return training_example(example(context=json.dumps(context), expected_output=json.dumps(expected)))


SAID = (
    "Based on the current state, I need to collect pricing data for competitive analysis. I'll use the WebFetch tool "
    "to gather current pricing information from company websites."
)
WHY = (
    "OpenAI is a major competitor and current pricing data is essential for accurate competitive positioning analysis."
)


def pricing_conversation() -> dict[str, object]:
    state = {
        "goal": "competitive analysis",
        "step": "data_collection",
        "progress": "25%",
        "available_tools": ["WebFetch", "Summarization"],
        "context": "Need pricing data for major AI companies",
    }
    arguments = {
        "url": "https://openai.com/pricing",
        "extraction_prompt": "Extract API pricing tiers, costs per token, and any usage limits or restrictions",
    }
    function = {"name": "RealWebFetchTool", "arguments": json.dumps(arguments)}
    system = "You are an autonomous research agent. Analyze the current state and determine the next action."
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": "Current state: " + json.dumps(state)},
        {
            "role": "assistant",
            "content": SAID,
            "reasoning_content": WHY,
            "tool_calls": [{"id": "c1", "type": "function", "function": function}],
        },
    ]
    return conversation_example(
        example(
            example_id="conv_001",
            quality_score=0.93,
            packages=("decision_making", "tool_selection"),
            messages=json.dumps(messages),
        )
    )


BUILT = {
    "execution_trace": research_trace,
    "decision_trace": pricing_decision,
    "training_example": pricing_example,
    "conversation_example": pricing_conversation,
}


@pytest.mark.parametrize("name", BUILT)
def test_is_the_original_record_to_the_byte(name: str) -> None:
    original = {name: seed_blocks()[name]}
    # Compared as text: JSON objects would be equal with their keys in another order, too.
    assert json.dumps(BUILT[name]()) == json.dumps(original)


def test_execution_trace_writes_times_durations_and_state_as_people_do() -> None:
    trace = research_trace()["execution_trace"]
    assert isinstance(trace, dict)
    assert list(trace) == [
        "trace_id",
        "scenario",
        "execution_mode",
        "start_time",
        "end_time",
        "total_duration",
        "completion_status",
        "steps",
    ]
    assert (trace["start_time"], trace["total_duration"]) == ("2024-01-15T10:00:00Z", "02:30:00")
    step = trace["steps"][0]
    assert step["duration"] == "00:00:30"
    assert step["actions"][0]["claude_code_mapping"]["execution_time"] == "1.2s"
    assert json.dumps(step["state_changes"]["progress_percentage"]) == "10"


def test_conversation_example_writes_the_call_into_the_text() -> None:
    messages = msgspec.to_builtins(pricing_conversation())["conversation_example"]["messages"]
    assert messages[2]["content"] == (
        f"{SAID}\n\nAction: tool_request\nTool: RealWebFetchTool\nParameters: {{\n"
        '  "url": "https://openai.com/pricing",\n'
        '  "extraction_prompt": "Extract API pricing tiers, costs per token, and any usage limits or restrictions"\n'
        f"}}\n\nReasoning: {WHY}"
    )


def test_decision_without_an_outcome_keeps_its_keys() -> None:
    rendered = msgspec.to_builtins(decision_trace(DecisionMade(decision_id="d", choice="wait"), None))
    assert rendered["decision_trace"]["outcome"] == {
        "actual_cost": None,
        "actual_time": None,
        "success": None,
        "quality": None,
    }


def test_step_that_knows_nothing_keeps_its_keys() -> None:
    trace = Run().calls("Look").trace()
    step = msgspec.to_builtins(execution_trace(trace))["execution_trace"]["steps"][0]
    assert step["actions"] == [
        {"action_type": "tool_call", "tool": "Look", "parameters": {}, "result": None, "claude_code_mapping": None}
    ]
    assert (step["inputs"], step["outputs"], step["reasoning"]) == ({}, {}, None)
    assert step["state_changes"] == {"current_step": None, "progress_percentage": None, "variables": {}}


def test_failed_result_says_why_and_text_results_stay_text() -> None:
    run = Run().calls("Look").returns("boom", success=False, error_kind="timeout", error_message="too slow")
    step = msgspec.to_builtins(execution_trace(run.trace()))["execution_trace"]["steps"][0]
    assert step["actions"][0]["result"] == {
        "success": False,
        "result": "boom",
        "error_kind": "timeout",
        "error": "too slow",
    }
