"""Packages loaded the way people load them: `datasets.load_dataset` and LLaMA-Factory's registry, nothing changed."""

import importlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from sinks.packages.columns import WrittenFile
from sinks.packages.formats import FORMATS, huggingface_configs, llamafactory_dataset_info
from tests.unit.sinks.packages_formats.trainers import CHECKS
from tests.unit.sinks.packages_formats.written import EXAMPLES, USER, asks, call, example, write

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

UNLIKE = [
    example([USER, asks(call('{"a":9007199254740993,"b":0.5}'), content="é😀")], example_id="u1"),
    example([USER, asks(call('{"b":"text"}'))], example_id="u2"),
    example([USER, asks(call('{"c":{"d":[1,"2",null]}}'))], example_id="u3", tools="[]"),
    example([USER, asks(call('{"a":1}', call_id="x"), call("{}", call_id="y"))], example_id="u4"),
]
"""Arguments whose keys and types differ from row to row: where Arrow structs would pad nulls, or fail."""


def load(*args: Any, **options: Any) -> list[dict[str, Any]]:
    """Rows of `load_dataset`, without a network."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    datasets: Any = importlib.import_module("datasets")
    datasets.disable_progress_bars()
    loaded = datasets.load_dataset(*args, split="train", **options)
    return [dict(row) for row in loaded]


def card(folder: Path, files: Sequence[WrittenFile]) -> list[str]:
    """A dataset card with the configs of these files; their names."""
    configs = huggingface_configs(files)
    header: dict[str, Any] = {
        "configs": [config.entry for config in configs],
        "dataset_info": [config.info for config in configs if config.info],
    }
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump(header)}---\n")
    return [config.config_name for config in configs]


def present(row: dict[str, Any]) -> dict[str, Any]:
    """A row without the columns it has no value for."""
    return {key: value for key, value in row.items() if value is not None}


def test_a_hugging_face_folder_loads_with_every_config(tmp_path: Path) -> None:
    names = [name for name in FORMATS if name.startswith(("huggingface", "parquet"))]
    written = {name: write(tmp_path, name, EXAMPLES + UNLIKE) for name in ("jsonl/trl", "csv", *names)}
    configs = card(tmp_path, [file for one in written.values() for file in one.files])
    assert configs == [name.replace("/", "-") for name in names]
    for name, config in zip(names, configs, strict=True):
        rows = load(str(tmp_path), config, cache_dir=str(tmp_path / "cache"))
        assert len(rows) == sum(file.rows for file in written[name].files)
        if "/" not in name:
            assert rows == EXAMPLES + UNLIKE
            continue
        shape = name.split("/")[1]
        told = write(tmp_path / "told", f"jsonl/{shape}", EXAMPLES + UNLIKE).objects()
        expected = [next(iter(row.values())) if shape.endswith("_example") else row for row in told]
        if name.startswith("huggingface"):
            assert [present(row) for row in rows] == expected, name
    default = load(str(tmp_path), cache_dir=str(tmp_path / "cache"))
    assert default == EXAMPLES + UNLIKE


def test_the_trl_folder_holds_no_key_of_another_row(tmp_path: Path) -> None:
    files = write(tmp_path, "huggingface/trl", UNLIKE).files
    card(tmp_path, files)
    rows = load(str(tmp_path), cache_dir=str(tmp_path / "cache"))
    found = [one["function"]["arguments"] for row in rows for one in row["messages"][-1]["tool_calls"]]
    calls = [one for row in UNLIKE for one in json.loads(str(row["messages"]))[-1]["tool_calls"]]
    assert json.dumps(found) == json.dumps([json.loads(one["function"]["arguments"]) for one in calls])
    for row in rows:
        CHECKS["jsonl/trl"](present(row))


@pytest.mark.parametrize("name", [*sorted(CHECKS), "jsonl/training_example", "jsonl/conversation_example"])
def test_json_lines_load_by_their_path(name: str, tmp_path: Path) -> None:
    # Without the example whose score has 17 digits: the reader writes what it must re-encode with 10 decimals.
    written = write(tmp_path, name, [*UNLIKE, EXAMPLES[0], EXAMPLES[2]])
    rows = load("json", data_files=written.paths, cache_dir=str(tmp_path / "cache"))
    assert len(rows) == sum(file.rows for file in written.files)
    if name in CHECKS:
        for row in rows:
            CHECKS[name](present(row))
        assert [present(row) for row in rows] == written.objects()


def test_a_folder_of_json_lines_names_the_types_that_must_not_be_guessed(tmp_path: Path) -> None:
    names = ["jsonl/trl", "jsonl/kto", "jsonl/training_example", "jsonl"]
    written = {name: write(tmp_path, name, UNLIKE) for name in names}
    configs = card(tmp_path, [file for one in written.values() for file in one.files])
    assert configs == ["jsonl-trl", "jsonl-kto", "jsonl-training_example", "jsonl"]
    for name, config in zip(names, configs, strict=True):
        rows = load(str(tmp_path), config, cache_dir=str(tmp_path / "cache"))
        expected = UNLIKE if name == "jsonl" else written[name].objects()
        assert [present(row) for row in rows] == [present(row) for row in expected]
    trl = next(config for config in huggingface_configs(written["jsonl/trl"].files))
    assert trl.features == (("messages", "json"), ("tools", "json"))
    assert trl.default


def test_csv_loads_by_its_path(tmp_path: Path) -> None:
    written = write(tmp_path, "csv", UNLIKE)
    rows = load("csv", data_files=written.paths, cache_dir=str(tmp_path / "cache"))
    assert [row["messages"] for row in rows] == [row["messages"] for row in UNLIKE]


def test_llamafactory_finds_a_folder_for_each_split(tmp_path: Path) -> None:
    files = write(tmp_path, "jsonl/llamafactory", EXAMPLES).files + write(tmp_path, "jsonl/trl", EXAMPLES).files
    info = llamafactory_dataset_info("tool_selection", files)
    assert info == {
        "tool_selection_train": {
            "file_name": "jsonl/llamafactory/train",
            "formatting": "sharegpt",
            "columns": {"messages": "conversations", "system": "system", "tools": "tools"},
        }
    }
    # Its loader takes every file of the folder and knows them by their ending.
    folder = tmp_path / str(info["tool_selection_train"]["file_name"])
    endings = {path.suffix for path in folder.iterdir()}
    assert endings == {".jsonl"}
    assert llamafactory_dataset_info("x", write(tmp_path, "jsonl/trl", EXAMPLES).files) == {}
