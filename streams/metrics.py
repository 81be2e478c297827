"""Every metric of the workers, in one place: name, unit, labels, meaning."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()


def _counter(name: str, doc: str, *labels: str) -> Counter:
    return Counter(name, doc, labels, registry=REGISTRY)


def _gauge(name: str, doc: str, *labels: str) -> Gauge:
    return Gauge(name, doc, labels, registry=REGISTRY)


class Metrics:
    """The catalogue. No label ever holds an id or content."""

    messages = _counter("tdc_messages_total", "Messages applied, by stage", "stage")
    events = _counter("tdc_events_total", "Events, by fate at intake", "fate")
    traces = _counter("tdc_traces_total", "Traces, by fate", "fate")
    examples = _counter("tdc_examples_total", "Examples published")
    dead_letters = _counter("tdc_dead_letters_total", "Records that could not be processed, by stage", "stage")
    redaction_failures = _counter("tdc_redaction_failures_total", "Traces withheld: redaction failed")
    retries = _counter("tdc_retries_total", "Effects tried again, by stage and error class", "stage", "error")
    lag = _gauge("tdc_lag_messages", "Messages not applied yet, by stage and partition", "stage", "partition")
    open_traces = _gauge("tdc_open_traces", "Open traces, by partition", "partition")
    batch_seconds = Histogram("tdc_batch_seconds", "Seconds to apply one batch, by stage", ["stage"], registry=REGISTRY)


METRICS = Metrics()
