"""Redaction, measured: what is found, what is found wrongly, and how fast. One core, one run, JSON.

`f2`: spans of labelled sentences, everything personal as one class, neighbours merged, IoU at least .9 (the idea of
presidio-research's SpanEvaluator); `person_recall`: labelled persons covered to nine tenths; `keyed_recall`: values of
personal keys in recorded tool runs that are gone after redaction. `speed`: recordings imported to events, redacted
trace by trace by a process that remembers nothing at first; MB are those of texts that may be redacted, so envelopes
do not count; `rss_mb` is the most memory of that process, which did only this format, in MiB.
With `--scorer-python PATH`, an interpreter that has presidio-evaluator and a small English model of spaCy,
presidio-research's own SpanEvaluator scores the same spans, and those of vanilla Presidio beside them, with the speed
of each on these sentences. `unseen`: sentences of templates of our own; their `odd` half was not looked at while rules
were made.
`python -m tests.bench.redact [--limit N] [--traces N] [--data FOLDER] [--scorer-python PATH]`
"""

import argparse
import gzip
import json
import multiprocessing
import re
import resource
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from schemas.records import Event
from streams.adapters.base import ImportOptions, RecordingFile
from streams.adapters.catalogue import format_named
from streams.core.assemble import unique_in_order
from streams.core.redact.events import redact_events
from streams.core.redact.filter import line_spans, redact_line
from streams.core.redact.policy import NerRules, RedactionPolicy
from streams.core.redact.pseudonyms import Pseudonyms
from streams.core.redact.redactor import Redactor
from streams.redaction import build_redactor
from tests.bench._spans import merged, overlap
from tests.bench._unseen import unseen

DATA = Path(__file__).parents[3] / "shared" / "data"
_KEYS = frozenset({"first_name", "last_name", "email", "dob", "address1", "address2", "zip", "user_id", "payment_id"})
_FORMATS = {
    "tau-bench": ("tau-bench", "*.gz"),
    "tau2": ("tau2-bench", "*.gz"),
    "mini-swe": ("mini-swe-agent", "*.jsonl.gz"),
    "swe-agent": ("swe-agent", "*.gz"),
    "claude-code": ("claude-code-transcripts", "*.jsonl"),
}
_USES = (("rules", "off"), ("with_model", "auto"))


def labelled(data: Path) -> Iterator[dict[str, Any]]:
    """Labelled sentences."""
    for path in sorted((data / "presidio-research").glob("*.gz")):
        text = gzip.decompress(path.read_bytes()).decode()
        yield from map(json.loads, text.splitlines()) if "jsonl" in path.name else json.loads(text)


def score(records: list[dict[str, Any]], redactor: Redactor) -> dict[str, float]:
    """F2, precision, recall and the share of persons that are covered."""
    hits = predicted = annotated = persons = covered = 0
    for record in records:
        text = record["full_text"]
        mine = merged([(f.start, f.end) for f in line_spans(text, redactor)], text)
        theirs = [(s["start_position"], s["end_position"]) for s in record["spans"]]
        gold = merged(theirs, text)
        predicted, annotated = predicted + len(mine), annotated + len(gold)
        free = set(mine)
        for start, end in gold:
            match = next((m for m in free if overlap(m, (start, end)) >= 0.9), None)
            if match is not None:
                hits += 1
                free.discard(match)
        for span in record["spans"]:
            if span["entity_type"] == "PERSON":
                low, high = span["start_position"], span["end_position"]
                seen = sum(max(0, min(high, end) - max(low, start)) for start, end in mine)
                persons, covered = persons + 1, covered + (seen >= 0.9 * (high - low))
    precision, recall = hits / max(1, predicted), hits / max(1, annotated)
    f2 = 5 * precision * recall / max(1e-9, 4 * precision + recall)
    return {
        "f2": round(f2, 3), "precision": round(precision, 3), "recall": round(recall, 3),
        "person_recall": round(covered / max(1, persons), 3),
    }  # fmt: skip


def scored_by_others(python: Path | None, records: list[dict[str, Any]]) -> object:
    """Scores of presidio-research's own evaluator, ours and vanilla Presidio's; a word where it cannot run."""
    if python is None or not python.exists():
        return "skipped: --scorer-python names no interpreter with presidio-evaluator"
    predicted: dict[str, list[list[tuple[int, int, str]]]] = {}
    speeds: dict[str, float] = {}
    for name, use in _USES:
        redactor = redactor_that(use)
        redactor.finder.find("It is loaded now.")
        began = time.process_time()
        spans = [line_spans(record["full_text"], redactor) for record in records]
        took = time.process_time() - began
        speeds[name] = sum(len(record["full_text"].encode()) for record in records) / 1e6 / max(took, 1e-9)
        predicted[name] = [[(found.start, found.end, found.kind) for found in line] for line in spans]
    lines_in = [
        json.dumps({
            "text": record["full_text"],
            "gold": [[s["start_position"], s["end_position"], s["entity_type"]] for s in record["spans"]],
            "predicted": {name: of_each[number] for name, of_each in predicted.items()},
        })
        for number, record in enumerate(records)
    ]  # fmt: skip
    script = Path(__file__).with_name("_scorer.py")
    done = subprocess.run(
        [python, script, "--presidio"], input="\n".join(lines_in), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return f"failed: {done.stderr[-300:]}"
    scores: dict[str, dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    for name, speed_of_it in speeds.items():
        scores[name]["mb_per_second"] = round(speed_of_it, 3)
    return scores


def redactor_that(use: str) -> Redactor:
    """A redactor under the default policy, with the model or without, that remembers nothing yet."""
    return build_redactor(RedactionPolicy(ner=NerRules(use=use)))  # type: ignore[arg-type]


def keyed(data: Path, redactor: Redactor, limit: int) -> dict[str, float]:
    """Share of values of personal keys that are nowhere in the redacted line."""
    total = gone = 0
    for line in lines(data / "tau-bench", limit):
        values = {value for value in _values(json.loads(line)) if len(value) > 2}
        redacted = redact_line(line, Pseudonyms(b"k" * 32, "bench"), redactor)
        total += len(values)
        gone += sum(not re.search(rf"(?<!\w){re.escape(value)}(?!\w)", redacted) for value in values)
    return {"values": total, "keyed_recall": round(gone / max(1, total), 4)}


def speed(data: Path, use: str, limit: int | None) -> dict[str, dict[str, float]]:
    """For each format MB of text per second of one process with nothing remembered, and its memory."""
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        return dict(pool.map(_speed_of, [(data, use, name, limit) for name in _FORMATS], chunksize=1))


def _speed_of(task: tuple[Path, str, str, int | None]) -> tuple[str, dict[str, float]]:
    data, use, name, limit = task
    traces = list(recorded(data, name).values())[:limit]
    size = sum(_text_bytes(event.body) for events in traces for event in events)
    redactor = redactor_that(use)
    redactor.finder.find("It is loaded now.")
    began = time.process_time()
    for events in traces:
        redact_events(events, Pseudonyms(b"k" * 32, events[0].trace_id), redactor)
    took = time.process_time() - began
    return name, {
        "traces": len(traces),
        "text_mb": round(size / 1e6, 3),
        "mb_per_second": round(size / 1e6 / max(took, 1e-9), 3),
        "rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def recorded(data: Path, name: str) -> dict[str, tuple[Event, ...]]:
    """Traces of all recordings of a format, imported."""
    folder, pattern = _FORMATS[name]
    importer = format_named(name).importer()
    runs: dict[str, list[Event]] = defaultdict(list)
    for path in sorted((data / folder).glob(pattern)):
        for found in importer(RecordingFile(path), ImportOptions(consent="granted", basis="licence")):
            if isinstance(found, Event):
                runs[found.trace_id].append(found)
    return {trace_id: unique_in_order(events) for trace_id, events in runs.items()}


def _text_bytes(value: object) -> int:
    if isinstance(value, str):
        return len(value.encode("utf-8", "surrogatepass"))
    if isinstance(value, tuple):
        return sum(map(_text_bytes, value))
    if isinstance(value, msgspec.Struct):
        return sum(_text_bytes(getattr(value, name)) for name in value.__struct_fields__)
    return 0


def lines(folder: Path, limit: int) -> Iterator[str]:
    """The first lines of the recordings of a folder."""
    left = limit
    for path in sorted(folder.glob("*.gz")):
        for line in gzip.decompress(path.read_bytes()).decode("utf-8", "replace").splitlines()[:left]:
            yield line
            left -= 1


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in _KEYS and isinstance(inner, str):
                yield inner
            else:
                yield from _values(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _values(inner)
    elif isinstance(value, str) and value[:1] in ("{", "["):
        try:
            yield from _values(json.loads(value))
        except ValueError:
            return


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=60, help="lines of recordings and sentences, each")
    parser.add_argument("--traces", type=int, help="traces of each format for the speed; all unless said")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--scorer-python", type=Path, help="interpreter with presidio-evaluator")
    options = parser.parse_args()
    records = list(labelled(options.data))[: options.limit * 15]
    found: dict[str, object] = {}
    for name, use in _USES:
        redactor = redactor_that(use)
        found[name] = {
            "version": redactor.version,
            "labelled": score(records, redactor),
            "unseen": {
                half: score(unseen(options.limit * 5, half=place), redactor)
                for place, half in enumerate(("even", "odd"))
            },
            "recorded": keyed(options.data, redactor, options.limit),
            "speed": speed(options.data, use, options.traces),
        }
    found["span_evaluator"] = scored_by_others(options.scorer_python, records)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
