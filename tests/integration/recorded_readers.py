"""Readers that know nothing of this project, each giving a package's rows by their id: the messages as JSON text."""

import csv
import importlib
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import polars
import pyarrow.dataset as ds

csv.field_size_limit(2**31 - 1)


def by_pyarrow(root: Path) -> dict[str, str]:
    table = ds.dataset(root / "parquet" / "columns").to_table(columns=["example_id", "messages"])
    return dict(zip(table.column(0).to_pylist(), table.column(1).to_pylist(), strict=True))


def by_polars(root: Path) -> dict[str, str]:
    frame = polars.concat([polars.read_parquet(path) for path in sorted((root / "data").glob("*.parquet"))])
    return dict(frame.select("example_id", "messages").iter_rows())


def by_duckdb(root: Path) -> dict[str, str]:
    return _rows(f"SELECT example_id, messages FROM read_parquet('{root}/parquet/columns/*.parquet')")


def by_duckdb_json(root: Path) -> dict[str, str]:
    columns = "{example_id: 'VARCHAR', messages: 'VARCHAR'}"
    return _rows(
        f"SELECT example_id, messages FROM read_json('{root}/jsonl/columns/*.gz', format = 'newline_delimited', "
        f"columns = {columns}, maximum_object_size = 200000000)"
    )


def _rows(sql: str) -> dict[str, str]:
    found = duckdb.sql(sql)
    assert found is not None
    return dict(found.fetchall())


def by_csv(root: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted((root / "csv" / "columns").iterdir()):
        with path.open(newline="", encoding="utf-8") as file:
            found |= {row["example_id"]: row["messages"] for row in csv.DictReader(file)}
    return found


def by_tfrecord(root: Path) -> dict[str, str]:
    reader: Any = importlib.import_module("tfrecord.reader")
    found = {}
    for path in sorted((root / "tfrecord" / "columns").iterdir()):
        for row in reader.tfrecord_loader(str(path), None, {"example_id": "byte", "messages": "byte"}):
            found[bytes(row["example_id"]).decode()] = bytes(row["messages"]).decode()
    return found


def by_datasets(root: Path) -> dict[str, str]:
    return {row["example_id"]: row["messages"] for row in loaded(root, "huggingface")}


def loaded(root: Path, config: str) -> list[dict[str, Any]]:
    """Rows of a configuration of the dataset card, all splits."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    datasets: Any = importlib.import_module("datasets")
    datasets.disable_progress_bars()
    parts = datasets.load_dataset(str(root), config, cache_dir=str(root.parent / "cache"))
    return [dict(row) for part in parts.values() for row in part]


def by_mlcroissant(root: Path) -> dict[str, str]:
    mlcroissant: Any = importlib.import_module("mlcroissant")
    dataset = mlcroissant.Dataset(jsonld=root / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors
    name = "rows/parquet"
    return {row[f"{name}/example_id"].decode(): row[f"{name}/messages"].decode() for row in dataset.records(name)}


READERS: Mapping[str, Callable[[Path], dict[str, str]]] = {
    "pyarrow": by_pyarrow,
    "polars": by_polars,
    "duckdb": by_duckdb,
    "duckdb, JSON Lines": by_duckdb_json,
    "csv": by_csv,
    "tfrecord": by_tfrecord,
    "datasets": by_datasets,
    "mlcroissant": by_mlcroissant,
}


def arguments(messages: str) -> list[str]:
    """Arguments of the tool calls in messages, byte for byte as the model wrote them."""
    calls = [call for message in json.loads(messages) for call in message.get("tool_calls", [])]
    return [call["function"]["arguments"] for call in calls]
