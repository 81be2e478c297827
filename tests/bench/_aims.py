"""What the benchmarks claim: the figures to show of each, what they aim at, and how to run each in seconds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """A number in what a benchmark prints."""

    path: str
    """Keys from the root, with dots; it holds a number, numbers, or `min`, `median` and `max`."""
    name: str
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class Plan:
    """One benchmark. One that is not here runs as it is, and the numbers at the root of its output are shown."""

    figures: tuple[Figure, ...]
    quick: tuple[str, ...] = ()
    """Arguments of a run that shows only that it runs."""


_PEERS = ("quix_session_window", "quix_stateful_function", "bytewax")
_BY_PEERS = tuple(
    Figure(f"ratios.{ours}_by_{peer}.events_per_cpu_second", f"assembly, {said} / {peer.replace('_', ' ')}", "x", 3)
    for ours, said in (("ours", "redacting"), ("ours_without_redaction", "not redacting"))
    for peer in _PEERS
)
_BARE_BY_PEERS = tuple(
    Figure(f"ratios.bare_loop_by_{peer}.events_per_cpu_second", f"bare loop / {peer.replace('_', ' ')}", "x")
    for peer in _PEERS
)
_ROAD_PARTS = ("assemble", "curate", "sink", "producer", "kafka", "redis", "registry", "s3")

PLANS: dict[str, Plan] = {
    "assemble": Plan(
        (
            Figure("envelopes_of_20.stage_events_per_second", "assembly of envelopes", "events/s", 30_000),
            Figure("envelopes_of_20.ratio", "assembly of envelopes / bare loop", "x", 0.4),
            Figure("single_events.stage_events_per_second", "assembly of single events", "events/s"),
            Figure("single_events.ratio", "assembly of single events / bare loop", "x", 0.4),
        ),
        ("--traces", "8", "--rounds", "1"),
    ),
    "peers": Plan(
        (
            Figure("engines.ours.events_per_cpu_second", "worker on Kafka, a core", "events/s", 30_000),
            Figure("engines.ours_without_redaction.events_per_cpu_second", "the same, not redacting", "events/s"),
            *_BY_PEERS,
            *_BARE_BY_PEERS,
        ),
        ("--traces", "50", "--rounds", "1", "--engines", "ours"),
    ),
    "road": Plan(
        (
            Figure("full.rules.traces_per_second", "whole road, redaction by rules", "traces/s", 400),
            Figure("full.rules.traces_per_second_if_alone", "the same, were the two cores its own", "traces/s"),
            Figure("floor.traces_per_second_if_alone", "bare loops on the same servers", "traces/s"),
            Figure("floor.road_by_bare", "CPU of a trace, whole road / bare loops", "x"),
            Figure("full.model.traces_per_second", "whole road, redaction with the model", "traces/s"),
            Figure("half_load.rules.latency_seconds.p50", "produced to queryable at half load, p50", "s"),
            Figure("half_load.rules.latency_seconds.p95", "produced to queryable at half load, p95", "s"),
            Figure("half_load.rules.latency_seconds.p99", "produced to queryable at half load, p99", "s"),
            Figure("redis.bytes_per_open_trace", "Redis for an open trace of 20 events", "B"),
            *(Figure(f"full.rules.cpu_share.{part}", f"share of CPU: {part}", "") for part in _ROAD_PARTS),
        ),
        ("--traces", "60", "--without-model", "--seconds", "3"),
    ),
    "emit": Plan(
        (
            Figure("up.message.median", "emit, broker up, median", "us", at_most=50),
            Figure("up.message.p99", "emit, broker up, p99", "us", at_most=50),
            Figure("up.message.p999", "emit, broker up, p99.9", "us"),
            Figure("slow.message.p99", "emit, broker slow, p99", "us"),
            Figure("slow.message.p999", "emit, broker slow, p99.9", "us"),
            Figure("down.message.p99", "emit, broker down, p99", "us"),
            Figure("down.message.p999", "emit, broker down, p99.9", "us"),
            Figure("ratios.up.median", "emit / OpenTelemetry span, median", "x", at_most=1),
            Figure("ratios.up.p99", "emit / OpenTelemetry span, p99", "x", at_most=1),
        ),
        ("--events", "200", "--rounds", "1", "--only-down"),
    ),
    "growth": Plan(
        (
            Figure("open_traces.cost_most_by_fewest", "cost of a trace, most open / fewest open", "x", at_most=1.1),
            Figure("open_traces.redis_bytes_per_trace", "Redis for an open trace of one small event", "B"),
            Figure("open_traces.worker_mib", "worker with the most traces open", "MiB"),
            Figure("tables.commit_last_by_first", "commit to a large table / an empty one", "x", at_most=1.1),
            Figure("tables.replace_last_by_first", "replacing in a large table / an empty one", "x"),
            Figure("tables.count_seconds", "query that counts by verdict, large table", "s"),
            Figure("tables.lookup_seconds", "query for one trace, large table", "s"),
        ),
        ("--open-traces", "200", "400", "--probes", "40", "--rounds", "1", "--rows", "600"),
    ),
    "workers": Plan(
        tuple(
            Figure(f"{count}.{path}", f"{count} worker{'s' if count > 1 else ''}, {said}", unit)
            for count in (1, 2, 4)
            for path, said, unit in (
                ("events_per_second", "by the clock", "events/s"),
                ("events_per_cpu_second", "a core of the workers", "events/s"),
            )
        ),
        ("--traces", "40", "--rounds", "1", "--workers", "1"),
    ),
    "sink": Plan(
        (
            Figure("ratios", "sink / bare pyarrow", "x", 0.7),
            Figure("sink_rows_per_second", "sink", "rows/s"),
        ),
        ("--rows", "40", "--rounds", "1"),
    ),
    "packages": Plan(
        (
            Figure("rows_per_processor_second.build", "package to Parquet, a core", "rows/s", 50_000),
            Figure("processor_ratio.copy", "package / bare pyarrow that copies the table", "x"),
            Figure("processor_ratio.write", "package / bare pyarrow that writes the rows", "x"),
            Figure("formats.jsonl/trl", "package to JSON lines for TRL, a core", "rows/s"),
            Figure("peak_mb.all.bounded", "a build that may hold 128 MB of rows", "MB"),
            Figure("peak_all_by_half", "memory for all the rows / half of them", "x", at_most=1.1),
        ),
        ("--rows", "400"),
    ),
    "near_duplicates": Plan(
        (
            Figure("throughput.docs_per_second_a_core", "near-duplicates, a core", "docs/s", 10_000),
            Figure("throughput.ratio_to_datasketch_in_memory", "near-duplicates / datasketch", "x"),
            Figure("throughput.redis_bytes_a_doc", "near-duplicates in Redis", "B/doc", at_most=800),
            Figure("quality.recall_at_80", "near-duplicates found at .8", "", 0.995),
        ),
        ("--docs", "600", "--pairs", "200"),
    ),
    "redact": Plan(
        (
            *(
                Figure(f"{how}.speed.{name}.mb_per_second", f"redaction {said}, {name}", "MB/s", aim)
                for how, said, aim in (("rules", "by rules", 5), ("with_model", "with the model, cold", 0.1))
                for name in ("tau-bench", "tau2", "mini-swe", "swe-agent", "claude-code")
            ),
            Figure("with_model.speed.tau-bench.rss_mb", "a process that redacts, with the model", "MiB"),
            Figure("with_model.labelled.f2", "F2, labelled sentences", "", 0.8),
            Figure("with_model.unseen.odd.f2", "F2, templates not looked at", "", 0.8),
            Figure("with_model.labelled.person_recall", "persons found in prose", "", 0.94),
            Figure("with_model.recorded.keyed_recall", "keyed personal values gone", "", 0.99),
        ),
        ("--limit", "2", "--traces", "1"),
    ),
    "patterns": Plan(
        (
            Figure("counting", "counting patterns of a trace", "us", at_most=100),
            Figure("ratio", "counting / joining steps", "x"),
        ),
        ("--traces", "40", "--rounds", "1"),
    ),
    "signals": Plan(
        (
            Figure("cost.measure_all_by_read", "measuring a trace / reading it", "x"),
            Figure("cost.measure_all_micros", "measuring a trace", "us"),
        ),
        ("--rounds", "1"),
    ),
}
