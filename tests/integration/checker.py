"""Holds what the pipeline made against the ledger: everything in exactly one place, with exactly the right content."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from ops.letters import read_letters
from ops.status import Status, gather_status
from schemas.records import OffsetRange, Trace
from schemas.settings import Settings
from sinks.query import query
from sinks.rows import decision_row, example_row, trace_row
from sinks.tables import TABLES
from streams.app import DEFAULT_POLICY, pseudonym_key
from streams.core.assemble import Closing, build_trace, unique_in_order, withheld_trace
from streams.core.curate import Curated, curate
from streams.core.policy import Policy, load_policy
from streams.core.redact.events import redact_events
from streams.core.redact.pseudonyms import Pseudonyms
from streams.core.redact.redactor import Redactor
from streams.redaction import redactor_of
from tests.integration.world import CANARY, Ledger


def check(settings: Settings, ledger: Ledger) -> Status:
    """Assert the balance and the content of all tables and letters. The pipeline must be idle."""
    status = gather_status(settings)
    assert status.balanced, status.faults
    assert not any(status.lag.values()), status.lag
    _check_events(status, ledger)
    tables = {
        name: query(settings, f"SELECT * FROM {name}").to_pylist() for name in ("traces", "decisions", "examples")
    }
    assert not any(CANARY in str(row) for rows in tables.values() for row in rows), "content that was to be redacted"
    _check_tables(
        tables, ledger, pseudonym_key(settings), load_policy(settings.policy or DEFAULT_POLICY), redactor_of(settings)
    )
    _check_letters(settings, ledger)
    return status


def _check_events(status: Status, ledger: Ledger) -> None:
    events = status.events
    dead = sum(ledger.dead.values())
    found = (events.received, events.dead_lettered, events.late, events.pending)
    assert found == (ledger.received, dead, ledger.late, 0), (events, ledger.received, dead, ledger.late)
    duplicates = ledger.received - dead - ledger.unique - ledger.late
    assert (events.assembled, events.duplicate) == (ledger.unique, duplicates), (events, ledger.unique)
    assert status.traces.assembled == len(ledger.events)


def _check_tables(
    tables: dict[str, list[dict[str, Any]]], ledger: Ledger, key: bytes, policy: Policy, redactor: Redactor
) -> None:
    decisions = {held["trace_id"]: held for held in tables["decisions"]}
    assert len(decisions) == len(tables["decisions"]), "a trace has more than one decision"
    assert set(decisions) == set(ledger.events)
    rows = {held["trace_id"]: held for held in tables["traces"]}
    assert len(rows) == len(tables["traces"]), "a trace has more than one row"
    ids = Counter(held["example_id"] for held in tables["examples"])
    assert not [name for name, count in ids.items() if count > 1], "examples are there twice"
    examples: dict[str, list[dict[str, Any]]] = {}
    for held in tables["examples"]:
        examples.setdefault(held["trace_id"], []).append(held)
    for trace_id, by_id in ledger.events.items():
        row: dict[str, Any] | None = rows.pop(trace_id) if trace_id in rows else None
        decision = decisions[trace_id]
        expected = _assembled(list(by_id.values()), row, decision, key, redactor)
        if expected.withheld:
            assert row is None, f"{trace_id}: withheld, but stored"
        else:
            assert row is not None, f"{trace_id} has no row"
            _same("traces", row, trace_row(expected), trace_id)
        if policy.near_duplicates.enabled:
            _check_compared(decision, decisions, examples.pop(trace_id, []), curate(expected, policy), policy)
            continue
        curated = curate(expected, policy)
        _same("decisions", decision, decision_row(curated.decision), trace_id)
        found = sorted(examples.pop(trace_id, []), key=lambda example: str(example["example_id"]))
        wanted = sorted(curated.examples, key=lambda example: example.example_id)
        assert len(found) == len(wanted) == decision["example_count"], (trace_id, len(found), len(wanted))
        for stored, example in zip(found, wanted, strict=True):
            _same("examples", stored, example_row(example), trace_id)
    assert not rows, f"rows of unknown traces: {sorted(rows)[:3]}"
    assert not examples, f"examples of unknown traces: {sorted(examples)[:3]}"


def _check_compared(
    decision: dict[str, Any],
    decisions: dict[str, dict[str, Any]],
    examples: list[dict[str, Any]],
    alone: Curated,
    policy: Policy,
) -> None:
    """A decision that depends on other traces too: what holds whatever they are."""
    trace_id = decision["trace_id"]
    assert len(examples) == decision["example_count"], (trace_id, len(examples), decision["example_count"])
    if decision["verdict"] == "duplicate":
        assert alone.decision.verdict == "accepted"
        assert decision["duplicate_of"] not in (None, trace_id)
        # Nothing is lost to a duplicate of what nobody kept.
        repeated = decisions.get(decision["duplicate_of"], {})
        assert repeated.get("verdict") == "accepted", (trace_id, decision["duplicate_of"], repeated.get("verdict"))
        assert not examples
        return
    score = alone.decision.quality_score
    if score is not None and abs(score - policy.gates.min_quality_score) < 0.03:
        return  # its scenario's window may tip the scales
    assert decision["verdict"] == alone.decision.verdict, trace_id
    ids = {example.example_id for example in alone.examples}
    more = [example["type"] for example in examples if example["example_id"] not in ids]
    assert set(more) <= {"workflow_optimization"}, (trace_id, more)
    assert len(examples) - len(more) == len(ids), trace_id


def _assembled(
    events: list[Any], row: dict[str, Any] | None, decision: dict[str, Any], key: bytes, redactor: Redactor
) -> Trace:
    """The trace that these events make, closed when and as the stored one was."""
    trace_id = events[0].trace_id
    redacted = redact_events(unique_in_order(events), Pseudonyms(key, trace_id), redactor)
    offsets: tuple[OffsetRange, ...] = ()
    if row is not None:
        offsets = msgspec.json.decode(row["offsets"], type=tuple[OffsetRange, ...])
    closing = Closing(
        trace_id=trace_id,
        revision=decision["revision"],
        reason=row["close_reason"] if row else "ended",
        closed_ms=_micros(decision["decided_at"]) // 1000,
        offsets=offsets,
        redelivered=False,
    )
    trace = build_trace(redacted.events, closing, redacted.report)
    return withheld_trace(trace, "consent_denied") if trace.consent.status == "denied" else trace


def _micros(moment: Any) -> int:
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))


def _same(table: str, row: dict[str, Any], expected: tuple[object, ...], trace_id: str) -> None:
    for field, value in zip(TABLES[table].schema, expected, strict=True):
        found = row[field.name]
        if hasattr(found, "tzinfo"):
            found = _micros(found)
        assert found == value, f"{table}.{field.name} of {trace_id}: {found!r} is not {value!r}"


def _check_letters(settings: Settings, ledger: Ledger) -> None:
    found: Counter[tuple[bytes | None, bytes | None]] = Counter()
    for letter in read_letters(settings):
        record = letter.record
        assert record.topic == "agent-events"
        assert CANARY not in record.error_message
        found[record.key, record.value] += 1
    assert found == ledger.dead, f"{sum(found.values())} letters instead of {sum(ledger.dead.values())}"
