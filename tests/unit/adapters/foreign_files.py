"""What the tests of these importers share: importing text, what any file must give, and damaging documents."""

import json
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from schemas.codec import encode, validate_event
from schemas.records import Event
from streams.adapters.base import BrokenRecord, Importer, ImportOptions, RecordingFile

RECORDINGS = Path(__file__).resolve().parents[4] / "shared" / "data"

_ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**70, 1e308, float("nan"), "", "x", "\x00", "\ud800", "[", "{}", "2026-01-01T00:00:00Z",
    [], [None], [[]], {}, {"type": 5}, {"role": "user"}, [{"type": "text"}], "9" * 30, "ä" * 600,
)  # fmt: skip


def lines(*records: object) -> str:
    """JSON lines."""
    return "".join(json.dumps(record) + "\n" for record in records)


def import_text(read: Importer, path: Path, content: str) -> list[Event | BrokenRecord]:
    """Write a file and import it."""
    path.write_text(content, encoding="utf-8", newline="")
    return list(read(RecordingFile(path), ImportOptions()))


def import_events(read: Importer, path: Path, content: str | None = None) -> list[Event]:
    """Import a file that must hold no broken record."""
    found = list(read(RecordingFile(path), ImportOptions())) if content is None else import_text(read, path, content)
    assert not [item for item in found if isinstance(item, BrokenRecord)]
    return [item for item in found if isinstance(item, Event)]


def kinds(events: Sequence[Event]) -> list[str]:
    """Event kinds in order."""
    return [event.kind for event in events]


def of_kind(events: Sequence[Event], kind: str) -> list[Any]:
    """Bodies of one kind in order."""
    return [event.body for event in events if event.kind == kind]


def check_runs(found: Sequence[Event | BrokenRecord]) -> dict[str, list[Event]]:
    """What any file must give, however damaged; gives the events by trace."""
    runs: dict[str, list[Event]] = defaultdict(list)
    for item in found:
        if isinstance(item, BrokenRecord):
            assert item.reason
            continue
        validate_event(item)
        assert len(encode(item, 1)) > 5
        runs[item.trace_id].append(item)
    for run in runs.values():
        assert [event.agent_started.root for event in run if event.agent_started].count(True) == 1
        assert [event.agent_ended.root for event in run if event.agent_ended].count(True) == 1
        assert run[0].kind == "agent_started"
        assert run[-1].kind == "agent_ended"
        assert len({event.event_id for event in run}) == len(run)
        spans = [event.span_id for event in run if event.kind == "tool_called"]
        assert len(set(spans)) == len(spans)
    return runs


def damage(document: Any, seed: int, times: int) -> Any:
    """A copy of a JSON document with some places dropped, retyped or repeated."""
    chance = random.Random(seed)
    copy = json.loads(json.dumps(document))
    for _ in range(times):
        places: list[tuple[Any, Any]] = []
        _collect(copy, places)
        if not places:
            return copy
        parent, key = chance.choice(places)
        action = chance.random()
        if action < 0.3:
            del parent[key]
        elif action < 0.4 and isinstance(parent, list):
            parent.append(deepcopy(parent[key]))
        else:
            parent[key] = deepcopy(chance.choice(_ODD))  # a shared list would come to hold itself
    return copy


def _collect(node: Any, places: list[tuple[Any, Any]]) -> None:
    children = list(node.items()) if isinstance(node, dict) else list(enumerate(node)) if isinstance(node, list) else []
    for key, child in children:
        places.append((node, key))
        _collect(child, places)


def damaged_texts(document: Any, write: Callable[[Any], str], seed: int) -> list[str]:
    """A document damaged in its values, and the same cut off somewhere."""
    content = write(damage(document, seed, 1 + seed % 5))
    return [content, content[: seed * 37 % (len(content) + 1)]]
