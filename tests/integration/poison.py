"""Messages that no stage can process, or only in part, and one in the newer framing."""

import struct
import uuid

import msgspec

from schemas.codec import HEADER_NAME, encode
from schemas.records import EventBatch
from tests.integration.world import CANARY, Meaning, Sending, World


def broken_message(world: World, number: int) -> Sending:
    """One broken message of many kinds, with a canary in its content."""
    rng = world.random
    events = [msgspec.structs.replace(event, trace_id=f"bad-{number}") for event in world.run(turns=1)[:3]]
    batch = EventBatch(trace_id=f"bad-{number}", producer_id="test", events=tuple(events))
    key, good = f"bad-{number}".encode(), encode(batch, world.batch_id)
    payload = good[5:]
    match number % 12:
        case 0:
            return world.broken(rng.randbytes(rng.randint(0, 200)).replace(b"\x00", b"\x02", 1), key)
        case 1:
            return world.broken(b"\x07" + good[1:], key)
        case 2:  # a schema id that nobody knows, another one each time
            return world.broken(struct.pack(">bI", 0, rng.randrange(10_000, 2**31 - 1)) + payload, key)
        case 3:
            return world.broken(struct.pack(">bI", 0, rng.randrange(2**31, 2**32)) + payload, key)
        case 4:
            return world.broken(good[: rng.randint(5, len(good) - 1)], key)
        case 5:
            return world.broken(good + CANARY.encode(), key)
        case 6:
            return world.broken(good, rng.choice([None, b"", b"another", CANARY.encode(), b"\xff\xfe"]))
        case 7:
            return world.broken(None, key)
        case 8:  # lone surrogates as bytes are no UTF-8
            return world.broken(good.replace(b"zebra", b"z\xed\xa0\x80a"), key)
        case 9:
            return world.broken(payload, key, ((HEADER_NAME, b"\x01" + uuid.UUID(int=rng.getrandbits(128)).bytes),))
        case 10:
            return world.broken(payload, key, ((HEADER_NAME, rng.choice([b"\x00\x01", b"\x02" + bytes(16), b"\xff"])),))
        case _:
            two = (events[0], msgspec.structs.replace(events[1], trace_id="other"))
            return world.broken(encode(msgspec.structs.replace(batch, events=two), world.batch_id), key)


def partly_broken(world: World) -> Sending:
    """A batch with one invalid event among valid ones: the others go on."""
    events = world.run(turns=1)
    world.ledger.valid(events)
    invalid = msgspec.structs.replace(events[1], event_id="", occurred_at=-5)
    batch = EventBatch(trace_id=events[0].trace_id, producer_id="test", events=(*events, invalid))
    message = Sending(events[0].trace_id.encode(), encode(batch, world.batch_id))
    world.ledger.broken(message.key, message.value)
    return world.meant(message, Meaning(tuple(events), letters=1))


def framed_by_header(world: World) -> Sending:
    """The newer framing, with the schema id in a header."""
    events = world.run(turns=1)
    world.ledger.valid(events)
    batch = EventBatch(trace_id=events[0].trace_id, producer_id="test", events=tuple(events))
    value = encode(batch, world.batch_id)
    message = Sending(events[0].trace_id.encode(), value[5:], ((HEADER_NAME, value[:5]),))
    return world.meant(message, Meaning(tuple(events)))
