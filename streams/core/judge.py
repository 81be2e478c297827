"""A language model as judge: the port. By default nobody is asked.

A judge reads a redacted trace and says how good it finds the run, 0 to 1. Its opinion enters as one more signal
(`judge_opinion`) and moves the score of a run without a known outcome by 0.025 at most; it is never an outcome. A
judge does input and output, so an implementation lives outside of core and hands the number in through the context:

    Context(window=..., judge=judge.opinion(view))

What an implementation owes: the same answer for the same trace (a fixed model, temperature 0, answers kept by trace
id and revision), because curation must give the same bytes again; None where it has no answer in time, never a raise;
and the provider's terms, because the trace leaves the system.
"""

from typing import Protocol

from streams.core.view import TraceView


class Judge(Protocol):
    """Anything that has an opinion of a run."""

    @property
    def name(self) -> str:
        """Which judge, with its version, for the record."""

    def opinion(self, view: TraceView) -> float | None:
        """How good the run is, 0 to 1; None where it does not say."""


class NoJudge:
    """The default: no opinion, and nothing leaves the system."""

    name = "none"

    def opinion(self, view: TraceView) -> float | None:
        """None, always."""
        return None
