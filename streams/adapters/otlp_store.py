"""Spans kept on disk by trace until all of the file is read: spans of one trace and their log records need not stand
together, and a file may be larger than memory."""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing

import msgspec

from streams.adapters.otlp_spans import Span, SpanEvent, SpanLog


class SpanStore:
    """Spans on disk, by trace, in a private temporary database that goes with the process."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")
        self._db.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE spans(number INTEGER PRIMARY KEY, trace TEXT, span TEXT, body BLOB);"
            "CREATE TABLE logs(number INTEGER PRIMARY KEY, trace TEXT, span TEXT, body BLOB);"
        )

    def __enter__(self) -> "SpanStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, found: Span | SpanLog) -> str | None:
        """Keep a span or a log record; gives the reason where its attributes hold what cannot be kept."""
        table, kept = ("logs", found.event) if isinstance(found, SpanLog) else ("spans", found)
        try:
            body = msgspec.msgpack.encode(kept)
        except (OverflowError, RecursionError, TypeError) as error:
            return f"the span's attributes cannot be kept ({type(error).__name__})"
        row = (found.trace_id, found.span_id, body)
        self._db.execute(f"INSERT INTO {table}(trace, span, body) VALUES (?, ?, ?)", row)
        return None

    def traces(self) -> Iterator[list[Span]]:
        """The spans of each trace with their log records, traces in order of their first span in the file."""
        self._db.execute("CREATE INDEX by_trace ON spans(trace, number)")
        self._db.execute("CREATE INDEX logs_by_trace ON logs(trace, number)")
        with closing(self._db.execute("SELECT trace FROM spans GROUP BY trace ORDER BY min(number)")) as found:
            for (trace,) in found:
                told = self._logs(trace)
                rows = self._db.execute("SELECT body FROM spans WHERE trace = ? ORDER BY number", (trace,))
                spans = (msgspec.msgpack.decode(body, type=Span) for (body,) in rows)
                yield [_with_logs(span, told[span.span_id]) if span.span_id in told else span for span in spans]

    def _logs(self, trace: str) -> dict[str, list[SpanEvent]]:
        told: dict[str, list[SpanEvent]] = defaultdict(list)
        for span, body in self._db.execute("SELECT span, body FROM logs WHERE trace = ? ORDER BY number", (trace,)):
            told[span].append(msgspec.msgpack.decode(body, type=SpanEvent))
        return told

    def logs_without_span(self) -> int:
        """How many log records belong to spans that are not here."""
        self._db.execute("CREATE INDEX by_span ON spans(trace, span)")
        here = "SELECT 1 FROM spans WHERE spans.trace = logs.trace AND spans.span = logs.span"
        count: int = self._db.execute(f"SELECT count(*) FROM logs WHERE NOT EXISTS ({here})").fetchone()[0]
        return count


def _with_logs(span: Span, told: list[SpanEvent]) -> Span:
    return msgspec.structs.replace(span, events=[*span.events, *told])
