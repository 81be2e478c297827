"""Sends what LLM agents do to the Training Data Collector, without ever standing in their way.

with Producer("127.0.0.1:19090", "http://127.0.0.1:19092/apis/ccompat/v7") as producer:
    with producer.trace(scenario="MarketResearch", agent="SystemAgent", consent="granted") as trace:
        with trace.tool("WebFetch", {"url": "https://example.com"}) as call:
            call.result({"status": 200})
        trace.complete("successful")
"""

from training_data_producer._stats import Stats
from training_data_producer.decorators import step, tool
from training_data_producer.moments import Decision, RaisedError
from training_data_producer.producer import Producer
from training_data_producer.trace import Agent, Scope, Step, ToolCall, current_scope, current_trace

__all__ = [
    "Agent",
    "Decision",
    "Producer",
    "RaisedError",
    "Scope",
    "Stats",
    "Step",
    "ToolCall",
    "current_scope",
    "current_trace",
    "step",
    "tool",
]
