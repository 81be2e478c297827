"""A span of the OpenTelemetry SDK with a batch processor and the OTLP exporter over HTTP, under their defaults.

One span an event, with what an event of ours carries as attributes. Prints JSON: percentiles in microseconds.
"""

import argparse
import json
import logging

from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # type: ignore[import-not-found]
    OTLPSpanExporter,
)
from opentelemetry.sdk.trace import TracerProvider  # type: ignore[import-not-found]
from opentelemetry.sdk.trace.export import BatchSpanProcessor  # type: ignore[import-not-found]
from paced import micros, percentiles  # type: ignore[import-not-found]

parser = argparse.ArgumentParser()
parser.add_argument("--endpoint", required=True)
parser.add_argument("--events", type=int, required=True)
parser.add_argument("--per-second", type=float, required=True)
options = parser.parse_args()
logging.disable()  # an endpoint that is away is reported in every batch
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=options.endpoint, timeout=5)))
tracer = provider.get_tracer("bench")
attributes = {
    "gen_ai.agent.name": "bench",
    "gen_ai.conversation.id": "0" * 32,
    "execution_mode": "EXECUTION",
    "gen_ai.input.messages": "y" * 200,
}


def span() -> None:
    """One span."""
    tracer.start_span("user_message", attributes=attributes).end()


print(json.dumps(percentiles(micros(span, options.events, options.per_second))), flush=True)
provider.shutdown()
