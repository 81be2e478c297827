"""Reads topics and commit logs to their ends, going on where the look before ended."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow.fs as pafs
from confluent_kafka import Consumer, TopicPartition

from schemas.settings import Settings
from sinks.query import arrow_filesystem
from streams.kafka import partitions_of, to_message
from streams.ports import Message


@dataclass
class TopicReader:
    """Everything that was ever written to some topics, in the order of each partition."""

    settings: Settings
    _next: dict[tuple[str, int], int] = field(default_factory=dict)

    def more(self, topic: str) -> Iterator[Message]:
        """Messages that came since the last call."""
        reader = Consumer(
            {**self.settings.kafka_config(), "group.id": "tdc-chaos-checker", "enable.auto.commit": False,
             "auto.offset.reset": "error", "fetch.message.max.bytes": 48 * 2**20}
        )  # fmt: skip
        try:
            for partition in partitions_of(reader, topic):
                at = self._next.get((topic, partition), 0)
                _, end = reader.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
                if at >= end:
                    continue
                reader.assign([TopicPartition(topic, partition, at)])
                while at < end:
                    raw = reader.poll(30)
                    assert raw is not None, f"{topic}-{partition} gives nothing at offset {at} of {end}"
                    assert raw.error() is None, raw.error()
                    message = to_message(raw)
                    at = message.offset + 1
                    yield message
                self._next[topic, partition] = end
        finally:
            reader.close()

    def ends(self, topic: str) -> dict[int, int]:
        """Offset after the last message read, by partition."""
        return {partition: end for (name, partition), end in self._next.items() if name == topic}


@dataclass
class CommitReader:
    """The offsets that each commit of a table carried."""

    settings: Settings
    _versions: dict[str, int] = field(default_factory=dict)
    offsets: dict[str, dict[str, int]] = field(default_factory=dict)
    """By table and topic partition, the last ones read."""

    def faults(self, table: str) -> list[str]:
        """Reads the commits since the last call; what is wrong with their offsets, in words."""
        files = arrow_filesystem(self.settings, table)
        held = self.offsets.setdefault(table, {})
        found = []
        version = self._versions.get(table, 0)
        while files.get_file_info(path := f"_delta_log/{version:020}.json").type == pafs.FileType.File:
            with files.open_input_stream(path) as source:
                actions = [json.loads(line) for line in source.read().splitlines() if line]
            for action in actions:
                if "txn" not in action:
                    continue
                app, offset = action["txn"]["appId"], action["txn"]["version"]
                if offset < held.get(app, -1):
                    found.append(f"{table}: version {version} took {app} back from {held[app]} to {offset}")
                held[app] = offset
            version += 1
        self._versions[table] = version
        return found
