"""Recorded runs through one line: imports them, and tells what became of each format."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from zlib import crc32

from confluent_kafka import Producer

from schemas.records import Event
from schemas.registry import RegistryClient
from schemas.settings import Settings
from sinks.query import query
from streams.adapters.base import BrokenRecord, Importer, ImportOptions, RecordingFile
from streams.adapters.catalogue import format_named
from streams.adapters.files import find_recordings
from streams.adapters.publish import ImportReport, producer_config, publish
from streams.adapters.publish import Producer as Outbox

DATA = Path(__file__).parents[3] / "shared" / "data"
RECORDINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("tau-bench", ("tau-bench/*.gz",)),
    ("tau2", ("tau2-bench/*.gz",)),
    ("mini-swe", ("mini-swe-agent/*.jsonl.gz",)),
    ("swe-agent", ("swe-agent/*.traj.gz",)),
    ("claude-code", ("claude-code-transcripts/*.jsonl", "claude-code-log/*.jsonl")),
    ("atif", ("atif-harbor/*.json",)),
    ("otlp", ("otel-genai-strands-evals/*spans.json",)),
    ("codex", ("otel-genai-strands-evals/codex*.json",)),
    ("inspect", ("inspect-ai-logs/*.json.gz",)),
    ("toolbench", ("toolbench/answer/*.json.gz",)),
    ("who-and-when", ("who-and-when/*.jsonl.gz",)),
    ("reflexion", ("reflexion/*.gz",)),
    ("llmunix", ("llmunix/traces/*.md",)),
)
EVERYTHING: Mapping[str, float] = {}
"""No share is smaller than 1."""


@dataclass(frozen=True)
class Verdicts:
    """What became of the runs of one format."""

    traces: int
    events: int
    verdicts: Mapping[str, int]
    reasons: Mapping[str, int]
    """How often each reason was given; a trace may have several."""


def import_all(
    settings: Settings,
    *,
    shares: Mapping[str, float] = EVERYTHING,
    seed: int = 0,
    undecided: Collection[str] = (),
) -> dict[str, ImportReport]:
    """Import the recordings, with consent but for the formats in `undecided`.

    Of a format in `shares` only that share of its tasks comes, chosen by `seed`, each with all of its runs: runs of one
    task are what near-duplicates are about.
    """
    producer = cast(Outbox, Producer(producer_config(settings.kafka_config())))
    schema_id = RegistryClient.from_settings(settings).register("agent-events", "EventBatch")
    granted, unknown = ImportOptions("granted", "contract"), ImportOptions()
    done: dict[str, ImportReport] = {}
    for name, patterns in RECORDINGS:
        found = format_named(name)
        files = find_recordings([str(path) for one in patterns for path in sorted(DATA.glob(one))], found.suffixes)
        importer = _some(found.importer(), shares.get(name, 1.0), seed)
        options = unknown if name in undecided else granted
        done[name] = publish(files, importer, options, producer=producer, schema_id=schema_id)
    return done


def _some(importer: Importer, share: float, seed: int) -> Importer:
    """The importer, with a share of the tasks only; of any share at all the first one is part."""
    if share >= 1:
        return importer
    first: str | None = None

    def chosen(source: RecordingFile, options: ImportOptions) -> Iterator[Event | BrokenRecord]:
        nonlocal first
        kept: dict[str, bool] = {}
        for item in importer(source, options):
            if isinstance(item, BrokenRecord):
                continue
            if item.trace_id not in kept:
                started = item.agent_started
                task = started.task_id if started is not None and started.task_id else item.trace_id
                first = first or (task if share > 0 else "")
                chosen_by_seed = crc32(f"{seed} {item.scenario} {task}".encode()) < share * 2**32
                kept[item.trace_id] = task == first or chosen_by_seed
            if kept[item.trace_id]:
                yield item

    return chosen


def verdicts(settings: Settings) -> dict[str, Verdicts]:
    """Verdicts of the stored runs by format of their recording."""
    rows = query(
        settings,
        "SELECT t.source_format AS format, t.event_count AS events, d.verdict, d.reasons "
        "FROM traces t JOIN decisions d USING (trace_id)",
    ).to_pylist()
    by_format: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_format.setdefault(row["format"], []).append(row)
    return {
        name: Verdicts(
            traces=len(own),
            events=sum(row["events"] for row in own),
            verdicts=dict(Counter(row["verdict"] for row in own).most_common()),
            reasons=dict(Counter(code for row in own for code in row["reasons"]).most_common()),
        )
        for name, own in sorted(by_format.items())
    }
