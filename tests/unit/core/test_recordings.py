"""Recorded runs through import, assembly and curation: what real sources do to the promises of examples."""

import json
from collections import defaultdict
from pathlib import Path

import pytest

from schemas.records import Event, RedactionReport, Trace
from schemas.render import conversation_example, execution_trace, training_example
from streams.adapters.base import ImportOptions, RecordingFile
from streams.adapters.catalogue import format_named
from streams.core.assemble import Closing, build_trace, unique_in_order
from streams.core.curate import curate
from streams.core.policy import ExampleRules, Gates, Policy

DATA = Path(__file__).parents[4] / "shared" / "data"
ANYTHING = Policy(
    gates=Gates(min_quality_score=0, complete_execution=False, positive_outcome=False, unknown_outcome="accept"),
    examples=ExampleRules(max_step_examples=40),
)
SOURCES = [
    ("tau-bench", "tau-bench", "*.jsonl.gz"),
    ("tau2", "tau2-bench", "azure*.json.gz"),
    ("mini-swe", "mini-swe-agent", "deepseek_chat_dev.jsonl.gz"),
    ("claude-code", "claude-code-transcripts", "*.jsonl"),
    ("swe-agent", "swe-agent", "*.traj.gz"),
    ("atif", "atif-harbor", "*.json"),
    ("inspect", "inspect-ai-logs", "*.json.gz"),
    ("codex", "otel-genai-strands-evals", "codex*.json"),
    ("toolbench", "toolbench/answer", "*.json.gz"),
    ("who-and-when", "who-and-when", "*.jsonl.gz"),
    ("reflexion", "reflexion", "*.gz"),
]

pytestmark = pytest.mark.recordings


def recorded(format_name: str, folder: str, pattern: str) -> list[Trace]:
    if not DATA.exists():
        pytest.skip("the recordings (../shared/data) are not here")
    importer = format_named(format_name).importer()
    runs: dict[str, list[Event]] = defaultdict(list)
    for path in sorted((DATA / folder).glob(pattern))[:8]:
        for found in importer(RecordingFile(path), ImportOptions(consent="granted", basis="licence")):
            if isinstance(found, Event):
                runs[found.trace_id].append(found)
    assert runs
    return [
        build_trace(
            unique_in_order(events),
            Closing(trace_id=name, revision=1, reason="ended", closed_ms=0, offsets=(), redelivered=False),
            RedactionReport(rules_version="1"),
        )
        for name, events in list(runs.items())[:25]
    ]


@pytest.mark.parametrize(("format_name", "folder", "pattern"), SOURCES)
def test_examples_of_recorded_runs_are_valid_chats(format_name: str, folder: str, pattern: str) -> None:
    written: dict[str, set[str]] = {}
    for trace in recorded(format_name, folder, pattern):
        arguments = written.setdefault(trace.trace_id, set())
        for event in trace.events:
            if event.model_called:
                said = [*event.model_called.input_messages]
                said += [event.model_called.output] if event.model_called.output else []
                arguments |= {call.arguments_json for message in said for call in message.tool_calls}
            if event.tool_called:
                arguments.add(event.tool_called.parameters_json)
        curated = curate(trace, ANYTHING)
        json.dumps(execution_trace(trace))
        for example in curated.examples:
            assert training_example(example)
            assert conversation_example(example)
            asked: set[str] = set()
            open_calls: set[str] = set()
            for message in json.loads(example.messages):
                if message["role"] == "tool":
                    assert message["tool_call_id"] in open_calls
                    open_calls.discard(message["tool_call_id"])
                for tool_call in message.get("tool_calls", []):
                    assert tool_call["id"] not in asked
                    assert tool_call["function"]["arguments"] in arguments  # to the byte
                    asked.add(tool_call["id"])
                    open_calls.add(tool_call["id"])


def test_the_default_policy_follows_the_reward() -> None:
    for trace in recorded("tau-bench", "tau-bench", "*.jsonl.gz"):
        curated = curate(trace, Policy())
        whole = curated.decision.verdict == "accepted" and "error_training_only" not in curated.decision.reasons
        assert whole == (trace.reward == 1.0)
        if not whole:
            assert {example.type for example in curated.examples} <= {"error_handling"}
