"""Identifiers are opaque: they join records across topics and tables, so redaction leaves them as they are. One that
shows a person or a secret is therefore refused, as far as its shape alone says so.
"""

from collections.abc import Iterable, Sequence
from functools import cache

from schemas.records import Event
from streams.core.redact.find import Finder

_SHOWN = frozenset({"EMAIL", "URL_CREDENTIALS", "PRIVATE_KEY", "API_KEY", "TOKEN"})
"""Kinds whose shape alone is sure. A number may be a card or nothing, a word a name or nothing: no id is refused for
that."""


def shown_in(ids: Iterable[str], replaced: frozenset[str]) -> str | None:
    """The first kind, of those that a policy replaces, that one of the ids shows."""
    text = "\n".join(ids)
    found = _finder(_SHOWN & replaced).find(text)
    return found[0].kind if found else None


def mail_in(trace_id: str, replaced: frozenset[str]) -> bool:
    """Whether a trace id shows an e-mail address; costs nothing where it holds no sign of one."""
    return "EMAIL" in replaced and ("@" in trace_id or "%40" in trace_id) and bool(_mail_finder().find(trace_id))


def ids_of(events: Sequence[Event]) -> dict[str, None]:
    """All identifiers of events of one trace, each once: those that redaction does not touch."""
    found: dict[str, None] = {}
    for event in events:
        for value in (event.trace_id, event.event_id, event.span_id, event.parent_span_id, event.producer_id):
            if value is not None:
                found[value] = None
        if event.feedback_given is not None and event.feedback_given.target_span_id is not None:
            found[event.feedback_given.target_span_id] = None
    return found


@cache
def _finder(kinds: frozenset[str]) -> Finder:
    return Finder(kinds)


@cache
def _mail_finder() -> Finder:
    """One of its own: traces are closed in another thread than messages are taken in, and a finder serves one."""
    return Finder(frozenset({"EMAIL"}))
