from typing import Any

import msgspec
import pytest

from schemas.records import Consent, FeedbackGiven, Trace
from streams.core.curate import curate
from streams.core.policy import ConsentRules, ExampleRules, Gates, Policy
from streams.core.reasons import REASONS, in_order
from tests.unit.core.build import Run, good_run

POLICY = Policy()


def verdict(trace: Trace, policy: Policy = POLICY) -> tuple[str, tuple[str, ...]]:
    decision = curate(trace, policy).decision
    return decision.verdict, decision.reasons


def test_a_good_run_is_accepted_with_its_examples() -> None:
    trace = good_run().trace(revision=3, redelivered=True)
    curated = curate(trace, POLICY)
    decision = curated.decision
    assert (decision.verdict, decision.reasons, decision.quality_score) == ("accepted", (), 1.0)
    assert decision.example_count == len(curated.examples) == 3
    assert (decision.trace_id, decision.revision, decision.policy_hash) == ("trace-1", 3, POLICY.hash)
    assert decision.decided_at == trace.closed_at
    assert decision.redelivered
    assert all(example.redelivered and example.created_at == trace.closed_at for example in curated.examples)


@pytest.mark.parametrize("reason", ["consent_denied", "redaction_failed", "redaction_rejected"])
def test_withheld_traces_are_judged_without_content(reason: str) -> None:
    trace = good_run().trace(withheld=reason, events=())
    curated = curate(trace, POLICY)
    expected = "rejected" if reason == "consent_denied" else "quarantined"
    assert (curated.decision.verdict, curated.decision.reasons) == (expected, (reason,))
    assert not curated.examples
    assert not curated.decision.signals
    assert curated.decision.quality_score is None


def test_denied_consent_rejects_even_where_the_content_is_there() -> None:
    curated = curate(good_run().trace(consent=Consent(status="denied")), POLICY)
    assert (curated.decision.verdict, curated.decision.reasons) == ("rejected", ("consent_denied",))
    assert not curated.examples
    assert not curated.decision.signals


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("quarantine", ("quarantined", ("consent_unknown",))),
        ("reject", ("rejected", ("consent_unknown",))),
        ("accept", ("accepted", ())),
    ],
)
def test_unknown_consent_follows_the_policy(rule: Any, expected: tuple[str, tuple[str, ...]]) -> None:
    trace = good_run().trace(consent=Consent(status="unknown"))
    curated = curate(trace, Policy(consent=ConsentRules(unknown=rule)))
    assert (curated.decision.verdict, curated.decision.reasons) == expected
    assert bool(curated.examples) == (rule == "accept")


def test_each_gate_gives_its_reason() -> None:
    no_reason = Run().says(None).calls("T").returns().ends()
    lying = (
        Run().says("x").calls("T").returns(success=False).says("y").calls("T").returns(success=False).ends(reward=1.0)
    )
    assert verdict(good_run().trace(close_reason="max_age")) == ("rejected", ("incomplete_execution",))
    assert verdict(Run().says("x").ends("failed").trace()) == ("rejected", ("negative_outcome", "low_quality_score"))
    assert verdict(Run().says("x").ends("unknown").trace()) == ("rejected", ("outcome_unknown",))
    assert verdict(lying.trace()) == ("rejected", ("success_contradicted", "low_quality_score"))
    assert verdict(Run().hears("x").ends().trace()) == ("rejected", ("nothing_to_learn",))
    assert verdict(
        good_run().trace(execution_mode="SIMULATION"), Policy(gates=Gates(execution_modes=("EXECUTION",)))
    ) == ("rejected", ("execution_mode_excluded",))
    assert verdict(no_reason.trace(), Policy(gates=Gates(min_reasoning_share=0.5))) == (
        "rejected",
        ("unclear_reasoning",),
    )


def test_a_person_can_reject_and_can_vouch() -> None:
    rejected = verdict(good_run().add(FeedbackGiven(human_validated=False)).trace())
    assert (rejected[0], rejected[1][0]) == ("rejected", "rejected_by_human")
    vouched = Run().says("x").ends("unknown").add(FeedbackGiven(human_validated=True))
    curated = curate(vouched.trace(), POLICY)
    assert curated.decision.verdict == "accepted"
    assert [(e.human_validated, e.training_weight) for e in curated.examples] == [(True, 1.0)]


def test_a_relaxed_policy_takes_runs_without_a_known_outcome() -> None:
    relaxed = Policy(gates=Gates(unknown_outcome="accept"))
    curated = curate(Run().says("x").calls("T").returns().ends("unknown").trace(), relaxed)
    assert (curated.decision.verdict, curated.decision.quality_score) == ("accepted", 0.8)
    assert {e.type: e.execution_successful for e in curated.examples} == {
        "conversation": False,
        "agent_execution": True,
    }


def test_notes_stand_beside_an_accepting_verdict() -> None:
    thinned = Policy(examples=ExampleRules(max_step_examples=1))
    assert verdict(good_run(turns=3).trace(), thinned) == ("accepted", ("examples_thinned",))
    small = Policy(examples=ExampleRules(max_example_bytes=1024))
    big = good_run().says("x" * 2000).ends()
    assert verdict(big.trace(), small) == ("accepted", ("examples_too_large",))
    only = Policy(examples=ExampleRules(max_example_bytes=1024, types=("conversation",)))
    assert verdict(big.trace(), only) == ("rejected", ("nothing_to_learn", "examples_too_large"))


def test_the_same_trace_and_policy_give_the_same_bytes() -> None:
    one, two = (curate(good_run().trace(), Policy()) for _ in range(2))
    assert msgspec.json.encode(one.decision) == msgspec.json.encode(two.decision)
    assert msgspec.json.encode(one.examples) == msgspec.json.encode(two.examples)


def test_reasons_are_a_catalogue_in_order() -> None:
    assert in_order({"low_quality_score", "consent_unknown"}) == ("consent_unknown", "low_quality_score")
    assert all(reason.words and reason.code == code for code, reason in REASONS.items())
    with pytest.raises(KeyError):
        in_order({"made_up"})
