from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from schemas.records import Consent, Decision, FeedbackGiven
from streams.core.curate import curate
from streams.core.explain import Explanation, as_json, decision_of_row, explain, facts_of, facts_of_row
from streams.core.near_duplicates.records import Claim
from streams.core.policy import Gates, Policy, ProviderRules
from streams.core.reasons import REASONS
from tests.unit.core.build import Run, call, good_run


def lines(explanation: Explanation, title: str) -> dict[str, str]:
    (section,) = [section for section in explanation.sections if section.title == title]
    return {line.label: line.value for line in section.lines}


def test_a_rejection_names_reasons_in_words_and_the_threshold_that_was_missed() -> None:
    trace = Run().says("x").ends("failed").trace()
    found = explain(curate(trace, Policy()).decision, facts_of(trace), {})
    assert found.headline == "trace-1 revision 1: rejected, quality score 0.3"
    assert lines(found, "Verdict")["negative_outcome"] == "the run did not reach its aim"
    gates = next(section for section in found.sections if section.title == "Gates")
    asked = {line.label: (line.value, line.ok) for line in gates.lines}
    assert asked["quality_score"] == ("0.3", False)
    assert asked["outcome"] == ("0", False)
    assert asked["complete"] == ("1", True)
    assert "tool_success" in lines(found, "Signals")["not known"]
    assert lines(found, "Quality metrics")["success_rate"] == "0"


def test_a_duplicate_names_what_it_repeats_and_how_like_it_is() -> None:
    trace = good_run().trace()
    claim = Claim(trace_id="trace-1", novelty=0.04, cluster_id="older", duplicate_of="older", similarity=0.96)
    found = explain(curate(trace, Policy(), claim=claim).decision, facts_of(trace), {})
    assert "near_duplicate" in lines(found, "Verdict")
    told = lines(found, "Near-duplicates")
    assert (told["repeats"], told["likeness"], told["rule"]) == ("older", "0.96", "from 0.8")


def test_an_acceptance_shows_consent_redaction_by_kind_and_examples() -> None:
    trace = good_run().trace()
    found = explain(curate(trace, Policy()).decision, facts_of(trace), {"conversation": 1, "agent_execution": 2})
    assert lines(found, "Privacy") == {
        "consent": "granted, basis: contract",
        "replaced EMAIL": "2",
        "redaction rules": "1",
    }
    assert lines(found, "Examples") == {"made": "3", "stored agent_execution": "2", "stored conversation": "1"}
    assert lines(found, "Run")["closed because"] == "ended: its end was seen, and nothing more came"
    assert msgspec.json.decode(as_json(found))["trace_id"] == "trace-1"


def test_where_consent_was_denied_only_the_decision_is_left() -> None:
    decision = curate(good_run().trace(consent=Consent(status="denied")), Policy()).decision
    found = explain(decision, None, {})
    assert [section.title for section in found.sections] == ["Verdict", "Content"]
    assert lines(found, "Content") == {"content": "kept nowhere"}
    assert "consent_denied" in lines(found, "Verdict")


def test_no_content_of_the_run_is_shown() -> None:
    trace = good_run().trace()
    assert b"Find prices" not in as_json(explain(curate(trace, Policy()).decision, facts_of(trace), {}))


def test_rows_of_the_tables_explain_the_same() -> None:
    trace = good_run().trace()
    decision = curate(trace, Policy()).decision
    decision_row = {
        **msgspec.to_builtins(decision),
        "thresholds": decision.thresholds_json,
        "signals": msgspec.json.encode(decision.signals).decode(),
        "decided_at": datetime.fromtimestamp(decision.decided_at / 1e6, UTC),
    }
    trace_row = {
        **msgspec.to_builtins(trace),
        "consent_status": "granted",
        "consent_basis": "contract",
        "redaction_rules": "1",
        "redaction_counts": '{"EMAIL":2}',
    }
    assert decision_of_row(decision_row) == decision
    assert facts_of_row(trace_row) == facts_of(trace)


def test_a_reason_of_another_version_is_shown_by_its_code() -> None:
    decision = Decision(
        trace_id="t",
        revision=1,
        verdict="rejected",
        reasons=("new_reason",),
        thresholds_json="{}",
        policy_hash="0",
        decided_at=0,
    )
    assert lines(explain(decision, None, {}), "Verdict")["new_reason"] == "a reason of another version"


def held(explanation: Explanation) -> dict[str, tuple[str, str, bool | None]]:
    (gates,) = [section for section in explanation.sections if section.title == "Gates"]
    return {line.label: (line.value, line.asked, line.ok) for line in gates.lines}


def test_the_score_is_taken_apart_into_the_numbers_it_is_made_of() -> None:
    trace = good_run().trace()
    decision = curate(trace, Policy()).decision
    assert decision.quality_score == 1.0
    assert held(explain(decision, facts_of(trace), {}))["quality_score"] == (
        "1", "at least 0.8; 0.7 outcome 1 + 0.3 process 1", True,
    )  # fmt: skip
    unknown = good_run().trace(completion_status="unknown")
    unknown = msgspec.structs.replace(unknown, events=unknown.events[:-1])
    value, asked, _ = held(explain(curate(unknown, Policy()).decision, facts_of(unknown), {}))["quality_score"]
    assert value == "0.8"
    assert "an estimate for triage, the outcome is not known: 0.5 + 0.3 process 1" in asked


def test_every_gate_that_a_run_fails_is_marked() -> None:
    run = good_run()
    trace = run.trace(consent=Consent(status="unknown"), provider="Acme", execution_mode="SIMULATION")
    trace = msgspec.structs.replace(trace, events=trace.events[:-1], completion_status="unknown")
    policy = Policy(gates=Gates(execution_modes=("EXECUTION",)), providers=ProviderRules(excluded=("acme",)))
    decision = curate(trace, policy).decision
    found = held(explain(decision, facts_of(trace), {}))
    assert {name: ok for name, (_, _, ok) in found.items()} == {
        "quality_score": True, "outcome": False, "complete": False, "consent": False, "execution mode": False,
        "provider": False,
    }  # fmt: skip
    assert decision.reasons == (
        "consent_unknown", "provider_excluded", "execution_mode_excluded", "incomplete_execution", "outcome_unknown",
    )  # fmt: skip


def test_a_claim_that_results_deny_and_a_word_of_a_person_are_gates_too() -> None:
    trace = Run().says("x").calls("T").returns("no", success=False).ends().trace()
    found = held(explain(curate(trace, Policy()).decision, facts_of(trace), {}))
    assert found["tool results"] == ("all are errors", "some success, where the run claims success", False)
    assert found["quality_score"][1].endswith("at most 0.5 where results deny the claim")
    run = good_run().add(FeedbackGiven(human_validated=False)).trace()
    assert held(explain(curate(run, Policy()).decision, facts_of(run), {}))["human_validated"][2] is False


@pytest.mark.parametrize("reason", ["redaction_failed", "redaction_rejected"])
def test_a_quarantined_run_says_why_and_where_its_content_is(reason: Any) -> None:
    trace = good_run().trace(withheld=reason, events=())
    found = explain(curate(trace, Policy()).decision, None, {})
    assert [section.title for section in found.sections] == ["Verdict", "Content"]
    assert lines(found, "Verdict")[reason] == REASONS[reason].words
    assert lines(found, "Content")["content"].startswith("kept in the topic quarantine alone")


def test_a_run_kept_for_its_errors_shows_the_exception_beside_the_gates_it_fails() -> None:
    run = (
        Run().starts(tools=("T",)).says("x", call("T", "{}", "1")).calls("T", call_id="1").returns("no", success=False)
    )
    run.says("again", call("T", '{"a":1}', "2")).calls("T", {"a": 1}, call_id="2").returns("ok").ends("failed")
    trace = run.trace()
    decision = curate(trace, Policy()).decision
    assert decision.reasons == ("error_training_only",)
    assert held(explain(decision, facts_of(trace), {}))["recovery_credit"][::2] == ("1", True)
