"""What every peer does with the events of a trace, written once so that engines are compared and not codecs.

Reads the envelopes of `agent-events` with fastavro, takes each event once, puts them in sequence, and writes one joined
record. Optional records are read as (branch, record), which fastavro writes back without looking for the branch.
"""

import argparse
import io
import json
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from fastavro import parse_schema, schemaless_reader, schemaless_writer

FRAME = struct.Struct(">bI")
Event = dict[str, Any]
"""An event as fastavro reads it."""


class Options(NamedTuple):
    """What the benchmark tells a peer."""

    servers: str
    source: str
    target: str
    quiet_seconds: float
    state: Path
    schemas: Path
    variant: str


def options() -> Options:
    """The command line."""
    parser = argparse.ArgumentParser()
    for name in ("servers", "source", "target", "variant"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--quiet-seconds", type=float, required=True)
    parser.add_argument("--state", type=Path, required=True, help="directory for durable state")
    parser.add_argument("--schemas", type=Path, required=True, help="JSON: schema by registered id, and `joined`")
    return Options(**vars(parser.parse_args()))


class Codec:
    """Reads messages, writes joined traces."""

    def __init__(self, schemas: Path) -> None:
        texts = json.loads(schemas.read_text(encoding="utf-8"))
        self._joined = parse_schema(texts.pop("joined"))
        self._by_id = {int(number): parse_schema(schema) for number, schema in texts.items()}

    def events(self, value: bytes) -> list[Event]:
        """Events of a message that holds one event or an envelope."""
        _, number = FRAME.unpack_from(value)
        found: Any = schemaless_reader(
            io.BytesIO(value[FRAME.size :]), self._by_id[number], None, return_record_name=True
        )
        events: list[Event] = found.get("events", [found])
        return events

    def joined(self, trace_id: str, events: Iterable[Event]) -> bytes:
        """One record of all events, each once, in sequence."""
        unique = {event["event_id"]: event for event in events}
        out = io.BytesIO()
        ordered = sorted(unique.values(), key=lambda event: event["sequence"])
        schemaless_writer(out, self._joined, {"trace_id": trace_id, "events": ordered})
        return out.getvalue()


def has_root_end(events: Iterable[Event]) -> bool:
    """Whether the run ends in these events."""
    return any(event["kind"] == "agent_ended" and event["agent_ended"][1]["root"] for event in events)
