"""What the parts of a format promise each other.

A *shape* turns an example into rows of its own columns; a *container* writes rows of any columns into a file. Columns
that hold JSON text are marked: a JSON container writes them as values, other containers as text.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
import pyarrow as pa
import pyarrow.fs as pafs

from sinks.packages.columns import WrittenFile

_JSON_TEXT = {b"content": b"json"}


def json_field(name: str) -> pa.Field:
    """A column of JSON text that JSON containers write as a value."""
    return pa.field(name, pa.string(), metadata=_JSON_TEXT)


def is_json(column: pa.Field) -> bool:
    """Whether a column was made by `json_field`."""
    return bool(column.metadata) and column.metadata.get(b"content") == b"json"


class Unfit(Exception):
    """This shape cannot hold this row. `reason` is a stable code, never content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class ExampleRow(msgspec.Struct, frozen=True, gc=False):
    """The columns of an example that shapes read. Columns that a package lacks stay None."""

    messages: str | None = None
    tools: str | None = None
    context: str | None = None
    expected_output: str | None = None
    rejected: str | None = None
    prompt_messages: int | None = None
    example_id: str | None = None
    trace_id: str | None = None
    type: str | None = None
    scenario: str | None = None
    model: str | None = None
    outcome: str | None = None
    quality_score: float | None = None
    human_validated: bool | None = None
    execution_successful: bool | None = None
    training_weight: float | None = None


JSON_COLUMNS = ("messages", "tools", "context", "expected_output", "rejected")
"""Fields of `ExampleRow` that hold JSON text."""

Cells = tuple[object, ...]
"""One value for each column of a shape; JSON text as str."""


@dataclass(frozen=True)
class Shape:
    """One way to say an example."""

    name: str
    fields: pa.Schema
    needs: tuple[str, ...]
    """Columns that the package must have."""
    rows: Callable[[ExampleRow, str], Iterable[Cells]]
    """Rows of one example, given also the training type of the package. Raises Unfit, or msgspec.DecodeError where
    the example's own JSON text cannot be read."""
    wrapper: str | None = None
    """Key around each row in JSON containers."""
    plain: bool = False
    """Text files stay uncompressed: its reader opens nothing else."""
    folder_per_split: bool = False
    """Its reader takes all files of a folder."""


@dataclass(frozen=True)
class Columns:
    """What a container is told of the rows it will get."""

    schema: pa.Schema
    wrapper: str | None = None
    omit_nulls: bool = False
    """JSON containers leave a key out where its value is null (rows of a shape; rows of a table keep every key)."""
    dictionary: tuple[str, ...] | None = None
    """Columns whose values repeat; None where nothing is known."""


class Sink(Protocol):
    """Where a container writes: a shard that hashes and counts what goes through it."""

    def write(self, data: Any, /) -> int: ...


class ContainerFile(Protocol):
    """One file that is being written."""

    def write(self, rows: pa.RecordBatch) -> None:
        """Append rows. The bytes of a file depend on its rows and on how they are divided into calls."""

    def close(self) -> None:
        """Write what the format wants at its end. The sink stays open."""


@dataclass(frozen=True)
class Container:
    """One kind of file."""

    name: str
    suffix: str
    open: Callable[[Sink, Columns], ContainerFile]
    read: Callable[[pafs.FileSystem, str, pa.Schema], Iterator[pa.RecordBatch]]
    """Rows of a file that holds the table's columns."""
    count: Callable[[pafs.FileSystem, str], int]
    plain: Callable[[Sink, Columns], ContainerFile] | None = None
    """Opens the uncompressed variant, where there is one to choose."""
    plain_suffix: str = ""
    checks: Callable[[pa.Schema], None] = field(default=lambda schema: None)
    """Raises UsageError for columns that it cannot hold."""


class FormatWriter(Protocol):
    """Writes one split of a package in one format."""

    @property
    def skipped(self) -> Mapping[str, int]:
        """Rows that the format cannot hold, by reason."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Take rows in."""

    def close(self) -> tuple[WrittenFile, ...]:
        """Finish; the files in order."""

    def abort(self) -> None:
        """Give up, and remove what was written as far as that is possible."""
