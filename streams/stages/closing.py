"""Closing one trace: the messages held for it become what is published and what is remembered. No I/O."""

from collections.abc import Callable, Sequence

import msgspec

from schemas.codec import SchemaLookup, decode_events, validate_event
from schemas.errors import InvalidRecord
from schemas.records import Event, QuarantinedTrace
from streams.core.assemble import Closing, build_trace, shell_trace, strictest_consent, withheld_trace
from streams.core.identifiers import ids_of, shown_in
from streams.core.intake import StoredMessage, event_hash, pack_offsets
from streams.core.redact.events import RedactionRejected, redact_events
from streams.core.redact.finding import Finding
from streams.core.redact.ports import Recognizer
from streams.core.redact.pseudonyms import Pseudonyms
from streams.core.redact.redactor import Redactor
from streams.core.timers import ClosedTrace, OpenTrace
from streams.metrics import METRICS
from streams.ports import Outgoing
from streams.state.port import Change

_MAX_TRACE_BYTES = 44 * 2**20
"""What a message of `traces` may hold, with room for its frame."""


class Reporting:
    """A recognizer that says after each text that work goes on: with a model a large trace takes minutes."""

    def __init__(self, recognizer: Recognizer, worked: Callable[[], None]) -> None:
        self._recognizer = recognizer
        self._worked = worked
        self.name = recognizer.name

    def find(self, text: str) -> Sequence[Finding]:
        """What the recognizer finds."""
        found = self._recognizer.find(text)
        self._worked()
        return found


def events_of(stored: Sequence[StoredMessage], lookup: SchemaLookup) -> list[Event]:
    """Valid events of messages that intake has let in."""
    events: list[Event] = []
    for message in stored:
        for event in decode_events(message.value, lookup):
            try:
                validate_event(event)
            except InvalidRecord:
                continue  # it has its dead letter since intake
            events.append(event)
    return events


def outgoing_of(
    events: tuple[Event, ...],
    closing: Closing,
    stored: Sequence[StoredMessage],
    pseudonym_key: bytes,
    redactor: Redactor,
) -> list[Outgoing]:
    """The trace, redacted; what cannot be redacted goes to quarantine, and only a shell goes on."""
    key = closing.trace_id.encode()
    try:
        shown = shown_in(ids_of(events), redactor.policy.replaced)
        if shown is not None:
            raise InvalidRecord(f"an identifier shows {shown}: identifiers must be opaque")
        redacted = redact_events(events, Pseudonyms(pseudonym_key, closing.trace_id), redactor)
        trace = build_trace(redacted.events, closing, redacted.report)
        if sum(len(message.value) for message in stored) + redacted.growth_chars > _MAX_TRACE_BYTES:
            raise InvalidRecord("redaction makes the trace larger than a message may be")
    except Exception as error:  # fail closed: whatever went wrong, nothing unredacted may go on
        # The policy's own word, not a failure, where it takes no traces that hold such a kind.
        rejected = error.kind if isinstance(error, RedactionRejected) else None
        if rejected is None:
            METRICS.redaction_failures.inc()
        if strictest_consent(events).status == "denied":  # then it is not kept raw either
            return [Outgoing("traces", key, shell_trace(events, closing, "consent_denied"))]
        shell = shell_trace(events, closing, "redaction_rejected" if rejected else "redaction_failed")
        raw = QuarantinedTrace(
            trace_id=closing.trace_id,
            revision=closing.revision,
            reason=f"redaction_rejects_{rejected}" if rejected else "redaction_failed",
            messages=tuple(message.value for message in stored),
        )
        return [Outgoing("quarantine", key, raw), Outgoing("traces", key, shell)]
    if trace.consent.status == "denied":
        trace = withheld_trace(trace, "consent_denied")
    return [Outgoing("traces", key, trace)]


def settle(
    change: Change,
    entry: OpenTrace,
    events: Sequence[Event],
    closing: Closing,
    stored: Sequence[StoredMessage],
) -> None:
    """Add to a change that this trace is closed: what is remembered of it, and the counts."""
    closed = ClosedTrace(
        entry.revision,
        closing.closed_ms,
        len(events),
        entry.ended,
        closing.reason != "max_size",
        b"".join(event_hash(event.event_id) for event in events),
        pack_offsets(dict.fromkeys(message.offset for message in stored)),
    )
    change.drop_open.append(closing.trace_id)
    change.put_closed.append((closing.trace_id, msgspec.msgpack.encode(closed), closing.closed_ms))
    assembled = len(events) - entry.assembled_before
    change.count("pending", -entry.new_events)
    change.count("assembled", assembled)
    change.count("duplicate", entry.new_events - assembled)
    change.count("open_bytes", -entry.size_bytes)
    change.count("revisions", 1)
    if entry.revision == 1:
        change.count("traces", 1)
    change.count(f"close:{closing.reason}", 1)
