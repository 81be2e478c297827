"""Imports one document written to a file."""

import json
from pathlib import Path

from schemas.records import Event
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile
from streams.adapters.catalogue import FORMATS


def import_document(
    file_format: str, folder: Path, document: object, name: str = "file.json"
) -> list[Event | BrokenRecord]:
    path = folder / name
    path.write_text(json.dumps(document))
    return list(FORMATS[file_format].importer()(RecordingFile(path), ImportOptions()))


def import_run(file_format: str, folder: Path, document: object, name: str = "file.json") -> list[Event]:
    found = import_document(file_format, folder, document, name)
    events = [item for item in found if isinstance(item, Event)]
    assert len(events) == len(found)
    assert len({event.trace_id for event in events}) == 1
    return events


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events]
