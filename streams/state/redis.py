"""Partition state in Redis. A partition's keys share a hash tag, so that one script may touch them in a cluster."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
from redis.asyncio import Redis
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,
)

from schemas.errors import LeaseLost, StateUnavailable
from schemas.settings import Settings
from streams.state.port import Change, Lease, StateFull, StateLost

_COMMIT = (Path(__file__).parent / "commit.lua").read_text(encoding="utf-8")
# A script that has written may go on writing when memory is full: so the first write is one that needs no memory.
# Otherwise a worker that starts while Redis is full could never close the traces that fill it.
_ACQUIRE = """
redis.call('HDEL', KEYS[1], 'none')
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
return {redis.call('HINCRBY', KEYS[1], 'version', 1), redis.call('HGET', KEYS[1], 'applied')}
"""
_T = TypeVar("_T")


def connect(settings: Settings) -> Redis:
    """A client for the Redis that the settings name."""
    redis = settings.redis
    options: dict[str, Any] = {"socket_timeout": 30.0, "socket_connect_timeout": 5.0}
    if redis.username:
        options["username"] = redis.username
    if redis.password:
        options["password"] = redis.password.get_secret_value()
    if redis.ca_location:
        options["ssl_ca_certs"] = str(redis.ca_location)
    client: Redis = Redis.from_url(settings.redis_url(), **options)
    return client


class RedisPartitionState:
    """State of one partition of one topic."""

    def __init__(self, client: Redis, prefix: str, topic: str, partition: int) -> None:
        self._client = client
        base = f"{prefix}:{{{topic}-{partition}}}"
        self._lease = f"{base}:lease"
        self._open = f"{base}:open"
        self._due = f"{base}:due"
        self._closed = f"{base}:closed"
        self._age = f"{base}:age"
        self._counts = f"{base}:counts"
        self._kept = f"{base}:kept"
        self._held = f"{base}:held:"
        self._acquire = client.register_script(_ACQUIRE)
        self._commit = client.register_script(_COMMIT)

    async def acquire(self, owner: str) -> Lease:
        async def call() -> Lease:
            version, applied = await self._acquire(keys=[self._lease], args=[owner])
            return Lease(owner, int(version), None if applied is None else int(applied))

        return await translated(call)

    async def entries(self, lease: Lease, trace_ids: Sequence[str]) -> tuple[dict[str, bytes], dict[str, bytes]]:
        if not trace_ids:
            return {}, {}

        async def call() -> tuple[dict[str, bytes], dict[str, bytes]]:
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.hmget(self._lease, ["owner", "version"])
                pipe.hmget(self._open, list(trace_ids))
                pipe.hmget(self._closed, list(trace_ids))
                held, *found = await pipe.execute()
            _check(held, lease)
            opened, closed = (
                {trace_id: entry for trace_id, entry in zip(trace_ids, row, strict=True) if entry is not None}
                for row in found
            )
            return opened, closed

        return await translated(call)

    async def due(self, up_to_ms: int, limit: int) -> list[str]:
        return await self._range(self._due, up_to_ms, limit)

    async def aged(self, up_to_ms: int, limit: int) -> list[str]:
        return await self._range(self._age, up_to_ms, limit)

    async def _range(self, key: str, up_to_ms: int, limit: int) -> list[str]:
        async def call() -> list[str]:
            found = await self._client.zrangebyscore(key, "-inf", up_to_ms, start=0, num=limit)
            return [cast(bytes, trace_id).decode() for trace_id in found]

        return await translated(call)

    async def messages(self, lease: Lease, trace_ids: Sequence[str]) -> dict[str, list[bytes]]:
        async def call() -> dict[str, list[bytes]]:
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.hmget(self._lease, ["owner", "version"])
                for trace_id in trace_ids:
                    pipe.lrange(self._held + trace_id, 0, -1)
                held, *found = await pipe.execute()
            _check(held, lease)
            return dict(zip(trace_ids, found, strict=True))

        return await translated(call)

    async def kept(self, lease: Lease) -> dict[str, bytes]:
        async def call() -> dict[str, bytes]:
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.hmget(self._lease, ["owner", "version"])
                pipe.hgetall(self._kept)
                held, found = await pipe.execute()
            _check(held, lease)
            return {name.decode(): entry for name, entry in found.items()}

        return await translated(call)

    async def commit(self, lease: Lease, change: Change) -> Lease:
        keys = [self._lease, self._open, self._due, self._closed, self._age, self._counts, self._kept]
        fields: dict[str, object] = {
            "drop_open": change.drop_open,
            "drop_closed": change.drop_closed,
            "append": [trace_id for trace_id, _ in change.append],
            "put_open": [(trace_id, due_ms) for trace_id, _, due_ms in change.put_open],
            "put_closed": [(trace_id, at_ms) for trace_id, _, at_ms in change.put_closed],
            "keep": [name for name, _ in change.keep],
            "drop_kept": change.drop_kept,
            "counts": list(change.counts.items()),
            "makes_room": change.makes_room,
        }
        if change.applied is not None:  # a msgpack nil would not be nil in Lua
            fields["applied"] = change.applied
        # Redis' own msgpack knows no bytes, so they travel as arguments, in the order in which the script takes them.
        blobs = [
            item[1] for items in (change.append, change.put_open, change.put_closed, change.keep) for item in items
        ]
        packed = msgspec.msgpack.encode(fields)

        async def call() -> Lease:
            status, version = await self._commit(
                keys=keys, args=[self._held, lease.owner, lease.version, packed, *blobs]
            )
            if status == b"FENCED":
                raise LeaseLost("another worker owns the partition")
            if status == b"LOST":
                raise StateLost("the state in Redis is not the one this change was computed from")
            applied = change.applied if change.applied is not None else lease.applied
            return Lease(lease.owner, int(version), applied)

        return await translated(call)

    async def counts(self) -> Mapping[str, int]:
        async def call() -> Mapping[str, int]:
            async with self._client.pipeline(transaction=False) as pipe:
                pipe.hgetall(self._counts)
                pipe.hlen(self._open)
                pipe.hget(self._lease, "applied")
                counts, open_traces, applied = await pipe.execute()
            numbers = {name.decode(): int(value) for name, value in counts.items()}
            return {**numbers, "open_traces": int(open_traces), "applied": int(applied or 0)}

        return await translated(call)


def _check(held: Sequence[bytes | None], lease: Lease) -> None:
    owner, version = held
    if owner is None:
        raise StateLost("the state in Redis was flushed")
    if owner.decode() != lease.owner:
        raise LeaseLost("another worker owns the partition")
    if version is None or int(version) != lease.version:
        raise StateLost("the state in Redis is not the one this worker left")


_FULL = "Redis has no memory left (maxmemory): give it more, or lower assemble.remember_seconds"
_NOT_NOW = ("LOADING", "MISCONF", "READONLY", "BUSY", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "TRYAGAIN")
"""What Redis says while it starts, fails over or cannot write."""


async def translated(call: Callable[[], Awaitable[_T]]) -> _T:
    """Redis errors in our words. A wrong password is not transient; the rest of what Redis may say is."""
    try:
        return await call()
    except AuthenticationError:
        raise
    except OutOfMemoryError:
        raise StateFull(_FULL) from None
    except (ConnectionError, TimeoutError, BusyLoadingError, ReadOnlyError) as error:
        raise StateUnavailable(f"Redis does not answer ({type(error).__name__})") from None
    except ResponseError as error:
        if "OOM" in str(error):
            raise StateFull(_FULL) from None
        if any(word in str(error) for word in _NOT_NOW):
            raise StateUnavailable("Redis cannot take writes now") from None
        raise
