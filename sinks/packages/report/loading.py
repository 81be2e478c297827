"""How a package is read: which formats it has, and code that loads them."""

import json
from collections.abc import Mapping

import msgspec

from sinks.packages.columns import WrittenFile
from sinks.packages.facts import Column, PackageFacts
from sinks.packages.formats import HuggingfaceConfig, format_named, huggingface_configs
from sinks.packages.formats.base import is_json
from sinks.packages.report.escape import Safe, fenced

_FIRST = {"huggingface": 0, "parquet": 1}
_READERS = {"huggingface": "parquet", "parquet": "parquet", "jsonl": "json", "csv": "csv"}
"""Containers that `datasets.load_dataset` reads, and the name of its reader."""
_WORDS: Mapping[str | None, str] = {
    None: "the columns of the package, as they are",
    "training_example": "fine-tuning: context and expected output",
    "conversation_example": "conversations with their metadata",
    "trl": "TRL: messages and tools, arguments as objects",
    "trl-preference": "TRL, preferences: prompt, chosen, rejected; where the prompt holds more than the system's words",
    "trl-reward": "TRL, reward models: chosen and rejected as whole chats",
    "kto": "TRL, KTO: prompt, completion, label",
    "openai": "OpenAI's shape: arguments as JSON strings",
    "axolotl": "Axolotl: chat template with tools",
    "llamafactory": "LLaMA-Factory: ShareGPT",
    "atif": "ATIF: trajectories",
}


def described(name: str) -> str:
    """What the rows of a format are, in words."""
    return _WORDS.get(name.partition("/")[2] or None, "")


class Format(msgspec.Struct, frozen=True):
    """One format of the data files."""

    name: str
    files: tuple[WrittenFile, ...]
    """In the order of the splits."""

    @property
    def rows(self) -> int:
        """Rows over all splits."""
        return sum(file.rows for file in self.files)

    @property
    def size_bytes(self) -> int:
        """Bytes over all splits."""
        return sum(file.size_bytes for file in self.files)

    @property
    def config(self) -> str:
        """Its name where slashes may not stand."""
        return self.name.replace("/", "-")

    @property
    def container(self) -> str:
        """Kind of its files."""
        return self.name.partition("/")[0]

    @property
    def shape(self) -> str | None:
        """What its rows say, where that is not the package's own columns."""
        return self.name.partition("/")[2] or None

    @property
    def description(self) -> str:
        """What it is for."""
        return described(self.name)

    def columns(self, facts: PackageFacts) -> tuple[Column, ...]:
        """Its columns, or top-level keys."""
        shape = format_named(self.name).shape
        if shape is None:
            return facts.columns
        return tuple(
            Column(
                name=field.name,
                type=str(field.type),
                doc="JSON text; a value in JSON Lines" if is_json(field) else "",
                nullable=field.nullable,
            )
            for field in shape.fields
        )

    def json_values(self) -> bool:
        """Whether some columns hold JSON values rather than text."""
        shape = format_named(self.name).shape
        return self.container == "jsonl" and shape is not None and any(map(is_json, shape.fields))

    def by_split(self) -> dict[str, list[str]]:
        """Paths of the files that have rows, by split."""
        found: dict[str, list[str]] = {}
        for file in self.files:
            if file.rows:
                found.setdefault(file.split, []).append(file.path)
        return found


def formats(facts: PackageFacts) -> tuple[Format, ...]:
    """Formats of the data files, those first that lose nothing."""
    place = {split.name: number for number, split in enumerate(facts.splits)}
    files: dict[str, list[WrittenFile]] = {}
    for file in sorted(facts.files, key=lambda file: (place.get(file.split, len(place)), file.path)):
        files.setdefault(file.format, []).append(file)
    ordered = sorted(files, key=lambda name: (_FIRST.get(name.partition("/")[0], len(_FIRST)), name))
    return tuple(Format(name, tuple(files[name])) for name in ordered)


def configurations(facts: PackageFacts) -> list[HuggingfaceConfig]:
    """What the card's header tells `datasets`, of the files that have rows."""
    return huggingface_configs([file for known in formats(facts) for file in known.files if file.rows])


def examples(facts: PackageFacts) -> list[tuple[str, Safe]]:
    """Title and code block of each way to load the package that its files allow."""
    found = []
    known = [one for one in formats(facts) if one.container in _READERS and one.by_split()]
    if known:
        found.append(("datasets", fenced(f"from datasets import load_dataset\n\n{_load(known[0], facts)}", "python")))
    trl = next((one for one in known if one.shape == "trl"), None)
    if trl is not None:
        text = (
            "from datasets import load_dataset\nfrom trl import SFTConfig, SFTTrainer\n\n"
            f"{_load(trl, facts)}\n"
            'trainer = SFTTrainer(model="...", args=SFTConfig(assistant_only_loss=True), '
            f"train_dataset=rows[{json.dumps(_first(trl))}])"
        )
        found.append(("TRL", fenced(text, "python")))
    parquet = next((one for one in known if one.container == "parquet"), None)
    if parquet is not None:
        paths = parquet.by_split()[_first(parquet)]
        text = (
            "import json\n\nimport pyarrow.dataset as ds\n\n"
            f"rows = ds.dataset({_list(paths)})\n"
            'for batch in rows.to_batches(columns=["messages", "training_weight"]):\n'
            "    for text in batch.column(0).to_pylist():\n"
            "        messages = json.loads(text)"
        )
        columns = {column.name for column in parquet.columns(facts)}
        if {"messages", "training_weight"} <= columns:
            found.append(("pyarrow", fenced(text, "python")))
        else:
            text = f"import pyarrow.dataset as ds\n\nrows = ds.dataset({_list(paths)}).to_table()"
            found.append(("pyarrow", fenced(text, "python")))
        quoted = ", ".join("'" + path.replace("'", "''") + "'" for path in _all(parquet))
        by = next((name for name in ("scenario", "verdict", "type") if name in columns), None)
        grouped = f"SELECT {by}, count(*) AS rows" if by else "SELECT count(*) AS rows"
        end = " GROUP BY ALL ORDER BY rows DESC" if by else ""
        found.append(("DuckDB", fenced(f"{grouped} FROM read_parquet([{quoted}]){end};", "sql")))
    return found


def _load(known: Format, facts: PackageFacts) -> str:
    """A call that loads a format: by the card's configuration, else by its files."""
    if known.config in {config.config_name for config in configurations(facts)}:
        return f'rows = load_dataset("path/to/package", {json.dumps(known.config)})'
    files = ", ".join(f"{json.dumps(split)}: {_list(paths)}" for split, paths in known.by_split().items())
    return f"rows = load_dataset({json.dumps(_READERS[known.container])}, data_files={{{files}}})"


def _first(known: Format) -> str:
    splits = known.by_split()
    return "train" if "train" in splits else next(iter(splits))


def _all(known: Format) -> list[str]:
    return [path for paths in known.by_split().values() for path in paths]


def _list(paths: list[str]) -> str:
    return json.dumps(paths[:2])[:-1] + (", ...]" if len(paths) > 2 else "]")
