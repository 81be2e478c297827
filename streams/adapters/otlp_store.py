"""Spans kept on disk by trace until all of the file is read: spans of one trace need not stand together, and a file
may be larger than memory."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import msgspec

from streams.adapters.otlp_spans import Span


class SpanStore:
    """Spans on disk, by trace, in a private temporary database that goes with the process."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("")
        self._db.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE spans(number INTEGER PRIMARY KEY, trace TEXT, body BLOB);"
        )

    def __enter__(self) -> "SpanStore":
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, span: Span) -> str | None:
        """Keep one span; gives the reason where its attributes hold what cannot be kept."""
        try:
            body = msgspec.msgpack.encode(span)
        except (OverflowError, RecursionError, TypeError) as error:
            return f"the span's attributes cannot be kept ({type(error).__name__})"
        self._db.execute("INSERT INTO spans(trace, body) VALUES (?, ?)", (span.trace_id, body))
        return None

    def traces(self) -> Iterator[list[Span]]:
        """The spans of each trace, traces in order of their first span in the file."""
        self._db.execute("CREATE INDEX by_trace ON spans(trace, number)")
        with closing(self._db.execute("SELECT trace FROM spans GROUP BY trace ORDER BY min(number)")) as found:
            for (trace,) in found:
                rows = self._db.execute("SELECT body FROM spans WHERE trace = ? ORDER BY number", (trace,))
                yield [msgspec.msgpack.decode(body, type=Span) for (body,) in rows]
