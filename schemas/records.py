"""The records of the system: frozen types that mirror `schemas/avro/*.avsc` field by field.

Field documentation lives in the `.avsc` files (one place, and strangers see it in the registry); a contract test
holds names, types and defaults of both against each other. Times are microseconds since 1970 UTC. Fields that end
in `_json` hold JSON text.
"""

from typing import Literal

import msgspec


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all records: frozen, compared by value."""


ConsentStatus = Literal["granted", "denied", "unknown"]
CompletionStatus = Literal["successful", "failed", "partial", "interrupted", "unknown"]
Requester = Literal["agent", "user"]
ExecutionMode = Literal["EXECUTION", "SIMULATION", "OPTIMIZATION"]
CloseReason = Literal["ended", "idle", "max_age", "max_size", "evicted"]
WithheldReason = Literal["consent_denied", "redaction_failed", "redaction_rejected"]
Verdict = Literal["accepted", "rejected", "duplicate", "quarantined"]
Outcome = Literal["success", "failure", "recovered", "partial", "unknown"]
Frequency = Literal["high", "medium", "low"]
Trend = Literal["emerging", "steady", "fading", "new"]


class ToolDefinition(Record, frozen=True, kw_only=True):
    """A tool the agent may call."""

    name: str
    description: str | None = None
    parameters_json: str | None = None


class ToolCall(Record, frozen=True, kw_only=True):
    """A tool call as it stands in an assistant message."""

    call_id: str | None = None
    name: str
    arguments_json: str


class Message(Record, frozen=True, kw_only=True):
    """One chat message."""

    role: str
    content: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None


class Usage(Record, frozen=True, kw_only=True):
    """Tokens of one model call."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_tokens: int | None = None
    reasoning_tokens: int | None = None


class ClaudeCodeMapping(Record, frozen=True, kw_only=True):
    """How a tool of the agent maps to a Claude Code tool."""

    tool: str
    file_path: str | None = None
    parameters_json: str | None = None
    execution_time_seconds: float | None = None


class DecisionOption(Record, frozen=True, kw_only=True):
    """One option that was weighed."""

    option: str
    pros: tuple[str, ...] = ()
    cons: tuple[str, ...] = ()
    estimated_cost_usd: float | None = None
    estimated_time_seconds: float | None = None


class Consent(Record, frozen=True, kw_only=True):
    """What the data subject allowed."""

    status: ConsentStatus = "unknown"
    basis: str | None = None
    data_subject_id: str | None = None


class ModelRef(Record, frozen=True, kw_only=True):
    """A model and who provides it."""

    provider: str | None = None
    name: str | None = None


class SourceRef(Record, frozen=True, kw_only=True):
    """Where an event was recorded."""

    format: str
    record: str | None = None


class AgentStarted(Record, frozen=True, kw_only=True):
    """An agent began. With root=true the trace begins."""

    root: bool
    goal: str | None = None
    task_id: str | None = None
    trial: int | None = None
    system_prompt: str | None = None
    tools: tuple[ToolDefinition, ...] = ()
    inputs_json: str | None = None
    constraints: tuple[str, ...] = ()


class AgentEnded(Record, frozen=True, kw_only=True):
    """An agent ended. With root=true the trace ends."""

    root: bool
    completion_status: CompletionStatus = "unknown"
    reason: str | None = None
    reward: float | None = None
    reward_json: str | None = None
    outputs_json: str | None = None
    cost_usd: float | None = None
    duration_seconds: float | None = None


class StepStarted(Record, frozen=True, kw_only=True):
    """A named step of a workflow began."""

    step_name: str
    inputs_json: str | None = None
    reasoning: str | None = None


class StepEnded(Record, frozen=True, kw_only=True):
    """A named step ended."""

    step_name: str
    outputs_json: str | None = None
    success: bool | None = None


class ModelCalled(Record, frozen=True, kw_only=True):
    """One call of a language model. input_messages holds what was new in the prompt and has no event of its own."""

    call_id: str | None = None
    input_messages: tuple[Message, ...] = ()
    output: Message | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    cost_usd: float | None = None
    latency_seconds: float | None = None


class ToolCalled(Record, frozen=True, kw_only=True):
    """A tool call began."""

    call_id: str | None = None
    tool: str
    parameters_json: str
    requested_by: Requester = "agent"
    claude_code_mapping: ClaudeCodeMapping | None = None


class ToolReturned(Record, frozen=True, kw_only=True):
    """A tool call ended. Its span id is that of the call."""

    call_id: str | None = None
    tool: str | None = None
    success: bool
    result_json: str | None = None
    error_kind: str | None = None
    error_message: str | None = None
    latency_seconds: float | None = None
    cost_usd: float | None = None
    claude_code_mapping: ClaudeCodeMapping | None = None


class StateChanged(Record, frozen=True, kw_only=True):
    """The execution state changed."""

    current_step: str | None = None
    progress_percentage: float | None = None
    variables_json: str | None = None


class DecisionMade(Record, frozen=True, kw_only=True):
    """The agent chose between options."""

    decision_id: str
    context: str | None = None
    options: tuple[DecisionOption, ...] = ()
    choice: str
    reasoning: str | None = None
    confidence: float | None = None


class DecisionOutcome(Record, frozen=True, kw_only=True):
    """What came of a decision."""

    decision_id: str
    success: bool | None = None
    actual_cost_usd: float | None = None
    actual_time_seconds: float | None = None
    quality: float | None = None


class ErrorRaised(Record, frozen=True, kw_only=True):
    """Something failed."""

    error_id: str | None = None
    error_kind: str
    message: str | None = None
    tool_call_id: str | None = None


class RecoveryAttempted(Record, frozen=True, kw_only=True):
    """What was done about an error."""

    error_id: str | None = None
    action: str
    worked: bool | None = None


class UserMessage(Record, frozen=True, kw_only=True):
    """A person (or a simulated one) spoke."""

    content: str | None = None
    name: str | None = None


class FeedbackGiven(Record, frozen=True, kw_only=True):
    """A person judged the run or a part of it."""

    rating: float | None = None
    human_validated: bool | None = None
    correction: str | None = None
    comment: str | None = None
    target_span_id: str | None = None


Body = (
    AgentStarted
    | AgentEnded
    | StepStarted
    | StepEnded
    | ModelCalled
    | ToolCalled
    | ToolReturned
    | StateChanged
    | DecisionMade
    | DecisionOutcome
    | ErrorRaised
    | RecoveryAttempted
    | UserMessage
    | FeedbackGiven
)

BODY_TYPES: dict[str, type[Body]] = {
    "agent_started": AgentStarted,
    "agent_ended": AgentEnded,
    "step_started": StepStarted,
    "step_ended": StepEnded,
    "model_called": ModelCalled,
    "tool_called": ToolCalled,
    "tool_returned": ToolReturned,
    "state_changed": StateChanged,
    "decision_made": DecisionMade,
    "decision_outcome": DecisionOutcome,
    "error_raised": ErrorRaised,
    "recovery_attempted": RecoveryAttempted,
    "user_message": UserMessage,
    "feedback_given": FeedbackGiven,
}
"""Event kind (the name of its body field) to body type."""

KIND_OF: dict[type[Body], str] = {body: kind for kind, body in BODY_TYPES.items()}

CAPTURE_TRIGGERS: dict[str, str] = {
    "agent_started": "agent_invocations",
    "agent_ended": "agent_invocations",
    "step_started": "agent_invocations",
    "step_ended": "agent_invocations",
    "model_called": "agent_invocations",
    "tool_called": "tool_calls",
    "tool_returned": "tool_calls",
    "state_changed": "state_transitions",
    "decision_made": "decision_points",
    "decision_outcome": "decision_points",
    "error_raised": "error_events",
    "recovery_attempted": "error_events",
    "user_message": "user_interactions",
    "feedback_given": "user_interactions",
}
"""Event kind to the capture trigger of the original description."""


class Event(Record, frozen=True, kw_only=True):
    """One immutable record from an agent."""

    event_id: str
    trace_id: str
    span_id: str
    parent_span_id: str | None = None
    producer_id: str
    sequence: int
    occurred_at: int
    occurred_at_synthetic: bool = False
    agent: str
    scenario: str
    execution_mode: ExecutionMode
    model: ModelRef | None = None
    consent: Consent
    source: SourceRef
    kind: str
    agent_started: AgentStarted | None = None
    agent_ended: AgentEnded | None = None
    step_started: StepStarted | None = None
    step_ended: StepEnded | None = None
    model_called: ModelCalled | None = None
    tool_called: ToolCalled | None = None
    tool_returned: ToolReturned | None = None
    state_changed: StateChanged | None = None
    decision_made: DecisionMade | None = None
    decision_outcome: DecisionOutcome | None = None
    error_raised: ErrorRaised | None = None
    recovery_attempted: RecoveryAttempted | None = None
    user_message: UserMessage | None = None
    feedback_given: FeedbackGiven | None = None

    @property
    def body(self) -> "Body":
        """What happened: the one body field that `kind` names."""
        body: Body = getattr(self, self.kind)
        return body


class EventBatch(Record, frozen=True, kw_only=True):
    """Events of one producer and one trace in one message."""

    trace_id: str
    producer_id: str
    events: tuple[Event, ...]


class OffsetRange(Record, frozen=True, kw_only=True):
    """Messages of one topic partition, both ends included."""

    topic: str
    partition: int
    first_offset: int
    last_offset: int


class RedactionReport(Record, frozen=True, kw_only=True):
    """What was replaced; kinds and counts, never values."""

    rules_version: str
    counts: dict[str, int] = msgspec.field(default_factory=dict)


class Trace(Record, frozen=True, kw_only=True):
    """A complete, redacted run: a pure function of the set of its events, apart from the fields of its arrival."""

    trace_id: str
    revision: int
    redelivered: bool = False
    close_reason: CloseReason
    closed_at: int
    offsets: tuple[OffsetRange, ...]
    withheld: WithheldReason | None = None
    scenario: str
    execution_mode: ExecutionMode
    source_format: str
    task_id: str | None = None
    trial: int | None = None
    completion_status: CompletionStatus
    reward: float | None = None
    started_at: int
    ended_at: int
    duration_seconds: float
    event_count: int
    step_count: int
    tool_call_count: int
    tool_error_count: int
    decision_count: int
    error_count: int
    user_message_count: int
    agents: tuple[str, ...]
    provider: str | None = None
    model: str | None = None
    cost_usd: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    consent: Consent
    redaction: RedactionReport
    events: tuple[Event, ...]


class Signal(Record, frozen=True, kw_only=True):
    """One versioned measurement of a trace."""

    name: str
    version: int
    value: float | None = None


class Decision(Record, frozen=True, kw_only=True):
    """What curation decided about a trace, and why."""

    trace_id: str
    revision: int
    redelivered: bool = False
    verdict: Verdict
    reasons: tuple[str, ...]
    quality_score: float | None = None
    signals: tuple[Signal, ...] = ()
    thresholds_json: str
    policy_hash: str
    decided_at: int
    duplicate_of: str | None = None
    example_count: int = 0


class Example(Record, frozen=True, kw_only=True):
    """One training example."""

    example_id: str
    trace_id: str
    revision: int
    redelivered: bool = False
    type: str
    packages: tuple[str, ...] = ()
    scenario: str
    execution_mode: ExecutionMode
    task_id: str | None = None
    quality_score: float
    human_validated: bool
    execution_successful: bool
    training_weight: float
    provider: str | None = None
    model: str | None = None
    data_subject: str | None = None
    consent_basis: str | None = None
    messages: str
    tools: str
    context: str
    expected_output: str
    outcome: str = "unknown"
    cluster_id: str | None = None
    rejected: str | None = None
    enrichment: str | None = None
    policy_hash: str
    event_ids: tuple[str, ...]
    source_offsets: tuple[OffsetRange, ...]
    created_at: int


class ExampleRetraction(Record, frozen=True, kw_only=True):
    """Examples of a trace that came before this message are void; those after it, if any, take their place."""

    trace_id: str
    revision: int
    reason: str
    retracted_at: int


class PatternTool(Record, frozen=True, kw_only=True):
    """One tool of a pattern, with how it does there."""

    tool: str
    call_count: int = 0
    typical_inputs: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    avg_latency_seconds: float | None = None
    success_rate: float | None = None
    common_failures: tuple[str, ...] = ()
    quality_score: float | None = None


class Pattern(Record, frozen=True, kw_only=True):
    """A sequence of tools that agents use often in one scenario and execution mode, as a window of time shows it."""

    pattern_id: str
    revision: int
    active: bool = True
    scenario: str
    execution_mode: ExecutionMode = "EXECUTION"
    pattern_type: str
    tools: tuple[str, ...]
    frequency: Frequency
    trend: Trend
    occurrence_count: int
    trace_count: int
    trace_count_error: int = 0
    support: float
    success_rate: float | None = None
    scenario_success_rate: float | None = None
    avg_latency_seconds: float | None = None
    sequence: tuple[PatternTool, ...]
    trace_ids: tuple[str, ...] = ()
    window_start: int
    window_end: int
    created_at: int


class WindowMeasure(Record, frozen=True, kw_only=True):
    """How one amount was distributed over the runs of a window."""

    name: str
    count: int
    total: float
    p10: float | None = None
    p50: float | None = None
    p90: float | None = None
    buckets: dict[str, int] = msgspec.field(default_factory=dict)


class QualityWindow(Record, frozen=True, kw_only=True):
    """How runs of one scenario, execution mode and model went in one hour, as one partition of traces saw them."""

    scenario: str
    execution_mode: ExecutionMode = "EXECUTION"
    model: str | None = None
    partition: int
    revision: int
    redelivered: bool = False
    started_at: int
    ended_at: int
    run_count: int
    succeeded_count: int
    partial_count: int
    failed_count: int
    unknown_count: int
    measures: tuple[WindowMeasure, ...]


class LateEvent(Record, frozen=True, kw_only=True):
    """An event that came after its trace could no longer be amended. Raw: restricted access."""

    trace_id: str
    event_ids: tuple[str, ...]
    reason: str
    topic: str
    partition: int
    offset: int
    value: bytes


class DeadLetter(Record, frozen=True, kw_only=True):
    """A record that could not be processed. Raw: restricted access."""

    topic: str
    partition: int
    offset: int
    event_index: int | None = None
    stage: str
    error_class: str
    error_message: str
    key: bytes | None = None
    value: bytes | None = None
    failed_at: int
    headers: dict[str, bytes] = msgspec.field(default_factory=dict)


class QuarantinedTrace(Record, frozen=True, kw_only=True):
    """Raw messages of a trace that could not be redacted. Restricted access."""

    trace_id: str
    revision: int
    reason: str
    messages: tuple[bytes, ...]
