"""The `enrichment` of an example: what the record tells beyond what is to be learned. Compact JSON text.

A key whose value is not known is left out; the five outer keys always stand, in this order. Nothing is invented: every
value is the record's own, or counted from it.

| key | holds |
|---|---|
| context.system_prompt | `shown` in the messages, `left_out` of them, `none` recorded |
| context.agent, .step_id, .step_name | who acted, in which step |
| context.progress_percentage, .variables | state before the step; variables with small values only |
| context.constraints | where the column `context` does not have them |
| context.tools, .tools_from | number of tools to choose from; `declared` by the source, or `seen`: called in this run |
| context.tool_schemas | how many of them have a JSON schema |
| context.messages_left_out | earlier messages that did not fit |
| reasoning.words, .said_in | the agent's own words, at most `MAX_WORDS_CHARS`, and the event that holds them |
| reasoning.evidence | earlier events that words or arguments refer to: event_id, kind, values first seen there |
| reasoning.chosen, .rejected | what was chosen, and the options that were weighed and not chosen |
| reasoning.turns, .turns_with_words | of a whole run: acting turns, and those that say why |
| outcome.step, .run | `success`, `failure`, `recovered`, `partial`, `unknown`; the step's is the column `outcome` |
| outcome.why | code of the rule that gave the step's outcome, see `material.Material.outcome` |
| outcome.chain | ids of the events that show it, first to last |
| outcome.estimated, .actual | of a decision: cost_usd, time_seconds; .quality |
| performance.latency, .latency_seconds | recorded time of the step, the text as the original description writes it |
| performance.cost_usd, .input_tokens, .output_tokens | of the step |
| performance.share_of_run | time, cost, tokens: the step's part of the whole run, 0 to 1 |
| performance.slower | of a faster run: figures of the slower one, and what was saved of each, 0 to 1 |
| weight | factors of `training_weight` by name: `quality_score` or `human_validated`, then what lowers it |
"""

import msgspec

from schemas.seed_text import seconds_text
from streams.core.shape.evidence import Evidence

MAX_WORDS_CHARS = 400


class ContextNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """Circumstances of the step that the column `context` does not tell."""

    system_prompt: str
    agent: str | None = None
    step_id: str | None = None
    step_name: str | None = None
    progress_percentage: int | float | None = None
    variables: dict[str, msgspec.Raw] | None = None
    constraints: tuple[str, ...] = ()
    tools: int = 0
    tools_from: str | None = None
    tool_schemas: int = 0
    messages_left_out: int = 0


class Option(msgspec.Struct, frozen=True, omit_defaults=True):
    """An option that was weighed, in the keys of the original description."""

    option: str
    pros: tuple[str, ...] = ()
    cons: tuple[str, ...] = ()
    estimated_cost: str | None = None
    estimated_time: str | None = None


class ReasoningNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why, in the record's words, and what they rest on."""

    words: str | None = None
    said_in: str | None = None
    evidence: tuple[Evidence, ...] = ()
    chosen: str | None = None
    rejected: tuple[Option, ...] = ()
    turns: int | None = None
    turns_with_words: int | None = None


class Figures(msgspec.Struct, frozen=True, omit_defaults=True):
    """Cost and time that were estimated, or came about."""

    cost_usd: float | None = None
    time_seconds: float | None = None
    quality: float | None = None


class OutcomeNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of the step, and how the record shows it."""

    step: str
    run: str
    why: str
    chain: tuple[str, ...] = ()
    estimated: Figures | None = None
    actual: Figures | None = None


class Shares(msgspec.Struct, frozen=True, omit_defaults=True):
    """Parts of the whole run, 0 to 1."""

    time: float | None = None
    cost: float | None = None
    tokens: float | None = None


class Slower(msgspec.Struct, frozen=True, omit_defaults=True):
    """The slower run of the same task."""

    trace_id: str
    duration_seconds: float | None = None
    cost_usd: float | None = None
    total_tokens: int | None = None
    tool_calls: int | None = None
    saved: dict[str, float] | None = None


class PerformanceNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """Time, cost and tokens."""

    latency: str | None = None
    latency_seconds: float | None = None
    cost_usd: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    share_of_run: Shares | None = None
    slower: Slower | None = None


class Enrichment(msgspec.Struct, frozen=True):
    """All notes of one example."""

    context: ContextNote
    reasoning: ReasoningNote
    outcome: OutcomeNote
    performance: PerformanceNote
    weight: dict[str, float]


def words(text: str | None) -> str | None:
    """The beginning of a text; an ellipsis says that there is more."""
    stripped = (text or "").strip()
    if len(stripped) <= MAX_WORDS_CHARS:
        return stripped or None
    return stripped[: MAX_WORDS_CHARS - 1] + "…"


def performance_note(
    seconds: float | None,
    cost_usd: float | None,
    input_tokens: int | None,
    output_tokens: int | None,
    share_of_run: Shares | None = None,
) -> PerformanceNote:
    """Figures of a step, rounded to the microsecond and the millionth of a dollar."""
    rounded = None if seconds is None else round(seconds, 6)
    return PerformanceNote(
        latency=seconds_text(rounded),
        latency_seconds=rounded,
        cost_usd=None if cost_usd is None else round(cost_usd, 6),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        share_of_run=None if share_of_run == Shares() else share_of_run,
    )
