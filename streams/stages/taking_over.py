"""Taking over a partition: what an owner before may have published already."""

from streams.ports import Log
from streams.state.port import Lease


async def unsure_before(log: Log, lease: Lease, topic: str, partition: int, published: str) -> int:
    """What came of messages of `topic` below this offset may stand in the topic `published` already; 0 where nobody was
    here before. Raises BrokerUnavailable.
    """
    somebody_was_here = lease.applied is not None or not await log.is_empty(published)
    return await log.end_offset(topic, partition) if somebody_was_here else 0
