"""What readers want to find beside the files: Hugging Face configs and LLaMA-Factory's `dataset_info.json`. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from sinks.packages.columns import WrittenFile
from sinks.packages.formats.base import Shape, is_json
from sinks.packages.formats.catalogue import format_named
from sinks.packages.formats.shapes.llamafactory import LLAMAFACTORY

_PARQUET = ("huggingface", "parquet")

Yaml = str | bool | list["Yaml"] | dict[str, "Yaml"]


@dataclass(frozen=True)
class HuggingfaceConfig:
    """One entry of `configs` in the header of a dataset card, and of `dataset_info` where it has features to state."""

    config_name: str
    data_files: tuple[tuple[str, str], ...]
    """(split, pattern of paths)."""
    default: bool
    features: tuple[tuple[str, str], ...]
    """(column, type) where `datasets` must not guess: JSON Lines of a shape, whose objects differ from row to row."""

    @property
    def entry(self) -> dict[str, Yaml]:
        """For the list `configs`."""
        files: list[Yaml] = [{"split": split, "path": path} for split, path in self.data_files]
        entry: dict[str, Yaml] = {"config_name": self.config_name, "data_files": files}
        return entry | ({"default": True} if self.default else {})

    @property
    def info(self) -> dict[str, Yaml] | None:
        """For the list `dataset_info`."""
        if not self.features:
            return None
        return {
            "config_name": self.config_name,
            "features": [{"name": name, "dtype": dtype} for name, dtype in self.features],
        }


def huggingface_configs(files: Sequence[WrittenFile]) -> list[HuggingfaceConfig]:
    """One for each format that `datasets` can read from the folder, in the order of the files.

    It opens all configs of a folder with the one reader that fits the first: so Parquet where there is any, else JSON
    Lines. The default is the first of the container `huggingface`, else the first of all.
    """
    splits: dict[str, dict[str, str]] = {}
    for file in files:
        pattern = f"{file.path.rpartition('/')[0]}/{file.split}-*{format_named(file.format).suffix}"
        splits.setdefault(file.format, {})[file.split] = pattern
    parquet = {name: found for name, found in splits.items() if _container(name) in _PARQUET}
    listed = parquet or {name: found for name, found in splits.items() if _container(name) == "jsonl"}
    default = next((name for name in listed if _container(name) == "huggingface"), next(iter(listed), None))
    return [
        HuggingfaceConfig(name.replace("/", "-"), tuple(found.items()), name == default, _features(name))
        for name, found in listed.items()
    ]


def _container(name: str) -> str:
    return format_named(name).container.name


def _features(name: str) -> tuple[tuple[str, str], ...]:
    format_ = format_named(name)
    if format_.shape is None or format_.container.name != "jsonl":
        return ()
    if format_.shape.wrapper:
        return ((format_.shape.wrapper, "json"),)
    return tuple((column.name, _dtype(column)) for column in _columns(format_.shape))


def _columns(shape: Shape) -> list[pa.Field]:
    return [shape.fields.field(place) for place in range(len(shape.fields))]


def _dtype(column: pa.Field) -> str:
    return "json" if is_json(column) else str(column.type)


def llamafactory_dataset_info(name: str, files: Sequence[WrittenFile]) -> Mapping[str, Mapping[str, object]]:
    """Content of `dataset_info.json`, to stand at the top of a package: one data set for each split.

    `name` is the package's. Empty where the package has no files for LLaMA-Factory.
    """
    folders: dict[str, str] = {}
    for file in files:
        if format_named(file.format).shape is LLAMAFACTORY:
            folders[file.split] = file.path.rpartition("/")[0]
    return {
        f"{name}_{split}": {
            "file_name": folder,
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "system": "system", "tools": "tools"},
        }
        for split, folder in folders.items()
    }
