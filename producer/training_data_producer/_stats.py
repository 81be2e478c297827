"""What the producer counts."""

from dataclasses import dataclass


class Counters:
    """Counters of one process. The emitting threads write the first three, under a lock; one thread writes the rest."""

    def __init__(self) -> None:
        self.queued = 0
        self.overflowed = 0
        self.dropped = 0
        self.delivered = 0
        self.spooled = 0
        self.respooled = 0
        self.refused = 0
        self.internal_errors = 0


@dataclass(frozen=True)
class Stats:
    """Counts of this process since it started (or was forked). All but the last two count events or values."""

    emitted: int
    """Events that agents emitted."""
    delivered: int
    """Events that Kafka acknowledged, also those from the disk."""
    spooled: int
    """Events written to the disk spool."""
    respooled: int
    """Events delivered out of the spool of an earlier process."""
    dropped: int
    """Events lost because memory and disk were full: each is an error in the log too."""
    refused: int
    """Events that Kafka will never accept (too large); kept aside in the spool."""
    repaired: int
    """Values that had to be changed to be recorded (NaN, objects, lone surrogates...)."""
    internal_errors: int
    """Faults of this package that were kept from the agent."""
    queue_depth: int
    """Events in memory that wait for the background thread."""
    spool_bytes: int
    """Size of the spool directory, bytes."""
