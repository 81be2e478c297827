"""From a consumed message to a table entry."""

import math
from dataclasses import replace

import msgspec
import pytest

from schemas.codec import REPLAYED, encode
from schemas.errors import InvalidRecord
from schemas.records import Record
from sinks.decoding import Consumed, to_entry
from sinks.letters import dead_letter
from tests.simulation.world import LOOKUP, SCHEMA_IDS
from tests.unit.sinks.samples import decision, example, trace


def message(topic: str, record: Record, **headers: bytes) -> Consumed:
    value = encode(record, SCHEMA_IDS[type(record).__name__])
    found = tuple((name.replace("_", "-"), raw) for name, raw in headers.items())
    return Consumed(topic, 0, 7, 1, record.trace_id.encode(), value, found)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("topic", "record"), [("traces", trace()), ("decisions", decision()), ("examples", example())])
def test_what_was_sent_again_may_stand_in_the_table_already(topic: str, record: Record) -> None:
    assert not to_entry(message(topic, record), LOOKUP).may_exist
    again = to_entry(message(topic, record, replayed_from=b"traces-0-3"), LOOKUP)
    assert (REPLAYED, again.may_exist, again.offset) == ("replayed-from", True, 7)


def test_a_dead_letter_keeps_the_headers_that_a_replay_needs() -> None:
    found = message("traces", trace())
    headers = (("__value_schema_id", b"\x00\x00\x00\x00\x07"), ("baggage", None), ("__value_schema_id", b"later"))
    letter = dead_letter(replace(found, headers=headers), InvalidRecord("it is wrong"))
    assert letter.headers == {"__value_schema_id": b"\x00\x00\x00\x00\x07"}


def test_a_record_that_makes_no_row_is_invalid_and_ends_nothing() -> None:
    endless = msgspec.structs.replace(trace(text="secret"), duration_seconds=math.inf)
    with pytest.raises(InvalidRecord) as caught:
        to_entry(message("traces", endless), LOOKUP)
    assert "OverflowError" in str(caught.value)
    assert "secret" not in str(caught.value)
