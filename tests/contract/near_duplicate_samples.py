"""Candidates for an index of near-duplicates, for tests."""

import random

from streams.core.near_duplicates.document import Document
from streams.core.near_duplicates.fingerprint import fingerprints
from streams.core.near_duplicates.records import Candidate, Claim, Rules, TwinSummary, Withdrawal
from streams.state.near_duplicates import NearDuplicates

HOUR = 3_600_000
RULES = Rules(window_ms=HOUR, max_docs_per_window=1_000, exact_window_ms=4 * HOUR, max_exact_per_window=2_000)


def text(seed: int, changed: int = 0, words: int = 200) -> str:
    """Words of a seed, the first `changed` of them others; each changed word changes up to three shingles."""
    made = random.Random(seed)
    found = [f"w{made.randrange(10**9)}x" for _ in range(words)]
    other = random.Random(-seed - 1)
    return " ".join([f"v{other.randrange(10**9)}x" for _ in range(changed)] + found[changed:])


def candidate(
    trace_id: str,
    content: str,
    *,
    revision: int = 1,
    calls: bytes = b"the-same",
    quality: float = 0.9,
    task: str | None = None,
    seconds: float = 1.0,
    scenario: str = "Travel",
    at: int = 1_000,
) -> Candidate:
    return Candidate(
        trace_id=trace_id,
        revision=revision,
        closed_ms=at,
        scenario=scenario,
        fingerprint=fingerprints([Document(calls, content)])[0],
        quality_score=quality,
        task_key=task,
        summary=TwinSummary(seconds, 0.5, 100, 2, ("search", "book")),
    )


def gone(trace_id: str, revision: int, at: int = 1_000) -> Withdrawal:
    return Withdrawal(trace_id, revision, at)


async def one(index: NearDuplicates, asked: Candidate) -> Claim:
    (claim,) = await index.claim([asked])
    return claim
