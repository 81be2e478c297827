"""From a record of a file to a run: a record may be a list of runs, or no run at all."""

from collections.abc import Iterator

from streams.adapters.base import BrokenRecord, RecordingFile
from streams.adapters.jsonstream import JsonRecord
from streams.adapters.tolerant import count


class NotARunError(ValueError):
    """A record that is valid JSON but no run of the format; the message holds nothing of its content."""


def runs_of(value: object) -> Iterator[object]:
    """The record itself, or its items where a line holds a whole array of runs."""
    if isinstance(value, list):
        yield from value
    else:
        yield value


def broken(source: RecordingFile, record: JsonRecord, error: NotARunError) -> BrokenRecord:
    """Report a record that is no run."""
    return BrokenRecord(str(source.path), record.line, record.number, f"the record {error}")


def trial_number(value: object) -> int | None:
    """Which attempt at its task a run is; None when it is no number that an event may hold."""
    found = count(value)
    return found if found is not None and found < 2**31 else None
