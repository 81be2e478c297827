"""Small records for tests of the sink."""

from schemas.records import (
    Consent,
    Decision,
    Event,
    Example,
    OffsetRange,
    Pattern,
    PatternTool,
    RedactionReport,
    SourceRef,
    Trace,
    UserMessage,
)


def event(trace_id: str, number: int = 0, text: str = "hello") -> Event:
    return Event(
        event_id=f"{trace_id}-e{number}",
        trace_id=trace_id,
        span_id="s",
        producer_id="p",
        sequence=number,
        occurred_at=1_700_000_000_000_000 + number,
        agent="helper",
        scenario="support",
        execution_mode="EXECUTION",
        consent=Consent(status="granted", basis="contract", data_subject_id="ds1"),
        source=SourceRef(format="sdk"),
        kind="user_message",
        user_message=UserMessage(content=text),
    )


def trace(
    trace_id: str = "t1", revision: int = 1, *, redelivered: bool = False, withheld: bool = False, text: str = "hello"
) -> Trace:
    return Trace(
        trace_id=trace_id,
        revision=revision,
        redelivered=redelivered,
        close_reason="ended",
        closed_at=1_700_000_000_123_456,
        offsets=(OffsetRange(topic="agent-events", partition=0, first_offset=1, last_offset=revision),),
        withheld="consent_denied" if withheld else None,
        scenario="support",
        execution_mode="EXECUTION",
        source_format="sdk",
        completion_status="successful",
        started_at=1_700_000_000_000_000,
        ended_at=1_700_000_000_000_001,
        duration_seconds=0.5,
        event_count=2,
        step_count=1,
        tool_call_count=0,
        tool_error_count=0,
        decision_count=0,
        error_count=0,
        user_message_count=1,
        agents=("helper",),
        model="m1",
        consent=Consent(status="granted", basis="contract", data_subject_id="ds1"),
        redaction=RedactionReport(rules_version="1", counts={"EMAIL": 2}),
        events=() if withheld else (event(trace_id, 0, text), event(trace_id, 1, text)),
    )


def decision(trace_id: str = "t1", revision: int = 1, *, redelivered: bool = False, example_count: int = 1) -> Decision:
    return Decision(
        trace_id=trace_id,
        revision=revision,
        redelivered=redelivered,
        verdict="accepted",
        reasons=(),
        quality_score=0.75,
        thresholds_json="{}",
        policy_hash="h",
        decided_at=1_700_000_000_123_456,
        example_count=example_count,
    )


def example(trace_id: str = "t1", revision: int = 1, number: int = 0, *, redelivered: bool = False) -> Example:
    return Example(
        example_id=f"{trace_id}-r{revision}-{number}",
        trace_id=trace_id,
        revision=revision,
        redelivered=redelivered,
        type="conversation",
        packages=("conversations",),
        scenario="support",
        execution_mode="EXECUTION",
        quality_score=0.75,
        human_validated=False,
        execution_successful=True,
        training_weight=1.0,
        messages='[{"role": "user", "content": "hello"}]',
        tools="[]",
        context="{}",
        expected_output="{}",
        policy_hash="h",
        event_ids=(f"{trace_id}-e0",),
        source_offsets=(OffsetRange(topic="agent-events", partition=0, first_offset=1, last_offset=1),),
        created_at=1_700_000_000_123_456,
    )


def pattern(pattern_id: str = "p1", revision: int = 1_700_000_000, *, traces: int = 4) -> Pattern:
    return Pattern(
        pattern_id=pattern_id,
        revision=revision,
        scenario="support",
        execution_mode="SIMULATION",
        pattern_type="information_gathering",
        tools=("search", "read"),
        frequency="high",
        trend="steady",
        occurrence_count=traces + 1,
        trace_count=traces,
        support=0.5,
        success_rate=0.75,
        sequence=(
            PatternTool(tool="search", call_count=5, typical_inputs={"query": ("question",)}, avg_latency_seconds=8.5),
            PatternTool(tool="read", success_rate=0.888888, common_failures=("timeout",)),
        ),
        trace_ids=("t1",),
        window_start=1_700_000_000_000_000,
        window_end=1_700_086_400_000_000,
        created_at=1_700_000_000_123_456,
    )
