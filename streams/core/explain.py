"""Why a trace got its verdict, as sections of plain text that a command line prints. No personal data: kinds, counts,
codes and numbers only.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from schemas.records import Decision, Signal, Trace
from schemas.seed_text import clock_duration, iso_time, json_object
from streams.core.reasons import REASONS
from streams.core.score import (
    CONTRADICTED_CAP,
    OUTCOME_WEIGHT,
    PROCESS_WEIGHTS,
    THRIFT_TIE_BREAK,
    THRIFT_TRIAGE,
    THRIFT_WEIGHTS,
    UNKNOWN_OUTCOME_POINTS,
    contradicted,
    judged_outcome,
    values_of,
)
from streams.core.signals import DOCS
from streams.core.signals.metrics import METRICS, weighted

_METRICS = frozenset(metric.name for metric in METRICS)
_CLOSE_WORDS = {
    "ended": "its end was seen, and nothing more came",
    "idle": "no end was seen, and nothing came for the idle time",
    "max_age": "it was open for as long as a trace may be",
    "max_size": "it was as large as a trace may be",
    "evicted": "too many traces were open",
}


@dataclass(frozen=True)
class Line:
    """One row of a section: what, its value, and what was asked of it."""

    label: str
    value: str
    asked: str = ""
    ok: bool | None = None
    """Whether it is as asked; None where nothing is asked."""


@dataclass(frozen=True)
class Section:
    """A titled group of lines."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Explanation:
    """All sections, and a headline."""

    trace_id: str
    headline: str
    sections: tuple[Section, ...]


class RunFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What an explanation says of the run itself; fields are named like the columns of the table `traces`."""

    scenario: str
    execution_mode: str
    close_reason: str
    completion_status: str
    duration_seconds: float
    event_count: int
    step_count: int
    tool_call_count: int
    tool_error_count: int
    provider: str | None = None
    consent_status: str
    consent_basis: str | None = None
    redaction_rules: str
    redaction_counts: str
    """`{kind: count}`, JSON text."""


def facts_of_row(row: Mapping[str, object]) -> RunFacts:
    """Facts of a row of the table `traces`; further columns do not matter."""
    return msgspec.convert({key: row[key] for key in RunFacts.__struct_fields__ if key in row}, RunFacts)


def facts_of(trace: Trace) -> RunFacts:
    """Facts of a trace."""
    return RunFacts(
        scenario=trace.scenario,
        execution_mode=trace.execution_mode,
        close_reason=trace.close_reason,
        completion_status=trace.completion_status,
        duration_seconds=trace.duration_seconds,
        event_count=trace.event_count,
        step_count=trace.step_count,
        tool_call_count=trace.tool_call_count,
        tool_error_count=trace.tool_error_count,
        provider=trace.provider,
        consent_status=trace.consent.status,
        consent_basis=trace.consent.basis,
        redaction_rules=trace.redaction.rules_version,
        redaction_counts=msgspec.json.encode(trace.redaction.counts, order="deterministic").decode(),
    )


def decision_of_row(row: Mapping[str, object]) -> Decision:
    """The decision in a row of the table `decisions`; its time may be a datetime or microseconds since 1970 UTC."""
    decided_at = row["decided_at"]
    if isinstance(decided_at, datetime):
        decided_at = (decided_at - datetime(1970, 1, 1, tzinfo=decided_at.tzinfo or UTC)) // timedelta(microseconds=1)
    signals = msgspec.json.decode(str(row["signals"]), type=tuple[Signal, ...])
    given = {key: row[key] for key in Decision.__struct_fields__ if key in row}
    given |= {"decided_at": decided_at, "signals": signals, "thresholds_json": row["thresholds"]}
    return msgspec.convert(given, Decision)


def explain(decision: Decision, facts: RunFacts | None, examples: Mapping[str, int]) -> Explanation:
    """Explain a decision. `facts` is None where only the decision was kept (consent denied); `examples` is the number
    of stored examples by type.
    """
    score = "" if decision.quality_score is None else f", quality score {_number(decision.quality_score)}"
    headline = f"{decision.trace_id} revision {decision.revision}: {decision.verdict}{score}"
    sections = [
        _verdict(decision),
        _near_duplicates(decision),
        _gates(decision, facts),
        _signals(decision),
        _metrics(decision),
    ]
    if facts:
        sections += [_run(facts), _privacy(facts)]
    else:
        sections.append(_withheld(decision))
    if decision.example_count or examples:
        sections.append(_examples(decision, examples))
    return Explanation(decision.trace_id, headline, tuple(section for section in sections if section.lines))


def _verdict(decision: Decision) -> Section:
    lines = [Line("verdict", decision.verdict)]
    for code in decision.reasons:
        reason = REASONS.get(code)
        lines.append(Line(code, reason.words if reason else "a reason of another version"))
    lines += [Line("policy", decision.policy_hash), Line("decided at", iso_time(decision.decided_at))]
    return Section("Verdict", tuple(lines))


def _near_duplicates(decision: Decision) -> Section:
    rules = _part(json_object(decision.thresholds_json), "near_duplicates")
    novelty = next((s.value for s in decision.signals if s.name == "novelty"), None)
    lines: list[Line] = []
    if decision.duplicate_of:
        label = "repeats, and is better than" if "better_twin" in decision.reasons else "repeats"
        lines.append(Line(label, decision.duplicate_of, f"tdc explain {decision.duplicate_of}"))
    if novelty is not None:
        lines.append(Line("likeness", _number(1 - novelty), "to the nearest accepted run, estimated from signatures"))
    if lines and rules:
        minimum, keep = rules.get("min_similarity"), rules.get("keep")
        lines.append(Line("rule", f"from {minimum}", f"of what was asked, done, found and said; keeps the {keep} one"))
    return Section("Near-duplicates", tuple(lines))


_MINIMA = {
    "reasoning_share": "min_reasoning_share",
    "reasoning_clarity": "min_reasoning_clarity",
    "novelty": "min_novelty",
}
"""Signal to the gate that holds its minimum; 0 switches it off."""


def _gates(decision: Decision, facts: RunFacts | None) -> Section:
    """What the policy asks of every run, one line for each gate that it switches on."""
    if decision.quality_score is None:
        return Section("Gates", ())
    rules = json_object(decision.thresholds_json)
    gates = _part(rules, "gates")
    values = values_of(decision.signals)
    lines = [_held("quality_score", decision.quality_score, gates.get("min_quality_score"), _score_words(decision))]
    outcome = judged_outcome(decision.signals)
    if outcome is None:
        rule = gates.get("unknown_outcome")
        lines.append(Line("outcome", "not known", f"a run of unknown outcome: {rule}", rule == "accept"))
    elif gates.get("positive_outcome"):
        words = "what people said of the run, else " if outcome != values.get("outcome") else ""
        lines.append(_held("outcome", outcome, gates.get("min_outcome"), words + DOCS["outcome"]))
        if contradicted(decision.signals):
            lines.append(Line("tool results", "all are errors", "some success, where the run claims success", False))
    if values.get("human_validated") is not None:
        vouched = values["human_validated"] == 1
        lines.append(Line("human_validated", "yes" if vouched else "no", "not rejected by a person", vouched))
    if gates.get("complete_execution"):
        lines.append(_held("complete", values.get("complete"), 1, DOCS["complete"]))
    for name, key in _MINIMA.items():
        if gates.get(key):
            lines.append(_held(name, values.get(name), gates[key], DOCS.get(name, "")))
    if facts is not None:
        lines += _allowed(facts, gates, rules)
    if "error_training_only" in decision.reasons:
        minimum = _part(rules, "exceptions").get("min_recovery_credit")
        words = "a failed run that made so many of its errors good gives error_handling examples"
        lines.append(_held("recovery_credit", values.get("recovery_credit"), minimum, words))
    return Section("Gates", tuple(lines))


def _allowed(facts: RunFacts, gates: Mapping[str, object], rules: Mapping[str, object]) -> list[Line]:
    """Gates that ask for no number."""
    unknown = _part(rules, "consent").get("unknown")
    granted = facts.consent_status == "granted" or (facts.consent_status == "unknown" and unknown == "accept")
    lines = [Line("consent", facts.consent_status, f"granted; a run of unknown consent: {unknown}", granted)]
    modes, excluded = gates.get("execution_modes"), _part(rules, "providers").get("excluded")
    if isinstance(modes, list):
        asked = "one of " + ", ".join(map(str, modes))
        lines.append(Line("execution mode", facts.execution_mode, asked, facts.execution_mode in modes))
    if isinstance(excluded, list) and excluded:
        names = ", ".join(map(str, excluded))
        taken = facts.provider is None or facts.provider.casefold() not in {str(name).casefold() for name in excluded}
        lines.append(Line("provider", facts.provider or "not known", f"none of {names}", taken))
    return lines


def _score_words(decision: Decision) -> str:
    """How the score came about, with the numbers in it."""
    values = values_of(decision.signals)
    process, thrift = weighted(values, PROCESS_WEIGHTS), weighted(values, THRIFT_WEIGHTS)
    outcome = judged_outcome(decision.signals)
    share = f"{1 - OUTCOME_WEIGHT:g}"
    made_of = f"{share} process {_short(process)}" if process is not None else f"{share} for a process without flaw"
    if outcome is not None:
        words = f"{OUTCOME_WEIGHT:g} outcome {_short(outcome)} + {made_of}"
        words += "" if thrift is None else f" - {THRIFT_TIE_BREAK:g} (1 - thrift {_short(thrift)})"
    else:
        words = f"an estimate for triage, the outcome is not known: {UNKNOWN_OUTCOME_POINTS:g} + {made_of}"
        words += "" if thrift is None else f" + {THRIFT_TRIAGE:g} (thrift {_short(thrift)} - 0.5)"
        if values.get("judge_opinion") is not None:
            words += " + the judge's opinion"
    if contradicted(decision.signals):
        words += f"; at most {CONTRADICTED_CAP:g} where results deny the claim"
    return words


def _withheld(decision: Decision) -> Section:
    """Where the content of a run is that was not passed on."""
    kept = {"redaction_failed", "redaction_rejected"} & set(decision.reasons)
    if not kept and "consent_denied" not in decision.reasons:
        return Section("Content", ())
    where = "kept in the topic quarantine alone, raw, until its retention ends" if kept else "kept nowhere"
    return Section("Content", (Line("content", where, "nothing but this decision is stored in the tables"),))


def _part(rules: Mapping[str, object], name: str) -> Mapping[str, object]:
    part = rules.get(name)
    return part if isinstance(part, dict) else {}


def _short(value: float) -> str:
    return f"{value:.3g}"


def _signals(decision: Decision) -> Section:
    lines: list[Line] = []
    for signal in decision.signals:
        if signal.value is None or signal.name in _METRICS:
            continue
        process, thrift = PROCESS_WEIGHTS.get(signal.name), THRIFT_WEIGHTS.get(signal.name)
        part = f"weight {process} in process; " if process else f"weight {thrift} in thrift; " if thrift else ""
        lines.append(Line(signal.name, _number(signal.value), part + DOCS.get(signal.name, "")))
    unknown = [signal.name for signal in decision.signals if signal.value is None and signal.name not in _METRICS]
    if unknown:
        lines.append(Line("not known", ", ".join(unknown)))
    return Section("Signals", tuple(lines))


def _metrics(decision: Decision) -> Section:
    lines = [Line(s.name, _number(s.value), DOCS.get(s.name, "")) for s in decision.signals if s.name in _METRICS]
    return Section("Quality metrics", tuple(lines))


def _held(name: str, value: float | None, minimum: object, doc: str) -> Line:
    if not isinstance(minimum, int | float):
        return Line(name, _number(value), doc)
    ok = None if value is None else value >= minimum
    return Line(name, _number(value), f"at least {_number(minimum)}; {doc}", ok)


def _run(facts: RunFacts) -> Section:
    closed = _CLOSE_WORDS.get(facts.close_reason, "a reason of another version")
    return Section(
        "Run",
        (
            Line("scenario", f"{facts.scenario} ({facts.execution_mode})"),
            Line("closed because", f"{facts.close_reason}: {closed}"),
            Line("completion status", facts.completion_status),
            Line("duration", clock_duration(facts.duration_seconds)),
            Line("events", f"{facts.event_count} in {facts.step_count} steps"),
            Line("tool calls", f"{facts.tool_call_count}, {facts.tool_error_count} with an error"),
        ),
    )


def _privacy(facts: RunFacts) -> Section:
    basis = f", basis: {facts.consent_basis}" if facts.consent_basis else ""
    counts = sorted(json_object(facts.redaction_counts).items())
    lines = [Line("consent", facts.consent_status + basis)]
    lines += [Line(f"replaced {kind}", str(count)) for kind, count in counts]
    if not counts:
        lines.append(Line("replaced", "nothing"))
    lines.append(Line("redaction rules", facts.redaction_rules))
    return Section("Privacy", tuple(lines))


def _examples(decision: Decision, examples: Mapping[str, int]) -> Section:
    lines = [Line("made", str(decision.example_count))]
    lines += [Line(f"stored {type_}", str(count)) for type_, count in sorted(examples.items())]
    return Section("Examples", tuple(lines))


def _number(value: float | None) -> str:
    return "not known" if value is None else f"{value:g}"


def as_json(explanation: Explanation) -> bytes:
    """The explanation as JSON text for `--json`."""
    return msgspec.json.encode(explanation)
