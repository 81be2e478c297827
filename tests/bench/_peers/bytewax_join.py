"""The join as a Bytewax dataflow: one stateful logic a trace, a timer for the quiet period, recovery in SQLite.

`batch` uses the logic that takes all waiting messages of a key at once, which the documentation names the faster one.
Bytewax holds state in memory and writes snapshots at the end of an epoch (ten seconds by default).
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import bytewax.operators as op  # type: ignore[import-not-found]
from bytewax.connectors.kafka import (  # type: ignore[import-not-found]
    KafkaSink,
    KafkaSinkMessage,
    KafkaSource,
    KafkaSourceMessage,
)
from bytewax.dataflow import Dataflow  # type: ignore[import-not-found]
from bytewax.operators import StatefulBatchLogic
from bytewax.recovery import RecoveryConfig, init_db_dir  # type: ignore[import-not-found]
from bytewax.run import cli_main  # type: ignore[import-not-found]
from join import Codec, Event, has_root_end, options  # type: ignore[import-not-found]

OPTIONS = options()
CODEC = Codec(OPTIONS.schemas)
QUIET = timedelta(seconds=OPTIONS.quiet_seconds)


class JoinLogic(StatefulBatchLogic):  # type: ignore[misc]
    """Holds the events of one trace until its root has ended and it was quiet."""

    def __init__(self, resumed: tuple[list[Event], datetime | None] | None) -> None:
        self.events, self.due = resumed or ([], None)

    def on_batch(self, batch: list[bytes]) -> tuple[Iterable[list[Event]], bool]:
        """Take in messages."""
        for value in batch:
            events = CODEC.events(value)
            self.events.extend(events)
            if self.due is not None or has_root_end(events):
                self.due = datetime.now(UTC) + QUIET
        return (), StatefulBatchLogic.RETAIN

    def on_notify(self) -> tuple[Iterable[list[Event]], bool]:
        """The quiet period is over."""
        return (self.events,), StatefulBatchLogic.DISCARD

    def notify_at(self) -> datetime | None:
        """When the quiet period is over."""
        return self.due

    def snapshot(self) -> tuple[list[Event], datetime | None]:
        """What recovery stores; the list grows in place, so a copy."""
        return list(self.events), self.due


def keyed(message: KafkaSourceMessage[bytes, bytes]) -> tuple[str, bytes]:
    """Trace id and value."""
    return message.key.decode(), message.value


def sent(item: tuple[str, list[Event]]) -> KafkaSinkMessage[bytes, bytes]:
    """The joined record."""
    trace_id, events = item
    return KafkaSinkMessage(trace_id.encode(), CODEC.joined(trace_id, events))


flow = Dataflow("join")
servers = OPTIONS.servers.split(",")
messages = op.input("in", flow, KafkaSource(servers, [OPTIONS.source]))
by_trace = op.map("key", messages, keyed)
closed = op.stateful_batch("join", by_trace, JoinLogic)
op.output("out", op.map("write", closed, sent), KafkaSink(servers, OPTIONS.target, {"compression.type": "zstd"}))

if __name__ == "__main__":
    OPTIONS.state.mkdir(parents=True)
    init_db_dir(OPTIONS.state, 1)
    cli_main(flow, recovery_config=RecoveryConfig(OPTIONS.state), epoch_interval=timedelta(seconds=10))
