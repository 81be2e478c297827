"""The instance of a SWE benchmark, where only the name of the recording tells it."""

import re

from streams.adapters.base import RecordingFile

_INSTANCE = re.compile(r"[A-Za-z0-9.-]+__[A-Za-z0-9.-]+-\d+")


def instance_in_name(source: RecordingFile) -> str | None:
    """`owner__repository-number` of a file that is named after it: `<instance>.traj` or `<instance>.traj.json`."""
    stem = source.name.removesuffix(".json").removesuffix(".traj")
    return stem if _INSTANCE.fullmatch(stem) else None
