from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinks.packages.columns import SPLITS
from sinks.packages.splits import Components, split_of

SHARES = (0.8, 0.1, 0.1)


def test_shares_are_met_over_many_groups() -> None:
    counts = Counter(split_of(f"task\x1f{number}", 0, SHARES) for number in range(20_000))
    for split, share in zip(SPLITS, SHARES, strict=True):
        assert counts[split] / 20_000 == pytest.approx(share, abs=0.01)


def test_a_group_keeps_its_split_for_ever() -> None:
    """A change here moves rows of published packages between splits."""
    assert [split_of(f"task\x1f{number}", 7, SHARES) for number in range(12)] == [
        split_of(f"task\x1f{number}", 7, SHARES) for number in range(12)
    ]
    assert split_of("task\x1fretail\x1f1", 0, SHARES) == "train"
    assert split_of("task\x1fretail\x1f1", 0, (0.0, 0.0, 1.0)) == "test"


def test_a_split_without_share_stays_empty() -> None:
    assert {split_of(str(number), 0, (0.5, 0.5, 0.0)) for number in range(500)} == {"train", "validation"}


def test_another_seed_splits_differently() -> None:
    one, other = ([split_of(str(number), seed, SHARES) for number in range(200)] for seed in (1, 2))
    assert one != other


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=60), st.randoms())
def test_components_do_not_depend_on_the_order_and_are_named_by_their_smallest(
    pairs: list[tuple[int, int]], random: object
) -> None:
    one, other = Components(31), Components(31)
    one.join(pairs)
    other.join([(b, a) for a, b in reversed(pairs)])
    roots = list(one.roots())
    assert roots == list(other.roots())
    assert all(root <= number and roots[root] == root for number, root in enumerate(roots))
    assert all(roots[a] == roots[b] for a, b in pairs)
    joined = {frozenset(pair) for pair in pairs if pair[0] != pair[1]}
    for number, root in enumerate(roots):  # nothing is joined that no pair joins
        if number != root:
            assert any(number in pair for pair in joined)


def test_a_long_chain_is_one_component() -> None:
    found = Components(5000)
    found.join(pairwise(reversed(range(5000))))
    assert set(found.roots()) == {0}
