"""Examples to write, and what came of writing them."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs

from sinks.packages.columns import EXAMPLE_ROWS, WrittenFile
from sinks.packages.formats import count_rows, open_writer, read_rows

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "find_order",
            "description": "Find an order.",
            "parameters": {
                "type": "object",
                "properties": {"order_id": {"type": "integer"}},
                "required": ["order_id"],
            },
        },
    },
    {"type": "function", "function": {"name": "refund", "description": "", "parameters": {"type": "object"}}},
]
SYSTEM = {"role": "system", "content": "You help customers."}
USER = {"role": "user", "content": "Where is my order?"}


def call(arguments: str, name: str = "find_order", call_id: str = "call_1") -> dict[str, object]:
    """A tool call with its arguments as the model wrote them."""
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def asks(*calls: Mapping[str, object], content: str | None = None, reasoning: str | None = None) -> dict[str, object]:
    """An assistant message with tool calls."""
    message: dict[str, object] = {"role": "assistant", "content": content}
    if reasoning:
        message["reasoning_content"] = reasoning
    return message | {"tool_calls": list(calls)}


def result(content: str, call_id: str = "call_1") -> dict[str, object]:
    """A tool result."""
    return {"role": "tool", "content": content, "tool_call_id": call_id, "name": "find_order"}


def example(messages: Sequence[Mapping[str, object]], **changes: object) -> dict[str, object]:
    """A row of the table's columns around these messages."""
    row: dict[str, object] = dict.fromkeys(EXAMPLE_ROWS.names)
    row |= {
        "example_id": "ex_1",
        "trace_id": "trace_1",
        "type": "agent_execution",
        "scenario": "CustomerService",
        "execution_mode": "EXECUTION",
        "quality_score": 0.93,
        "human_validated": True,
        "execution_successful": True,
        "outcome": "success",
        "training_weight": 1.0,
        "model": "model-x",
        "messages": json.dumps(messages),
        "tools": json.dumps(TOOLS),
        "context": json.dumps(
            {
                "scenario": "CustomerService",
                "goal": "help",
                "current_state": {"step": "s1", "available_data": ["orders"], "constraints": []},
                "available_tools": ["find_order", "refund"],
            }
        ),
        "expected_output": '{"action":"tool_request","tool":"find_order","parameters":{"order_id":1},"reasoning":null}',
        "policy_hash": "0" * 64,
        "source_offsets": "[]",
    }
    return row | changes


EXAMPLES = [
    example(
        [
            SYSTEM,
            USER,
            asks(call('{"order_id": 9007199254740993, "price": 0.10}'), content="Let me look.", reasoning="x"),
        ]
    ),
    example(
        [
            SYSTEM,
            USER,
            asks(call('{"order_id":1}', call_id="a"), call('{"note":"née 😀\\u0000"}', "refund", "b")),
            result('{"state":"sent"}', "a"),
            result("refunded", "b"),
            {"role": "assistant", "content": 'It is "sent".'},
        ],
        example_id="ex_2",
        type="conversation",
        context='{"scenario":"CustomerService","goal":null}',
        expected_output="{}",
        outcome="unknown",
        quality_score=0.1 + 0.2,
    ),
    example(
        [USER, asks(call('{"order_id":2}'))],
        example_id="ex_3",
        tools="[]",
        rejected=json.dumps([asks(call('{"order_id":3}', call_id="r"))]),
    ),
    example(
        [SYSTEM, USER, asks(call('{"order_id":4}')), result("sent"), {"role": "assistant", "content": "Sent."}],
        example_id="ex_4",
        type="preference_pair",
        prompt_messages=2,
        rejected=json.dumps([asks(call('{"order_id":0.50}')), result("none"), {"role": "assistant", "content": "No."}]),
    ),
]
"""A single call; parallel calls with results; a pair of turns without tools; a pair of runs."""


@dataclass(frozen=True)
class Written:
    """What a writer left behind."""

    folder: Path
    format: str
    files: tuple[WrittenFile, ...]
    skipped: Mapping[str, int]

    @property
    def paths(self) -> list[str]:
        """Absolute paths, in order."""
        return [str(self.folder / file.path) for file in self.files]

    def table(self, schema: pa.Schema) -> pa.Table:
        """Rows read back."""
        batches = [
            batch for path in self.paths for batch in read_rows(self.format, schema, pafs.LocalFileSystem(), path)
        ]
        return pa.Table.from_batches(batches, schema)

    def counted(self) -> int:
        """Rows counted in the files."""
        return sum(count_rows(self.format, pafs.LocalFileSystem(), path) for path in self.paths)

    def lines(self) -> list[str]:
        """Lines of JSON Lines files."""
        texts = [
            (gzip.decompress(data) if path.endswith(".gz") else data).decode()
            for path in self.paths
            for data in [Path(path).read_bytes()]
        ]
        return [line for text in texts for line in text.split("\n") if line]

    def objects(self) -> list[dict[str, object]]:
        """Rows of JSON Lines files."""
        return [json.loads(line) for line in self.lines()]


def write_batches(
    folder: Path,
    format_name: str,
    batches: Sequence[pa.RecordBatch],
    schema: pa.Schema,
    shard_bytes: int = 2**20,
    split: str = "train",
) -> Written:
    """Write batches in a format below a folder."""
    writer = open_writer(format_name, schema, pafs.LocalFileSystem(), str(folder), split, shard_bytes)
    for batch in batches:
        writer.write(batch)
    files = writer.close()
    return Written(folder, format_name, files, writer.skipped)


def write(
    folder: Path, format_name: str, rows: Sequence[Mapping[str, object]], schema: pa.Schema = EXAMPLE_ROWS
) -> Written:
    """Write rows in a format below a folder."""
    return write_batches(folder, format_name, [pa.RecordBatch.from_pylist(list(rows), schema=schema)], schema)
