"""Patterns of tool use, beside the decisions of the curate stage.

Order of effects: traces are counted (`apply`) before the batch is acknowledged, best just before the stage's own state
is committed; whatever comes twice is counted once. Patterns are published on `tick`, for groups of runs with news and
no more often than the store allows, by whichever worker takes a group first; a crash in between publishes again under
a higher revision, which changes nothing but the revision.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from hashlib import blake2b

import msgspec

from schemas.records import Pattern
from streams.core.patterns.counters import Counted, Group
from streams.core.patterns.mine import PatternRules, mine, name_of
from streams.core.patterns.observe import counts_of
from streams.core.view import TraceView
from streams.ports import Outgoing, Publisher
from streams.state.patterns import PatternStore

TOPIC = "patterns"
REST = 4.0
"""Mining rests that many times as long as it took: a fifth of a worker's time at most."""
_KNOWN = 20_000
"""Published patterns whose content is remembered, so that one without news is not published again."""


def counted(offset: int, view: TraceView, successful: bool | None) -> Counted:
    """What a trace adds to the sums. `successful`: None where nobody knows how the run went."""
    trace = view.trace
    group = Group(trace.scenario, trace.execution_mode)
    return Counted(offset, trace.trace_id, group, trace.closed_at, counts_of(view, successful))


class PatternMiner:
    """Counts tool sequences and publishes those that stand out. Methods raise TransientError: call them again."""

    def __init__(
        self,
        store: PatternStore,
        publisher: Publisher,
        rules: PatternRules,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` gives seconds: mining rests in proportion to what it takes, because it keeps the stage waiting."""
        self._store = store
        self._publisher = publisher
        self._rules = rules
        self._clock = clock
        self._rests_until = 0.0
        self._known: OrderedDict[str, bytes] = OrderedDict()

    async def apply(self, partition: int, items: Sequence[Counted]) -> None:
        """Add the traces of a batch, in offset order. Durable when it returns."""
        await self._store.apply(partition, items)

    async def tick(self) -> int:
        """Publish the patterns of one group, if one waits whose time has come; how many records that were."""
        began = self._clock()
        if began < self._rests_until:
            return 0
        group = await self._store.take()
        if group is None:
            return 0
        count = await self._publish(group)
        ended = self._clock()
        self._rests_until = ended + REST * (ended - began)
        return count

    async def _publish(self, group: Group) -> int:
        window = await self._store.window(group)
        patterns = mine(window, self._rules)
        # Followed before published: else a crash could leave a row active for ever.
        active = {name_of(pattern.tools) for pattern in patterns if pattern.active}
        await self._store.follow(group, active - window.followed)
        news = [(pattern, content) for pattern in patterns if (content := self._news(pattern)) is not None]
        await self._publisher.publish([Outgoing(TOPIC, pattern.pattern_id.encode(), pattern) for pattern, _ in news])
        for pattern, content in news:
            self._known[pattern.pattern_id] = content
            self._known.move_to_end(pattern.pattern_id)
        while len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        await self._store.published(window, window.followed - active)
        return len(news)

    def _news(self, pattern: Pattern) -> bytes | None:
        """Digest of what the pattern says; None when this worker published just that."""
        said = msgspec.structs.replace(pattern, revision=0, created_at=0)
        content = blake2b(msgspec.json.encode(said), digest_size=16).digest()
        return None if self._known.get(pattern.pattern_id) == content else content
