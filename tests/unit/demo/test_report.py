"""What the summary says, and when the demo counts as gone wrong."""

import json
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from rich.console import Console

from ops.demo.collect import Collected, choose_rejected, choose_shown, holding_sql, total_redactions
from ops.demo.launch import Assignment, Finished
from ops.demo.planted import PLANTED, spellings
from ops.demo.report import Report, faults_of, tally
from ops.demo.summary import render, shortened
from schemas.settings import Settings, StorageSettings
from sinks import query as reading
from sinks.tables import TABLES

STATUS: dict[str, Any] = {
    "events": {"received": 10, "dead_lettered": 0},
    "traces": {"assembled": 3},
    "examples": {"published": 4, "stored": 4},
    "balanced": True,
    "faults": (),
}
TRACE = {
    "trace_id": "t1", "scenario": "demo-research", "execution_mode": "EXECUTION", "completion_status": "successful",
    "steps": [{
        "step_id": "step_001", "step_name": "Read [bold]sources[/bold]", "agent": "ResearchAgent",
        "reasoning": "because",
        "actions": [
            {"tool": "fetch", "parameters": {"url": "/1"}, "result": {"success": False, "error": "timeout"},
             "claude_code_mapping": {"tool": "WebFetch", "execution_time": "0.2s"}},
            {"tool": "fetch", "parameters": {"url": "/2"}, "result": None, "claude_code_mapping": None},
        ],
        "state_changes": {"progress_percentage": 25, "variables": {"found": 1}},
    }],
}  # fmt: skip


def run_row(trace_id: str, **more: Any) -> dict[str, Any]:
    return {
        "trace_id": trace_id, "scenario": "demo-research", "completion_status": "successful", "close_reason": "ended",
        "error_count": 0, "event_count": 10, "tool_call_count": 2, "tool_error_count": 1, "redaction_counts": "{}",
        **more,
    }  # fmt: skip


def decision_row(trace_id: str, verdict: str, *reasons: str) -> dict[str, Any]:
    signals = json.dumps([{"name": "outcome", "version": 1, "value": 0.0}, {"name": "reward", "version": 1}])
    return {"trace_id": trace_id, "verdict": verdict, "reasons": list(reasons), "quality_score": 0.2,
            "signals": signals}  # fmt: skip


COLLECTED = Collected(
    traces=(run_row("t1"), run_row("t2", close_reason="idle")),
    decisions=(
        decision_row("t1", "accepted"), decision_row("t2", "rejected", "incomplete_execution"),
        decision_row("t3", "rejected", "consent_denied"),
    ),
    examples_by_type={"agent_execution": 3, "conversation": 1},
    redactions={"EMAIL": 7},
    planted_found={"EMAIL": 0, "CARD": 0},
    shown_trace=TRACE,
    accepted={
        "example_id": "e1", "trace_id": "t1", "quality_score": 0.9, "training_weight": 0.9,
        "packages": ["tool_selection"],
        "messages": json.dumps([{"role": "user", "content": f"message {n}"} for n in range(8)]),
        "expected_output": json.dumps({"tool": "fetch", "parameters": {"url": "/2"}, "reasoning": "the first hung"}),
    },
    rejected={**run_row("t2"), **decision_row("t2", "rejected", "incomplete_execution")},
)  # fmt: skip
FINISHED = (
    Finished(Assignment("research", 0, 2), ("t1", "t3"), False, None, 20),
    Finished(Assignment("research", 9, 2, kill_in_run=0), ("t2",), True, None, None),
)


def report(collected: Collected = COLLECTED, faults: tuple[str, ...] = ()) -> Report:
    return Report("abc", {"stack": 1.0, "agents": 2.0}, STATUS, tally(FINISHED, collected), collected,
                  {"tables": "s3://tdc/tables"}, ("tdc status",), faults)  # fmt: skip


def picture(shown: Report) -> str:
    console = Console(width=120, force_terminal=False)
    with console.capture() as captured:
        console.print(render(shown))
    return captured.get()


def test_the_summary_shows_what_was_asked_for() -> None:
    text = picture(report())
    for part in (
        "balanced", "agent_execution", "incomplete_execution", "the run was not seen to its end", "demo-research",
        "Read [bold]sources[/bold]", "because", "failed", "no result", "state 25%", "the first hung",
        "3 earlier messages", "EMAIL", "planted values found in tables: 0",
        "s3://tdc/tables", "tdc status", "The demo went well: 3 runs",
    ):  # fmt: skip
        assert part in text


def test_a_fault_is_shown_and_fails() -> None:
    shown = report(faults=("2 of 3 runs of the research agent have no verdict",))
    assert not shown.ok
    assert "not as it should be: 2 of 3 runs" in picture(shown)


def test_an_empty_demo_can_be_shown() -> None:
    empty = Collected((), (), {}, {}, {}, None, None, None)
    assert "planted values found in tables: 0" in picture(report(empty))


def test_json_has_the_same_content() -> None:
    found = json.loads(json.dumps(report().to_json(), default=str))
    assert found["ok"] is True
    assert found["close_reasons"] == {"ended": 1, "idle": 1}
    assert found["verdicts"] == {"rejected": 2, "accepted": 1}
    assert found["agents"]["research"] == {"kind": "research", "runs": 3, "killed": 1, "arrived": 3}
    assert found["planted_values_found"] == 0


def test_what_makes_a_demo_fail() -> None:
    def faults(status: dict[str, Any] = STATUS, finished: Any = FINISHED, collected: Collected = COLLECTED) -> str:
        return "; ".join(faults_of(status, finished, tally(finished, collected), collected))

    assert faults() == ""
    assert "balance does not hold; 1 is not 2" in faults(
        status={**STATUS, "balanced": False, "faults": ("1 is not 2",)}
    )
    assert "1 of 3 runs of the research agent" in faults(
        collected=replace(COLLECTED, decisions=COLLECTED.decisions[:2])
    )
    assert "2 rows hold a planted value of kind CARD" in faults(collected=replace(COLLECTED, planted_found={"CARD": 2}))
    assert "nothing was redacted" in faults(collected=replace(COLLECTED, redactions={}))
    assert "no run of the research agent" in faults(finished=[replace(FINISHED[0], announced=())])
    assert "it broke" in faults(finished=[replace(FINISHED[0], fault="it broke")])


def test_the_shown_run_made_good_an_error() -> None:
    runs = [run_row("a"), run_row("b", error_count=1, scenario="demo-bugfix"), run_row("c", error_count=2)]
    decided = [decision_row(name, "accepted") for name in "abc"]
    assert choose_shown(runs, decided) == "c"
    assert choose_shown(runs, [decision_row("a", "accepted"), decision_row("c", "rejected", "x")]) == "a"
    only_errors = decision_row("c", "accepted", "error_training_only")
    assert choose_shown(runs, [decision_row("a", "accepted"), only_errors]) == "a"
    assert choose_shown(runs, [decision_row("a", "rejected", "x"), only_errors]) == "c"
    assert choose_shown(runs, []) is None


def test_the_rejected_run_failed_in_its_work() -> None:
    decided = [decision_row("a", "rejected", "consent_denied"), decision_row("b", "rejected", "negative_outcome")]
    chosen = choose_rejected([run_row("b", scenario="demo-bugfix")], decided)
    assert chosen is not None
    assert (chosen["trace_id"], chosen["scenario"]) == ("b", "demo-bugfix")
    assert choose_rejected([], [decision_row("a", "accepted")]) is None


def test_redactions_add_up() -> None:
    rows = [run_row("a", redaction_counts='{"EMAIL": 2}'), run_row("b", redaction_counts='{"EMAIL": 1, "CARD": 5}')]
    assert total_redactions(rows) == {"CARD": 5, "EMAIL": 3}


@pytest.mark.parametrize("table", list(TABLES))
def test_a_planted_value_is_found_in_any_column(table: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look into the tables must see a value wherever it stands: else its 0 would be worth nothing."""
    schema = TABLES[table].schema
    texts = [field.name for field in schema if pa.types.is_string(field.type) and field.name != "trace_id"]
    lists = [field.name for field in schema if pa.types.is_list(field.type)]
    values = {planted.kind: spellings(planted.value) for planted in PLANTED}
    email, card = values["EMAIL"][0], values["CARD"][-1]
    rows: list[dict[str, Any]] = [{"trace_id": "t1", name: f'{{"text": "before {email} after"}}'} for name in texts]
    rows += [{"trace_id": "t1", name: ["x", card]} for name in lists]
    rows += [{"trace_id": "other", texts[0]: email}, {"trace_id": "t1"}]
    content = pa.Table.from_pylist([{field.name: row.get(field.name) for field in schema} for row in rows], schema)
    monkeypatch.setattr(reading, "_dataset", lambda settings, name: content)
    settings = Settings(storage=StorageSettings(root="unused"))
    found = reading.query(settings, holding_sql(table, values, ["t1"])).to_pylist()[0]
    assert found["EMAIL"] == len(texts) + (0 if "trace_id" in schema.names else 1)
    assert found["CARD"] == len(lists)
    assert found["PHONE"] == 0


def test_texts_are_shortened_to_one_line() -> None:
    assert shortened("a\n b" + "c" * 200, 10) == "a bcccccc…"
    assert shortened("short") == "short"
