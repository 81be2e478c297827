"""Every reason that curation may give, with its stable code. Tables, metrics and policies name reasons by code."""

from dataclasses import dataclass

from schemas.records import Verdict
from streams.core.policy import Policy


@dataclass(frozen=True)
class Reason:
    """One reason."""

    code: str
    verdict: Verdict
    """What it leads to; consent_unknown leads to rejection instead where the policy says so. A reason that leads to
    `accepted` is a note beside the verdict."""
    words: str
    """For people."""


_ALL = (
    Reason("consent_denied", "rejected", "consent was denied, so its content was never passed on"),
    Reason("redaction_failed", "quarantined", "personal data could not be removed with certainty"),
    Reason("redaction_rejected", "quarantined", "it holds a kind of personal data that the redaction policy rejects"),
    Reason("consent_unknown", "quarantined", "nobody said that the data may be used"),
    Reason("rejected_by_human", "rejected", "a person rejected the run"),
    Reason("provider_excluded", "rejected", "the policy takes no output of this model provider"),
    Reason("execution_mode_excluded", "rejected", "the policy takes no runs of this execution mode"),
    Reason("incomplete_execution", "rejected", "the run was not seen to its end"),
    Reason("success_contradicted", "rejected", "it claims success while every tool result is an error"),
    Reason("negative_outcome", "rejected", "the run did not reach its aim"),
    Reason("outcome_unknown", "rejected", "nothing says whether the run reached its aim"),
    Reason("unclear_reasoning", "rejected", "too few of its acting turns say why"),
    Reason("low_quality_score", "rejected", "its quality score is below the policy's minimum"),
    Reason("not_novel", "rejected", "it is too much like runs that were accepted before"),
    Reason("scenario_cap_reached", "rejected", "its scenario has given as many runs as the policy wants"),
    Reason("nothing_to_learn", "rejected", "it holds no turn of an agent that an example could be made of"),
    Reason("near_duplicate", "duplicate", "it repeats another trace"),
    Reason("error_training_only", "accepted", "it failed, but made errors good: it gives error_handling examples only"),
    Reason("better_twin", "accepted", "it repeats another trace, and is better: packages take the better one"),
    Reason("examples_too_large", "accepted", "some examples were left out because they are too large"),
    Reason("examples_thinned", "accepted", "it acts more often than examples are made of; they were thinned out"),
)

REASONS: dict[str, Reason] = {reason.code: reason for reason in _ALL}
"""By code, most important first."""


def in_order(codes: set[str]) -> tuple[str, ...]:
    """Codes, most important first. Raises KeyError for a code outside the catalogue."""
    order = {code: place for place, code in enumerate(REASONS)}
    return tuple(sorted(codes, key=lambda code: order[code]))


def verdict_of(reasons: tuple[str, ...], policy: Policy) -> Verdict:
    """The most important reason decides; notes accept. `reasons` are in the order of the catalogue."""
    if not reasons:
        return "accepted"
    if reasons[0] == "consent_unknown" and policy.consent.unknown == "reject":
        return "rejected"
    return REASONS[reasons[0]].verdict
