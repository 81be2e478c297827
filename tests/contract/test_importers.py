"""The contract of every importer, in one suite: over samples made here, and over the recordings where they are."""

import gzip
import json
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from schemas.codec import SchemaId, WriterSchema, decode_events, encode, validate_event
from schemas.contracts import parsed_schema
from schemas.records import Event, EventBatch
from streams.adapters.base import BrokenRecord, ImportOptions, RecordingFile
from streams.adapters.catalogue import FORMATS
from tests.contract.importer_samples import SAMPLES, Sample

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "data"


def imported(file_format: str, path: Path, options: ImportOptions | None = None) -> list[Event | BrokenRecord]:
    return list(FORMATS[file_format].importer()(RecordingFile(path), options or ImportOptions()))


def events_of(found: Iterable[Event | BrokenRecord]) -> list[Event]:
    broken = [item for item in found if isinstance(item, BrokenRecord)]
    assert not broken, f"{len(broken)} broken records, the first: {broken[0]}"
    return [item for item in found if isinstance(item, Event)]


MANY_RUNS = [sample for sample in SAMPLES if sample.runs(2) == 2]
STREAMED = [sample for sample in SAMPLES if sample.streams]


@pytest.fixture(params=SAMPLES, ids=str)
def sample(request: pytest.FixtureRequest) -> Sample:
    found: Sample = request.param
    return found


@pytest.fixture
def recording(sample: Sample, tmp_path: Path) -> Path:
    path = tmp_path / sample.file_name
    path.write_bytes(sample.make(3))
    return path


class Ours:
    """The registry's part: every id is the EventBatch of this version."""

    def writer_schema(self, schema_id: SchemaId) -> WriterSchema:
        return WriterSchema(record="EventBatch", schema=parsed_schema("EventBatch"), is_ours=True)


def check_contract(events: list[Event], *, joined: bool = True) -> None:
    """What holds for the events of any recording; `joined` where none of its tool calls got lost."""
    by_trace: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        validate_event(event)
        by_trace[event.trace_id].append(event)
    assert len({event.event_id for event in events}) == len(events), "event ids repeat"
    for trace_id, run in by_trace.items():
        batch = EventBatch(trace_id=trace_id, producer_id=run[0].producer_id, events=tuple(run))
        assert list(decode_events(encode(batch, 7), Ours())) == run
        assert [event.sequence for event in run] == sorted(event.sequence for event in run)
        assert sum(e.agent_started is not None and e.agent_started.root for e in run) == 1
        assert sum(e.agent_ended is not None and e.agent_ended.root for e in run) == 1
        assert run[0].agent_started is not None
        assert run[0].agent_started.root
        assert run[-1].agent_ended is not None
        assert run[-1].agent_ended.root
        calls = [event.span_id for event in run if event.tool_called]
        results = [event.span_id for event in run if event.tool_returned]
        assert len(set(calls)) == len(calls), "two tool calls share a span"
        assert len(set(results)) == len(results), "two results answer one call"
        assert not joined or set(results) <= set(calls), "a result has no call"
        for event in run:
            check_json(event)


def check_json(event: Event) -> None:
    """Fields whose name ends in _json hold JSON."""
    for name in event.body.__struct_fields__:
        value = getattr(event.body, name)
        if name.endswith("_json") and value is not None:
            json.loads(value)
    if event.model_called and event.model_called.output:
        for call in event.model_called.output.tool_calls:
            json.loads(call.arguments_json)


def test_every_format_has_a_sample() -> None:
    assert set(FORMATS) == {sample.format for sample in SAMPLES}


def test_events_are_valid_and_joined(sample: Sample, recording: Path) -> None:
    events = events_of(imported(sample.format, recording))
    check_contract(events)
    assert len({event.trace_id for event in events}) == sample.runs(3)
    assert any(event.tool_returned for event in events)
    assert sum(e.tool_returned is not None and not e.tool_returned.success for e in events) == sample.failures(3)


def test_reading_again_gives_the_same_events(sample: Sample, recording: Path) -> None:
    assert imported(sample.format, recording) == imported(sample.format, recording)


def test_compression_changes_nothing(sample: Sample, recording: Path) -> None:
    plain = imported(sample.format, recording)
    content = recording.read_bytes()
    for suffix, packed in ((".gz", gzip.compress(content)), (".zst", zstandard.compress(content))):
        other = recording.with_name(recording.name + suffix)
        other.write_bytes(packed)
        assert imported(sample.format, other) == plain


@pytest.mark.parametrize("sample", MANY_RUNS, ids=str)
def test_one_run_more_leaves_the_others_as_they_are(sample: Sample, recording: Path) -> None:
    before = events_of(imported(sample.format, recording))
    recording.write_bytes(sample.make(4))
    after = events_of(imported(sample.format, recording))
    assert {e.event_id for e in before} < {e.event_id for e in after}


def test_options_reach_every_event(sample: Sample, recording: Path) -> None:
    options = ImportOptions("granted", "contract 7", "subject", scenario="Mine", execution_mode="OPTIMIZATION")
    for event in events_of(imported(sample.format, recording, options)):
        assert (event.consent.status, event.consent.basis, event.consent.data_subject_id) == (
            "granted",
            "contract 7",
            "subject",
        )
        assert (event.scenario, event.execution_mode) == ("Mine", "OPTIMIZATION")


def test_the_hidden_part_of_a_task_stays_hidden(sample: Sample, recording: Path) -> None:
    for event in events_of(imported(sample.format, recording)):
        assert "SECRET" not in repr(event)


@pytest.mark.parametrize("sample", MANY_RUNS, ids=str)
def test_a_truncated_file_is_reported_and_its_beginning_kept(sample: Sample, tmp_path: Path) -> None:
    content = sample.make(6)
    path = tmp_path / sample.file_name
    path.write_bytes(content[: len(content) * 2 // 3 - 50])
    found = imported(sample.format, path)
    broken = [item for item in found if isinstance(item, BrokenRecord)]
    assert len(broken) == 1
    assert broken[0].path == str(path)
    assert broken[0].line is not None
    assert broken[0].line <= content.count(b"\n") + 1
    check_contract([item for item in found if isinstance(item, Event)])
    assert any(isinstance(item, Event) for item in found)


@pytest.mark.parametrize("sample", STREAMED, ids=str)
def test_memory_does_not_grow_with_the_file(sample: Sample, tmp_path: Path) -> None:
    def peak(runs: int) -> int:
        path = tmp_path / sample.file_name
        path.write_bytes(sample.make(runs))
        tracemalloc.start()
        try:
            for _ in FORMATS[sample.format].importer()(RecordingFile(path), ImportOptions()):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(5)  # imports and caches
    # The reader's buffers are full at 300 runs already; what they happen to hold at once varies by their size.
    assert peak(1500) < peak(300) + 300 * 1024


def opened(path: Path) -> Any:
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    try:
        return json.loads(content)
    except json.JSONDecodeError:
        return [json.loads(line) for line in content.splitlines()]


def count_tau(document: Any) -> tuple[int, int, int]:
    messages = [message for record in document for message in record["traj"]]
    calls = sum(len(message.get("tool_calls") or ()) for message in messages)
    errors = sum(m["role"] == "tool" and m["content"].startswith("Error:") for m in messages)
    return len(document), calls, errors


def count_tau2(document: Any) -> tuple[int, int, int]:
    messages = [message for simulation in document["simulations"] for message in simulation["messages"]]
    calls = sum(len(message.get("tool_calls") or ()) for message in messages)
    return len(document["simulations"]), calls, sum(message.get("error") is True for message in messages)


def count_atif(document: Any) -> tuple[int, int, int]:
    trajectories = [document] if "steps" in document else list(document.values())
    steps = [step for trajectory in trajectories for step in trajectory["steps"]]
    results = [r for step in steps for r in (step.get("observation") or {}).get("results", ())]
    errors = sum(str(result.get("content")).startswith("Error:") for result in results)
    return 1, sum(len(step.get("tool_calls") or ()) for step in steps), errors


COUNTED: tuple[tuple[str, str, Callable[[Any], tuple[int, int, int]]], ...] = (
    ("tau-bench", "tau-bench/*.jsonl.gz", count_tau),
    ("tau2", "tau2-bench/*.json.gz", count_tau2),
    ("atif", "atif-harbor/*.json", count_atif),
)


def recordings() -> Iterator[Any]:
    for file_format, pattern, count in COUNTED:
        for path in sorted(RECORDINGS.glob(pattern)):
            yield pytest.param(file_format, path, count, id=f"{file_format}:{path.name}")


FOUND = list(recordings()) or [
    pytest.param("", Path(), count_tau, marks=pytest.mark.skip(reason="../shared/data is not here"))
]


@pytest.mark.recordings
@pytest.mark.parametrize(("file_format", "path", "count"), FOUND)
def test_recordings_are_read_whole(file_format: str, path: Path, count: Callable[[Any], tuple[int, int, int]]) -> None:
    events = events_of(imported(file_format, path))
    check_contract(events)
    assert events_of(imported(file_format, path)) == events
    runs = len({event.trace_id for event in events})
    calls = sum(event.kind == "tool_called" for event in events)
    errors = sum(e.tool_returned is not None and not e.tool_returned.success for e in events)
    assert (runs, calls, errors) == count(opened(path))


@pytest.mark.recordings
@pytest.mark.parametrize(("file_format", "path", "count"), FOUND)
def test_every_word_of_a_recording_is_in_an_event(
    file_format: str, path: Path, count: Callable[[Any], tuple[int, int, int]]
) -> None:
    """Contents of messages, results and thoughts, as they stand in the file."""
    held = {text for event in events_of(imported(file_format, path)) for text in texts(event)}
    missing = [text for text in spoken(opened(path)) if text not in held]
    assert not missing, f"{len(missing)} texts are in no event, the first has {len(missing[0])} characters"


def spoken(node: Any) -> Iterator[str]:
    """Texts under the keys that hold what was said, thought or returned, in any of the formats."""
    if isinstance(node, list):
        for item in node:
            yield from spoken(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("raw_data", "tasks", "info", "reward_info", "tool_definitions", "extra"):
                continue
            if key in ("content", "message", "reasoning_content", "reasoning") and isinstance(value, str) and value:
                yield value
            else:
                yield from spoken(value)


def texts(value: object) -> Iterator[str]:
    """All texts of an event; JSON strings also as what they say."""
    if isinstance(value, str):
        yield value
        if value[:1] in '"{':
            try:
                yield from texts(json.loads(value))
            except ValueError:
                return
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item)
    elif hasattr(value, "__struct_fields__"):
        for name in value.__struct_fields__:
            yield from texts(getattr(value, name))
