"""Which gates of a policy a trace fails, from numbers alone: stored decisions can be held against another policy.

Pure. Nothing here looks at content.
"""

from collections.abc import Mapping, Set

import msgspec

from schemas.records import ConsentStatus, ExecutionMode
from streams.core.policy import Policy

ERROR_TRAINING = frozenset({"negative_outcome", "low_quality_score", "unclear_reasoning"})
"""Gates that a failed run may fail and still be used for error training."""


class GateFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What gates ask of a trace beside its signals."""

    consent_status: ConsentStatus
    execution_mode: ExecutionMode
    provider: str | None = None


def failed_gates(
    facts: GateFacts,
    values: Mapping[str, float | None],
    *,
    score: float,
    outcome: float | None,
    contradicted: bool,
    policy: Policy,
) -> set[str]:
    """Reason codes of the gates that are failed.

    `values` are signals by name, `score` and `outcome` 0 to 1 (outcome None where nothing is claimed), `contradicted`
    whether the run claims a success that its results deny.
    """
    gates = policy.gates
    failed: set[str] = set()
    if facts.consent_status == "unknown" and policy.consent.unknown != "accept":
        failed.add("consent_unknown")
    if values.get("human_validated") == 0:
        failed.add("rejected_by_human")
    if facts.provider is not None and facts.provider.casefold() in map(str.casefold, policy.providers.excluded):
        failed.add("provider_excluded")
    if facts.execution_mode not in gates.execution_modes:
        failed.add("execution_mode_excluded")
    if gates.complete_execution and values.get("complete") != 1:
        failed.add("incomplete_execution")
    if outcome is None:
        if gates.unknown_outcome == "reject":
            failed.add("outcome_unknown")
    elif gates.positive_outcome:
        if outcome < gates.min_outcome:
            failed.add("negative_outcome")
        if contradicted:
            failed.add("success_contradicted")
    if _below(values.get("reasoning_share"), gates.min_reasoning_share):
        failed.add("unclear_reasoning")
    if _below(values.get("reasoning_clarity"), gates.min_reasoning_clarity):
        failed.add("unclear_reasoning")
    if score < gates.min_quality_score:
        failed.add("low_quality_score")
    return failed


def for_error_training(failed: Set[str], values: Mapping[str, float | None], policy: Policy) -> bool:
    """Whether a run that fails these gates is kept for error training: it failed, but made its errors good."""
    if policy.exceptions.failed_executions != "error_training" or "negative_outcome" not in failed:
        return False
    credit = values.get("recovery_credit")
    return failed <= ERROR_TRAINING and credit is not None and credit >= policy.exceptions.min_recovery_credit


def _below(value: float | None, minimum: float) -> bool:
    return value is not None and value < minimum
