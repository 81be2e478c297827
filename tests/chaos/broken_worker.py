"""A worker or sink that breaks one guarantee: `python -m tests.chaos.broken_worker PROCESS GUARANTEE`.

The guarantee is taken away from outside; the production code knows nothing of this. What the checker of a chaos run
says to each of these is held by `test_checker.py`.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import Any

import faust

import streams.stages.closing as closing
import streams.state.redis as state
from ops.cli.main import main
from schemas.records import Event
from sinks.delta import NOTHING, Fence, SinkTable
from sinks.plan import Change
from streams.core.redact.events import Redacted, redact_events
from streams.kafka import KafkaPublisher
from streams.ports import Outgoing

LATE_SECONDS = 8.0
"""How long after it said so a record is really published, where effects are not durable."""


def acknowledged_before_effects() -> None:
    """What is to be published counts as published at once; it is published later, if the worker lives."""
    publish = KafkaPublisher.publish
    waiting: set[asyncio.Task[None]] = set()

    async def promise(own: KafkaPublisher, outgoing: Sequence[Outgoing]) -> None:
        async def keep() -> None:
            await asyncio.sleep(LATE_SECONDS)
            await publish(own, list(outgoing))

        task = asyncio.create_task(keep())
        waiting.add(task)
        task.add_done_callback(waiting.discard)

    _put(KafkaPublisher, "publish", promise)


def no_fence() -> None:
    """Whoever comes may change the state, whatever it was computed from; and it takes every partition."""
    script = state._COMMIT
    for line in script.splitlines():
        if "'FENCED'" in line or ("'LOST'" in line and "held[2]" in line):
            script = script.replace(line, "")
    assert script != state._COMMIT
    _put(state, "_COMMIT", script)
    _put(state, "_check", lambda held, lease: None)
    app = faust.App
    _put(faust, "App", lambda name, **options: app(f"{name}-{os.getpid()}", **options))


def no_offsets() -> None:
    """Rows are committed without the offsets that they stand for."""
    commit = SinkTable.commit

    def bare(own: SinkTable, change: Change, fence: Fence) -> int:
        return commit(own, change, {f"other-{app}-{after}": (NOTHING, after) for app, (_, after) in fence.items()})

    _put(SinkTable, "commit", bare)


def no_redaction() -> None:
    """Events go on as they came."""

    def leave(events: Sequence[Event], *arguments: Any) -> Redacted:
        return Redacted(tuple(events), redact_events(events, *arguments).report, 0)

    _put(closing, "redact_events", leave)


def _put(owner: object, name: str, value: object) -> None:
    assert hasattr(owner, name)
    setattr(owner, name, value)


GUARANTEES = {
    "effects-first": acknowledged_before_effects,
    "fence": no_fence,
    "offsets": no_offsets,
    "redaction": no_redaction,
}

if __name__ == "__main__":
    process, guarantee = sys.argv[1:3]
    GUARANTEES[guarantee]()
    sys.argv = ["tdc", *({"sink": ["sink"]}.get(process) or ["worker", process])]
    main()
