"""Sums of tool sequences in Redis: what `streams.state.patterns` promises, with one script for each batch and group.

Keys of a group share the hash tag `{patterns:<hash of its name>}`; after it come the width of a bucket in seconds
and `meta` (version, revision, newest bucket, applied offset of each partition), `seen` (digests of traces by bucket),
`followed`, or the number of a bucket.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec
from redis.asyncio import Redis
from xxhash import xxh3_64_hexdigest

from schemas.errors import StateUnavailable
from streams.core.patterns.counters import (
    LOST,
    MICROS,
    SAMPLES,
    TRACES,
    Bucket,
    Cell,
    Counted,
    Group,
    Sample,
    Window,
    parse_group,
)
from streams.state.patterns import DEFAULT_LIMITS, StoreLimits, by_group, digest, new_of
from streams.state.redis import translated

_APPLY = (Path(__file__).parent / "patterns.lua").read_text(encoding="utf-8")
_MARK = """
local time = redis.call('TIME')
local due = time[1] * 1000 + math.floor(time[2] / 1000) + ARGV[1]
for n = 2, #ARGV do redis.call('ZADD', KEYS[1], 'NX', due, ARGV[n]) end
"""
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)
if not due[1] then return false end
redis.call('ZADD', KEYS[1], now + ARGV[1], due[1])
return due[1]
"""
# A store that was lost begins anew, and what it publishes must still count as later: so revisions go by the clock.
_OPEN = """
local time = redis.call('TIME')
local before = tonumber(redis.call('HGET', KEYS[1], 'revision') or 0)
local revision = math.max(before + 1, tonumber(time[1]))
redis.call('HSET', KEYS[1], 'revision', revision)
redis.call('EXPIRE', KEYS[1], ARGV[1])
local held = redis.call('HMGET', KEYS[1], 'version', 'newest')
return {held[1] or 0, held[2] or -1, revision, time[1], time[2]}
"""
_ATTEMPTS = 10


class RedisPatternStore:
    """The store in Redis."""

    def __init__(self, client: Redis, prefix: str, limits: StoreLimits = DEFAULT_LIMITS) -> None:
        self._client = client
        self._prefix = prefix
        self._limits = limits
        self._waiting = f"{prefix}:{{patterns}}:waiting-groups"
        self._apply = client.register_script(_APPLY)
        self._mark = client.register_script(_MARK)
        self._take = client.register_script(_TAKE)
        self._open = client.register_script(_OPEN)

    async def apply(self, partition: int, items: Sequence[Counted]) -> frozenset[Group]:
        found = by_group(items)
        if found:
            await translated(lambda: self._apply_all(partition, found))
        return frozenset(found)

    async def _apply_all(self, partition: int, found: Mapping[Group, Sequence[Counted]]) -> None:
        left = dict(found)
        for _ in range(_ATTEMPTS):
            left = await self._attempt(partition, left)
            if not left:
                await self._mark(
                    keys=[self._waiting],
                    args=[int(self._limits.publish_seconds * 1000), *(group.text for group in found)],
                )
                return
        raise StateUnavailable("sums of patterns were changed by others again and again")

    async def _attempt(
        self, partition: int, found: Mapping[Group, Sequence[Counted]]
    ) -> dict[Group, Sequence[Counted]]:
        """Add what is new; what others changed meanwhile is left for another attempt."""
        applied = f"applied:{partition}"
        async with self._client.pipeline(transaction=False) as pipe:
            for group, items in found.items():
                pipe.hmget(self._key(group, "meta"), [applied, "newest"])
                pipe.zmscore(self._key(group, "seen"), [digest(item.trace_id) for item in items])
            held = await pipe.execute()
        calls: list[Group] = []
        async with self._client.pipeline(transaction=False) as pipe:
            for number, (group, items) in enumerate(found.items()):
                expected, newest = held[2 * number]
                batch = new_of(
                    items,
                    None if expected is None else int(expected),
                    [score is not None for score in held[2 * number + 1]],
                    None if newest is None else int(newest),
                    self._limits,
                )
                if batch is None:
                    continue
                calls.append(group)
                buckets = list(batch.cells)
                keys = [*("meta", "seen", "followed"), *map(str, buckets), *map(str, batch.gone)]
                header = {
                    "buckets": [len(batch.cells[bucket]) for bucket in buckets],
                    "traces": batch.traces,
                    "newest": batch.newest,
                    "oldest": batch.newest - self._limits.buckets + 1,
                    "samples": SAMPLES,
                    "limit": self._limits.max_names,
                    "remember": self._limits.max_traces,
                    "keep_seconds": self._limits.keep_seconds,
                }
                cells = [
                    part
                    for bucket in buckets
                    for name, cell in batch.cells[bucket].items()
                    for part in (name, _packed(cell))
                ]
                await self._apply(
                    keys=[self._key(group, key) for key in keys],
                    args=[applied, expected or b"", batch.applied, msgspec.msgpack.encode(header), *cells],
                    client=pipe,
                )
            answers = await pipe.execute() if calls else []
        return {group: found[group] for group, (fits, _) in zip(calls, answers, strict=True) if not fits}

    async def take(self) -> Group | None:
        async def call() -> Group | None:
            found = await self._take(keys=[self._waiting], args=[int(self._limits.hold_seconds * 1000)])
            return None if found is None else parse_group(str(found, "utf-8"))

        return await translated(call)

    async def window(self, group: Group) -> Window:
        async def call() -> Window:
            opened = await self._open(keys=[self._key(group, "meta")], args=[self._limits.keep_seconds])
            version, newest, revision, seconds, micros = map(int, opened)
            numbers = range(newest - self._limits.buckets + 1, newest + 1)
            async with self._client.pipeline(transaction=False) as pipe:
                pipe.smembers(self._key(group, "followed"))
                for number in numbers:
                    pipe.hgetall(self._key(group, str(number)))
                followed, *found = await pipe.execute()
            return Window(
                group=group,
                version=version,
                revision=revision,
                read_at=seconds * MICROS + micros,
                newest=newest,
                buckets=tuple(_bucket(number, cells) for number, cells in zip(numbers, found, strict=True) if cells),
                followed=frozenset(name.decode() for name in followed),
            )

        return await translated(call)

    async def follow(self, group: Group, names: Collection[str]) -> None:
        async def call() -> None:
            key = self._key(group, "followed")
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.sadd(key, *sorted(names))
                pipe.expire(key, self._limits.keep_seconds)
                await pipe.execute()

        if names:
            await translated(call)

    async def published(self, window: Window, dropped: Collection[str]) -> None:
        async def call() -> None:
            if dropped:
                await self._client.srem(self._key(window.group, "followed"), *sorted(dropped))
            # First out, then a look: news that comes after the look marks the group again by itself.
            await self._client.zrem(self._waiting, window.group.text)
            version = await self._client.hget(self._key(window.group, "meta"), "version")
            if int(version or 0) != window.version:
                await self._mark(
                    keys=[self._waiting], args=[int(self._limits.publish_seconds * 1000), window.group.text]
                )

        await translated(call)

    async def waiting(self) -> int:
        return int(await translated(lambda: self._client.zcard(self._waiting)))

    def _key(self, group: Group, name: str) -> str:
        """The width is part of it: with another one, buckets have other numbers."""
        width = self._limits.bucket_seconds
        return f"{self._prefix}:{{patterns:{xxh3_64_hexdigest(group.text.encode())}}}:{width}:{name}"


_FLAT = msgspec.msgpack.Decoder(list[int | str])


def _packed(cell: Cell) -> bytes:
    flat: list[int | str] = [len(cell.sums), *cell.sums]
    for sample in cell.samples:
        flat += sample
    return msgspec.msgpack.encode(flat)


def _unpacked(packed: bytes) -> Cell:
    flat = _FLAT.decode(packed)
    size = int(flat[0]) + 1
    samples: list[Sample] = [(int(flat[n]), str(flat[n + 1])) for n in range(size, len(flat), 2)]
    return Cell([int(value) for value in flat[1:size]], samples)


def _bucket(number: int, packed: Mapping[bytes, bytes]) -> Bucket:
    cells = {name.decode(): _unpacked(cell) for name, cell in packed.items()}
    lost = cells.pop(LOST, None)
    return Bucket(number, cells, lost.sums[TRACES] if lost else 0)
