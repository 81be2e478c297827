"""Laws of canonical forms and fingerprints that hold for any text."""

import random
import uuid

from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.near_duplicates.document import Document, document_of
from streams.core.near_duplicates.fingerprint import fingerprints
from streams.core.near_duplicates.records import Fingerprint, estimate
from streams.core.near_duplicates.words import WORD_BYTES, canonical_word, shingles, word_hashes
from streams.core.view import view_of
from tests.unit.core.build import Run

TEXT = st.text(max_size=300)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)


def printed(text: str) -> Fingerprint:
    return fingerprints([Document(b"12345678", text)])[0]


@given(TEXT, TEXT)
def test_estimates_are_shares_alike_both_ways(one: str, two: str) -> None:
    first, second = printed(one), printed(two)
    assert estimate(first.signature, first.signature) == 1
    assert estimate(first.signature, second.signature) == estimate(second.signature, first.signature)
    assert 0 <= estimate(first.signature, second.signature) <= 1


@given(TEXT)
def test_each_word_has_a_hash_and_a_shingle(text: str) -> None:
    hashes = word_hashes(text)
    assert len(hashes) % WORD_BYTES == 0
    assert len(shingles(hashes)) == len(hashes)
    assert word_hashes(f"  {text}\n") == hashes == word_hashes(text)


@given(st.text(min_size=1, max_size=60), st.booleans())
def test_a_canonical_word_is_its_own_canonical_form(word: str, keep_times: bool) -> None:
    once = canonical_word(word, keep_times=keep_times)
    if once.islower() or not once.startswith("*"):
        assert canonical_word(once, keep_times=keep_times) in (once, once.lower())


@settings(max_examples=40)
@given(st.dictionaries(st.text(max_size=10), JSON, max_size=5), TEXT, st.uuids(), st.uuids())
def test_ids_in_any_place_change_nothing(
    arguments: dict[str, object], said: str, one: uuid.UUID, two: uuid.UUID
) -> None:
    def run(some_id: uuid.UUID) -> Fingerprint:
        made = Run(str(some_id)).starts(goal=f"Look at {some_id}").says(f"{said} {some_id} {said}")
        made.calls("look", {**arguments, "request_id": str(some_id), "about": f"see {some_id}"}, call_id=str(some_id))
        made.returns({"rows": [arguments, {"trace_id": str(some_id), "note": str(some_id)}]})
        return fingerprints([document_of(view_of(made.ends().trace()))])[0]

    assert run(one) == run(two)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(60, 500), st.floats(0, 1))
def test_estimates_are_near_the_jaccard_similarity_of_the_shingles(seed: int, count: int, changed: float) -> None:
    made = random.Random(seed)
    first = [f"w{made.randrange(10**6)}x" for _ in range(count)]
    second = [word if made.random() > changed / 3 else f"v{made.randrange(10**6)}y" for word in first]
    mine, theirs = ({tuple(words[at : at + 3]) for at in range(count)} for words in (first, second))
    jaccard = len(mine & theirs) / len(mine | theirs)
    found = estimate(printed(" ".join(first)).signature, printed(" ".join(second)).signature)
    assert abs(found - jaccard) < 0.2  # six standard deviations
