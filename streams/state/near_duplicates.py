"""Index of near-duplicates: who was let in, global over all partitions and workers.

The first claim wins, and is remembered with its whole answer by trace and revision: the same trace, delivered again,
gets the very same answer. A trace is never its own duplicate; a higher revision takes the place of the one before,
and a withdrawn one leaves nothing that others could be duplicates of.

Two windows count, the current and the one before. A window ends after `Rules.window_ms` of the times at which its
traces closed (never the server's clock), or when it holds `Rules.max_docs_per_window` traces: then the oldest go, and
the most recent stay. That is decided before each trace that is stored, by its own time: the answers follow from the
sequence of traces, however it is cut into batches, and what comes again moves nothing. A time that lies back opens no
window: its claims go to the current one. Hashes of whole canonical forms have windows of their own, which are longer.
What was forgotten is let in again; so an index that was flushed is an empty index, and windows should be longer than
traces may be amended or delivered again. Everything also expires by itself after two windows.

Keys of Redis, all under one hash tag, so that one script may touch them:

    meta                      the windows: number, start, count, what is still to be removed
    <window>:traces           trace -> state, revision, answer; of accepted ones what they are compared by
    <window>:<segment>        string of slots of 10 bytes: 2 bytes of a band's hash, 8 of a trace; the segment is
                              named by 2 more bytes of the hash
    <window>:scenarios        scenario -> accepted traces
    <window>:tasks, :twins    task -> its slowest run; run -> summary
    exact:<window>            hash of a canonical form -> trace

In a Redis Cluster the index therefore lives on one shard: some 20,000 claims a second of a core, and about 660 bytes
each. Where that is not enough, give each group of scenarios an index of its own (another `name`); traces of different
scenarios are then no longer compared.
"""

from collections.abc import Sequence
from pathlib import Path
from struct import Struct
from typing import Protocol

import msgspec
import xxhash
from redis.asyncio import Redis

from streams.core.near_duplicates.fingerprint import BAND_BYTES, BANDS, VERSION
from streams.core.near_duplicates.records import (
    ESTIMATE_MARGIN,
    Candidate,
    Claim,
    Rules,
    Twin,
    TwinSummary,
    Withdrawal,
)
from streams.state.redis import translated

MAX_COMPARED = 32
"""Of traces that share a band with a candidate, those with most bands are compared."""
_SLOTS_PER_SEGMENT = 64
_SLOT_BYTES = 10
_SPARE_MS = 3_600_000
_NO_TASK = bytes(8)
_SCRIPT = (Path(__file__).parent / "near_duplicates.lua").read_text(encoding="utf-8")
_head = Struct(">8sId").pack
_rest = Struct(">8s16s8sdd").pack
_unpack_answer = msgspec.msgpack.Decoder(
    tuple[str | bool, float, bool, float, str | bool, str | bool, bool, str | bool, str]
).decode
_unpack_summary = msgspec.msgpack.Decoder(TwinSummary).decode


class NearDuplicates(Protocol):
    """Raises StateUnavailable (transient); StateFull where there is no memory left, then nothing was changed."""

    async def claim(self, asked: Sequence[Candidate | Withdrawal]) -> list[Claim]:
        """Withdraw and answer in order, all in one step that nothing comes between; the answers to the candidates.

        Give traces that passed all gates as candidates. Withdraw each revision above 1 that did not.
        """
        ...


class RedisNearDuplicates:
    """The index in Redis, one script call for each batch."""

    def __init__(self, client: Redis, prefix: str, rules: Rules, name: str = "near-duplicates") -> None:
        self._base = f"{prefix}:{{{name}}}:{VERSION}:"
        self._script = client.register_script(_SCRIPT)
        slots = rules.max_docs_per_window * BANDS
        segments = 1 << min(16, max(8, (slots // _SLOTS_PER_SEGMENT - 1).bit_length()))
        self._rules = msgspec.msgpack.encode(
            {
                "accept": rules.min_similarity - ESTIMATE_MARGIN,
                "better": rules.keep == "better",
                "better_by": rules.better_by,
                "window_ms": rules.window_ms,
                "max_docs": rules.max_docs_per_window,
                "cap": rules.scenario_cap,
                "exact_ms": rules.exact_window_ms,
                "max_exact": rules.max_exact_per_window,
                "bands": BANDS,
                "max_compared": MAX_COMPARED,
                "segments": segments,
                "segment_bytes": 4 * _SLOT_BYTES * max(_SLOTS_PER_SEGMENT, slots // segments),
                "keep_ms": 2 * rules.window_ms + _SPARE_MS,
                "exact_keep_ms": 2 * rules.exact_window_ms + _SPARE_MS,
            }
        )

    async def claim(self, asked: Sequence[Candidate | Withdrawal]) -> list[Claim]:
        if not asked:
            return []
        arguments: list[str | bytes] = [self._base, self._rules]
        for one in asked:
            if isinstance(one, Candidate):
                summary = one.summary.packed() if one.task_key else b""
                arguments += (one.trace_id, _packed(one), one.scenario, summary)
            else:
                arguments += (one.trace_id, _head(key_of(one.trace_id), one.revision, one.closed_ms), b"", b"")

        async def call() -> list[bytes]:
            found: list[bytes] = await self._script(keys=[self._base + "meta"], args=arguments)
            return found

        replies = await translated(call)
        return [
            _claim(candidate.trace_id, replies[2 * number], replies[2 * number + 1])
            for number, candidate in enumerate(one for one in asked if isinstance(one, Candidate))
        ]


def key_of(text: str) -> bytes:
    """Eight bytes that stand for a trace or a task."""
    return xxhash.xxh3_64_digest(text.encode())


def _packed(candidate: Candidate) -> bytes:
    """What the script needs of a candidate at fixed places: 244 bytes."""
    print_ = candidate.fingerprint
    head = _head(key_of(candidate.trace_id), candidate.revision, candidate.closed_ms)
    rest = _rest(
        print_.particulars,
        print_.exact,
        key_of(candidate.task_key) if candidate.task_key else _NO_TASK,
        candidate.quality_score,
        candidate.summary.duration_seconds,
    )
    return head + rest + print_.signature + print_.bands


def _claim(trace_id: str, answer: bytes, summary: bytes) -> Claim:
    duplicate, similarity, exact, novelty, cluster, superseded, over_cap, named, _ = _unpack_answer(answer)
    twin = None
    if isinstance(named, str) and summary:
        revision, _, name = named.partition("@")
        twin = Twin(name, int(revision), _unpack_summary(summary))
    return Claim(
        trace_id=trace_id,
        novelty=novelty,
        cluster_id=cluster if isinstance(cluster, str) else trace_id,
        duplicate_of=duplicate if isinstance(duplicate, str) else None,
        similarity=None if similarity < 0 else similarity,
        exact=exact,
        supersedes=superseded if isinstance(superseded, str) else None,
        over_cap=over_cap,
        twin=twin,
    )


def bands_of(candidate: Candidate) -> list[bytes]:
    """Hashes of the bands of a candidate."""
    packed = candidate.fingerprint.bands
    return [packed[at : at + BAND_BYTES] for at in range(0, len(packed), BAND_BYTES)]
