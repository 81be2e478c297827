"""Partitions that hold messages and give none. Pure; time comes in.

librdkafka may stop fetching a partition after its broker went away and came back, without an error: what was seen on
real brokers is one partition of many that stays still while its log grows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sinks.buffer import PartitionKey


@dataclass
class Stalls:
    """Watches the positions of a consumer against the ends of its logs."""

    seconds: float
    """How long a partition with messages may stand still."""
    _still: dict[PartitionKey, tuple[int, float]] = field(default_factory=dict)
    """Position of a partition, and since when it is there with messages ahead."""

    def look(self, positions: Mapping[PartitionKey, int], ends: Mapping[PartitionKey, int], now: float) -> list[str]:
        """Names of the partitions that have stood still for too long. Both arguments are offsets of what comes next."""
        still: dict[PartitionKey, tuple[int, float]] = {}
        for key, position in positions.items():
            if position >= ends.get(key, 0):
                continue
            before = self._still.get(key)
            still[key] = before if before is not None and before[0] == position else (position, now)
        self._still = still
        return sorted(f"{topic}-{part}" for (topic, part), (_, since) in still.items() if now - since >= self.seconds)

    def forget(self) -> None:
        """Start anew: positions were set anew, or intake rests for a reason that is known."""
        self._still = {}
