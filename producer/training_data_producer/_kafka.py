"""Batches to Kafka through librdkafka: idempotent, acks=all, order kept, no deadline of its own.

librdkafka holds what was sent until the broker acknowledges it, through any outage; whether an outage is long is
judged by the worker. After an error that librdkafka does not retry, the client is thrown away and a new one is made.
"""

import ctypes
import logging
import struct
import threading
import time
from collections.abc import Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka import Producer as Client

from training_data_producer._encoding import SCHEMA_TEXT, Encoded
from training_data_producer._registry import SchemaIds

_LOG = logging.getLogger("training_data_producer")
_WIRE_PREFIX = struct.Struct(">bI")
_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0
_NEVER_ACCEPTED = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError.INVALID_RECORD})
MAX_MESSAGE_BYTES = 48 * 2**20

_DEFAULTS: dict[str, Any] = {
    "enable.idempotence": True,
    "acks": "all",
    "compression.type": "zstd",
    "linger.ms": 5,
    "message.timeout.ms": 0,
    "message.max.bytes": MAX_MESSAGE_BYTES,
    "reconnect.backoff.max.ms": 1_000,
    "topic.metadata.propagation.max.ms": 2_000,
    "log_level": 2,  # the worker says once that Kafka is away; librdkafka would say it every second
}


class Sent:
    """One batch handed to librdkafka, until it is acknowledged."""

    __slots__ = ("batch", "refused")

    def __init__(self, batch: Encoded) -> None:
        self.batch = batch
        self.refused = False


class Sender:
    """Sends batches in order. Used by one thread."""

    def __init__(self, config: Mapping[str, Any], topic: str, schema_ids: SchemaIds) -> None:
        self._config = {**_DEFAULTS, **config}
        self._topic = topic
        self._schema_ids = schema_ids
        self._client: Client | None = None
        self._making = threading.Lock()
        self._done: list[Sent] = []
        self._broken = False
        self._pause = _FIRST_PAUSE_SECONDS
        self._not_before = 0.0
        self._problem: str | None = None

    @property
    def problem(self) -> str:
        """What stands in the way, for people."""
        return self._schema_ids.problem or self._problem or "Kafka does not acknowledge"

    @property
    def troubled(self) -> bool:
        """Whether an error was seen since the last acknowledgement; mere silence may be a slow start."""
        return self._schema_ids.problem is not None or self._problem is not None

    def prepare(self) -> None:
        """Begin to fetch the schema id: a short-lived process may have no time for it later."""
        self._schema_ids.known(SCHEMA_TEXT)

    def send(self, batch: Encoded, schema_text: str) -> Sent | None:
        """Hand over one batch; None when it cannot be taken now."""
        if self._broken or time.monotonic() < self._not_before:
            return None
        schema_id = self._schema_ids.known(schema_text)
        if schema_id is None:
            return None
        sent = Sent(batch)

        try:
            client = self._client
            if client is None:
                with self._making:
                    client = self._client = Client({**self._config, "error_cb": self._on_error}, logger=_LOG)

            def delivered(error: KafkaError | None, _message: Message) -> None:
                if client is self._client:  # not news of a client that was thrown away
                    self._report(sent, error)

            client.produce(
                self._topic,
                key=batch.key,
                value=_WIRE_PREFIX.pack(0, schema_id) + batch.payload,
                headers=[("traceparent", batch.traceparent)],
                on_delivery=delivered,
            )
        except BufferError:
            return None
        except KafkaException as error:
            code = error.args[0] if error.args else None
            if isinstance(code, KafkaError) and code.code() in _NEVER_ACCEPTED:
                sent.refused = True
                self._done.append(sent)
                return sent
            self._fail(str(error))
            return None
        return sent

    def poll(self, timeout_seconds: float) -> tuple[list[Sent], bool]:
        """Wait for news: batches that are done (delivered or refused), and whether the client broke.

        When it broke, everything sent and not reported done must be sent again, in its order.
        """
        if self._client is not None:
            self._client.poll(timeout_seconds)
        elif timeout_seconds:
            time.sleep(timeout_seconds)
        done, self._done = self._done, []
        broke, self._broken = self._broken, False
        if broke:
            self._discard()
        return done, broke

    def close(self) -> None:
        """Forget what is on its way."""
        self._discard()

    def fork_locks(self) -> list[threading.Lock]:
        """Held during what a forked child must not inherit half done: a client in the making, a look-up of names."""
        return [self._making, self._schema_ids.asking]

    def forget(self) -> None:
        """In a forked child: leave the parent's client alone."""
        if self._client is not None:
            # One reference too many, for ever: destroying it would wait for threads that the fork did not copy.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._client))
        self._client = None

    def _report(self, sent: Sent, error: KafkaError | None) -> None:
        if error is None:
            self._pause = _FIRST_PAUSE_SECONDS
            self._problem = None
            self._done.append(sent)
        elif error.code() in _NEVER_ACCEPTED:
            sent.refused = True
            self._done.append(sent)
        else:
            self._fail(error.str())

    def _on_error(self, error: KafkaError) -> None:
        self._problem = f"Kafka: {error.str()}"
        if error.fatal():
            self._fail(error.str())

    def _fail(self, reason: str) -> None:
        self._problem = f"Kafka: {reason}"
        if not self._broken:
            self._broken = True
            self._not_before = time.monotonic() + self._pause
            self._pause = min(self._pause * 2, _LONGEST_PAUSE_SECONDS)

    def _discard(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        try:
            client.purge()
            client.poll(0)
        except KafkaException as error:
            _LOG.debug("discarding a Kafka client: %s", error)
        self._done = []
        self._broken = False
