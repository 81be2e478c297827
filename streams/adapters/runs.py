"""From a record of a file to a run: a record may be a list of runs, or no run at all."""

from collections.abc import Callable, Iterable, Iterator

from schemas.records import Event
from streams.adapters.base import BrokenRecord, RecordingFile
from streams.adapters.jsonstream import JsonRecord, read_records
from streams.adapters.tolerant import count


class NotARunError(ValueError):
    """A record that is valid JSON but no run of the format; the message holds nothing of its content."""


def runs_of(value: object) -> Iterator[object]:
    """The record itself, or its items where a line holds a whole array of runs."""
    if isinstance(value, list):
        yield from value
    else:
        yield value


def events_of_runs(
    source: RecordingFile, events_of: Callable[[object], Iterable[Event]]
) -> Iterator[Event | BrokenRecord]:
    """Events of every run of a file; a record that `events_of` finds to be no run is reported, and the rest goes on."""
    for found in read_records(source):
        if isinstance(found, BrokenRecord):
            yield found
            continue
        for value in runs_of(found.value):
            try:
                yield from events_of(value)
            except NotARunError as error:
                yield broken(source, found, error)


def broken(source: RecordingFile, record: JsonRecord, error: NotARunError) -> BrokenRecord:
    """Report a record that is no run."""
    return BrokenRecord(str(source.path), record.line, record.number, f"the record {error}")


def trial_number(value: object) -> int | None:
    """Which attempt at its task a run is; None when it is no number that an event may hold."""
    found = count(value)
    return found if found is not None and found < 2**31 else None
