"""Records to bytes and back: Avro in Confluent wire format. No I/O: schemas come in through `SchemaLookup`.

Two framings are read: the prefix (magic byte 0, four-byte schema id, Avro) and the newer header form, where the
header `__value_schema_id` holds magic byte 0 and the id, or magic byte 1 and the schema's GUID, and the value is
bare Avro. The prefix is written.
"""

import io
import struct
import uuid
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Protocol, TypeVar

import msgspec
from fastavro import schemaless_reader

from schemas.compiled import compiled, read_record, write_record
from schemas.contracts import AvroSchema, parsed_schema
from schemas.errors import InvalidRecord, InvalidWireFormat, UndecodableRecord
from schemas.records import BODY_TYPES, Event, EventBatch, Record

HEADER_NAME = "__value_schema_id"
REPLAYED = "replayed-from"
"""Header of a message that was sent again out of the dead letters: where it lay the last time."""
_all_bodies = attrgetter(*BODY_TYPES)
_PREFIX = struct.Struct(">bI")
_GUID_FRAME = 17
_EARLIEST_MICROS = 0
_LATEST_MICROS = 7_258_118_400_000_000  # 2200-01-01: later times overflow readers downstream
_MAX_ID_CHARS = 512

SchemaId = int | uuid.UUID
RecordT = TypeVar("RecordT", bound=Record)
Headers = Iterable[tuple[str, bytes | None]] | None


class WriterSchema(msgspec.Struct, frozen=True):
    """A schema that some message was written with."""

    record: str
    """Record name without namespace."""
    schema: AvroSchema
    is_ours: bool
    """True when it is the very schema of this version, so that no resolution is needed."""


class SchemaLookup(Protocol):
    """Finds a writer's schema. Raises UnknownSchema (permanent) or RegistryUnavailable (transient)."""

    def writer_schema(self, schema_id: SchemaId) -> WriterSchema: ...


def is_replayed(headers: Headers) -> bool:
    """Whether a message was sent again: one of its readers may have processed it the first time."""
    return any(name == REPLAYED for name, _ in headers or ())


def encode(record: Record, schema_id: int) -> bytes:
    """Encode a record with the prefix framing; `schema_id` is the registered id of its schema.

    Raises ValueError when a value does not fit its field, which is a defect of the caller.
    """
    out = bytearray(_PREFIX.pack(0, schema_id))
    try:
        write_record(record, out)
    except Exception as error:  # any built-in type, and some carry the value; none is ours
        raise ValueError(f"{type(record).__name__} cannot be written: {_misfit(record, error)}") from None
    return bytes(out)


def _misfit(record: Record, error: Exception) -> str:
    """Why a record cannot be written, without what it holds: the kind of error, and the field where types show it."""
    try:
        msgspec.convert(msgspec.to_builtins(record, builtin_types=(bytes,)), type(record))
    except msgspec.ValidationError as found:  # its text may hold the value; the path behind it holds none
        return f"{type(error).__name__} at {str(found).rpartition(' - at ')[2]}"
    except Exception:  # values of no type that Avro knows
        return type(error).__name__
    return type(error).__name__


def split_frame(value: bytes | None, headers: Headers = None) -> tuple[SchemaId, bytes]:
    """Schema id and Avro bytes of a message. Raises InvalidWireFormat."""
    if value is None:
        raise InvalidWireFormat("the message has no value")
    for name, raw in headers or ():
        if name == HEADER_NAME and raw:
            return _header_schema_id(raw), value
    if len(value) < _PREFIX.size:
        raise InvalidWireFormat(f"the message has {len(value)} bytes; wire format needs at least {_PREFIX.size}")
    magic, schema_id = _PREFIX.unpack_from(value)
    if magic == 1 and len(value) >= _GUID_FRAME:
        return uuid.UUID(bytes=value[1:_GUID_FRAME]), value[_GUID_FRAME:]
    if magic != 0:
        raise InvalidWireFormat(f"magic byte is {magic}, not 0")
    return schema_id, value[_PREFIX.size :]


def self_contained(value: bytes, headers: Headers = None) -> bytes:
    """The message with its schema id in front of it, also when it came in a header: what is kept for later."""
    for name, raw in headers or ():
        if name == HEADER_NAME and raw:
            return raw + value
    return value


def _header_schema_id(raw: bytes) -> SchemaId:
    if raw[0] == 0 and len(raw) == _PREFIX.size:
        return int(_PREFIX.unpack(raw)[1])
    if raw[0] == 1 and len(raw) == 17:
        return uuid.UUID(bytes=raw[1:])
    raise InvalidWireFormat(f"header {HEADER_NAME} is neither magic 0 with an id nor magic 1 with a GUID")


def decode(value: bytes | None, lookup: SchemaLookup, expected: type[RecordT], headers: Headers = None) -> RecordT:
    """Decode one message to a record of type `expected`. Raises PermanentError or RegistryUnavailable."""
    schema_id, payload = split_frame(value, headers)
    writer = lookup.writer_schema(schema_id)
    if writer.record != expected.__name__:
        raise UndecodableRecord(f"the message holds a {writer.record}, not a {expected.__name__}")
    return _read(payload, writer, expected)


def decode_one_of(
    value: bytes | None, lookup: SchemaLookup, expected: Sequence[type[RecordT]], headers: Headers = None
) -> RecordT:
    """Decode one message of a topic that holds several record types. Raises PermanentError or RegistryUnavailable."""
    schema_id, payload = split_frame(value, headers)
    writer = lookup.writer_schema(schema_id)
    for record_type in expected:
        if writer.record == record_type.__name__:
            return _read(payload, writer, record_type)
    names = " or ".join(record_type.__name__ for record_type in expected)
    raise UndecodableRecord(f"the message holds a {writer.record}, not a {names}")


def decode_events(value: bytes | None, lookup: SchemaLookup, headers: Headers = None) -> Sequence[Event]:
    """Events of one `agent-events` message (an Event or an EventBatch), not yet validated one by one.

    Raises InvalidRecord when a batch is empty or mixes traces: its events would sit in a foreign partition.
    """
    schema_id, payload = split_frame(value, headers)
    writer = lookup.writer_schema(schema_id)
    if writer.record == "EventBatch":
        batch = _read(payload, writer, EventBatch)
        if not batch.events:
            raise InvalidRecord("the batch holds no event")
        if any(event.trace_id != batch.trace_id for event in batch.events):
            raise InvalidRecord("the batch holds events of more than one trace")
        return batch.events
    if writer.record == "Event":
        return (_read(payload, writer, Event),)
    raise UndecodableRecord(f"the message holds a {writer.record}, not an Event or EventBatch")


def _read(payload: bytes, writer: WriterSchema, expected: type[RecordT]) -> RecordT:
    compiled(expected)  # not below: that a type cannot be compiled is no fault of the message
    try:
        record, end = read_record(payload, expected) if writer.is_ours else _read_foreign(payload, writer, expected)
    except msgspec.ValidationError:
        raise UndecodableRecord(f"the decoded {writer.record} does not fit its type") from None
    except Exception as error:  # both readers raise many built-in types on hostile bytes; none is ours
        raise UndecodableRecord(
            f"{len(payload)} bytes do not decode as {writer.record} ({type(error).__name__})"
        ) from None
    rest = len(payload) - end
    if rest:
        raise UndecodableRecord(f"{rest} bytes are left over after {writer.record}")
    return record


def _read_foreign(payload: bytes, writer: WriterSchema, expected: type[RecordT]) -> tuple[RecordT, int]:
    """Like `read_record`, for bytes of another version's schema."""
    source = io.BytesIO(payload)
    data = schemaless_reader(source, writer.schema, parsed_schema(writer.record))
    record = msgspec.convert(data, expected)
    write_record(record, bytearray())  # fastavro takes an int of any width, which no stage could pass on
    return record, source.tell()


def validate_event(event: Event) -> None:
    """Raise InvalidRecord when an event breaks a rule that Avro cannot state."""
    for name in ("event_id", "trace_id", "span_id"):
        value = getattr(event, name)
        if not value or len(value) > _MAX_ID_CHARS or "\x00" in value:
            raise InvalidRecord(f"{name} is empty, longer than {_MAX_ID_CHARS} characters, or holds a null character")
    if not _EARLIEST_MICROS <= event.occurred_at < _LATEST_MICROS:
        raise InvalidRecord("occurred_at is not between 1970 and 2200 (microseconds are expected)")
    if event.kind not in BODY_TYPES:
        raise InvalidRecord("kind names no body that this version knows")
    if getattr(event, event.kind) is None:
        raise InvalidRecord("the body that kind names is missing")
    if _all_bodies(event).count(None) != len(BODY_TYPES) - 1:
        raise InvalidRecord("more than one body is set")
