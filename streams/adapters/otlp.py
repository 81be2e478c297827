"""Importer `otlp`: OpenTelemetry spans of LLM agents, as OTLP/JSON or as the span dictionaries of SDK exporters.

One OTel trace is one trace, under its own id. Read are the GenAI conventions, OpenInference, OpenLLMetry, and what
ADK, pydantic-ai, Vercel's AI SDK, the Claude and OpenAI agent SDKs add (see `otlp_talk`); of log records those of the
GenAI conventions, as events of their span. Spans that tell nothing of an agent (HTTP, databases) become no events, but
for their errors. Where the same tool call stands in a span and in messages it is one; a message that later prompts
repeat is one.
"""

from collections.abc import Iterator

from schemas.records import Event
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile
from streams.adapters.jsonstream import read_records
from streams.adapters.otlp_spans import RESOURCE_LOGS, RESOURCE_SPANS, spans_of
from streams.adapters.otlp_store import SpanStore
from streams.adapters.otlp_trace import events_of


def read(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
    """Events of every trace of a file: broken records as they are met, traces when all of the file is read."""
    with SpanStore() as store:
        for found in read_records(source, inside=(*RESOURCE_SPANS, *RESOURCE_LOGS)):
            if isinstance(found, BrokenRecord):
                yield found
                continue
            for part in spans_of(found.value):
                reason = part if isinstance(part, str) else store.add(part)
                if reason is not None:
                    yield BrokenRecord(str(source.path), found.line, found.number, reason)
        for spans in store.traces():
            yield from events_of(spans, options)
        if missing := store.logs_without_span():
            reason = (
                f"{missing} log records of model calls belong to spans that the file does not hold; where logs and "
                "spans were exported apart, append one file to the other and import that"
            )
            yield BrokenRecord(str(source.path), None, None, reason)
