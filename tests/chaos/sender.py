"""A producer that may be killed at any moment and goes on where it was: `python -m tests.chaos.sender DIRECTORY`.

Sends the files of its directory in order, each message when it is due. The number of messages that the broker has
taken without a gap stands in a file beside each; after a death the others are sent again. Ends when stdin does.
"""

import os
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Producer

from tests.integration.world import TOPIC

_FRAMES = ".frames"
_PRODUCER = {
    "enable.idempotence": True,
    "linger.ms": 2,
    "log_level": 0,
    "compression.type": "zstd",
    "message.max.bytes": 48 * 2**20,
    "delivery.timeout.ms": 120_000,
    "reconnect.backoff.max.ms": 500,
}


class Spooled(msgspec.Struct, frozen=True, array_like=True):
    """One message to send."""

    due: float
    """Seconds since 1970."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def spool(directory: Path, number: int, messages: Sequence[Spooled]) -> None:
    """Hand messages to the sender of a directory."""
    draft = directory / f"{number:06}.draft"
    draft.write_bytes(msgspec.msgpack.encode(messages))
    draft.rename(draft.with_suffix(_FRAMES))


def unsent(directory: Path) -> list[Path]:
    """Files whose messages the broker has not all taken yet."""
    return [path for path in directory.glob(f"*{_FRAMES}") if not path.with_suffix(".done").exists()]


def _send(path: Path, producer: Producer) -> None:
    messages = msgspec.msgpack.decode(path.read_bytes(), type=list[Spooled])
    mark = path.with_suffix(".taken")
    taken = int(mark.read_text() or 0) if mark.exists() else 0
    waiting: set[int] = set()
    with mark.open("w") as out:

        def note() -> None:
            out.seek(0)
            out.write(f"{taken:12}")
            out.flush()

        def delivered(number: int, error: Any) -> None:
            nonlocal taken
            if error is not None:
                os._exit(1)  # what starts it again sends from the last mark on
            waiting.add(number)
            while taken in waiting:
                waiting.discard(taken)
                taken += 1
            note()

        note()
        for number in range(taken, len(messages)):
            message = messages[number]
            while (left := message.due - time.time()) > 0:
                producer.poll(min(left, 0.05))
            _produce(producer, message, number, delivered)
        while taken < len(messages):
            producer.poll(0.05)
    path.with_suffix(".done").touch()


def _produce(producer: Producer, message: Spooled, number: int, delivered: Any) -> None:
    while True:
        try:
            producer.produce(
                TOPIC,
                value=message.value,
                key=message.key,
                headers=list(message.headers),
                on_delivery=lambda error, _: delivered(number, error),
            )
        except BufferError:
            producer.poll(0.1)
        else:
            producer.poll(0)
            return


def run(directory: Path, config: Mapping[str, str]) -> None:
    """Send for ever."""
    producer = Producer({**config, **_PRODUCER})
    while True:
        for path in sorted(unsent(directory)):
            _send(path, producer)
        time.sleep(0.05)


def _end_with_starter() -> None:
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_starter, daemon=True).start()
    run(Path(sys.argv[1]), {"bootstrap.servers": sys.argv[2]})
