"""A plan follows from its seed and nothing else, and leaves no kind of fault out."""

from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.chaos.faults import doing
from tests.chaos.plan import KINDS, Plan, draw


@given(st.integers(), st.integers(1, 30), st.integers(1, 12))
@settings(max_examples=30)
def test_the_same_seed_draws_the_same_plan(seed: int, rounds: int, faults: int) -> None:
    plan = draw(seed, rounds, faults)
    assert plan == draw(seed, rounds, faults)
    assert plan.counts().total() == rounds * faults
    assert max(plan.counts().values()) - min(plan.counts().get(kind, 0) for kind in KINDS) <= 1
    for fault in (fault for own in plan.rounds for fault in own):
        assert KINDS[fault.kind][0] <= fault.lasts_seconds <= KINDS[fault.kind][1]


def test_two_seeds_draw_two_plans() -> None:
    assert draw(1, 2).rounds != draw(2, 2).rounds


def test_two_hundred_faults_hold_every_kind_four_times() -> None:
    counts = draw(1, 17).counts()
    assert counts.total() == 204
    assert set(counts) == set(KINDS)
    assert min(counts.values()) >= 4


def test_a_plan_is_read_back_from_its_file(tmp_path: Path) -> None:
    plan = draw(3, 2)
    plan.store(tmp_path / "plan.json")
    assert msgspec.json.decode((tmp_path / "plan.json").read_bytes(), type=Plan) == plan


def test_every_kind_can_be_done() -> None:
    assert all(callable(doing(kind)) for kind in KINDS)
