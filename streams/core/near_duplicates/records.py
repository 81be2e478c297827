"""What is asked of an index of near-duplicates, and what it answers."""

from typing import Literal

import msgspec

_NAME_CHARS = 64
MAX_TOOL_NAMES = 50
MAX_SUMMARY_BYTES = 1024


class Fingerprint(msgspec.Struct, frozen=True, gc=False):
    """A canonical form in 200 bytes; made by `fingerprints`."""

    exact: bytes
    """128-bit hash of the whole canonical form."""
    particulars: bytes
    """64-bit hash of execution mode, task and tool calls: what two near-duplicates have in common to the letter."""
    bands: bytes
    """`BANDS` hashes of 4 bytes: two forms that share one are compared."""
    signature: bytes
    """256 minima of 4 bits each: how much two forms have in common."""


class TwinSummary(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a slow run is compared by; at most `MAX_SUMMARY_BYTES` packed."""

    duration_seconds: float
    cost_usd: float | None = None
    total_tokens: int | None = None
    call_count: int = 0
    tools: tuple[str, ...] = ()
    """Names of the first tools called, in order; at most `MAX_TOOL_NAMES`."""

    def packed(self) -> bytes:
        """Msgpack; names are left out from the end until it fits."""
        tools = tuple(name[:_NAME_CHARS] for name in self.tools[:MAX_TOOL_NAMES])
        while True:
            found = msgspec.msgpack.encode(msgspec.structs.replace(self, tools=tools))
            if len(found) <= MAX_SUMMARY_BYTES or not tools:
                return found
            tools = tools[:-1]


class Candidate(msgspec.Struct, frozen=True):
    """A trace that passed all gates and asks to be let in."""

    trace_id: str
    revision: int
    closed_ms: int
    """When the trace closed, milliseconds since 1970: its place among the windows."""
    scenario: str
    fingerprint: Fingerprint
    quality_score: float
    summary: TwinSummary
    task_key: str | None = None
    """The same for all runs of one task that were run alike; None where the task is not known."""


class Withdrawal(msgspec.Struct, frozen=True):
    """A revision that is not accepted, of a trace that may have been: later traces must not be duplicates of it."""

    trace_id: str
    revision: int
    closed_ms: int


class Twin(msgspec.Struct, frozen=True):
    """The slowest accepted earlier run of the same task."""

    trace_id: str
    revision: int
    summary: TwinSummary


class Claim(msgspec.Struct, frozen=True):
    """The answer to a candidate. It is let in when it is no duplicate and not over the cap."""

    trace_id: str
    novelty: float
    """1 - the highest estimated similarity to anything accepted within the windows; 0 to 1."""
    cluster_id: str
    """The trace that stands for the cluster; itself when it is new."""
    duplicate_of: str | None = None
    similarity: float | None = None
    """Estimated Jaccard similarity to what it duplicates or supersedes."""
    exact: bool = False
    """The canonical forms are equal."""
    supersedes: str | None = None
    """The trace that stood for the cluster until now: this one is better by `Rules.better_by`."""
    over_cap: bool = False
    """The window holds `Rules.scenario_cap` traces of the scenario already."""
    twin: Twin | None = None

    @property
    def accepted(self) -> bool:
        """Whether the trace was let in, so that others may be its duplicates."""
        return self.duplicate_of is None and not self.over_cap


class Rules(msgspec.Struct, frozen=True):
    """How claims are answered."""

    min_similarity: float = 0.8
    """Jaccard similarity of word shingles from which two traces with the same particulars are duplicates."""
    keep: Literal["first", "better"] = "first"
    better_by: float = 0.1
    """With keep="better": how much higher the quality score of a later twin must be to be let in."""
    window_ms: int = 7 * 24 * 3_600_000
    """A window ends after this time, or when it holds `max_docs_per_window`; the current and the previous one count."""
    max_docs_per_window: int = 200_000
    scenario_cap: int = 0
    """Accepted traces of one scenario in a window; 0 means no cap."""
    exact_window_ms: int = 30 * 24 * 3_600_000
    """The same for hashes of whole canonical forms, which outlive the windows."""
    max_exact_per_window: int = 400_000


ESTIMATE_MARGIN = 0.04
"""Estimates this far below `min_similarity` still count: two standard deviations of an estimate at .8, so that the
pairs just above the limit are found (tests/bench/near_duplicates.py shows what it costs below the limit)."""

MATCHES = 256
"""Minima in a signature; of forms that have nothing in common 1 in 16 are equal by chance."""


def estimate(mine: bytes, theirs: bytes) -> float:
    """Jaccard similarity that two signatures show; the very formula of near_duplicates.lua."""
    equal = 0
    for a, b in zip(mine, theirs, strict=True):
        equal += (a & 15 == b & 15) + (a >> 4 == b >> 4)
    return max(0.0, (equal - MATCHES / 16) / (MATCHES * 15 / 16))
