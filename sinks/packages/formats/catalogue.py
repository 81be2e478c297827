"""All formats by name: a container and a shape. One line here for each new one of either."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.errors import UsageError
from sinks.packages.formats.base import Container, Shape
from sinks.packages.formats.containers.csv import CSV
from sinks.packages.formats.containers.huggingface import HUGGINGFACE
from sinks.packages.formats.containers.jsonl import JSONL
from sinks.packages.formats.containers.parquet import PARQUET
from sinks.packages.formats.containers.tfrecord import TFRECORD
from sinks.packages.formats.shapes.atif import ATIF
from sinks.packages.formats.shapes.axolotl import AXOLOTL
from sinks.packages.formats.shapes.conversation_example import CONVERSATION_EXAMPLE
from sinks.packages.formats.shapes.kto import KTO
from sinks.packages.formats.shapes.llamafactory import LLAMAFACTORY
from sinks.packages.formats.shapes.openai import OPENAI
from sinks.packages.formats.shapes.training_example import TRAINING_EXAMPLE
from sinks.packages.formats.shapes.trl import TRL
from sinks.packages.formats.shapes.trl_preference import TRL_PREFERENCE
from sinks.packages.formats.shapes.trl_reward import TRL_REWARD

CONTAINERS: tuple[Container, ...] = (PARQUET, JSONL, CSV, TFRECORD, HUGGINGFACE)
SHAPES: tuple[Shape, ...] = (TRAINING_EXAMPLE, CONVERSATION_EXAMPLE, TRL, TRL_PREFERENCE, TRL_REWARD, KTO, ATIF)
"""Shapes that every container holds."""
JSON_LINES_ONLY: tuple[Shape, ...] = (OPENAI, AXOLOTL, LLAMAFACTORY)
"""Shapes of readers that take JSON Lines."""


@dataclass(frozen=True)
class Format:
    """One format. `shape` is None where the table's columns are written as they are."""

    container: Container
    shape: Shape | None = None

    @property
    def name(self) -> str:
        """`parquet`, `jsonl/trl`."""
        return self.container.name if self.shape is None else f"{self.container.name}/{self.shape.name}"

    @property
    def plain(self) -> bool:
        """Whether its text files stay uncompressed."""
        return self.shape is not None and self.shape.plain and self.container.plain is not None

    @property
    def suffix(self) -> str:
        """Ending of its files, from the dot on."""
        return self.container.plain_suffix if self.plain else self.container.suffix

    def folder(self, split: str) -> str:
        """Folder of its files, relative to the package. A Hugging Face folder has its rows in `data`."""
        shape = self.shape.name if self.shape else ""
        parts = ["data" if self.container is HUGGINGFACE else self.container.name, shape]
        if self.shape and self.shape.folder_per_split:
            parts.append(split)
        elif not shape and self.container is not HUGGINGFACE:
            parts.append("columns")
        return "/".join(part for part in parts if part)


_ALL: Mapping[str, Format] = {
    format.name: format
    for format in (
        *(Format(container) for container in CONTAINERS),
        *(Format(container, shape) for container in CONTAINERS for shape in SHAPES),
        *(Format(JSONL, shape) for shape in JSON_LINES_ONLY),
    )
}

FORMATS: tuple[str, ...] = tuple(_ALL)
"""Names of all formats: `<container>` for the columns of the table, `<container>/<shape>` for everything else."""


def format_named(name: str) -> Format:
    """Raises UsageError where there is no such format."""
    found = _ALL.get(name)
    if found is None:
        raise UsageError(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
    return found
