"""A worker or sink that ends, as by kill -9, at its N-th effect: `python -m tests.integration.crashing_worker`.

Arguments: process (assemble, curate, sink), effect, moment (before, half, after), number. The effects are wrapped
from outside; the production code knows nothing of this.
"""

import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from ops.cli.main import main
from sinks.consumer import _Runner
from sinks.delta import SinkTable
from sinks.letters import DeadLetterPublisher
from streams.kafka import KafkaPublisher
from streams.state.redis import RedisPartitionState

EXIT = 137
EFFECTS: dict[str, tuple[type, str]] = {
    "publish": (KafkaPublisher, "publish"),
    "acquire": (RedisPartitionState, "acquire"),
    "commit": (RedisPartitionState, "commit"),
    "table": (SinkTable, "commit"),
    "letters": (DeadLetterPublisher, "publish"),
    "offsets": (_Runner, "_commit_offsets"),
}


class Bomb:
    """Counts the calls of one effect and ends the process at one of them."""

    def __init__(self, moment: str, number: int) -> None:
        self._moment = moment
        self._left = number

    def due(self) -> bool:
        """Count a call; True when it is the one."""
        self._left -= 1
        return self._left == 0

    def wrap(self, owner: type, name: str) -> None:
        """Put the bomb around a method, asynchronous or not."""
        method = getattr(owner, name)
        awaited = owner in (KafkaPublisher, RedisPartitionState)
        setattr(owner, name, self._awaiting(method) if awaited else self._calling(method))

    def _awaiting(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def wrapped(owner: object, *arguments: Any) -> Any:
            if not _is_effect(arguments) or not self.due():
                return await method(owner, *arguments)
            if self._moment == "before":
                os._exit(EXIT)
            if self._moment == "half":
                items: Sequence[Any] = arguments[0]
                arguments = (items[: (len(items) + 1) // 2],)
            await method(owner, *arguments)
            os._exit(EXIT)

        return wrapped

    def _calling(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(owner: object, *arguments: Any) -> Any:
            if not _is_effect(arguments) or not self.due():
                return method(owner, *arguments)
            if self._moment != "before":
                method(owner, *arguments)
            os._exit(EXIT)

        return wrapped


def _is_effect(arguments: tuple[Any, ...]) -> bool:
    """Nothing to publish is no effect."""
    return not (arguments and isinstance(arguments[0], list) and not arguments[0])


if __name__ == "__main__":
    process, effect, moment, number = sys.argv[1:5]
    Bomb(moment, int(number)).wrap(*EFFECTS[effect])
    sys.argv = ["tdc", *({"sink": ["sink"]}.get(process) or ["worker", process])]
    main()
