"""The join with Quix Streams: RocksDB with a changelog topic, in two variants.

`session` is what its documentation has for this: a session window that collects messages and is final when the
partition's time has moved on. `stateful` is the leanest program: a stateful function that holds messages by trace and
gives them out at the root's end, without any quiet period (functions have no timers), so right only where nothing
comes after the end. Commit interval and RocksDB options are the defaults.
"""

import io
import pickle
from collections.abc import Iterator
from typing import Any

from join import Codec, Event, has_root_end, options  # type: ignore[import-not-found]
from quixstreams import Application, State  # type: ignore[import-not-found]
from quixstreams.state.rocksdb import RocksDBOptions  # type: ignore[import-not-found]

OPTIONS = options()
CODEC = Codec(OPTIONS.schemas)
HELD = "held"


def collected(value: dict[str, Any], key: bytes, *_: object) -> bytes:
    """The joined record of a session."""
    events = [event for message in value["value"] for event in CODEC.events(message)]
    joined: bytes = CODEC.joined(key.decode(), events)
    return joined


def held(value: bytes, key: bytes, _timestamp: int, _headers: object, state: State) -> list[bytes]:
    """Hold the events of a message; the joined record once the root has ended."""
    events = CODEC.events(value)
    before = state.get_bytes(HELD, b"")
    if not has_root_end(events):
        state.set_bytes(HELD, before + pickle.dumps(events))
        return []
    state.delete(HELD)
    return [CODEC.joined(key.decode(), [*_unpickled(before), *events])]


def _unpickled(stored: bytes) -> Iterator[Event]:
    source = io.BytesIO(stored)
    while source.tell() < len(stored):
        yield from pickle.load(source)


app = Application(
    OPTIONS.servers,
    consumer_group="quix",
    auto_offset_reset="earliest",
    state_dir=OPTIONS.state,
    rocksdb_options=RocksDBOptions(dumps=pickle.dumps, loads=pickle.loads),
    producer_extra_config={"compression.type": "zstd"},
    loglevel="WARNING",
)
stream = app.dataframe(app.topic(OPTIONS.source, key_deserializer="bytes", value_deserializer="bytes"))
if OPTIONS.variant == "session":
    quiet_ms = int(OPTIONS.quiet_seconds * 1000)
    stream = stream.session_window(quiet_ms).collect().final(closing_strategy="partition")
    stream = stream.apply(collected, metadata=True)
else:
    stream = stream.apply(held, stateful=True, metadata=True, expand=True)
stream.to_topic(app.topic(OPTIONS.target, key_serializer="bytes", value_serializer="bytes"))

if __name__ == "__main__":
    app.run()
