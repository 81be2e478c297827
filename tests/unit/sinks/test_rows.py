"""Records to rows and Arrow."""

import json

import pyarrow as pa
import pytest

from sinks.rows import (
    Row,
    arrow_table,
    decision_row,
    events_from_text,
    example_row,
    pattern_row,
    row_bytes,
    trace_row,
)
from sinks.tables import TABLES
from tests.unit.sinks.samples import decision, example, pattern, trace

DESIGNED = {
    "traces": "trace_id revision scenario execution_mode completion_status close_reason started_at ended_at "
    "duration_seconds event_count step_count tool_call_count tool_error_count decision_count error_count "
    "user_message_count model cost_usd execution_trace",
    "examples": "example_id trace_id revision type packages scenario quality_score human_validated "
    "execution_successful training_weight messages tools context expected_output policy_hash source_offsets",
    "decisions": "trace_id revision verdict reasons quality_score signals policy_hash decided_at duplicate_of",
    "patterns": "pattern_id pattern_type scenario execution_mode frequency occurrence_count success_rate sequence "
    "trace_ids created_at revision active trend tools trace_count support avg_latency_seconds window_start window_end "
    "scenario_success_rate tool_execution_pattern",
}


@pytest.mark.parametrize("name", DESIGNED)
def test_the_columns_that_readers_rely_on_exist(name: str) -> None:
    assert set(DESIGNED[name].split()) <= set(TABLES[name].schema.names)


@pytest.mark.parametrize("spec", TABLES.values(), ids=lambda spec: spec.name)
def test_columns_are_documented_and_named_columns_exist(spec: object) -> None:
    table = TABLES[spec.name]  # type: ignore[attr-defined]
    assert all((field.metadata or {}).get(b"comment") for field in table.schema)
    columns = set(table.schema.names)
    assert {table.key, *table.stats} <= columns
    assert {name.split(".")[0] for name in table.repeated} <= columns


@pytest.mark.parametrize(
    ("name", "row"),
    [("traces", trace_row(trace())), ("examples", example_row(example())), ("decisions", decision_row(decision()))],
)
def test_rows_fit_their_table(name: str, row: Row) -> None:
    table = arrow_table(name, [row, row])
    assert table.schema.equals(TABLES[name].schema, check_metadata=True)
    assert table.num_rows == 2
    found = table.to_pylist()[0]
    assert found["trace_id"] == "t1"
    assert found["revision"] == 1
    for column in ("closed_at", "decided_at", "created_at"):
        if column in found:
            assert found[column].isoformat() == "2023-11-14T22:13:20.123456+00:00"


def test_a_pattern_is_told_in_the_exchange_format_and_with_exact_numbers() -> None:
    table = arrow_table("patterns", [pattern_row(pattern())])
    assert table.schema.equals(TABLES["patterns"].schema, check_metadata=True)
    (row,) = table.to_pylist()
    assert (row["tools"], row["trace_ids"], row["revision"]) == (["search", "read"], ["t1"], 1_700_000_000)
    assert row["window_end"].isoformat() == "2023-11-15T22:13:20+00:00"
    assert json.loads(row["sequence"])[1]["success_rate"] == 0.888888
    told = json.loads(row["tool_execution_pattern"])["tool_execution_pattern"]
    assert told["sequence"][0]["performance"]["avg_latency"] == "8.5s"
    assert told["sequence"][1]["performance"]["success_rate"] == 0.89


def test_no_rows_make_an_empty_table() -> None:
    assert arrow_table("traces", []).schema == TABLES["traces"].schema


def test_events_come_back_as_they_were() -> None:
    record = trace(text='quotes " and\nlines \u2028 é')
    row = dict(zip(TABLES["traces"].schema.names, trace_row(record), strict=True))
    assert events_from_text(str(row["events"])) == record.events
    assert json.loads(str(row["execution_trace"]))["execution_trace"]["trace_id"] == "t1"
    assert json.loads(str(row["redaction_counts"])) == {"EMAIL": 2}
    assert json.loads(str(row["offsets"]))[0]["topic"] == "agent-events"


def test_the_size_of_a_row_grows_with_its_texts() -> None:
    small, large = row_bytes(trace_row(trace())), row_bytes(trace_row(trace(text="x" * 100_000)))
    assert large - small > 190_000
    assert pa.types.is_timestamp(TABLES["traces"].schema.field("closed_at").type)
