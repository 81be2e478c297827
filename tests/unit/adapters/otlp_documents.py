"""Spans in OTLP/JSON, as an SDK writes them."""

from pathlib import Path
from typing import Any

from schemas.records import Event
from streams.adapters.otlp import read
from tests.unit.adapters.foreign_files import check_runs, import_events

Record = dict[str, Any]
TRACE_ID = "5b8efff798038103d269b633813fc60c"
SECOND = 1_000_000
NOON = 1_742_385_600 * SECOND  # 2025-03-19T12:00:00Z


def imported(tmp_path: Path, content: str) -> list[Event]:
    """Events of a file that holds no broken record."""
    events = import_events(read, tmp_path / "spans.json", content)
    check_runs(events)
    return events


def wire(found: object) -> Record:
    """OTLP's AnyValue."""
    if isinstance(found, dict):
        return {"kvlistValue": {"values": pairs(found)}}
    if isinstance(found, list):
        return {"arrayValue": {"values": [wire(item) for item in found]}}
    return {"intValue": str(found)} if isinstance(found, int) else {"stringValue": found}


def pairs(found: Record) -> list[Record]:
    """OTLP's attributes."""
    return [{"key": key, "value": wire(value)} for key, value in found.items()]


def wire_span(number: int, parent: int, seconds: int, **attributes: object) -> Record:
    """A span of one second in OTLP/JSON; attribute names with `__` for the dot."""
    return {
        "traceId": TRACE_ID,
        "spanId": f"{number:016x}",
        "parentSpanId": f"{parent:016x}" if parent else "",
        "name": f"span {number}",
        "startTimeUnixNano": str((NOON + seconds * SECOND) * 1000),
        "endTimeUnixNano": str((NOON + (seconds + 1) * SECOND) * 1000),
        "attributes": pairs({name.replace("__", "."): value for name, value in attributes.items()}),
        "status": {},
    }


def spans_document(*spans: Record) -> Record:
    """The envelope of OTLP/JSON around spans."""
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": list(spans)}]}]}
