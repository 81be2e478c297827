"""Outcome of a recorded run as its source states it."""

from collections.abc import Iterable

from schemas.records import AgentEnded, CompletionStatus
from streams.adapters.tolerant import Json, as_json, first_text, label, mapping, number

_SUCCESS_FIELDS = ("success", "successful", "resolved", "passed", "is_correct", "correct")
_REWARD_FIELDS = ("reward", "score")
_STATUS_WORDS: dict[str, CompletionStatus] = {
    "successful": "successful",
    "success": "successful",
    "failed": "failed",
    "failure": "failed",
    "partial": "partial",
    "interrupted": "interrupted",
    "cancelled": "interrupted",
}


def status_of_reward(reward: float | None) -> CompletionStatus:
    """1 is success, between 0 and 1 partial, 0 or less a failure; above 1 the scale is not known."""
    if reward is None or reward > 1:
        return "unknown"
    if reward == 1:
        return "successful"
    return "partial" if reward > 0 else "failed"


def rewarded_end(
    reward: object,
    details: object = None,
    *,
    reason: str | None = None,
    cost_usd: object = None,
    duration_seconds: object = None,
) -> AgentEnded:
    """The root's end with its reward. The details may hold the ground truth: they stand here and nowhere else."""
    value = number(reward)
    return AgentEnded(
        root=True,
        completion_status=status_of_reward(value),
        reason=reason,
        reward=value,
        reward_json=as_json(details) if details else None,
        cost_usd=number(cost_usd),
        duration_seconds=number(duration_seconds),
    )


def stated_end(places: Iterable[Json], *, root: bool = True) -> AgentEnded:
    """An agent's end from free metadata, in the order in which the places are trusted."""
    fields = first_fields(places)
    reward_field = next((fields[key] for key in _REWARD_FIELDS if _may_be_reward(fields.get(key))), None)
    reward = number(
        mapping(reward_field).get("reward", reward_field) if isinstance(reward_field, dict) else reward_field
    )
    status = status_of_reward(reward)
    word = label(fields.get("completion_status") or fields.get("status"))
    claimed = next((fields[key] for key in _SUCCESS_FIELDS if isinstance(fields.get(key), bool)), None)
    if claimed is not None:
        status = "successful" if claimed else "failed"
    elif status == "unknown" and word:
        status = _STATUS_WORDS.get(word.lower(), "unknown")
    cost = next(
        (fields[key] for key in ("total_cost_usd", "cost_usd", "cost") if number(fields.get(key)) is not None), None
    )
    return AgentEnded(
        root=root,
        completion_status=status,
        reason=first_text(fields.get("termination_reason"), fields.get("exit_status"), fields.get("stop_reason")),
        reward=reward,
        reward_json=as_json(reward_field) if isinstance(reward_field, dict) else None,
        cost_usd=number(cost),
        duration_seconds=number(fields.get("duration_seconds") or fields.get("duration")),
    )


def first_fields(places: Iterable[Json]) -> Json:
    """The fields of all places as one object; where two name the same, the first counts."""
    merged: Json = {}
    for place in places:
        for key, value in place.items():
            if value is not None:
                merged.setdefault(key, value)
    return merged


def _may_be_reward(value: object) -> bool:
    """Whether a value may be a reward."""
    return isinstance(value, dict) or number(value) is not None
