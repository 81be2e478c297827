"""What the assembly benchmarks share: traffic, a real Redis, and ports that cost next to nothing."""

import json
import random
from collections.abc import Mapping, Sequence

import msgspec
from redis.asyncio import Redis

from schemas.codec import SchemaId, WriterSchema, encode
from schemas.contracts import parsed_schema, record_names
from schemas.records import (
    KIND_OF,
    AgentEnded,
    AgentStarted,
    Body,
    Consent,
    Event,
    EventBatch,
    ModelCalled,
    ModelRef,
    SourceRef,
    ToolCall,
    ToolCalled,
    ToolReturned,
    Usage,
)
from schemas.records import (
    Message as ChatMessage,
)
from streams.core.timers import Windows
from streams.ports import Message, Outgoing
from streams.stages.assemble import AssembleStage
from streams.state.redis import RedisPartitionState

Sending = tuple[bytes | None, bytes | None]
"""Key and value of a message."""
BLOCK = 200
"""Traces that are open at once in what is sent."""
SCHEMA_IDS = {name: number for number, name in enumerate(record_names(), start=1)}


class Schemas:
    """The schemas under made-up ids."""

    def __init__(self) -> None:
        self._writers = {n: WriterSchema(name, parsed_schema(name), True) for name, n in SCHEMA_IDS.items()}

    def writer_schema(self, schema_id: SchemaId) -> WriterSchema:
        assert isinstance(schema_id, int)
        return self._writers[schema_id]


class Encoding:
    """A publisher that encodes what it gets, and keeps nothing."""

    def __init__(self) -> None:
        self.records = 0
        self.size_bytes = 0

    async def publish(self, outgoing: Sequence[Outgoing]) -> None:
        for out in outgoing:
            self.records += 1
            self.size_bytes += len(encode(out.record, 1))


class NoLog:
    """A log that is never needed: nothing is amended."""

    async def fetch(self, topic: str, partition: int, offsets: Sequence[int]) -> Mapping[int, Message]:
        raise AssertionError("nothing should be read again")

    async def end_offset(self, topic: str, partition: int) -> int:
        return 0

    async def is_empty(self, topic: str) -> bool:
        return True


def bodies(rng: random.Random, count: int) -> list[Body]:
    """A run: start, turns of model call, tool call and result, end. About 560 bytes an event as Avro."""
    words = ["fetch", "the", "page", "and", "read", "prices", "of", "each", "vendor", "in", "order", "then", "compare"]

    def text(size: int) -> str:
        return " ".join(rng.choices(words, k=size))

    made: list[Body] = [AgentStarted(root=True, goal=text(20), system_prompt=text(60))]
    while len(made) < count - 1:
        arguments = json.dumps({"url": f"https://example.com/{rng.randrange(10**6)}", "prompt": text(40)})
        made.append(
            ModelCalled(
                output=ChatMessage(
                    role="assistant",
                    content=text(40),
                    tool_calls=(ToolCall(call_id="c", name="WebFetch", arguments_json=arguments),),
                ),
                usage=Usage(input_tokens=900, output_tokens=80),
            )
        )
        made.append(ToolCalled(tool="WebFetch", call_id="c", parameters_json=arguments))
        made.append(
            ToolReturned(tool="WebFetch", call_id="c", success=True, result_json=json.dumps({"text": text(60)}))
        )
    return [*made[: count - 1], AgentEnded(root=True, completion_status="successful", reward=1.0)]


def trace_id_of(number: int) -> str:
    """The trace's id."""
    return f"{number:032x}"


def event_ids_of(number: int, count: int) -> tuple[str, ...]:
    """Ids of the trace's events, in order."""
    trace_id = trace_id_of(number)
    return tuple(f"{trace_id[-12:]}{index:08x}" for index in range(count))


def events_of_trace(number: int, count: int, ended: bool = True) -> list[Event]:
    """The events of one trace."""
    rng = random.Random(number)
    trace_id = trace_id_of(number)
    made = bodies(rng, count + (0 if ended else 1))[:count]
    return [
        Event(
            event_id=event_id,
            trace_id=trace_id,
            span_id=f"{index // 3:016x}",
            producer_id="bench",
            sequence=index,
            occurred_at=1_700_000_000_000_000 + index * 1000,
            agent="Scout",
            scenario="Bench",
            execution_mode="EXECUTION",
            model=ModelRef(provider="anthropic", name="claude"),
            consent=Consent(status="granted", basis="bench"),
            source=SourceRef(format="sdk"),
            kind=KIND_OF[type(body)],
            **{KIND_OF[type(body)]: body},  # type: ignore[arg-type]
        )
        for index, (event_id, body) in enumerate(zip(event_ids_of(number, count), made, strict=True))
    ]


def messages(
    traces: int,
    events_each: int,
    per_message: int,
    first: int = 0,
    ended: bool = True,
    *,
    event_id: int = SCHEMA_IDS["Event"],
    batch_id: int = SCHEMA_IDS["EventBatch"],
) -> list[Message]:
    """`agent-events` messages, the traces interleaved as agents at work would send them."""
    columns: list[list[Message]] = []
    for number in range(first, first + traces):
        events = events_of_trace(number, events_each, ended)
        key = events[0].trace_id.encode()
        column: list[Message] = []
        for start in range(0, len(events), per_message):
            part = tuple(events[start : start + per_message])
            if per_message == 1:
                value = encode(part[0], event_id)
            else:
                batch = EventBatch(trace_id=part[0].trace_id, producer_id="bench", events=part)
                value = encode(batch, batch_id)
            column.append(Message("agent-events", 0, 0, 1_000_000, key, value))
        columns.append(column)
    mixed = [column[row] for row in range(max(map(len, columns))) for column in columns if row < len(column)]
    return [Message(m.topic, m.partition, offset, m.timestamp_ms, m.key, m.value) for offset, m in enumerate(mixed)]


def disturbed(sent: Sequence[Message], seed: int) -> list[Message]:
    """The same messages, of one trace in ten the first one again later, of one in ten the first two exchanged.

    The last message of a trace stays the last one, if it has three or more.
    """
    rng = random.Random(seed)
    of_trace: dict[bytes | None, list[int]] = {}
    for index, message in enumerate(sent):
        of_trace.setdefault(message.key, []).append(index)
    order = [[index] for index in range(len(sent))]
    for places in of_trace.values():
        roll = rng.random()
        if len(places) < 3 or roll > 0.2:
            continue
        early, late = places[:2]
        if roll < 0.1:
            order[late] = [early, late]
        else:
            order[early], order[late] = [late], [early]
    return [sent[index] for group in order for index in group]


def sendings(
    first: int, count: int, events_each: int, per_message: int, *, event_id: int, batch_id: int
) -> list[Sending]:
    """Messages of so many traces, disturbed, in the order they are sent."""
    found: list[Sending] = []
    for start in range(first, first + count, BLOCK):
        size = min(BLOCK, first + count - start)
        sent = messages(size, events_each, per_message, start, event_id=event_id, batch_id=batch_id)
        found += [(message.key, message.value) for message in disturbed(sent, start)]
    return found


def new_stage(
    client: Redis,
    publisher: Encoding,
    topic: str,
    windows: Windows = Windows(quiet_ms=1),  # noqa: B008 - frozen
) -> AssembleStage:
    """A stage whose state is in this Redis, under a name of its own."""
    return AssembleStage(
        owner="bench",
        state_of=lambda partition: RedisPartitionState(client, "bench", topic, partition),
        publisher=publisher,
        log=NoLog(),
        lookup=Schemas(),
        windows=windows,
        pseudonym_key=b"k" * 32,
    )


def as_json(value: object) -> str:
    """Indented JSON."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
