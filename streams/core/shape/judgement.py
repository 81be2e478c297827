"""What curation found out about a trace before its examples are made."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Twin:
    """Figures of an earlier, slower run of the same task. None where the record does not tell."""

    trace_id: str
    duration_seconds: float | None = None
    cost_usd: float | None = None
    total_tokens: int | None = None
    tool_names: tuple[str, ...] = ()
    """Tools in the order they were called."""


@dataclass(frozen=True)
class Judgement:
    """What every example of the trace carries, and which examples may be made."""

    quality_score: float
    human_validated: bool
    successful: bool | None
    """Whether the run reached its aim; None where nothing says so."""
    cluster_id: str | None = None
    """Near-duplicate cluster: the trace that stands for it."""
    twin: Twin | None = None
    error_training_only: bool = False
    """A failed run that was accepted for its errors: only `error_handling` examples are made."""
