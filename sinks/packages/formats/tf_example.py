"""`tf.train.Example` and the framing of TFRecord files, without TensorFlow. Pure.

Sources: tensorflow/core/example/{example,feature}.proto; the "TFRecord and tf.train.Example" guide. A record is its
length (8 bytes, little endian), the masked crc32c of those, the message, and the masked crc32c of that.
"""

import struct
from collections.abc import Mapping, Sequence

from crc32c import crc32c

from schemas.errors import InvalidRecord

Feature = tuple[bytes, ...] | tuple[int, ...] | tuple[float, ...]
"""Values of one kind; floats are rounded to 32 bits by the format."""

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
HEADER_BYTES = _LENGTH.size + _CRC.size
FOOTER_BYTES = _CRC.size
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = b"\x0a", b"\x12", b"\x1a"
_TWO_64 = 2**64
_TWO_63 = 2**63


def masked_crc(data: bytes) -> int:
    """crc32c, rotated and offset, so that a checksum of data that holds checksums stays good."""
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def framed(message: bytes) -> bytes:
    """A record of the file."""
    length = _LENGTH.pack(len(message))
    return b"".join((length, _CRC.pack(masked_crc(length)), message, _CRC.pack(masked_crc(message))))


def record_length(header: bytes) -> int:
    """Length of the message that follows these `HEADER_BYTES`. Raises InvalidRecord."""
    if len(header) != HEADER_BYTES:
        raise InvalidRecord("the TFRecord file ends inside a record")
    length = header[: _LENGTH.size]
    if _CRC.unpack(header[_LENGTH.size :])[0] != masked_crc(length):
        raise InvalidRecord("the length of a TFRecord does not fit its checksum")
    return int(_LENGTH.unpack(length)[0])


def check_message(message: bytes, footer: bytes) -> None:
    """Raises InvalidRecord where the checksum after a message says it is another."""
    if len(footer) != FOOTER_BYTES:
        raise InvalidRecord("the TFRecord file ends inside a record")
    if _CRC.unpack(footer)[0] != masked_crc(message):
        raise InvalidRecord("a TFRecord does not fit its checksum")


def varint(number: int) -> bytes:
    """A number of 0 to 2**64 - 1, seven bits a byte."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def delimited(tag: bytes, data: bytes) -> bytes:
    """A field that says its length."""
    return b"".join((tag, varint(len(data)), data))


def bytes_feature(value: bytes) -> bytes:
    """One value in a BytesList."""
    return delimited(_BYTES_LIST, delimited(b"\x0a", value))


def int64_feature(value: int) -> bytes:
    """One value in an Int64List: -2**63 to 2**63 - 1."""
    return delimited(_INT64_LIST, delimited(b"\x0a", varint(value % _TWO_64)))


def float_feature(value: float) -> bytes:
    """One value in a FloatList, rounded to 32 bits."""
    try:
        packed = struct.pack("<f", value)
    except OverflowError:
        packed = struct.pack("<f", float("inf") if value > 0 else float("-inf"))
    return delimited(_FLOAT_LIST, delimited(b"\x0a", packed))


def key_of(name: str) -> bytes:
    """A name, as it stands in an entry of the map of features."""
    return delimited(b"\x0a", name.encode())


def example(entries: Sequence[tuple[bytes, bytes]]) -> bytes:
    """An Example of (`key_of` name, feature), in this order."""
    features = b"".join(delimited(b"\x0a", key + delimited(b"\x12", feature)) for key, feature in entries)
    return delimited(b"\x0a", features)


def parse_example(message: bytes) -> Mapping[str, Feature]:
    """Features of an Example. Raises InvalidRecord."""
    found: dict[str, Feature] = {}
    try:
        for _, features in _fields(message):
            for _, entry in _fields(features):
                parts = dict(_fields(entry))
                found[parts[1].decode()] = _feature(parts.get(2, b""))
    except (IndexError, KeyError, UnicodeDecodeError, struct.error) as error:
        raise InvalidRecord("a TFRecord holds no tf.train.Example") from error
    return found


def _feature(data: bytes) -> Feature:
    for kind, values in _fields(data):
        if kind == 1:
            return tuple(value for _, value in _fields(values))
        packed = b"".join(value for _, value in _fields(values))
        if kind == 2:
            return struct.unpack(f"<{len(packed) // 4}f", packed)
        numbers: list[int] = []
        position = 0
        while position < len(packed):
            number, position = _varint(packed, position)
            numbers.append(number - _TWO_64 if number >= _TWO_63 else number)
        return tuple(numbers)
    return ()


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    """(number, content) of fields that say their length: an Example has no others."""
    found: list[tuple[int, bytes]] = []
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        if tag & 7 != 2:
            raise InvalidRecord("a TFRecord holds no tf.train.Example")
        length, position = _varint(data, position)
        if position + length > len(data):
            raise InvalidRecord("a TFRecord holds no tf.train.Example")
        found.append((tag >> 3, data[position : position + length]))
        position += length
    return found


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position
        shift += 7
