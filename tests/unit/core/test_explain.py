from datetime import UTC, datetime

import msgspec

from schemas.records import Consent, Decision
from streams.core.curate import curate
from streams.core.explain import Explanation, as_json, decision_of_row, explain, facts_of, facts_of_row
from streams.core.near_duplicates.records import Claim
from streams.core.policy import Policy
from tests.unit.core.build import Run, good_run


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
    assert [section.title for section in found.sections] == ["Verdict"]
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
