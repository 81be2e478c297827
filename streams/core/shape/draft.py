"""What one kind makes of a trace, and the example it becomes with what all examples of the trace share."""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from schemas.chat_text import json_text
from schemas.records import Example, ModelRef, Trace
from streams.core.labels import Package
from streams.core.policy import ExampleType
from streams.core.shape.material import Material
from streams.core.shape.notes import ContextNote, Enrichment, OutcomeNote, PerformanceNote, ReasoningNote

Place = TypeVar("Place")


@dataclass(frozen=True)
class Draft:
    """What a kind says of one example."""

    position: str
    """Unique among the examples of its kind in the trace."""
    packages: tuple[Package, ...]
    messages: str
    tools: str
    context: dict[str, object]
    expected_output: dict[str, object]
    event_ids: tuple[str, ...]
    successful: bool
    circumstances: ContextNote
    reasons: ReasoningNote
    outcome: OutcomeNote
    performance: PerformanceNote
    validated: bool = False
    """A person vouches for this very example; one who vouches for the run vouches for all."""
    factors: tuple[tuple[str, float], ...] = ()
    """What lowers the training weight, by name."""
    rejected: str | None = None
    model: ModelRef | None = None


@dataclass(frozen=True)
class ExampleKind(Generic[Place]):
    """One line of the catalogue: where in a trace such examples lie, and how one is made."""

    name: ExampleType
    places: Callable[[Material], list[Place]]
    """Cheap: texts are made only of the places that are chosen."""
    draft: Callable[[Material, Place], Draft | None]
    """None where it turns out that nothing can be learned here."""
    every_turn: bool = False
    """Bounded by `max_step_examples` instead of `max_kind_examples`."""


def example_id(trace: Trace, type_: str, position: str) -> str:
    """32 hex digits, the same for the same trace, revision, type and position."""
    parts = "\x1f".join((trace.trace_id, str(trace.revision), type_, position))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]


def example(material: Material, type_: ExampleType, draft: Draft) -> Example:
    """The record of a draft. `training_weight` is the product of the factors under `weight` in its enrichment."""
    trace, judgement = material.view.trace, material.judgement
    validated = judgement.human_validated or draft.validated
    base = {"human_validated": 1.0} if validated else {"quality_score": judgement.quality_score}
    weight = base | dict(draft.factors)
    notes = Enrichment(draft.circumstances, draft.reasons, draft.outcome, draft.performance, weight)
    return Example(
        example_id=example_id(trace, type_, draft.position),
        trace_id=trace.trace_id,
        revision=trace.revision,
        redelivered=trace.redelivered,
        type=type_,
        packages=draft.packages,
        scenario=trace.scenario,
        execution_mode=trace.execution_mode,
        task_id=trace.task_id,
        quality_score=judgement.quality_score,
        human_validated=validated,
        execution_successful=draft.successful,
        training_weight=round(math.prod(weight.values()), 6),
        provider=(draft.model.provider if draft.model else None) or trace.provider,
        model=(draft.model.name if draft.model else None) or trace.model,
        data_subject=trace.consent.data_subject_id,
        consent_basis=trace.consent.basis,
        messages=draft.messages,
        tools=draft.tools,
        context=json_text(draft.context),
        expected_output=json_text(draft.expected_output),
        outcome=draft.outcome.step,
        cluster_id=judgement.cluster_id,
        rejected=draft.rejected,
        enrichment=json_text(notes),
        policy_hash=material.policy.hash,
        event_ids=draft.event_ids,
        source_offsets=trace.offsets,
        created_at=trace.closed_at,
    )


def size_bytes(made: Example) -> int:
    """Bytes of the texts of an example, as the bounds of the policy count them."""
    texts = (made.messages, made.tools, made.context, made.expected_output, made.rejected, made.enrichment)
    return sum(len(text.encode()) for text in texts if text)
