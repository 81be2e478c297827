"""A small deterministic world for stages: a log, a state and a publisher in memory, a clock that is moved by hand,
and a worker that may die between any two effects. Everything follows from one seed."""

import copy
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar

from schemas.codec import SchemaId, WriterSchema, decode, encode
from schemas.contracts import parsed_schema, record_names
from schemas.errors import BrokerUnavailable, LeaseLost, StateUnavailable, TransientError, UnknownSchema
from schemas.records import Record
from streams.ports import Message, Outgoing
from streams.state.memory import MemoryPartitionState
from streams.state.port import Change, Lease, StateLost

T = TypeVar("T")
R = TypeVar("R", bound=Record)
SCHEMA_IDS = {name: number for number, name in enumerate(record_names(), start=1)}


class Crash(Exception):
    """The worker is gone."""


class Schemas:
    """The real schemas under made-up ids."""

    def __init__(self) -> None:
        self._writers = {n: WriterSchema(name, parsed_schema(name), True) for name, n in SCHEMA_IDS.items()}

    def writer_schema(self, schema_id: SchemaId) -> WriterSchema:
        found = self._writers.get(schema_id) if isinstance(schema_id, int) else None
        if found is None:
            raise UnknownSchema(f"schema id {schema_id} is not known here")
        return found


LOOKUP = Schemas()


class StageLike(Protocol):
    """What a worker runs."""

    async def acquire(self, partition: int) -> int | None: ...

    def applied(self, partition: int) -> int | None: ...

    async def handle(self, partition: int, messages: Sequence[Message]) -> None: ...

    async def tick(self, partition: int, now_ms: int | None) -> None: ...


class World:
    """The broker and the state of partition 0 of every topic. `trouble` is the chance of a fault at each effect."""

    def __init__(self, seed: int, trouble: float = 0.0) -> None:
        self.rng = random.Random(seed)
        self.trouble = trouble
        self.now_ms = 1_000_000
        self.topics: dict[str, list[Message]] = {}
        self.first_held: dict[str, int] = {}
        """First offset that the log still has."""
        self.state = MemoryPartitionState()

    def append(self, topic: str, key: bytes | None, value: bytes | None) -> None:
        """Append to a topic at the present time."""
        log = self.topics.setdefault(topic, [])
        log.append(Message(topic, 0, len(log), self.now_ms, key, value))

    def records(self, topic: str, record_type: type[R]) -> list[R]:
        """Records of one type that were published to a topic."""
        return [record for record in self.published(topic, record_type) if isinstance(record, record_type)]

    def published(self, topic: str, *record_types: type[Record]) -> list[Record]:
        """Records of these types that were published to a topic, in order."""
        types = {SCHEMA_IDS[record_type.__name__]: record_type for record_type in record_types}
        found: list[Record] = []
        for message in self.topics.get(topic, []):
            assert message.value is not None
            record_type = types.get(int.from_bytes(message.value[1:5], "big"))
            if record_type is not None:
                found.append(decode(message.value, LOOKUP, record_type))
        return found

    async def effect(self, do: Callable[[], Awaitable[T]], error: type[TransientError]) -> T:
        """An effect that may fail before it happened, or after."""
        self._stumble(error)
        result = await do()
        self._stumble(error)
        return result

    def _stumble(self, error: type[TransientError]) -> None:
        roll = self.rng.random()
        if roll < self.trouble:
            raise Crash
        if roll < self.trouble * 1.5:
            raise error("trouble")

    # The publisher and the log.

    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        for out in outgoing:  # a crash may come between two records of one call
            await self.effect(lambda out=out: self._publish_one(out), BrokerUnavailable)  # type: ignore[misc]

    async def _publish_one(self, out: Outgoing) -> None:
        self.append(out.topic, out.key, encode(out.record, SCHEMA_IDS[type(out.record).__name__]))

    async def fetch(self, topic: str, partition: int, offsets: Sequence[int]) -> Mapping[int, Message]:
        async def do() -> Mapping[int, Message]:
            log, low = self.topics.get(topic, []), self.first_held.get(topic, 0)
            return {offset: log[offset] for offset in offsets if low <= offset < len(log)}

        return await self.effect(do, BrokerUnavailable)

    async def end_offset(self, topic: str, partition: int) -> int:
        return len(self.topics.get(topic, []))

    async def is_empty(self, topic: str) -> bool:
        return not self.topics.get(topic)


class TroubledState:
    """The world's state as one worker sees it, faults included."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def acquire(self, owner: str) -> Lease:
        return await self._world.effect(lambda: self._world.state.acquire(owner), StateUnavailable)

    async def entries(self, lease: Lease, trace_ids: Sequence[str]) -> tuple[dict[str, bytes], dict[str, bytes]]:
        return await self._world.effect(lambda: self._world.state.entries(lease, trace_ids), StateUnavailable)

    async def due(self, up_to_ms: int, limit: int) -> list[str]:
        return await self._world.state.due(up_to_ms, limit)

    async def aged(self, up_to_ms: int, limit: int) -> list[str]:
        return await self._world.state.aged(up_to_ms, limit)

    async def messages(self, lease: Lease, trace_ids: Sequence[str]) -> dict[str, list[bytes]]:
        return await self._world.effect(lambda: self._world.state.messages(lease, trace_ids), StateUnavailable)

    async def kept(self, lease: Lease) -> dict[str, bytes]:
        return await self._world.effect(lambda: self._world.state.kept(lease), StateUnavailable)

    async def commit(self, lease: Lease, change: Change) -> Lease:
        return await self._world.effect(lambda: self._world.state.commit(lease, change), StateUnavailable)

    async def counts(self) -> Mapping[str, int]:
        return await self._world.state.counts()


class Worker:
    """Runs a stage as the runtime does: retries what is transient, starts again from the state after the rest."""

    def __init__(
        self, world: World, topic: str, make: Callable[[str], StageLike], *, loses_state: bool = False
    ) -> None:
        self._world = world
        self._topic = topic
        self._make = make
        self._loses_state = loses_state
        self._snapshot: dict[str, object] | None = None
        self._stage: StageLike | None = None
        self._zombie: StageLike | None = None
        self._position = 0
        self.lives = 0

    async def step(self, limit: int) -> bool:
        """Apply up to `limit` messages, or look at the timers when there are none; False when there was nothing."""
        log = self._world.topics.get(self._topic, [])
        try:
            if self._stage is None:
                await self._start()
            stage = self._stage
            assert stage is not None
            batch = log[self._position : self._position + limit]
            if batch:
                given = batch
                if (
                    self._world.trouble and self._world.rng.random() < 0.1
                ):  # buffered before a rebalance, fetched after it
                    given = sorted([*batch, *batch[-3:]], key=lambda message: message.offset)
                await self._persist(lambda: stage.handle(0, given))
                self._position = batch[-1].offset + 1
                await self._persist(lambda: stage.tick(0, None))
            else:
                await self._persist(lambda: stage.tick(0, self._world.now_ms))
            await self._haunt(log)
            return bool(batch)
        except (Crash, LeaseLost, StateLost, TransientError):
            self._stage = None
            self._maybe_lose_state()
            return True

    async def _start(self) -> None:
        self.lives += 1
        stage = self._make(f"worker-{self.lives}")
        applied = await self._persist(lambda: stage.acquire(0))
        self._stage, self._position = stage, applied or 0

    async def _persist(self, call: Callable[[], Awaitable[T]]) -> T:
        for _ in range(4):
            try:
                return await call()
            except TransientError:
                self._world.state.full = False
        return await call()

    async def _haunt(self, log: Sequence[Message]) -> None:
        """A worker that lost its partition without noticing goes on for a moment."""
        rng, world = self._world.rng, self._world
        if world.trouble and rng.random() < 0.05:
            self._zombie, self._stage = self._stage, None
        elif self._zombie is not None and rng.random() < 0.5:
            zombie, self._zombie = self._zombie, None
            published = len(world.topics.get("traces", [])), len(world.topics.get("decisions", []))
            trouble, world.trouble = world.trouble, 0.0
            position = zombie.applied(0) or 0
            try:
                await zombie.tick(0, world.now_ms)
                await zombie.handle(0, log[position : position + 3])
                assert position == len(log), "a worker without a lease did something"
            except (LeaseLost, StateLost):
                pass
            world.trouble = trouble
            assert published == (len(world.topics.get("traces", [])), len(world.topics.get("decisions", [])))

    def _maybe_lose_state(self) -> None:
        if not self._loses_state:
            return
        state, roll = self._world.state, self._world.rng.random()
        if roll < 0.03:
            state.__dict__.update(MemoryPartitionState().__dict__)  # flushed
            self._snapshot = None
        elif roll < 0.1 and self._snapshot is not None:
            state.__dict__.update(copy.deepcopy(self._snapshot))  # its tail is lost
        elif roll < 0.4:
            self._snapshot = copy.deepcopy(state.__dict__)
