"""`stack.json`: what was started, kept between commands so that `tdc down` finds it."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ops.stack.errors import StackError
from ops.stack.model import Ports, Stack
from ops.stack.processes import Identity

_FILE = "stack.json"

ObjectStore = Literal["s3", "directory"]


@dataclass
class State:
    """What is known of the stack of one home. `processes` may be stale: ask `alive`."""

    stack: Stack
    # Decided at the first start and kept: switching would make every table look empty.
    object_store: ObjectStore | None = None
    processes: dict[str, Identity] = field(default_factory=dict)
    _writing: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def record(self, part: str, identity: Identity | None) -> None:
        """Note a part's process, or that it has none, and write the file. Threads may call it at once."""
        with self._writing:
            if identity is None:
                self.processes.pop(part, None)
            else:
                self.processes[part] = identity
            self._write()

    def save(self) -> None:
        """Write the file, whole or not at all."""
        with self._writing:
            self._write()

    def _write(self) -> None:
        content = {
            "port_base": self.stack.ports.base,
            "cache": str(self.stack.cache),
            "redis_maxmemory": self.stack.redis_maxmemory,
            "object_store": self.object_store,
            "parts": {name: {"pid": i.pid, "started": i.started} for name, i in sorted(self.processes.items())},
        }
        path = self.stack.home / _FILE
        draft = path.with_name(f".{_FILE}.{os.getpid()}")
        draft.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        draft.replace(path)


def load(home: Path) -> State | None:
    """The state of the stack at `home`; None when none was ever started there."""
    path = home / _FILE
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return None
    try:
        content = json.loads(text)
        store = content["object_store"]
        return State(
            stack=Stack(
                home=home,
                ports=Ports.from_base(int(content["port_base"])),
                cache=Path(content["cache"]),
                redis_maxmemory=str(content["redis_maxmemory"]),
            ),
            object_store=store if store in ("s3", "directory") else None,
            processes={
                name: Identity(int(held["pid"]), float(held["started"])) for name, held in content["parts"].items()
            },
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StackError(
            f"{path} cannot be read ({error}). Remove that file and run `tdc up` again; no data is kept in it."
        ) from error
