"""Eval logs of Inspect AI: `.json` (one EvalLog document), `.eval` (a zip of JSON members), samples by themselves.

A sample in one epoch is a run: its scenario is the task of the eval, its task the sample, its trial the epoch. Read by
shape, not by version: single `score`s, `transcript`s, steps instead of spans and nested events of older logs, pooled
messages and journals of newer ones. See `inspect_sample` for what becomes an event.
"""

from collections.abc import Iterator

from schemas.records import Event
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile
from streams.adapters.inspect_archive import begins_like_zip, read_members
from streams.adapters.inspect_sample import EvalHeader, sample_events
from streams.adapters.jsonscan import NotJsonError, decode_json
from streams.adapters.jsonstream import read_fields, read_records
from streams.adapters.runs import NotARunError, runs_of
from streams.adapters.tolerant import mapping

_HEADERS = ("header.json", "start.json", "_journal/start.json")
"""Members that tell about the eval, the best one first: the last is all that a running or crashed eval has."""
_SAMPLES = "samples/"


def read(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    """Events of every sample of a log."""
    if begins_like_zip(source):
        yield from _archive(source, options)
    else:
        yield from _documents(source, options)


def _documents(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    header: EvalHeader | None = None
    for found in read_records(source, inside=("samples",)):
        if isinstance(found, BrokenRecord):
            yield found
            continue
        if header is None:
            header = EvalHeader.of(read_fields(source, ("eval",)))
        for value in runs_of(found.value):
            log = mapping(value)
            samples = log.get("samples")
            if isinstance(samples, list):  # a whole log on a line
                pairs = [(EvalHeader.of(log), sample) for sample in samples]
            else:
                pairs = [(header, value)]
            for its_header, sample in pairs:
                try:
                    yield from sample_events(sample, its_header, options)
                except NotARunError as error:
                    yield BrokenRecord(str(source.path), found.line, found.number, f"the record {error}")


def _archive(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    header = EvalHeader()
    for name, number, content in read_members(source, _HEADERS, _SAMPLES):
        if isinstance(content, BrokenRecord):
            yield content
            continue
        try:
            value = decode_json(content)
            if name in _HEADERS:
                header = EvalHeader.of(mapping(value))
            else:
                yield from sample_events(value, header, options)
        except NotJsonError as error:
            yield BrokenRecord(str(source.path), None, number, f"a member of the archive is {error}")
        except NotARunError as error:
            yield BrokenRecord(str(source.path), None, number, f"a member of the archive {error}")
