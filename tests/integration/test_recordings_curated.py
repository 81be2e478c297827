"""A seeded slice of all recordings through one line under the default policies (near-duplicates, windows, patterns and
the model of names on), and what `tdc explain` says of one run of each verdict. The whole: `tdc bench recordings`.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from sinks.query import query
from streams.app import DEFAULT_POLICY
from streams.core.policy import load_policy
from streams.core.reasons import REASONS
from streams.redaction import DEFAULT_REDACTION
from tests.integration.line import Line
from tests.integration.recorded import DATA, RECORDINGS, import_all, verdicts

SEED = 25
SHARES: Mapping[str, float] = {
    "tau-bench": 0.06, "tau2": 0.01, "mini-swe": 0.0, "swe-agent": 0.01, "claude-code": 0.1, "toolbench": 0.05,
    "who-and-when": 0.01, "reflexion": 0.03,
}  # fmt: skip
UNDECIDED = ("atif", "otlp")
NOTES = {code for code, reason in REASONS.items() if reason.verdict == "accepted"}


@pytest.mark.integration
@pytest.mark.recordings
@pytest.mark.timeout(600)
def test_verdicts_on_recordings_under_the_default_policy_are_explained(line: Line) -> None:
    if not DATA.is_dir():
        pytest.skip("the recorded runs are not here (../shared/data)")
    line.settings = line.settings.model_copy(update={"policy": DEFAULT_POLICY, "redaction": DEFAULT_REDACTION})
    pipeline = line.start()
    slice_ = {"shares": SHARES, "seed": SEED, "undecided": UNDECIDED}
    import_all(line.settings, **slice_)  # type: ignore[arg-type]
    status = pipeline.wait_until_idle(timeout_seconds=400)
    assert status.balanced, status.faults
    found = verdicts(line.settings)
    assert set(found) == {name for name, _ in RECORDINGS} - {"mini-swe"}, "its runs are the longest by far"
    rows = query(line.settings, "SELECT * FROM decisions ORDER BY trace_id").to_pylist()
    for row in rows:
        assert (row["verdict"] == "accepted") == (set(row["reasons"]) <= NOTES), row["trace_id"]
        assert set(row["reasons"]) <= set(REASONS)
        assert (row["verdict"] == "duplicate") == (row["reasons"] == ["near_duplicate"])
        assert row["verdict"] != "duplicate" or row["duplicate_of"] is not None
    by_verdict = {row["verdict"]: row for row in rows}
    assert set(by_verdict) == {"accepted", "rejected", "duplicate", "quarantined"}, {
        name: one.verdicts for name, one in found.items()
    }

    import_all(line.settings, **slice_)  # type: ignore[arg-type]
    again = pipeline.wait_until_idle(timeout_seconds=120)
    assert again.balanced, again.faults
    assert (again.traces, again.examples, again.rejections) == (status.traces, status.examples, status.rejections)
    assert again.events.assembled == status.events.assembled
    assert verdicts(line.settings) == found

    for row in by_verdict.values():
        _check_explained(line, row)


def _check_explained(line: Line, row: dict[str, Any]) -> None:
    """What is told of a run is what the tables hold of it."""
    trace_id, verdict = row["trace_id"], row["verdict"]
    (trace,) = query(line.settings, f"SELECT * FROM traces WHERE trace_id = '{trace_id}'").to_pylist()
    answer = line.tdc("explain", trace_id, "--json")
    assert answer.returncode == 0, answer.stderr
    told = json.loads(answer.stdout)
    sections = {one["title"]: {line["label"]: line for line in one["lines"]} for one in told["sections"]}
    assert told["headline"].startswith(f"{trace_id} revision {row['revision']}: {verdict}")

    said = sections["Verdict"]
    assert said["policy"]["value"] == row["policy_hash"] == load_policy(DEFAULT_POLICY).hash
    assert {code: said[code]["value"] for code in row["reasons"]} == {c: REASONS[c].words for c in row["reasons"]}

    signals = {one["name"]: one["value"] for one in json.loads(row["signals"])}
    gates = sections["Gates"]
    assert float(gates["quality_score"]["value"]) == pytest.approx(row["quality_score"], abs=1e-5)
    assert gates["quality_score"]["asked"].startswith("at least 0.8; ")
    assert gates["quality_score"]["ok"] == (row["quality_score"] >= 0.8)
    assert gates["consent"]["value"] == trace["consent_status"]
    assert gates["consent"]["ok"] == ("consent_unknown" not in row["reasons"])
    assert gates["execution mode"]["value"] == trace["execution_mode"]
    assert (gates["outcome"]["ok"] is False) == bool(
        {"negative_outcome", "outcome_unknown", "error_training_only"} & set(row["reasons"])
    )
    shown = {**sections["Signals"], **sections["Quality metrics"]}
    for name, value in signals.items():
        if value is not None:
            assert float(shown[name]["value"]) == pytest.approx(value, abs=1e-5), name

    assert sections["Run"]["tool calls"]["value"].startswith(f"{trace['tool_call_count']}, ")
    counts = json.loads(trace["redaction_counts"])
    replaced = {kind.removeprefix("replaced "): line["value"] for kind, line in sections["Privacy"].items()}
    assert {kind: replaced.get(kind) for kind in counts} == {kind: str(count) for kind, count in counts.items()}
    assert "ner=rampart" in replaced["redaction rules"]

    if verdict == "duplicate":
        near = sections["Near-duplicates"]
        assert near["repeats"]["value"] == row["duplicate_of"]
        assert float(near["likeness"]["value"]) >= 0.8
        (first,) = query(
            line.settings, f"SELECT verdict FROM decisions WHERE trace_id = '{row['duplicate_of']}'"
        ).to_pylist()
        assert first == {"verdict": "accepted"}
    made = {"made": row["example_count"]} if verdict == "accepted" else {}
    assert {name: int(line["value"]) for name, line in sections.get("Examples", {}).items() if name == "made"} == made

    people = line.tdc("explain", trace_id)
    assert people.returncode == 0, people.stderr
    for title in sections:
        assert title in people.stdout
    for code in row["reasons"]:
        assert REASONS[code].words in people.stdout
