"""Near-duplicates: recall, false drops, documents a second and bytes in Redis, with datasketch in the same run.

`python -m tests.bench.near_duplicates [--docs N] [--pairs N] [--words N]`

Documents are words of a vocabulary that is used as unevenly as a language's. Of each pair the second one has so many
words changed that the true Jaccard similarity of their word shingles covers .4 to 1 evenly; the true one is counted,
not estimated. `recall_at_80` is the share of pairs at .8 or above of which the second one is called a duplicate.
`dropped` says the same below, where it is a false drop, by similarity; `false_drops` is the share of all documents
without a partner, and of partners below .6, that are called duplicates of anything.

All times are processor times, because machines are shared. `docs_per_second_a_core` is a worker's: what its core does
in signing, packing and unpacking; Redis works on a core of its own, for which `redis_docs_per_second_a_core` is the
bound, and `redis_share` its part of both. `docs_per_second_on_one_core` is for both on the same one. The ratio to
datasketch is of the same minutes, and of both together. Prints JSON.
"""

import argparse
import asyncio
import json
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from datasketch import MinHash, MinHashLSH
from redis.asyncio import Redis

from streams.core.near_duplicates.document import Document
from streams.core.near_duplicates.fingerprint import fingerprints
from streams.core.near_duplicates.records import Candidate, Claim, Rules, TwinSummary
from streams.state.near_duplicates import RedisNearDuplicates
from tests.contract.test_state import redis_server

_BATCH = 500
_BESIDE = 20
"""Documents of each batch that datasketch does, too."""
_IN_REDIS = 300
_SUMMARY = TwinSummary(1.0)


@dataclass(frozen=True)
class _Pair:
    first: str
    second: str
    jaccard: float


class _Writer:
    """Texts of a made-up language of 50,000 words; the frequency of a word falls with its rank, as in real ones."""

    def __init__(self, seed: int, words: int) -> None:
        self.random = random.Random(seed)
        self._words = words
        letters = "abcdefghijklmnoprstuvwy"
        self._vocabulary = ["".join(self.random.choices(letters, k=self.random.randint(3, 11))) for _ in range(50_000)]
        self._weights = list(accumulate(1 / (rank + 30) for rank in range(50_000)))

    def words(self, count: int) -> list[str]:
        return self.random.choices(self._vocabulary, cum_weights=self._weights, k=count)

    def text(self) -> str:
        return " ".join(self.words(self._words))

    def pair(self) -> _Pair:
        first = self.words(self._words)
        second = list(first)
        changed = self.random.randint(0, self._words * 15 // 100)
        for place, word in zip(self.random.sample(range(self._words), changed), self.words(changed), strict=True):
            second[place] = word
        mine, theirs = shingles(first), shingles(second)
        return _Pair(" ".join(first), " ".join(second), len(mine & theirs) / len(mine | theirs))


def shingles(words: Sequence[str]) -> set[tuple[str, ...]]:
    """Each three words in a row, as a set: what the similarity is counted on."""
    return {tuple(words[at : at + 3]) for at in range(len(words))}


def candidates(texts: Sequence[str], first: int) -> list[Candidate]:
    """Texts as candidates that have the same task and tool calls."""
    prints = fingerprints([Document(b"the-same", text) for text in texts])
    return [
        Candidate(f"{first + number:032x}", 1, 1_000, "scenario", print_, 0.9, _SUMMARY)
        for number, print_ in enumerate(prints)
    ]


async def _claim(index: RedisNearDuplicates, texts: Sequence[str], first: int) -> list[Claim]:
    found: list[Claim] = []
    for start in range(0, len(texts), _BATCH):
        found += await index.claim(candidates(texts[start : start + _BATCH], first + start))
    return found


async def _cpu(client: Redis) -> float:
    used = await client.info("cpu")
    return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])


async def throughput(client: Redis, texts: Sequence[str], rules: Rules) -> dict[str, object]:
    """Cost of documents that are all new, the dearest kind: signing, looking up, storing.

    Medians over the batches; after each one datasketch signs and looks up a few of the same documents.
    """
    index = RedisNearDuplicates(client, "bench", rules)
    theirs = MinHashLSH(threshold=0.8, num_perm=128)
    signing: list[float] = []
    asking: list[float] = []
    redis: list[float] = []
    beside: list[float] = []
    used = int((await client.info("memory"))["used_memory"])
    dropped = 0
    for start in range(0, len(texts), _BATCH):
        batch = texts[start : start + _BATCH]
        redis_before, began = await _cpu(client), time.process_time()
        asked = candidates(batch, start)
        signed = time.process_time()
        claims = await index.claim(asked)
        asking.append((time.process_time() - signed) / len(batch))
        signing.append((signed - began) / len(batch))
        redis.append((await _cpu(client) - redis_before) / len(batch))
        dropped += sum(not claim.accepted for claim in claims)
        began = time.process_time()
        for number, text in enumerate(batch[:_BESIDE]):
            found = _datasketch(text)
            theirs.query(found)
            theirs.insert((start, number), found, check_duplication=False)
        beside.append((time.process_time() - began) / _BESIDE)
    sign, ask, look, other = (1e6 * statistics.median(times) for times in (signing, asking, redis, beside))
    return {
        "docs": len(texts),
        "docs_per_second_a_core": round(1e6 / (sign + ask)),
        "redis_docs_per_second_a_core": round(1e6 / look),
        "redis_share": round(look / (sign + ask + look), 3),
        "docs_per_second_on_one_core": round(1e6 / (sign + ask + look)),
        "ratio_to_datasketch_in_memory": round(other / (sign + ask + look), 2),
        "microseconds_a_doc": {
            "signing": round(sign, 1),
            "client_besides": round(ask, 1),
            "redis": round(look, 1),
            "datasketch_in_memory": round(other, 1),
        },
        "redis_bytes_a_doc": round((int((await client.info("memory"))["used_memory"]) - used) / len(texts)),
        "false_drops": dropped,
    }


async def quality(client: Redis, pairs: Sequence[_Pair], rules: Rules) -> dict[str, object]:
    """Which second ones of pairs are called duplicates."""
    index = RedisNearDuplicates(client, "pairs", rules)
    await _claim(index, [pair.first for pair in pairs], 0)
    claims = await _claim(index, [pair.second for pair in pairs], len(pairs))
    dropped: dict[float, list[bool]] = defaultdict(list)
    errors: list[float] = []
    for pair, claim in zip(pairs, claims, strict=True):
        dropped[int(pair.jaccard * 20 + 1e-9) / 20].append(not claim.accepted)
        if claim.similarity is not None and claim.duplicate_of is not None:
            errors.append(claim.similarity - pair.jaccard)
    high = [hit for start, hits in dropped.items() if start >= 0.8 for hit in hits]
    low = [hit for start, hits in dropped.items() if start < 0.6 for hit in hits]
    return {
        "pairs": len(pairs),
        "recall_at_80": round(sum(high) / len(high), 5),
        "pairs_at_80": len(high),
        "dropped": {
            f"{start:.2f}": {"pairs": len(hits), "share": round(sum(hits) / len(hits), 5)}
            for start, hits in sorted(dropped.items())
        },
        "false_drops_below_60": round(sum(low) / max(1, len(low)), 6),
        "error_of_estimates": round((sum(error**2 for error in errors) / max(1, len(errors))) ** 0.5, 4),
    }


def recall_beside(pairs: Sequence[_Pair]) -> dict[str, object]:
    """datasketch on the same pairs: 128 permutations and its own banding for .8."""
    hits: list[bool] = []
    just_above: list[bool] = []
    index = MinHashLSH(threshold=0.8, num_perm=128)
    high = [pair for pair in pairs if pair.jaccard >= 0.8]
    for number, pair in enumerate(high):
        index.insert(number, _datasketch(pair.first), check_duplication=False)
    for number, pair in enumerate(high):
        hit = number in index.query(_datasketch(pair.second))
        hits.append(hit)
        if pair.jaccard < 0.85:
            just_above.append(hit)
    return {
        "pairs": len(hits),
        "recall_at_80": round(sum(hits) / len(hits), 5),
        "recall_from_80_to_85": round(sum(just_above) / max(1, len(just_above)), 5),
    }


def beside_in_redis(port: int, texts: Sequence[str]) -> dict[str, object]:
    """datasketch with its index in Redis."""
    storage = {"type": "redis", "redis": {"host": "127.0.0.1", "port": port}, "basename": b"datasketch"}
    index = MinHashLSH(threshold=0.8, num_perm=128, storage_config=storage)
    signed = [_datasketch(text) for text in texts]
    began = time.perf_counter()
    for number, found in enumerate(signed):
        index.query(found)
        index.insert(str(number), found, check_duplication=False)
    return {"docs": len(texts), "looked_up_per_second": round(len(texts) / (time.perf_counter() - began))}


def _datasketch(text: str) -> MinHash:
    found = MinHash(num_perm=128)
    found.update_batch([" ".join(shingle).encode() for shingle in shingles(text.split())])
    return found


async def measure(port: int, docs: int, pairs: int, words: int) -> dict[str, object]:
    """All of it, on a Redis of its own."""
    writer = _Writer(1, words)
    rules = Rules(max_docs_per_window=max(docs, 2 * pairs) + _BATCH)
    texts = [writer.text() for _ in range(docs + _BATCH)]
    made = [writer.pair() for _ in range(pairs)]
    client: Redis = Redis(port=port)
    speed = await throughput(client, texts, rules)
    await client.flushall()
    half = Rules(max_docs_per_window=docs // 2)
    rotated = await throughput(client, texts, half)
    await client.flushall()
    found = await quality(client, made, rules)
    await client.flushall()
    theirs = recall_beside(made[:4_000])
    before = int((await client.info("memory"))["used_memory"])
    in_redis = await asyncio.to_thread(beside_in_redis, port, texts[:_IN_REDIS])
    in_redis["redis_bytes_a_doc"] = round((int((await client.info("memory"))["used_memory"]) - before) / _IN_REDIS)
    await client.aclose()
    return {
        "python": sys.version.split()[0],
        "words_a_doc": words,
        "throughput": speed,
        "throughput_over_two_windows": rotated,
        "quality": found,
        "datasketch": theirs,
        "datasketch_in_redis": in_redis,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=int, default=50_000, help="documents without a partner")
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--words", type=int, default=200)
    given = parser.parse_args()
    with redis_server() as port:
        print(json.dumps(asyncio.run(measure(port, given.docs, given.pairs, given.words)), indent=2))


if __name__ == "__main__":
    main()
