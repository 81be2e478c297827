"""Examples of every kind out of every recorded run: chats that trainers take, true to the source, and not too many."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.records import Event, RedactionReport, Trace
from streams.adapters.base import ImportOptions, RecordingFile
from streams.adapters.catalogue import format_named
from streams.core.assemble import Closing, build_trace, unique_in_order
from streams.core.policy import ExampleRules, Policy
from streams.core.shape import Judgement, shape
from streams.core.shape.draft import size_bytes
from streams.core.view import view_of
from tests.unit.core.chat_rules import arguments, problems

DATA = Path(__file__).parents[4] / "shared" / "data"
SOURCES = [
    ("tau-bench", "tau-bench", "*.jsonl.gz"),
    ("tau2", "tau2-bench", "*.json.gz"),
    ("mini-swe", "mini-swe-agent", "*.jsonl.gz"),
    ("swe-agent", "swe-agent", "*.traj.gz"),
    ("claude-code", "claude-code-transcripts", "*.jsonl"),
    ("claude-code", "claude-code-log", "*.jsonl"),
    ("atif", "atif-harbor", "*.json"),
    ("otlp", "otel-genai-strands-evals", "*.json"),
]
POLICY = Policy(examples=ExampleRules(max_step_examples=40))
BEFORE = Policy(examples=ExampleRules(max_step_examples=40, types=("agent_execution", "conversation")))
MAX_GROWTH = 2.5
"""Bytes of all kinds against those of whole turns and whole chats alone."""

pytestmark = pytest.mark.recordings


def recorded(format_name: str, folder: str, pattern: str) -> Iterator[Trace]:
    if not DATA.exists():
        pytest.skip("the recordings (../shared/data) are not here")
    runs: dict[str, list[Event]] = defaultdict(list)
    importer = format_named(format_name).importer()
    for path in sorted((DATA / folder).glob(pattern)):
        for found in importer(RecordingFile(path), ImportOptions(consent="granted", basis="licence")):
            if isinstance(found, Event):
                runs[found.trace_id].append(found)
    for name, events in runs.items():
        closing = Closing(trace_id=name, revision=1, reason="ended", closed_ms=0, offsets=(), redelivered=False)
        yield build_trace(unique_in_order(events), closing, RedactionReport(rules_version="1"))


def written(trace: Trace) -> set[str]:
    """Arguments of all calls as the source has them."""
    found: set[str] = set()
    for event in trace.events:
        called = event.model_called
        for message in (*called.input_messages, *([called.output] if called.output else [])) if called else ():
            found |= {call.arguments_json for call in message.tool_calls}
        if event.tool_called:
            found.add(event.tool_called.parameters_json)
    return found


@pytest.mark.parametrize(("format_name", "folder", "pattern"), SOURCES)
def test_every_example_of_every_recorded_run_is_valid_and_true(format_name: str, folder: str, pattern: str) -> None:
    kinds: Counter[str] = Counter()
    sizes = {POLICY.hash: 0, BEFORE.hash: 0}
    for trace in recorded(format_name, folder, pattern):
        view, source, known = view_of(trace), written(trace), {event.event_id for event in trace.events}
        judgement = Judgement(
            quality_score=0.9, human_validated=False, successful=None if trace.reward is None else trace.reward == 1
        )
        found = shape(view, POLICY, judgement).examples
        for example in found:
            kinds[example.type] += 1
            assert problems(example) == []
            assert set(arguments(example)) <= source  # to the byte
            assert set(example.event_ids) <= known
            notes = json.loads(example.enrichment or "")
            assert set(notes["outcome"].get("chain", [])) <= known
        assert len({example.example_id for example in found}) == len(found)
        sizes[POLICY.hash] += sum(map(size_bytes, found))
        sizes[BEFORE.hash] += sum(map(size_bytes, shape(view, BEFORE, judgement).examples))
    assert kinds["conversation"]
    assert kinds["agent_execution"]
    assert sizes[POLICY.hash] <= MAX_GROWTH * sizes[BEFORE.hash]


def test_an_error_in_a_recorded_run_is_recovered_where_the_same_tool_works_later() -> None:
    outcomes: Counter[str] = Counter()
    for trace in recorded("tau-bench", "tau-bench", "*.jsonl.gz"):
        judgement = Judgement(quality_score=0.3, human_validated=False, successful=False, error_training_only=True)
        for example in shape(view_of(trace), Policy(), judgement).examples:
            assert example.type == "error_handling"
            outcomes[example.outcome] += 1
            last = json.loads(example.messages)[-1]
            tool = json.loads(example.expected_output).get("tool")
            assert tool is None or last["tool_calls"][0]["function"]["name"] == tool
    assert outcomes["recovered"]
    assert outcomes["failure"]
