"""An event before its place in the run is known: for importers that must reorder before they number."""

from dataclasses import dataclass

import msgspec

from schemas.records import Body, Event, ModelRef
from streams.adapters.base import RunBuilder


@dataclass(frozen=True)
class Draft:
    """Arguments of `RunBuilder.event`, kept until the event's turn comes. Times are microseconds."""

    body: Body
    key: str
    at_micros: int | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    agent: str | None = None
    model: ModelRef | None = None
    is_derived: bool = False
    """The time is derived from that of other records, not recorded."""

    def event(self, run: RunBuilder) -> Event:
        """Number it as the next event of the run."""
        event = run.event(
            self.body,
            at_micros=self.at_micros,
            key=self.key,
            span_id=self.span_id,
            parent_span_id=self.parent_span_id,
            agent=self.agent,
            model=self.model,
        )
        if self.is_derived and not event.occurred_at_synthetic:
            return msgspec.structs.replace(event, occurred_at_synthetic=True)
        return event
