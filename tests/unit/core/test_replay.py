"""Stored decisions held against another policy."""

import msgspec
import pytest

from schemas.records import Decision, Signal
from streams.core.curate import curate
from streams.core.gates import GateFacts
from streams.core.policy import ConsentRules, ExceptionRules, Gates, NearDuplicateRules, Policy, ProviderRules
from streams.core.replay import StoredDecision, difference, redecide
from tests.unit.core.build import Run, good_run

POLICY = Policy()


def stored(decision: Decision, **facts: object) -> StoredDecision:
    given = {"consent_status": "granted", "execution_mode": "EXECUTION", "provider": "acme", **facts}
    return StoredDecision(
        trace_id=decision.trace_id,
        verdict=decision.verdict,
        reasons=decision.reasons,
        quality_score=decision.quality_score,
        signals=decision.signals,
        facts=msgspec.convert(given, GateFacts),
        example_count=decision.example_count,
        duplicate_of=decision.duplicate_of,
    )


GOOD = stored(curate(good_run().trace(), POLICY).decision)
FAILED = stored(curate(Run().says("x").ends("failed").trace(), POLICY).decision)


@pytest.mark.parametrize("one", [GOOD, FAILED])
def test_the_same_policy_changes_nothing(one: StoredDecision) -> None:
    again = redecide(one, POLICY)
    assert (again.verdict, again.reasons) == (one.verdict, one.reasons)
    assert not again.changed


def test_each_part_of_another_policy_changes_what_it_says() -> None:
    assert redecide(FAILED, Policy(gates=Gates(positive_outcome=False, min_quality_score=0.0))).verdict == "accepted"
    assert redecide(GOOD, Policy(gates=Gates(execution_modes=("SIMULATION",)))).reasons == ("execution_mode_excluded",)
    assert redecide(GOOD, Policy(providers=ProviderRules(excluded=("ACME",)))).reasons == ("provider_excluded",)
    unknown = stored(curate(good_run().trace(), POLICY).decision, consent_status="unknown")
    assert redecide(unknown, POLICY).verdict == "quarantined"
    assert redecide(unknown, Policy(consent=ConsentRules(unknown="reject"))).verdict == "rejected"


def test_what_was_decided_without_content_stays() -> None:
    denied = msgspec.structs.replace(FAILED, reasons=("consent_denied",), facts=None, signals=(), quality_score=None)
    assert redecide(denied, Policy(gates=Gates(positive_outcome=False, min_quality_score=0))).reasons == (
        "consent_denied",
    )


def test_a_near_duplicate_stays_one_while_the_policy_asks_for_as_little_likeness() -> None:
    twin = msgspec.structs.replace(
        GOOD,
        verdict="duplicate",
        reasons=("near_duplicate",),
        duplicate_of="other",
        example_count=0,
        signals=(*(s for s in GOOD.signals if s.name != "novelty"), Signal(name="novelty", version=1, value=0.1)),
    )
    assert redecide(twin, POLICY).verdict == "duplicate"
    # Estimates a little below the limit count too, when curating as when looking back.
    just_below = (*twin.signals[:-1], Signal(name="novelty", version=1, value=0.23))
    assert not redecide(msgspec.structs.replace(twin, signals=just_below), POLICY).changed
    assert redecide(twin, Policy(near_duplicates=NearDuplicateRules(min_similarity=0.95))).verdict == "accepted"
    assert redecide(twin, Policy(near_duplicates=NearDuplicateRules(enabled=False))).verdict == "accepted"
    dull = Policy(near_duplicates=NearDuplicateRules(min_similarity=0.95), gates=Gates(min_novelty=0.3))
    assert redecide(twin, dull).reasons == ("not_novel",)


def test_a_failed_run_that_made_errors_good_depends_on_the_exception() -> None:
    signals = tuple(s for s in FAILED.signals if s.name != "recovery_credit")
    made_good = msgspec.structs.replace(
        FAILED, signals=(*signals, Signal(name="recovery_credit", version=1, value=1.0))
    )
    assert redecide(made_good, POLICY).reasons == ("error_training_only",)
    assert redecide(made_good, POLICY).verdict == "accepted"
    strict = Policy(exceptions=ExceptionRules(failed_executions="reject"))
    assert redecide(made_good, strict).verdict == "rejected"


def test_the_difference_counts_moves_reasons_and_examples() -> None:
    found = difference([GOOD, FAILED], Policy(gates=Gates(execution_modes=("SIMULATION",))))
    assert found.traces == 2
    assert found.moves == {("accepted", "rejected"): 1, ("rejected", "rejected"): 1}
    assert found.reasons_now == {FAILED.reasons[0]: 1}
    assert found.reasons_then == {"execution_mode_excluded": 2}
    assert (found.examples_now, found.examples_lost, found.newly_accepted) == (
        GOOD.example_count,
        GOOD.example_count,
        0,
    )
    assert [one.stored.verdict for one in found.changed] == ["accepted", "rejected"]
    wide = difference([GOOD, FAILED], Policy(gates=Gates(positive_outcome=False, min_quality_score=0)))
    assert (wide.newly_accepted, wide.examples_lost) == (1, 0)
