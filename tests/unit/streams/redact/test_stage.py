"""Redaction inside the assemble stage: canaries in every field of every kind of event, and a policy that rejects."""

import asyncio
import json
import logging
from typing import Any

import msgspec
import pytest

from schemas.errors import UsageError
from schemas.records import BODY_TYPES, Body, Event, QuarantinedTrace, Trace
from schemas.settings import Settings
from streams.app import pseudonym_key
from streams.core.redact.kinds import Modes
from streams.core.redact.policy import RedactionPolicy
from streams.core.redact.redactor import RULES_ALONE, Redactor
from streams.stages.assemble import AssembleStage
from tests.simulation.world import LOOKUP, TroubledState
from tests.unit.core.build import Run
from tests.unit.streams.redact.samples import GITHUB
from tests.unit.streams.test_assemble_stage import WINDOWS, Bench

CANARIES = ("Zebulon Quartermain", "zq.canary@example.org", GITHUB, "4111 1111 1111 1111", "+49 30 5550 1234")
PLACES = (
    "Traceback: no user {} in table",
    "/srv/data/{}/out.txt",
    "https://host.example/find?q={}",
    "my name is Zebulon Quartermain, write to {} .",
)
FREE = " ; ".join(place.format(canary) for place in PLACES for canary in CANARIES)
IN_JSON = json.dumps({"note": FREE, "inner": json.dumps({"deep": [FREE]}), FREE: 1})
KEPT = frozenset({"kind", "role", "requested_by", "completion_status", "target_span_id"})


def filled(record_type: type[msgspec.Struct]) -> Any:
    """A record with canaries in each field of text, however deep."""
    values: dict[str, Any] = {}
    for field in msgspec.inspect.type_info(record_type).fields:  # type: ignore[attr-defined]
        value = _value(field.type, field.name)
        if value is not None and field.name not in KEPT:
            values[field.name] = value
        elif field.required:
            values[field.name] = _required(field.type)
    return record_type(**values)


def _value(kind: Any, name: str) -> Any:
    if isinstance(kind, msgspec.inspect.UnionType):
        return next((found for one in kind.types if (found := _value(one, name)) is not None), None)
    if isinstance(kind, msgspec.inspect.StrType):
        return IN_JSON if name.endswith("_json") else FREE
    if isinstance(kind, msgspec.inspect.VarTupleType):
        inner = _value(kind.item_type, name)
        return None if inner is None else (inner,)
    return filled(kind.cls) if isinstance(kind, msgspec.inspect.StructType) else None


def _required(kind: Any) -> Any:
    if isinstance(kind, msgspec.inspect.LiteralType):
        return kind.values[0]
    if isinstance(kind, msgspec.inspect.StrType):
        return "user"
    return False if isinstance(kind, msgspec.inspect.BoolType) else 0


def everywhere() -> list[Event]:
    run = Run("t").starts(goal=FREE)
    for body_type in BODY_TYPES.values():
        body: Body = filled(body_type)
        if not getattr(body, "root", False):
            run.add(body)
    return run.ends().events


def bench_with(redactor: Redactor) -> Bench:
    bench = Bench()
    bench.stage = AssembleStage(
        owner="w", state_of=lambda _: TroubledState(bench.world), publisher=bench.world, log=bench.world,
        lookup=LOOKUP, windows=WINDOWS,
        pseudonym_key=b"k" * 32, redactor=redactor,
    )  # fmt: skip
    asyncio.run(bench.stage.acquire(0))
    return bench


def forms(canary: str) -> set[str]:
    return {canary, canary.lower(), canary.replace(" ", "%20"), canary.replace(" ", "+")}


def test_no_canary_in_any_field_of_any_event_gets_past_the_stage(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bench = bench_with(RULES_ALONE)
    events = everywhere()
    assert {event.kind for event in events} == set(BODY_TYPES)
    for event in events:
        bench.send([event])
    bench.world.append("agent-events", b"t", b"\x00" + FREE.encode())
    bench.send([events[0]])
    bench.wait(5_000)
    traces = bench.world.records("traces", Trace)
    assert traces
    assert [trace.withheld for trace in traces] == [None] * len(traces)
    assert sum(traces[0].redaction.counts.values()) > 100
    assert "dead-letters" in bench.world.topics
    written = caplog.text + str(traces)
    for topic, messages in bench.world.topics.items():
        if topic != "agent-events":
            assert topic in ("traces", "dead-letters", "late-events")
            if topic == "traces":
                written += "".join((message.value or b"").decode("latin-1") for message in messages)
    for letter in bench.world.topics["dead-letters"]:
        written += str(getattr(letter, "headers", ""))
    for canary in CANARIES:
        for form in forms(canary):
            assert form not in written, canary


def test_a_kind_that_the_policy_rejects_sends_the_trace_to_quarantine_with_the_reason() -> None:
    bench = bench_with(Redactor(RedactionPolicy(modes=Modes(card="reject"))))
    bench.send(Run("t").starts(goal="pay").hears("card 4111 1111 1111 1111").ends().events)
    bench.send(Run("u").starts(goal="pay").hears("to a@b.example").ends().events)
    bench.wait(5_000)
    assert [trace.withheld for trace in bench.world.records("traces", Trace)] == ["redaction_rejected", None]
    assert [one.reason for one in bench.world.records("quarantine", QuarantinedTrace)] == ["redaction_rejects_CARD"]
    assert not any(b"4111" in (message.value or b"") for message in bench.world.topics["traces"])


def test_a_key_file_that_is_missing_open_to_others_or_short_is_refused(tmp_path: Any) -> None:
    path = tmp_path / "pseudonym.key"
    settings = Settings(pseudonym_key_file=path)
    with pytest.raises(UsageError, match="is missing"):
        pseudonym_key(settings)
    path.write_text("x" * 40)
    path.chmod(0o644)
    with pytest.raises(UsageError, match="readable by others"):
        pseudonym_key(settings)
    path.chmod(0o600)
    assert pseudonym_key(settings) == b"x" * 40
    path.write_text("short")
    with pytest.raises(UsageError, match="shorter") as error:
        pseudonym_key(settings)
    assert "short" not in str(error.value).replace("shorter", "")
