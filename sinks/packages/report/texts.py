"""What can be told from the texts of rows without reading them in Python: writing systems, tools, lengths."""

import re
from collections.abc import Iterator

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

_SCRIPTS: tuple[tuple[int, int, str], ...] = (
    (0x00C0, 0x024F, "Latin"),
    (0x0370, 0x03FF, "Greek"),
    (0x0400, 0x052F, "Cyrillic"),
    (0x0530, 0x058F, "Armenian"),
    (0x0590, 0x05FF, "Hebrew"),
    (0x0600, 0x06FF, "Arabic"),
    (0x0750, 0x077F, "Arabic"),
    (0x0900, 0x097F, "Devanagari"),
    (0x0980, 0x09FF, "Bengali"),
    (0x0A00, 0x0A7F, "Gurmukhi"),
    (0x0A80, 0x0AFF, "Gujarati"),
    (0x0B80, 0x0BFF, "Tamil"),
    (0x0C00, 0x0C7F, "Telugu"),
    (0x0C80, 0x0CFF, "Kannada"),
    (0x0D00, 0x0D7F, "Malayalam"),
    (0x0D80, 0x0DFF, "Sinhala"),
    (0x0E00, 0x0E7F, "Thai"),
    (0x0E80, 0x0EFF, "Lao"),
    (0x1000, 0x109F, "Myanmar"),
    (0x10A0, 0x10FF, "Georgian"),
    (0x1100, 0x11FF, "Hangul"),
    (0x1200, 0x137F, "Ethiopic"),
    (0x1780, 0x17FF, "Khmer"),
    (0x1E00, 0x1EFF, "Latin"),
    (0x1F00, 0x1FFF, "Greek"),
    (0x3040, 0x309F, "Hiragana"),
    (0x30A0, 0x30FF, "Katakana"),
    (0x3400, 0x9FFF, "Han"),
    (0xAC00, 0xD7AF, "Hangul"),
    (0xF900, 0xFAFF, "Han"),
    (0x20000, 0x323AF, "Han"),
)
"""Unicode blocks of letters. Punctuation, arrows, box drawing and emoji belong to no writing system."""

_ASCII = "Latin"
_TOOL = r'^\{"action":"tool_request","tool":"(?P<tool>(?:[^"\\]|\\.)*)"'
_CALLS = '"tool_calls":'
_ROLE = '"role":'
"""Both are searched as expressions: that search of pyarrow is four times as fast as its search for a plain text."""


class _Function(msgspec.Struct):
    name: str


class _Call(msgspec.Struct):
    function: _Function


class _Message(msgspec.Struct):
    tool_calls: list[_Call] = []


_CHAT = msgspec.json.Decoder(list[_Message])


def scripts(column: pa.Array) -> dict[str, int]:
    """Rows by writing system they use: ASCII counts as Latin, a row with two others counts for both.

    Whether a row that is Latin and something else is Latin cannot be told (its JSON is ASCII), so it counts for the
    other alone.
    """
    known = column.drop_null()
    wide = pc.filter(known, pc.invert(pc.string_is_ascii(known)))
    found: dict[str, int] = {}
    covered = pa.array([False] * len(wide)) if len(wide) else None
    for script in _present(wide):
        if script == _ASCII:
            continue
        held = pc.match_substring_regex(wide, rf"\p{{{script}}}")
        rows = pc.sum(held).as_py() or 0
        if rows:
            found[script] = rows
            covered = pc.or_(covered, held)
    other = (pc.sum(covered).as_py() or 0) if covered is not None else 0
    if len(known) > other:
        found[_ASCII] = len(known) - other
    return found


def called_tools(messages: pa.Array | None, expected_output: pa.Array | None) -> Iterator[tuple[str, int]]:
    """Tools and the rows that call them: the tool that a step asks for, else every tool called in the chat."""
    rest = messages
    if expected_output is not None:
        asked = pc.struct_field(pc.extract_regex(expected_output, _TOOL), "tool")
        for pair in pc.value_counts(asked.drop_null()).to_pylist():
            yield _unescaped(pair["values"]), pair["counts"]
        rest = None if messages is None else pc.filter(messages, pc.is_null(asked))
    if rest is None:
        return
    counts: dict[str, int] = {}
    for text in pc.filter(rest, pc.match_substring_regex(rest, _CALLS)).to_pylist():
        for name in _names(text):
            counts[name] = counts.get(name, 0) + 1
    yield from counts.items()


def message_counts(messages: pa.Array) -> pa.Array:
    """Messages in each chat. Inside a content every quote is escaped, so it never looks like a key."""
    return pc.count_substring_regex(messages, _ROLE)


def characters(columns: list[pa.Array]) -> pa.Array:
    """Characters of the texts of each row together."""
    total = pc.fill_null(pc.utf8_length(columns[0]), 0).cast(pa.int64())
    for column in columns[1:]:
        total = pc.add(total, pc.fill_null(pc.utf8_length(column), 0).cast(pa.int64()))
    return total


def _names(text: str) -> set[str]:
    """Names of the tools called in a chat; none where the text is no such chat."""
    try:
        chat = _CHAT.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return set()
    return {call.function.name for message in chat for call in message.tool_calls}


def _unescaped(name: str) -> str:
    """A name as it stands in JSON text, read."""
    if "\\" not in name:
        return name
    try:
        return msgspec.json.decode(f'"{name}"', type=str)
    except msgspec.DecodeError:
        return re.sub(r"\\.", "", name)


def _present(column: pa.Array) -> tuple[str, ...]:
    """Writing systems of the letters in these texts: by the first two bytes of each character, 64 code points apart."""
    text = column.cast(pa.large_string()) if pa.types.is_string_view(column.type) else column
    offsets_type = pa.int64() if pa.types.is_large_string(text.type) else pa.int32()
    _, offsets, data = text.buffers()
    if not len(text) or data is None:
        return ()
    ends = pa.Array.from_buffers(offsets_type, len(text) + 1, [None, offsets], offset=text.offset)
    start, end = ends[0].as_py(), ends[-1].as_py()
    octets = pa.Array.from_buffers(pa.uint8(), end - start, [None, data], offset=start)
    leads = pc.indices_nonzero(pc.greater_equal(octets, pa.scalar(0xC0, pa.uint8())))
    first = pc.take(octets, leads).cast(pa.int32())
    second = pc.take(octets, pc.add(leads, 1)).cast(pa.int32())
    pairs = pc.unique(pc.add(pc.multiply(first, 256), second)).to_pylist()
    return tuple(sorted({script for pair in pairs for script in _scripts_of(pair >> 8, pair & 0xFF)}))


def _scripts_of(lead: int, second: int) -> set[str]:
    """Writing systems that a character with these first two bytes may belong to."""
    more = second & 0x3F
    if lead < 0xE0:
        low, high = _two(lead, more), _two(lead, more)
    elif lead < 0xF0:
        low = ((lead & 0x0F) << 12) | (more << 6)
        high = low | 0x3F
    else:
        low = ((lead & 0x07) << 18) | (more << 12)
        high = low | 0xFFF
    return {name for first, last, name in _SCRIPTS if first <= high and low <= last}


def _two(lead: int, more: int) -> int:
    return ((lead & 0x1F) << 6) | more
