"""The benchmark's verdict on the runs of a recording: the harness' result file that lies beside it."""

from dataclasses import dataclass

from streams.adapters.base import RecordingFile
from streams.adapters.jsonstream import read_fields
from streams.adapters.tolerant import items

_SUFFIXES = (".traj.json", ".traj", ".jsonl", ".json")
_NOT_RESOLVED = ("unresolved_ids", "error_ids", "empty_patch_ids")


@dataclass(frozen=True)
class Verdicts:
    """Instance ids by verdict."""

    resolved: frozenset[str] = frozenset()
    unresolved: frozenset[str] = frozenset()

    @classmethod
    def beside(cls, source: RecordingFile) -> "Verdicts":
        """Read `<stem>.eval.json` next to the recording; empty where there is none."""
        suffix = next((found for found in _SUFFIXES if source.name.endswith(found)), "")
        path = source.path.with_name(source.name.removesuffix(suffix) + ".eval.json")
        if path == source.path or not path.is_file():
            return cls()
        found = read_fields(RecordingFile(path), ("resolved_ids", *_NOT_RESOLVED))
        return cls(
            resolved=_ids(found.get("resolved_ids")),
            unresolved=frozenset().union(*(_ids(found.get(name)) for name in _NOT_RESOLVED)),
        )

    def of(self, instance: str | None) -> float | None:
        """1.0 resolved, 0.0 not resolved, None where the harness says nothing of the instance."""
        if instance in self.resolved:
            return 1.0
        return 0.0 if instance in self.unresolved else None


def _ids(value: object) -> frozenset[str]:
    return frozenset(item for item in items(value) if isinstance(item, str))
