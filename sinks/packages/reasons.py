"""Reasons in words: why a row is not in a package, and why a format cannot hold one. The codes stand in manifests."""

from collections.abc import Mapping

LEFT_OUT: Mapping[str, str] = {
    "trace_not_stored": "whose run is no longer stored, or was withheld",
    "consent_unknown": "of runs whose consent is unknown",
    "consent_denied": "of runs whose consent was denied",
    "consent_not_granted": "that hold something of runs without consent",
    "no_longer_accepted": "of runs that are no longer accepted",
    "superseded": "of runs that a later revision replaced",
    "provider_terms": "of models whose provider does not allow this purpose",
    "simulation": "of simulated runs, more than the recipe takes",
    "low_score": "below the recipe's quality score",
    "near_duplicate": "of runs that repeat a better one",
    "exact_duplicate": "that say the very same as another row",
    "cap_per_cluster": "over the cap for near-duplicates",
    "cap_per_task": "over the cap for a task",
    "cap_per_scenario": "over the cap for a scenario",
    "cap_per_model": "over the cap for a model",
}
"""Why a row is not in a package: `21 rows ...`."""

UNFIT: Mapping[str, str] = {
    "last_message_is_not_the_assistants": "that do not end with the assistant",
    "no_messages": "without messages",
    "no_prompt": "with nothing before the answer",
    "nothing_after_the_prompt": "with nothing after the prompt",
    "prompt_ends_with_the_system": "whose prompt would end with the system's words",
    "no_rejected_answer": "without a rejected answer",
    "rejected_does_not_end_with_the_assistant": "whose rejected side does not end with the assistant",
    "outcome_says_nothing": "whose outcome nobody knows",
    "arguments_are_no_object": "with tool arguments that are no JSON object",
    "number_out_of_range": "with a number beyond 64 bits",
    "nests_too_deep": "that nest too deep for their readers",
    "function_name_not_allowed": "with a function name that is not allowed",
    "role_not_allowed": "with a role that is not allowed",
    "result_without_call": "with a tool result that names no call",
    "call_without_id": "with a tool call that has no id",
    "call_without_result": "with a tool call that has no result",
    "turns_do_not_alternate": "whose turns do not alternate",
    "unreadable_json": "whose JSON text cannot be read",
    "thought_holds_its_own_mark": "with thoughts that hold the mark of a thought",
}
"""Why a format cannot hold a row."""
